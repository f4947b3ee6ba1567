"""The demonstration's count: it must see each kind of fault, or its verdict means nothing."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest

from logboom.demo.oracle import Score, Writer, count, read_notes
from logboom.logset.names import log_files

FORMAT = logging.Formatter("%(asctime)s %(levelname)s %(process)d %(message)s")


@pytest.fixture
def live(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "app.log"


def _write(live: Path, names: tuple[str, ...] = ("one", "two"), records: int = 10) -> list[str]:
    """What two writers log through a plain file: the lines of an exact set."""
    handler = logging.FileHandler(live, encoding="utf-8")
    handler.setFormatter(FORMAT)
    logger = logging.Logger("shop")
    logger.addHandler(handler)
    writers = [Writer(logger, live.parent / "notes", name) for name in names]
    for _ in range(records):
        for writer in writers:
            writer.log("an order is paid")
    handler.close()
    return live.read_text("utf-8").splitlines()


def _count(live: Path, lines: list[str]) -> Score:
    live.write_text("".join(line + "\n" for line in lines), "utf-8")
    return count(live, read_notes(live.parent / "notes"))


def test_a_whole_log_is_exact(live: Path) -> None:
    """A count that finds faults in a plain file would blame logboom for nothing."""
    score = _count(live, _write(live))
    assert score == Score(20, 20, 0, 0, 0, 0, 0, 0)
    assert score.exact


def test_nothing_logged_is_not_exact(live: Path) -> None:
    """A demonstration whose processes all failed to start must not look like a success."""
    assert not count(live, set()).exact


def test_a_lost_line_is_missing(live: Path) -> None:
    """The count exists to see losses."""
    lines = _write(live)
    score = _count(live, lines[:7] + lines[8:])
    assert (score.found, score.missing, score.exact) == (19, 1, False)


def test_a_line_twice_is_duplicated_and_nothing_else(live: Path) -> None:
    """A duplicate is not disorder: each fault has its own row."""
    lines = _write(live)
    score = _count(live, [*lines, lines[3]])
    assert (score.duplicated, score.disordered, score.exact) == (1, 0, False)


@pytest.mark.parametrize(
    "first", ["{0:.40}{1}\n{1}", "{0:.60}\n{1}", "{0}{1}"], ids=["mixed", "cut", "joined"]
)
def test_broken_lines_are_torn(live: Path, first: str) -> None:
    """Lines that were mixed or cut must not pass because a whole record's text stands at their end."""
    lines = _write(live)
    score = _count(live, [*first.format(*lines).split("\n"), *lines[2:]])
    assert score.torn == 1
    assert score.missing >= 1


def test_a_wrong_check_is_torn(live: Path) -> None:
    """A changed digit keeps the shape of a line and is still damage."""
    lines = _write(live)
    score = _count(live, [lines[0].replace("n=1 ", "n=3 "), *lines[1:]])
    assert (score.torn, score.missing) == (1, 1)


def test_a_writer_out_of_its_own_order(live: Path) -> None:
    """Two lines of one process that changed places are disorder, those of two processes are not."""
    lines = _write(live)
    assert _count(live, [lines[2], lines[1], lines[0], *lines[3:]]).disordered == 1
    assert _count(live, [lines[1], lines[0], *lines[2:]]).disordered == 0


def test_a_set_out_of_time_order(live: Path) -> None:
    """The shared standard handler interleaves whole files: that is what this row shows."""
    lines = _write(live)
    late = [line.replace(line[:19], "2001-01-01 00:00:00", 1) for line in lines[10:12]]
    assert _count(live, [*lines[:10], *late, *lines[12:]]).behind == 2


def test_the_set_is_read_oldest_first_with_compressed_backups(live: Path) -> None:
    """`.10` is older than `.9`, and a compressed backup counts like a plain one."""
    lines = _write(live)
    parts = {".10.gz": lines[:5], ".9": lines[5:12], "": lines[12:]}
    for suffix, part in parts.items():
        data = "".join(line + "\n" for line in part).encode()
        data = gzip.compress(data) if suffix.endswith(".gz") else data
        live.with_name(live.name + suffix).write_bytes(data)
    live.with_name("app.log.lock").touch()
    assert [path.name for path in log_files(live)] == ["app.log.10.gz", "app.log.9", "app.log"]
    score = count(live, read_notes(live.parent / "notes"))
    assert score.exact and score.rotations == 2


def test_half_a_note_blames_nobody(live: Path) -> None:
    """A writer killed inside its note may have written a part of the number."""
    lines = _write(live, ("one",), 12)
    notes = live.parent / "notes" / "one"
    for cut in (1, 2, 3):
        notes.write_bytes(notes.read_bytes()[:-cut])
        assert _count(live, lines).missing == 0
