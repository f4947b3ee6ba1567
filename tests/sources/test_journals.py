"""The journals of a spool, as a source."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logboom import platform
from logboom.collector.journals import JournalsSource
from logboom.journal.layout import END, pack_position, segment_name
from logboom.journal.reader import JournalReader
from logboom.spool.directory import Spool
from logboom.testing import FakeClock, SpoolFactory

A, B = "a" * 16, "b" * 16
MUCH = 1 << 20


@pytest.fixture
def factory(tmp_path: Path) -> SpoolFactory:
    return SpoolFactory(tmp_path)


@pytest.fixture
def spool(factory: SpoolFactory) -> Iterator[Spool]:
    spool = Spool(factory.path)
    yield spool
    spool.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(wall=time.time())  # it is compared with the times of files


@pytest.fixture
def source(spool: Spool, clock: FakeClock) -> JournalsSource:
    return JournalsSource(spool, {}, clock)


@pytest.fixture
def hold() -> Iterator[list[int]]:
    """Descriptors whose locks make segments alive; closed at the end."""
    descriptors: list[int] = []
    yield descriptors
    for fd in descriptors:
        os.close(fd)


def alive(path: Path, hold: list[int]) -> Path:
    hold.append(platform.open_file(path, os.O_RDWR))
    assert platform.try_lock(hold[-1])
    return path


def append(path: Path, data: bytes) -> None:
    place = path.read_bytes().rstrip(b"\0")
    with open(path, "r+b") as file:
        file.seek(len(place))
        file.write(data)


def texts(source: JournalsSource, budget: int = MUCH, *, thorough: bool = False) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for _ in range(2):  # the second one reads what was met by the first
        for reader, chunk in source.poll(budget, thorough=thorough):
            found.setdefault(reader.producer, []).extend(row[4] for row in chunk.rows)
        if not source.met:
            break
        for reader in source.met:
            source.admit(reader.producer)
    return found


def everything(source: JournalsSource) -> dict[str, int]:
    """All is delivered."""
    return {name: reader.last for name, reader in source.readers.items()}


def files(spool: Spool) -> list[str]:
    return sorted(path.name for path in spool.journal_path.iterdir())


def test_reading_changes_nothing(factory: SpoolFactory, spool: Spool, source: JournalsSource) -> None:
    """A read that configured a log, or emptied its file, would be a surprise to everybody who only looks."""
    factory.segment(A, ["1", "2"])
    before = {path: path.stat().st_mtime_ns for path in factory.path.rglob("*")}
    assert source.poll(MUCH) == [] and [reader.producer for reader in source.met] == [A]
    assert source.poll(MUCH, thorough=True) == [] and [reader.producer for reader in source.met] == [A]
    assert {path: path.stat().st_mtime_ns for path in factory.path.rglob("*")} == before
    source.admit(A)
    assert [row[4] for _, chunk in source.poll(MUCH) for row in chunk.rows] == ["1", "2"]
    assert source.met == []
    assert {path: path.stat().st_mtime_ns for path in factory.path.rglob("*")} == before


def test_every_producer_is_found_and_read_once(
    factory: SpoolFactory, source: JournalsSource, clock: FakeClock
) -> None:
    """Discovery within 5 ms, a quarter of the shortest hold-back, and no record twice over many polls."""
    factory.segment(A, ["1", "2"])
    assert texts(source) == {A: ["1", "2"]}
    factory.segment(B, ["3"])
    clock.advance(0.0051)
    assert texts(source) == {B: ["3"]}
    assert texts(source, thorough=True) == {}
    assert set(source.readers) == {A, B} and source.unfinished() == []


def test_it_goes_on_from_the_positions(factory: SpoolFactory, spool: Spool, clock: FakeClock) -> None:
    """A new collector must not deliver again what its predecessor has delivered."""
    factory.segment(A, ["1", "2", "3"])
    place = len(factory.content(factory.header(A), ["1", "2"]))
    assert texts(JournalsSource(spool, {A: pack_position(1, place)}, clock)) == {A: ["3"]}


def test_idle_journals_are_looked_at_less_often(
    factory: SpoolFactory, source: JournalsSource, clock: FakeClock, hold: list[int]
) -> None:
    """600 idle producers must not cost what 600 busy ones do; `thorough` looks everywhere at once."""
    path = alive(factory.segment(A, ["1"]), hold)
    texts(source)
    for _ in range(30):
        clock.advance(0.3)
        texts(source)
    append(path, factory.record("2"))
    clock.advance(0.1)
    assert texts(source) == {}
    assert texts(source, thorough=True) == {A: ["2"]}
    for _ in range(30):
        clock.advance(0.3)
        texts(source)
    append(path, factory.record("3"))
    clock.advance(0.25)
    assert texts(source) == {A: ["3"]}


def test_busy_producers_wake_the_idle_ones(
    factory: SpoolFactory, source: JournalsSource, clock: FakeClock, hold: list[int]
) -> None:
    """While others log, an idle producer's first record must not be a quarter of a second late."""
    idle, busy = alive(factory.segment(A, ["1"]), hold), alive(factory.segment(B, ["1"]), hold)
    for _ in range(30):
        clock.advance(0.3)
        texts(source)
    append(idle, factory.record("2"))
    append(busy, factory.record("2"))
    clock.advance(0.25)
    source._journals[A].looked = clock.monotonic() - 0.01
    assert texts(source) == {A: ["2"], B: ["2"]}


