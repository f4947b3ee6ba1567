"""Delivered records go from a living segment, and nothing else does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logboom.journal.layout import REST, WAKE
from logboom.journal.reader import JournalReader
from logboom.journal.survey import undelivered_bytes
from logboom.spool import erasing
from logboom.spool.directory import Spool
from logboom.spool.erasing import erase
from logboom.testing import SpoolFactory

A, B = "a" * 16, "b" * 16


@pytest.fixture
def factory(tmp_path: Path) -> SpoolFactory:
    return SpoolFactory(tmp_path)


def put(factory: SpoolFactory, texts: list[str], *tail: bytes) -> tuple[Path, list[int]]:
    """A segment with a context in its middle, and the places behind its records."""
    path = factory.segment(A, [], size=1)
    data, ends = path.read_bytes(), []
    context = data.splitlines(keepends=True)[1]
    for number, text in enumerate(texts):
        data += factory.record(text)
        ends.append(len(data))
        if number % 3 == 1:
            data += context + REST + WAKE
    path.write_bytes((data + b"".join(tail)).ljust(1 << 20, b"\0"))
    return path, ends


def erase_to(path: Path, end: int) -> None:
    fd = os.open(path, os.O_RDWR)
    try:
        erase(fd, end)
    finally:
        os.close(fd)


@pytest.mark.parametrize("block", [100, 1000, 64 * 1024])
def test_records_before_the_end_are_gone_and_the_others_are_read(
    block: int, factory: SpoolFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A little at a time, in blocks that cut lines, with a line that is longer than a block."""
    monkeypatch.setattr(erasing, "_BLOCK", block)
    texts = [f"secret {number} {'x' * (number * 17 % 300)}" for number in range(60)]
    path, ends = put(factory, texts)
    before = path.read_bytes()
    for number in (0, 0, 7, 8, 30, 59):
        erase_to(path, ends[number])
        data = path.read_bytes()
        assert len(data) == len(before) and data[ends[number] :] == before[ends[number] :]
        assert [text for text in texts if text.encode() in data] == texts[number + 1 :]
        kept = [line for line in data.splitlines() if line.startswith(b"{")]
        assert kept == [line for line in before.splitlines() if line.startswith(b"{")]
        rows = [row[4] for chunk in JournalReader(Spool(factory.path), A).read(1 << 20) for row in chunk.rows]
        assert rows == texts[number + 1 :], "also by a collector that knows no position"


def test_a_kill_in_the_middle_hides_nothing(factory: SpoolFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed collector left is found by the next one."""
    monkeypatch.setattr(erasing, "_BLOCK", 200)
    path, ends = put(factory, ["secret"] * 60)
    write, calls = erasing.platform.write_at, []

    def killed(fd: int, data: bytes, offset: int) -> int:
        calls.append(offset)
        if len(calls) == 3:
            raise InterruptedError
        return int(write(fd, data, offset))

    with monkeypatch.context() as kill:
        kill.setattr(erasing.platform, "write_at", killed)
        with pytest.raises(InterruptedError):
            erase_to(path, ends[-1])
    assert b"secret" in path.read_bytes()
    erase_to(path, ends[-1])
    assert b"secret" not in path.read_bytes()


def test_what_was_erased_is_not_read_again(factory: SpoolFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `collector="off"` it is asked for with each record."""
    path, ends = put(factory, ["x" * 500] * 1500)
    erase_to(path, ends[-2])
    read, sizes = erasing.platform.read_at, []
    monkeypatch.setattr(
        erasing.platform, "read_at", lambda fd, size, offset: (sizes.append(size), read(fd, size, offset))[1]
    )
    erase_to(path, ends[-1])
    assert sum(sizes) <= 2 * erasing._BLOCK


def test_only_undelivered_records_count(factory: SpoolFactory) -> None:
    """A segment without a pending record takes no room, however large it is."""
    spool = Spool(factory.path)
    path, ends = put(factory, ["one", "two"])
    used = spool.used_bytes()
    assert undelivered_bytes(spool, {}) == used
    assert undelivered_bytes(spool, {A: (1 << 40) + ends[0]}) == used - ends[0]
    assert undelivered_bytes(spool, {A: (1 << 40) + ends[1]}) == 0
    path.rename(path.with_name(path.name + ".dead"))
    assert undelivered_bytes(spool, {A: (1 << 40) + ends[1]}) == 0
    assert undelivered_bytes(spool, {A: 2 << 40}) == 0
    other = factory.segment(B, ["three"])
    assert undelivered_bytes(spool, {A: 2 << 40}) == other.stat().st_blocks * 512
