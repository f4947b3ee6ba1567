"""The reader: commit rule, segment changes, death, damage."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from logboom import platform
from logboom.journal.layout import END, REST, Context, Dropped, encode_line, pack_position, segment_name
from logboom.journal.reader import Damage, JournalReader
from logboom.spool.directory import Spool
from logboom.testing import SpoolFactory

PRODUCER = "0123456789abcdef"


@pytest.fixture
def factory(tmp_path: Path) -> SpoolFactory:
    return SpoolFactory(tmp_path)


@pytest.fixture
def spool(factory: SpoolFactory) -> Iterator[Spool]:
    spool = Spool(factory.path)
    yield spool
    spool.close()


def texts(reader: JournalReader, budget: int = 1 << 20, rounds: int = 50) -> list[str]:
    """Everything that a bounded number of reads returns."""
    found: list[str] = []
    for _ in range(rounds):
        for chunk in reader.read(budget):
            assert len(chunk.rows) == len(chunk.ends)
            assert chunk.ends == sorted(set(chunk.ends))
            found += [row[4] for row in chunk.rows]
        if reader.gone:
            break
    return found


def put(factory: SpoolFactory, data: bytes, number: int = 1) -> Path:
    path = factory.path / "journal" / segment_name(PRODUCER, number)
    path.write_bytes(data)
    return path


class Living:
    """Holds a segment's lock, as its writer would."""

    def __init__(self, path: Path) -> None:
        self.fd = platform.open_file(path, os.O_RDWR)
        assert platform.try_lock(self.fd)

    def write(self, data: bytes, offset: int) -> None:
        platform.write_at(self.fd, data, offset)

    def die(self) -> None:
        os.close(self.fd)


def test_what_is_committed_is_read_once_and_in_order(factory: SpoolFactory, spool: Spool) -> None:
    """The plain case: one dead segment, every line once."""
    factory.segment(PRODUCER, [str(i) for i in range(3000)], size=1 << 20)
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader) == [str(i) for i in range(3000)]
    assert reader.gone and reader.exhausted and not reader.take_damaged()
    assert reader.header is not None and reader.header.target.name == "app.log"
    assert reader.last == reader.position


def test_a_line_without_its_last_byte_is_not_there_yet(factory: SpoolFactory, spool: Spool) -> None:
    """A half-copied line of a living writer must wait, whatever part of it is there."""
    content = factory.content(factory.header(PRODUCER), ["first"])
    line = factory.record("second")
    path = put(factory, content.ljust(65536, b"\0"))
    writer = Living(path)
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader, rounds=2) == ["first"]
    for part in (line[:20], line[:-1]):
        writer.write(part, len(content))
        assert texts(reader, rounds=3) == [] and not reader.gone
    writer.write(line[10:], len(content) + 10)
    assert texts(reader, rounds=2) == ["second"]
    assert not reader.take_damaged()
    writer.die()


def test_budget_is_kept_but_one_line_is_read_whole(factory: SpoolFactory, spool: Spool) -> None:
    """Memory is bounded by the budget, and a record larger than it must not block the stream."""
    large = "x" * 300_000
    factory.segment(PRODUCER, ["a", large, "b"], size=1 << 20)
    reader = JournalReader(spool, PRODUCER)
    seen = []
    for _ in range(10):
        rows = [row for chunk in reader.read(100, liveness=False) for row in chunk.rows]
        assert len(rows) <= 30
        seen += [row[4] for row in rows]
    assert seen == ["a", large, "b"]


def test_budget_stops_in_the_middle(factory: SpoolFactory, spool: Spool) -> None:
    """A reader that stopped at its budget says that it is not exhausted, or the merge would overtake it."""
    factory.segment(PRODUCER, ["y" * 100] * 5000, size=1 << 20)
    reader = JournalReader(spool, PRODUCER)
    count = sum(len(chunk.rows) for chunk in reader.read(20_000))
    assert 50 < count < 400 and not reader.exhausted


@pytest.mark.parametrize("end", ["filled", "spaces", "line"])
def test_a_segment_that_ended_is_left(factory: SpoolFactory, spool: Spool, end: str) -> None:
    """The writer lives and has rolled: the stream goes on in the next segment, gaps in numbers are legal."""
    header = factory.header(PRODUCER, mapped=end != "line")
    behind = {"filled": b"", "spaces": b" " * 999 + b"\n", "line": END}[end]
    content = factory.content(header, ["1"]) + behind
    old = Living(put(factory, content))
    new = Living(put(factory, factory.content(factory.header(PRODUCER, 4), ["2"]).ljust(9000, b"\0"), 4))
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader, rounds=3) == ["1", "2"]
    assert reader.segment == 4
    assert reader.passed == {1: pack_position(1, len(factory.content(header, ["1"])))}
    assert not reader.gone and not reader.take_damaged()
    old.die(), new.die()