def test_budget_is_shared(factory: SpoolFactory, source: JournalsSource) -> None:
    """One flood must not starve the others, nor fill the memory."""
    factory.segment(A, ["x" * 100] * 8000, size=2 << 20)
    factory.segment(B, ["y" * 100] * 8000, size=2 << 20)
    texts(source, 100_000)
    found = texts(source, 100_000)
    assert set(found) == {A, B} == set(source.unfinished())
    assert all(50 < len(lines) < 600 for lines in found.values())


def test_passed_segments_are_freed_when_delivered(
    factory: SpoolFactory, spool: Spool, source: JournalsSource, hold: list[int]
) -> None:
    """A segment goes when everything in it is durable in every sink, not when it was read."""
    first = factory.segment(A, ["1", "2"], ended=True)
    alive(factory.segment(A, ["3"], 2), hold)
    assert texts(source) == {A: ["1", "2", "3"]}
    one = pack_position(1, len(factory.content(factory.header(A), ["1"])))
    assert source.reclaim({A: one}, 0.0) == [] and first.exists() and not source.reclaimable({A: one})
    two = source.readers[A].passed[1]
    assert source.reclaimable({A: two})
    assert source.reclaim({A: two}, 0.0) == [] and files(spool) == [segment_name(A, 2)]
    assert not source.reclaimable({A: two})


def test_a_dead_producer_is_set_aside_read_again_and_removed(
    factory: SpoolFactory, spool: Spool, source: JournalsSource, clock: FakeClock
) -> None:
    """The whole way of a dead stream, with a late writer that appends while it rests."""
    path = factory.segment(A, ["1"])
    for _ in range(3):
        texts(source, thorough=True)
    reader = source.readers[A]
    assert reader.gone
    assert source.reclaim({}, clock.monotonic()) == [] and path.exists(), "not delivered yet"
    assert source.reclaim(everything(source), clock.monotonic()) == []
    dead = path.with_name(path.name + ".dead")
    assert dead.exists() and not path.exists()
    append(dead, factory.record("late"))
    clock.advance(4.9)
    assert texts(source, thorough=True) == {}
    assert source.reclaim(everything(source), clock.monotonic()) == [] and dead.exists()
    clock.advance(0.2)
    assert texts(source) == {A: ["late"]}
    for _ in range(3):
        texts(source, thorough=True)
    assert source.reclaim(everything(source), clock.monotonic()) == []
    clock.advance(5.1)
    assert texts(source) == {} and source.reclaimable(everything(source))
    assert source.reclaim(everything(source), clock.monotonic()) == [A]
    assert files(spool) == [] and source.readers == {} and len(spool.descriptors) == 0


