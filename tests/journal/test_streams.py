"""Streams of one process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from logboom.journal import streams
from logboom.journal.layout import REST, WAKE
from logboom.journal.target import Target
from logboom.journal.writer import JournalWriter
from logboom.spool.directory import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.create(tmp_path / ".logboom")


@pytest.fixture
def pair(spool: Spool) -> Iterator[list[JournalWriter]]:
    """Two outputs of this process, with a segment each."""
    made = []
    for name in ("app.log", "access.log"):
        target = Target(name=name)
        writer = JournalWriter(spool.journal_path, target, mapped=sys.platform != "win32", mode=0o640)
        writer.roll(None, {}, 0)
        made.append(streams.join(name, 1, lambda writer=writer: writer))  # type: ignore[misc]
    yield made
    for name in ("app.log", "access.log"):
        streams.leave(name, 1)


def tails(writers: list[JournalWriter]) -> list[bytes]:
    found = []
    for writer in writers:
        assert writer.segment is not None
        found.append(writer.segment.path.read_bytes().rstrip(b"\0").splitlines(keepends=True)[-1])
    return found


def test_all_outputs_of_a_process_rest_and_wake_together(spool: Spool, pair: list[JournalWriter]) -> None:
    """Whoever waits for one output has nothing on its way to the other."""
    streams.rest(spool.journal_path)
    assert tails(pair) == [REST, REST]
    streams.wake(spool.journal_path)
    assert tails(pair) == [WAKE, WAKE]


def test_outputs_elsewhere_say_nothing(spool: Spool, pair: list[JournalWriter]) -> None:
    before = tails(pair)
    streams.rest(spool.journal_path / "elsewhere")
    assert tails(pair) == before