def test_a_living_segment_is_never_left(factory: SpoolFactory, spool: Spool) -> None:
    """Between the rename of n+1 and the end of n, lines still come into n."""
    content = factory.content(factory.header(PRODUCER), ["1"])
    old = Living(put(factory, content.ljust(9000, b"\0")))
    new = Living(put(factory, factory.content(factory.header(PRODUCER, 2), ["3"]).ljust(9000, b"\0"), 2))
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader, rounds=3) == ["1"]
    old.write(factory.record("2"), len(content))
    assert texts(reader, rounds=3) == ["2"]
    old.die()
    assert texts(reader, rounds=3) == ["3"]
    new.die()
    assert texts(reader) == [] and reader.gone


def test_exhausted_means_that_the_next_segment_was_read_too(factory: SpoolFactory, spool: Spool) -> None:
    """A writer gave a segment up (an error, `close`) and went on: a flush must not end between the two."""
    put(factory, factory.content(factory.header(PRODUCER), ["1"]).ljust(9000, b"\0"))
    new = Living(put(factory, factory.content(factory.header(PRODUCER, 2), ["2"]).ljust(9000, b"\0"), 2))
    reader = JournalReader(spool, PRODUCER)
    found: list[str] = []
    for _ in range(5):
        found += [row[4] for chunk in reader.read(1 << 20) for row in chunk.rows]
        if reader.exhausted:
            break
    assert found == ["1", "2"]
    new.die()