def test_a_dead_stream_that_cannot_be_read_again_is_kept(
    factory: SpoolFactory, source: JournalsSource, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look has to succeed before anything is unlinked: a late line may stand there."""
    path = factory.segment(A, ["1"])
    for _ in range(3):
        texts(source, thorough=True)
    source.reclaim(everything(source), clock.monotonic())
    dead = path.with_name(path.name + ".dead")
    append(dead, factory.record("late"))

    def sick(self: JournalReader, budget: int, **how: Any) -> object:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr(JournalReader, "read", sick)
        clock.advance(6)
        assert texts(source) == {} and set(source.errors) == {A}
        assert source.reclaim(everything(source), clock.monotonic()) == [] and dead.exists()
    assert texts(source) == {A: ["late"]}


def test_what_is_about_to_be_removed_is_known(
    factory: SpoolFactory, spool: Spool, source: JournalsSource, clock: FakeClock
) -> None:
    """A collector that leaves a moment too early leaves the segments of all who logged."""
    factory.segment(A, ["1"])
    for _ in range(3):
        texts(source, thorough=True)
    assert not source.burying()
    source.reclaim(everything(source), clock.monotonic())
    assert source.burying()
    clock.advance(5.1)
    texts(source)
    source.reclaim(everything(source), clock.monotonic())
    assert files(spool) == [] and not source.burying()


def test_a_resting_stream_survives_its_collector(
    factory: SpoolFactory, spool: Spool, clock: FakeClock
) -> None:
    """Killed between setting aside and removing: the next collector reads the rest, from the position on."""
    factory.segment(A, ["1", "2"])
    spool.retire(A, 1)
    place = pack_position(1, len(factory.content(factory.header(A), ["1"])))
    source = JournalsSource(spool, {A: place}, clock)
    assert texts(source) == {A: ["2"]}
    for _ in range(3):
        texts(source, thorough=True)
    source.reclaim(everything(source), clock.monotonic())
    clock.advance(6)
    texts(source)
    assert source.reclaim(everything(source), clock.monotonic()) == [A]


@pytest.mark.parametrize("step", [0.0, -3600.0, 3600.0])
def test_the_rest_is_counted_by_whoever_comes_next(
    step: float, factory: SpoolFactory, spool: Spool, clock: FakeClock
) -> None:
    """A collector that ends with its container does not live for five seconds; clocks are set meanwhile."""

    def collect() -> list[str]:
        source = JournalsSource(spool, {A: pack_position(1, place)}, clock)
        assert texts(source, thorough=True) == {}
        return source.reclaim(everything(source), clock.monotonic())

    factory.segment(A, ["1"])
    place = len(factory.content(factory.header(A), ["1"]))
    assert collect() == []
    assert files(spool) == [segment_name(A, 1) + ".dead"]
    if not step:
        clock.advance(4.0)
        assert collect() == []
        clock.advance(1.1)
    clock.jump(step)
    assert collect() == [A] and files(spool) == []


def test_what_was_set_aside_before_is_read_before_it_is_removed(
    factory: SpoolFactory, spool: Spool, clock: FakeClock
) -> None:
    """However long it has rested, a line may have come late."""
    factory.segment(A, ["1", "late"])
    spool.retire(A, 1)
    clock.advance(3600)
    place = pack_position(1, len(factory.content(factory.header(A), ["1"])))
    source = JournalsSource(spool, {A: place}, clock)
    assert texts(source, thorough=True) == {A: ["late"]}
    assert source.reclaim({A: place}, clock.monotonic()) == []
    assert len(files(spool)) == 1


def test_a_writer_that_goes_on_is_read_at_once(
    factory: SpoolFactory, spool: Spool, source: JournalsSource, clock: FakeClock
) -> None:
    """An emit after close begins a new segment while the old one rests: its record does not wait 5 s."""
    factory.segment(A, ["1"])
    for _ in range(3):
        texts(source, thorough=True)
    source.reclaim(everything(source), clock.monotonic())
    factory.segment(A, ["2"], 2)
    clock.advance(0.0051)
    assert texts(source) == {A: ["2"]}
    source.reclaim(everything(source), clock.monotonic())
    assert files(spool) == [segment_name(A, 2)]


def test_positions_without_segments_are_forgotten(spool: Spool, clock: FakeClock) -> None:
    """Killed between unlinking and forgetting: the row would stay for ever."""
    source = JournalsSource(spool, {A: 77}, clock)
    assert source.reclaim({A: 77}, 0.0) == [A]
    assert source.reclaim({}, 0.0) == []


def test_a_spool_that_was_moved_away_is_not_forgotten(
    factory: SpoolFactory, spool: Spool, clock: FakeClock
) -> None:
    """Moved away and back: had its positions been forgotten, every record would come twice."""
    factory.segment(A, ["1", "2"])
    place = pack_position(1, len(factory.content(factory.header(A), ["1"])))
    source = JournalsSource(spool, {A: place}, clock)
    away = spool.journal_path.rename(spool.path / "away")
    for _ in range(4):
        assert texts(source, thorough=True) == {}
        assert source.reclaim({A: place}, clock.monotonic()) == []
        clock.advance(6)
    away.rename(spool.journal_path)
    assert source.reclaim({A: place}, clock.monotonic()) == []
    assert texts(source, thorough=True) == {A: ["2"]}


def test_one_sick_segment_stops_nobody_else(
    factory: SpoolFactory, source: JournalsSource, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO in one stream: it is named and tried again, the others go on."""
    factory.segment(A, ["1"])
    factory.segment(B, ["2"])
    healthy = JournalReader.read

    def sick(self: JournalReader, budget: int, **how: Any) -> object:
        if self.producer == A:
            raise OSError(5, "Input/output error")
        return healthy(self, budget, **how)

    monkeypatch.setattr(JournalReader, "read", sick)
    assert texts(source) == {B: ["2"]} and set(source.errors) == {A}
    monkeypatch.undo()
    clock.advance(0.3)
    assert texts(source) == {A: ["1"]} and not source.errors


def test_a_stream_that_is_not_admitted_stays_untouched(
    factory: SpoolFactory, source: JournalsSource, clock: FakeClock
) -> None:
    """A log that may not be written now: its records wait in the journal, none is skipped."""
    factory.segment(A, ["1"])
    for _ in range(3):
        assert source.poll(MUCH) == []
        assert [reader.header and reader.header.target.name for reader in source.met] == ["app.log"]
        clock.advance(1.0)
    source.admit(A)
    assert texts(source) == {A: ["1"]}


def test_many_producers_need_few_descriptors(
    factory: SpoolFactory, spool: Spool, source: JournalsSource
) -> None:
    """500 producers with 256 descriptors: everything is read, in bounded descriptors."""
    spool.descriptors._most = 16
    expected = {}
    for index in range(200):
        producer = f"{index:016x}"
        factory.segment(producer, [f"{index}-{n}" for n in range(3)], size=8192)
        expected[producer] = [f"{index}-{n}" for n in range(3)]
    assert texts(source) == expected and len(spool.descriptors) <= 16
    for _ in range(3):
        texts(source, thorough=True)
    assert all(reader.gone for reader in source.readers.values()) and len(spool.descriptors) <= 16


def test_the_loser_of_a_race_hides_no_segment(
    factory: SpoolFactory, spool: Spool, source: JournalsSource, hold: list[int]
) -> None:
    """Two threads made segments 1 and 2 at once, 2 was seen first, and 1 is the one that is written to."""
    loser = factory.segment(A, [], 2)
    for _ in range(2):
        assert texts(source, thorough=True) == {}
    winner = alive(factory.segment(A, ["1"]), hold)
    source.reclaim(everything(source), 0.0)
    assert winner.exists()
    loser.unlink(missing_ok=True)
    assert texts(source, thorough=True) == {A: ["1"]}
    append(winner, b" " * (65535 - len(winner.read_bytes().rstrip(b"\0"))) + b"\n")
    factory.segment(A, ["3"], 3)
    assert texts(source, thorough=True) == {A: ["3"]}
    source.reclaim(everything(source), 0.0)
    assert files(spool) == [segment_name(A, 3)]


def test_leftovers_of_killed_processes_are_removed(
    factory: SpoolFactory, spool: Spool, clock: FakeClock
) -> None:
    """A collector killed before it unlinked, and a producer killed before it removed a race's loser."""
    factory.segment(A, ["delivered"], 1)
    factory.segment(A, ["2"], 2)
    source = JournalsSource(spool, {A: pack_position(2, 0)}, clock)
    assert texts(source) == {A: ["2"]}
    source.reclaim({}, clock.monotonic())
    assert files(spool) == [segment_name(A, 2)]
    factory.segment(B, ["2"], 2)
    for _ in range(3):
        texts(source, thorough=True)
    factory.segment(B, [], 1)
    source.reclaim(everything(source), clock.monotonic())
    clock.advance(6)
    texts(source)
    assert set(source.reclaim(everything(source), clock.monotonic())) == {A, B} and files(spool) == []


def test_a_round_looks_at_the_directory_once(
    factory: SpoolFactory, spool: Spool, source: JournalsSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scanning it for each of 600 producers would be 360,000 names a cycle."""
    for index in range(20):
        factory.segment(f"{index:016x}", ["1"], size=8192)
    scans: list[int] = []
    segments = spool.segments
    monkeypatch.setattr(spool, "segments", lambda: scans.append(1) or segments())
    monkeypatch.setattr(spool, "changed", lambda: True)
    assert len(texts(source)) == 20
    source.reclaim(everything(source), 0.0)
    assert len(scans) == 1


def test_an_unmapped_stream_goes_on_behind_its_end(
    factory: SpoolFactory, spool: Spool, source: JournalsSource, hold: list[int]
) -> None:
    """Segments that are written by appends end with a line, and the next one follows at once."""
    path = spool.journal_path / segment_name(A, 1)
    path.write_bytes(factory.content(factory.header(A, mapped=False), ["1"]))
    alive(path, hold)
    assert texts(source) == {A: ["1"]}
    append(path, END)
    factory.segment(A, ["2"], 2)
    assert texts(source, thorough=True) == {A: ["2"]}


def test_thorough_look_sees_what_the_directory_does_not_show(tmp_path: Path) -> None:
    """Its time may be coarse, or set back by a copy: a flush waits for each program there is."""
    spool = Spool(tmp_path)
    factory = SpoolFactory(tmp_path)
    factory.segment("a" * 16, ["one"])
    os.utime(spool.journal_path, (1, 1))
    source = JournalsSource(spool, {}, FakeClock())
    source.poll(1000)
    factory.segment("b" * 16, ["two"])
    os.utime(spool.journal_path, (1, 1))
    source.poll(1000)
    assert list(source.readers) == ["a" * 16]
    source.poll(1000, thorough=True)
    assert list(source.readers) == ["a" * 16, "b" * 16]
    source.close()
