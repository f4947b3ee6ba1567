"""`drop_oldest`: which segments are given up, and what is left in their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from logboom.journal.layout import pack_position, segment_name
from logboom.journal.prune import prune
from logboom.journal.reader import JournalReader
from logboom.spool.directory import Spool
from logboom.testing import SpoolFactory

A = "a" * 16


@pytest.mark.parametrize(
    ("delivered", "reading", "room", "gone"),
    [
        ({}, {}, 1, [1]),
        ({}, {}, 1 << 30, [1, 2, 3]),
        ({}, {A: 2}, 1 << 30, [3]),
        ({A: pack_position(1, 500)}, {}, 1 << 30, [2, 3]),
        ({A: pack_position(1, 500)}, {A: 3}, 1 << 30, []),
    ],
)
def test_neither_what_is_read_nor_the_newest_is_given_up(
    tmp_path: Path, delivered: dict[str, int], reading: dict[str, int], room: int, gone: list[int]
) -> None:
    """Half a segment is in the files already, and the newest has a writer: its lines would go to nowhere."""
    factory = SpoolFactory(tmp_path / ".logboom")
    paths = []
    for number in range(1, 5):
        body = factory.content(factory.header(A, number), [f"{number}-{place}" for place in range(3)])
        paths.append(factory.path / "journal" / segment_name(A, number))
        paths[-1].write_bytes(body.ljust(65536, b"\0"))
    before = [path.read_bytes() for path in paths]
    spool = Spool(factory.path)
    assert prune(spool, delivered, reading, room) == 3 * len(gone)
    assert [number for number, path in enumerate(paths, 1) if path.read_bytes() != before[number - 1]] == gone
    if gone:
        reader = JournalReader(spool, A, pack_position(gone[0], 0))
        (chunk,) = reader.read(1)
        assert [value.dropped for value, _ in chunk.dropped] == [3]
    spool.close()