def test_a_line_between_the_last_read_and_the_look_at_the_lock_is_read(
    factory: SpoolFactory, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writer logged and died at that moment: a free lock proves nothing about what was read before."""
    content = factory.content(factory.header(PRODUCER), ["1"])
    old = Living(put(factory, content.ljust(9000, b"\0")))
    put(factory, factory.content(factory.header(PRODUCER, 2), ["3"]).ljust(9000, b"\0"), 2)
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader, rounds=1) == ["1"]
    real, written = spool.owner_gone, []

    def owner_gone(fd: int) -> bool:
        if not written:
            written.append(factory.record("2"))
            old.write(written[0], len(content))
            old.die()
        return real(fd)

    monkeypatch.setattr(spool, "owner_gone", owner_gone)
    assert texts(reader) == ["2", "3"]
    assert reader.gone


def test_a_torn_tail_of_a_dead_writer_is_told_apart(factory: SpoolFactory, spool: Spool) -> None:
    """The line in which a process was killed is no damage, is told once, and nothing hangs on it."""
    content = factory.content(factory.header(PRODUCER), ["1"]) + factory.record("2")[:-9]
    put(factory, content.ljust(65536, b"\0"))
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader) == ["1"] and reader.gone
    texts(reader, rounds=2)
    assert [damage.torn for damage in reader.take_damaged()] == [True]


def test_a_line_finished_after_death_was_seen_is_read(factory: SpoolFactory, spool: Spool) -> None:
    """A late writer (its lock was freed by a stranger) finishes its line: it is read when asked again."""
    content, line = factory.content(factory.header(PRODUCER), ["1"]), factory.record("2")
    path = put(factory, (content + line[:9]).ljust(65536, b"\0"))
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader) == ["1"] and reader.gone
    with open(path, "r+b") as file:
        file.seek(len(content))
        file.write(line)
    assert texts(reader, rounds=1) == ["2"] and not reader.gone


def test_a_closed_writer_that_logs_again_is_followed(factory: SpoolFactory, spool: Spool) -> None:
    """`close` gives the lock back, and an emit after close begins a new segment."""
    factory.segment(PRODUCER, ["1"])
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader) == ["1"] and reader.gone
    factory.segment(PRODUCER, ["2"], 2)
    assert texts(reader) == ["2"]


@pytest.mark.parametrize("mapped", [True, False])
def test_resuming_anywhere_returns_the_rest(factory: SpoolFactory, spool: Spool, mapped: bool) -> None:
    """A new collector knows the position alone: contexts before it are read again, records are not."""
    lines = [str(i) for i in range(40)]
    content = factory.content(factory.header(PRODUCER, mapped=mapped), lines, ended=not mapped)
    put(factory, content.ljust(65536, b"\0") if mapped else content)
    first = JournalReader(spool, PRODUCER)
    ends = [end for chunk in first.read(1 << 20) for end in chunk.ends]
    for index, end in enumerate(ends):
        reader = JournalReader(spool, PRODUCER, end)
        assert texts(reader) == lines[index + 1 :]
        assert reader.header is not None and 1 in reader.contexts


def test_contexts_and_drops_in_mid_stream(factory: SpoolFactory, spool: Spool) -> None:
    """Control lines between records take effect where they stand, and rows of two contexts stay in order."""
    second = encode_line(Context(context=2, renderer="message", columns=("text",)))
    record = msgspec.json.encode([1.0, 2, 20, "x", "b"]) + b"\n"
    dropped = encode_line(Dropped(dropped=7, since=1.0, until=2.0, reason="quota"))
    content = factory.content(factory.header(PRODUCER), ["a"])
    data = content + second + record + dropped + factory.record("c") + b"\n" + b'{"from":"the future"}\n'
    put(factory, data.ljust(65536, b"\0"))
    reader = JournalReader(spool, PRODUCER)
    (chunk,) = reader.read(1 << 20)
    assert [row[4] for row in chunk.rows] == ["a", "b", "c"] and set(reader.contexts) == {1, 2}
    place = len(content + second + record + dropped)
    assert [(value.dropped, end) for value, end in chunk.dropped] == [(7, pack_position(1, place))]
    assert chunk.ends[1] == pack_position(1, place - len(dropped)) and not reader.take_damaged()


def test_a_newer_format_stays_untouched(factory: SpoolFactory, spool: Spool) -> None:
    """What a newer release wrote is for a newer collector: not read, not damage."""
    factory.segment(PRODUCER, ["1"])
    header = msgspec.structs.replace(factory.header(PRODUCER, 2), logboom=99)
    put(factory, (encode_line(header) + b"???\n").ljust(9000, b"\0"), 2)
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader, rounds=4) == ["1"]
    assert reader.newer and not reader.gone and not reader.damaged
    assert reader.position == pack_position(2, 0)


def test_damage_costs_the_lines_that_were_hit(factory: SpoolFactory, spool: Spool) -> None:
    """Flipped, zeroed and replaced bytes at hundreds of places: every other line is read, nothing hangs."""
    lines = [f"{i:03}-{'z' * (i % 90)}" for i in range(200)]
    content = factory.content(factory.header(PRODUCER), lines)
    start = len(factory.content(factory.header(PRODUCER), []))
    randomly = random.Random(7)
    for attempt in range(300):
        data = bytearray(content.ljust(len(content) + 5000, b"\0"))
        length = randomly.choice([1, 1, 2, 7, 300])
        place = randomly.randrange(start, len(content) - length)
        new = bytes(randomly.randrange(256) for _ in range(length)) if attempt % 2 else bytes(length)
        data[place : place + length] = new
        put(factory, bytes(data))
        reader = JournalReader(spool, PRODUCER)
        found = texts(reader)
        first, last = content.count(b"\n", 0, place) - 2, content.count(b"\n", 0, place + length - 1) - 2
        spared = lines[:first] + lines[last + 1 :]
        assert reader.gone
        assert [line for line in found if line in spared] == spared, (attempt, place, length)
        assert len(found) >= len(lines) or reader.damaged, (attempt, place, length)


def test_a_hole_in_a_living_segment_waits(factory: SpoolFactory, spool: Spool) -> None:
    """Zero means "not yet" while a writer lives; when it dies, what stands behind the hole is read."""
    content = factory.content(factory.header(PRODUCER), ["1"])
    data = content + bytes(len(factory.record("2"))) + factory.record("3")
    writer = Living(put(factory, data.ljust(9000, b"\0")))
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader, rounds=5) == ["1"] and not reader.damaged
    writer.die()
    assert texts(reader) == ["3"]
    (damage,) = reader.take_damaged()
    assert (damage.offset, damage.length, damage.torn) == (len(content), len(factory.record("2")), False)


def test_a_cut_segment_ends_where_it_was_cut(factory: SpoolFactory, spool: Spool) -> None:
    """Somebody truncated the file: the whole lines before are read, the rest is told."""
    content = factory.content(factory.header(PRODUCER), ["1", "2"])
    put(factory, content[:-3])
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader) == ["1"] and reader.gone
    assert len(reader.take_damaged()) == 1


def test_a_damaged_header_loses_no_record(factory: SpoolFactory, spool: Spool) -> None:
    """Only the header was hit: its target is saved from its own bytes, or from the next segment."""
    content = factory.content(factory.header(PRODUCER), ["1"])
    put(factory, content.replace(b'"producer"', b'"prod!!er\\').ljust(9000, b"\0"))
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader) == ["1"] and len(reader.take_damaged()) == 1
    assert reader.header is not None and reader.header.target.name == "app.log"
    put(factory, content.replace(b'"target"', b'"t?rget\\').ljust(9000, b"\0"))
    factory.segment(PRODUCER, ["2"], 2)
    reader = JournalReader(spool, PRODUCER)
    assert reader.peek() and reader.header is not None and reader.header.target.name == "app.log"
    assert texts(reader) == ["1", "2"]


def test_rows_of_another_shape_are_damage(factory: SpoolFactory, spool: Spool) -> None:
    """JSON that is no record must not reach the merge or a renderer."""
    odd = [
        b"[]",
        b'["x",1,20,"n"]',
        b'[1.0,9,20,"n"]',
        b"[1.0,1,20,7]",
        b'[1.0,1,"20","n"]',
        b'[1.0,[],1,"n"]',
    ]
    content = factory.content(factory.header(PRODUCER), ["1"])
    put(factory, content + b"\n".join(odd) + b"\n" + factory.record("2"))
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader) == ["1", "2"]
    (damage,) = reader.take_damaged()
    assert damage.data.splitlines() == odd, "lines that follow each other are one damage"


def test_a_lost_newline_costs_no_line(factory: SpoolFactory, spool: Spool) -> None:
    """The byte between two lines was hit: both lines are whole, and both are read."""
    content = factory.content(factory.header(PRODUCER), ["1", "2", "3"])
    place = content.index(factory.record("2")) - 1
    put(factory, content[:place] + b"#" + content[place + 1 :])
    assert texts(JournalReader(spool, PRODUCER)) == ["1", "2", "3"]


def test_an_end_behind_a_torn_line_counts(factory: SpoolFactory, spool: Spool) -> None:
    """A short write on a full disk leaves half a line; the writer's `end` may stand right behind it."""
    data = factory.content(factory.header(PRODUCER, mapped=False), ["1"]) + factory.record("2")[:9] + END
    old = Living(put(factory, data))
    factory.segment(PRODUCER, ["2"], 2)
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader, rounds=3) == ["1", "2"]
    old.die()


