"""Segments that a stranger planted, or a dying disk left: whatever they hold takes little time and memory."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from logboom.collector.assembly import drain
from logboom.journal.inspection import SegmentFile
from logboom.journal.recovery import MOST_GAPS
from logboom.testing import SpoolFactory

pytestmark = pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="holes cannot be skipped here")

A, B = "a" * 16, "b" * 16
GIGABYTE = 1 << 30


def sparse(path: Path, size: int, pieces: dict[int, bytes]) -> None:
    with open(path, "r+b") as file:
        head = len(file.read().rstrip(b"\0"))
        file.truncate(head)
        file.truncate(size)
        for place, data in pieces.items():
            file.seek(place)
            file.write(data)


def nothing_else(factory: SpoolFactory) -> dict[int, bytes]:
    return {}


def one_byte_at_the_end(factory: SpoolFactory) -> dict[int, bytes]:
    return {2 * GIGABYTE - 1: b"x"}


def bytes_here_and_there(factory: SpoolFactory) -> dict[int, bytes]:
    return {number * 100 * 4096 * 50: b"x" for number in range(1, 100)}


def a_line_without_an_end(factory: SpoolFactory) -> dict[int, bytes]:
    return {GIGABYTE: b"[" * 100, 2 * GIGABYTE - 50: b"x" * 50}


def a_record_at_the_end(factory: SpoolFactory) -> dict[int, bytes]:
    line = factory.record("behind the hole")
    return {2 * GIGABYTE - len(line): line}


KINDS = [nothing_else, one_byte_at_the_end, bytes_here_and_there, a_line_without_an_end, a_record_at_the_end]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("header", [True, False], ids=["header", "headless"])
def test_sparse_segment_of_gigabytes(
    kind: Callable[[SpoolFactory], dict[int, bytes]], header: bool, tmp_path: Path
) -> None:
    """4 KB on the disk kept collector and `inspect` busy for ever."""
    factory = SpoolFactory(tmp_path / ".logboom")
    path = factory.segment(A, ["before the hole"] if header else [])
    if not header:
        path.write_bytes(b"")
    sparse(path, 2 * GIGABYTE, kind(factory))
    factory.segment(B, ["of another program"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    rows = sum(len(rows) for rows in SegmentFile(path).rows())
    assert rows == header * (1 + (kind is a_record_at_the_end))
    deliver(factory)
    assert time.monotonic() - begun < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    lines = set((tmp_path / "app.log").read_text().splitlines())
    assert "of another program" in lines
    assert ("behind the hole" in lines) == (header and kind is a_record_at_the_end)


def deliver(factory: SpoolFactory) -> None:
    """What is behind a hole is looked for once the segment is not written to any more."""
    for _ in range(4):
        assert drain(factory.path, time.monotonic() + 60)


@pytest.mark.parametrize(
    "garbage", [b"x\0" * 100_000, b"x\n" * 100_000, b"\r\n{}\n" * 40_000, b"x\0y\n" * 50_000]
)
def test_dense_garbage(garbage: bytes, tmp_path: Path) -> None:
    """A gap for every other byte: each cost a look at everything behind it, and a file in `damaged/`."""
    factory = SpoolFactory(tmp_path / ".logboom")
    path = factory.segment(A, ["before"])
    path.write_bytes(path.read_bytes().rstrip(b"\0") + garbage)
    begun = time.monotonic()
    segment = SegmentFile(path)
    assert sum(map(len, segment.rows())) == 1
    assert len(segment.gaps) <= MOST_GAPS + 1
    deliver(factory)
    assert time.monotonic() - begun < 20
    assert (tmp_path / "app.log").read_text() == "before\n"
    assert len(list((factory.path / "damaged").glob("*"))) <= MOST_GAPS + 1


def test_records_between_many_holes_are_saved(tmp_path: Path) -> None:
    """A dying disk: what can be read comes out, up to a number of holes that no program made."""
    factory = SpoolFactory(tmp_path / ".logboom")
    texts = [f"record {number}" for number in range(MOST_GAPS + 100)]
    path = factory.segment(A, [])
    data = path.read_bytes().rstrip(b"\0") + b"".join(factory.record(text) + b"\0" * 100 for text in texts)
    path.write_bytes(data)
    deliver(factory)
    lines = (tmp_path / "app.log").read_text().splitlines()
    assert lines == texts[: len(lines)] and len(lines) >= MOST_GAPS


@pytest.mark.parametrize("size", [0, 65536, GIGABYTE])
def test_empty_segments_go(size: int, tmp_path: Path) -> None:
    """A power loss leaves zeros, or nothing: such a segment kept its collector alive, and stayed for ever."""
    factory = SpoolFactory(tmp_path / ".logboom")
    path = factory.path / "journal" / f"{A}-00000001.segment"
    with open(path, "wb") as file:
        file.truncate(size)
    for _ in range(2):
        assert drain(factory.path, time.monotonic() + 10)
        for dead in (factory.path / "journal").glob("*.dead"):
            assert dead.name.startswith(A)
    assert not path.exists()
