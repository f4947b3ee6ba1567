"""The survey of a journal: what waits is what the reader would still return."""

from __future__ import annotations

from pathlib import Path

import pytest

from logboom.journal.layout import Context, Header, encode_line, pack_position
from logboom.journal.reader import JournalReader
from logboom.journal.survey import survey
from logboom.journal.target import Target
from logboom.journal.writer import JournalWriter
from logboom.spool.directory import Spool

CONTEXT = encode_line(Context(1, "message", ("text",)))
LINES = [b'[%d.5,1,20,"root","record %d"]\n' % (1000 + number, number) for number in range(10)]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.create(tmp_path / ".logboom")


def _write(spool: Spool, lines: list[bytes], *, mapped: bool) -> JournalWriter:
    writer = JournalWriter(spool.journal_path, Target(name="app.log"), mapped=mapped, mode=0o600)
    segment = writer.roll(None, {1: CONTEXT}, 100)
    assert segment is not None
    for line in lines:
        segment.write(line)
    return writer


@pytest.mark.parametrize("mapped", [True, False])
def test_what_waits_shrinks_with_each_delivered_record(spool: Spool, mapped: bool) -> None:
    """The number that people watch must come to zero exactly when everything is delivered."""
    writer = _write(spool, LINES, mapped=mapped)
    reader = JournalReader(spool, writer.producer)
    ends = [end for chunk in reader.read(1 << 20) for end in chunk.ends]
    (stream,) = survey(spool, {})
    assert (stream.waiting, stream.oldest, stream.alive) == (sum(map(len, LINES)), 1000.5, True)
    for number, end in enumerate(ends, 1):
        (stream,) = survey(spool, {writer.producer: end})
        assert stream.waiting == sum(map(len, LINES[number:]))
        assert stream.oldest == (1000.5 + number if number < len(LINES) else None)
    writer.close()


def test_segments_that_were_passed_do_not_wait(spool: Spool) -> None:
    """A delivered segment stays for a moment until it is deleted."""
    writer = _write(spool, LINES, mapped=True)
    second = writer.roll(writer.segment, {1: CONTEXT}, 100)
    assert second is not None
    second.write(LINES[0])
    (stream,) = survey(spool, {writer.producer: pack_position(2, 0)})
    assert stream.waiting == len(LINES[0])
    del second  # a mapping keeps the lock as long as somebody refers to it
    writer.close()
    assert not survey(spool, {})[0].alive


def test_a_journal_that_was_set_aside_is_found(spool: Spool) -> None:
    """It has another name for some seconds, and what is in it counts as before."""
    writer = _write(spool, LINES, mapped=True)
    writer.close()
    spool.retire(writer.producer, 1)
    (stream,) = survey(spool, {})
    assert stream.waiting == sum(map(len, LINES)) and not stream.alive


def test_a_newer_format_is_named_and_not_counted(spool: Spool) -> None:
    """Counting what one cannot read would be a guess."""
    path = spool.journal_path / f"{'a' * 16}-00000001.segment"
    header = Header(9, "a" * 16, 1, 7, "host", "program", 1000.0, True, Target(name="app.log"))
    path.write_bytes(encode_line(header) + LINES[0])
    (stream,) = survey(spool, {})
    assert stream.waiting == 0 and "newer" in stream.trouble