def test_a_failed_read_loses_nothing(
    factory: SpoolFactory, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO in the middle of a read: what was decoded is returned, the rest comes when the disk is well."""
    lines = ["x" * 200 + str(i) for i in range(400)]
    factory.segment(PRODUCER, lines, size=1 << 20)
    reader = JournalReader(spool, PRODUCER)
    whole, calls = os.pread, iter(range(1000))

    def sick(fd: int, size: int, offset: int) -> bytes:
        if next(calls) % 2:
            raise OSError(5, "Input/output error")
        return whole(fd, size, offset)

    monkeypatch.setattr(os, "pread", sick)
    found: list[str] = []
    for _ in range(200):
        try:
            found += [row[4] for chunk in reader.read(1 << 20) for row in chunk.rows]
        except OSError:
            continue
    assert found == lines


def test_a_vanished_segment_is_passed(factory: SpoolFactory, spool: Spool) -> None:
    """Somebody unlinked a segment: the stream goes on, and ends when there is no other."""
    factory.segment(PRODUCER, ["1"], 1).unlink()
    factory.segment(PRODUCER, ["3"], 3)
    reader = JournalReader(spool, PRODUCER, pack_position(1, 500))
    assert texts(reader) == ["3"] and reader.gone
    assert JournalReader(spool, "f" * 16).read(100) == []


def test_damage_keeps_a_bounded_copy(factory: SpoolFactory, spool: Spool) -> None:
    """A megabyte of rubbish is counted in full and kept in part."""
    content = factory.content(factory.header(PRODUCER), ["1"])
    put(factory, content + b"[" + b"?" * 1_000_000 + b"\n" + factory.record("2"))
    reader = JournalReader(spool, PRODUCER)
    assert texts(reader) == ["1", "2"]
    (damage,) = reader.take_damaged()
    assert damage == Damage(1, len(content), 1_000_002, b"[" + b"?" * 65535)


def test_rest_lasts_until_anything_is_said(factory: SpoolFactory, spool: Spool) -> None:
    """Who waits for delivery has nothing on its way; who goes on may have, also in its next segment."""
    head = factory.content(factory.header(PRODUCER), ["one"])
    path = put(factory, (head + REST).ljust(65536, b"\0"))
    living = Living(path)
    reader = JournalReader(spool, PRODUCER)
    assert not reader.resting
    reader.read(1 << 20)
    assert reader.resting
    reader.read(1 << 20)
    assert reader.resting, "nothing new was there"
    living.write(factory.record("two"), len(head) + len(REST))
    reader.read(1 << 20)
    assert not reader.resting
    at = len(head) + len(REST) + len(factory.record("two"))
    living.write((REST + b" " * 65536)[: 65536 - at - 1] + b"\n", at)
    put(factory, encode_line(factory.header(PRODUCER, 2)).ljust(65536, b"\0"), number=2)
    reader.read(1 << 20)
    assert reader.segment == 2 and not reader.resting
    living.die()
