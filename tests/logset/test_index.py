"""The index of a backup: it skips what cannot hold a hit, and never what can."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.logs import Made, write

from logboom.query.asking import ask

NOW = 1_795_341_600.0


def _backup(directory: Path, seal: bool, count: int = 6_000) -> Path:
    made = [Made(NOW + n / 100, message=f"request req{n:06d}x done é{n}" + " pad" * 90) for n in range(count)]
    made[17].message += " needle"
    write(directory / "app.log.1", made, batch=100, seal=seal)
    write(directory / "app.log", [Made(NOW + 1000, message="live")])
    return directory / "app.log"


@pytest.mark.parametrize(
    "query", ["q000017", "17x", "needl", "eedle", "é17", '"x done é17"', "re:/req000017/"]
)
def test_a_part_of_an_id_is_found(tmp_path: Path, query: str) -> None:
    """The filter holds whole words: only what is bounded on both sides may skip a block."""
    asked = ask(query, [_backup(tmp_path, seal=True)], now=NOW)
    assert any("req000017x" in hit.text.decode() for hit in asked.search.hits())


def test_a_whole_word_reads_the_blocks_that_have_it(tmp_path: Path) -> None:
    """Everything else is skipped unread; without an index it is read."""
    read = []
    for seal in (True, False):
        asked = ask(r"re:/\breq000017x\b/", [_backup(tmp_path, seal=seal)], now=NOW)
        assert asked.search.count() == 1
        read.append(asked.search.bytes_read)
    assert read[0] < read[1] / 2


def test_counts_of_classes_load_no_facts(tmp_path: Path) -> None:
    """The index has them."""
    asked = ask("level:info", [_backup(tmp_path, seal=True)], now=NOW)
    assert asked.search.count() == 6_001
    assert asked.search.bytes_read == 0
