"""One step of the collector, with a clock that stands still and a sink in memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import logboom
from logboom import platform
from logboom.collector import cycle as cycle_module
from logboom.collector.assembly import make_cycle
from logboom.collector.cycle import Cycle
from logboom.collector.holding import BIRTH
from logboom.errors import ConfigurationError, SinkError
from logboom.journal.layout import REST, WAKE, Dropped, encode_line, segment_name
from logboom.journal.target import Target
from logboom.sinks.base import Outcome, Sink, Step
from logboom.spool.checkpoint import Checkpoint
from logboom.spool.directory import Spool
from logboom.spool.status import Notebook
from logboom.testing import FakeClock, MemorySink, SpoolFactory

NOW = 1_800_000_000.0
A, B = "a" * 16, "b" * 16


class Sinks:
    """A memory sink for each target, kept over restarts."""

    def __init__(self) -> None:
        self.by_key: dict[str, Recorder] = {}
        self.refuse = ""

    def __call__(self, target: Target, note: Callable[[str], None]) -> Sink:
        if target.key == self.refuse:
            raise ConfigurationError("not allowed")
        return self.by_key.setdefault(target.key, Recorder())


class Recorder(MemorySink):
    """Counts requests, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = False
        self.half = False
        self.rolled_behind: list[int] = []
        self.configured: list[Target] = []
        self.emptied = 0

    def apply(self, step: Step) -> Outcome:
        if step.kind == "roll":
            self.rolled_behind.append(len(self.lines))
            return Outcome()
        if step.kind == "truncate":
            self.emptied += 1
            self.lines.clear()
            return Outcome()
        if self.half:
            super().apply(step)
        if self.fails:
            raise SinkError("disk full")
        return super().apply(step)

    def rollover(self, now: float) -> Step | None:
        return Step("roll")

    def truncate(self) -> Step:
        return Step("truncate")

    def configure(self, target: Target) -> None:
        self.configured.append(target)


class Writer:
    """A living producer: holds its segment's lock and appends by hand."""

    def __init__(self, factory: SpoolFactory, producer: str, number: int = 1) -> None:
        self.factory = factory
        self.path = factory.path / "journal" / segment_name(producer, number)
        head = factory.content(factory.header(producer, number), [])
        self.path.write_bytes(head.ljust(65536, b"\0"))
        self.fd = platform.open_file(self.path, os.O_RDWR)
        self.end = len(head)
        assert platform.try_lock(self.fd)

    def log(self, *texts: str, created: float = NOW) -> None:
        for text in texts:
            self.put(self.factory.record(text, created))

    def put(self, line: bytes) -> None:
        self.end += platform.write_at(self.fd, line, self.end)

    def die(self) -> None:
        os.close(self.fd)


class Bench:
    """A spool, a clock, sinks, and cycles over them."""

    def __init__(self, path: Path) -> None:
        self.factory = SpoolFactory(path)
        self.clock = FakeClock(wall=NOW)
        self.sinks = Sinks()
        self.notes: list[str] = []
        self.cycle = self.begin()

    def begin(self) -> Cycle:
        return Cycle(Spool(self.factory.path), self.sinks, self.clock, self.notes.append)

    def restart(self) -> None:
        self.cycle.close()
        self.cycle = self.begin()

    def step(self, times: int = 1, seconds: float = 0.05) -> None:
        for _ in range(times):
            self.cycle.step(thorough=True)
            self.clock.advance(seconds)

    def lines(self, key: str = "app.log") -> list[str]:
        sink = self.sinks.by_key.get(key)
        return [] if sink is None else [line.decode().rstrip() for line in sink.lines]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / ".logboom")
    yield bench
    bench.cycle.close()


def test_lines_of_two_producers_come_in_time_order(bench: Bench) -> None:
    """One file in time order is what the set is for."""
    one, two = Writer(bench.factory, A), Writer(bench.factory, B)
    one.log("1", created=NOW - 5)
    two.log("2", created=NOW - 4)
    one.log("3", created=NOW - 3)
    two.log("4", created=NOW - 2)
    bench.step(3)
    assert bench.lines() == ["1", "2", "3", "4"]
    one.die()
    two.die()


def test_one_stream_alone_waits_for_nobody(bench: Bench) -> None:
    """A script's records are in the file at once: there is nobody whose earlier ones could come."""
    one = Writer(bench.factory, A)
    one.log("alone")
    bench.cycle.step()
    assert bench.lines() == [], "a program that starts may have an earlier one on its way"
    bench.clock.advance(BIRTH)
    bench.cycle.step()
    assert bench.lines() == ["alone"]
    two = Writer(bench.factory, B)
    two.log("together", created=NOW + BIRTH)
    bench.clock.advance(2 * BIRTH)
    bench.cycle.step()
    assert bench.lines() == ["alone"]
    one.die()
    two.die()


@pytest.mark.parametrize("seen", ["in the slow read", "before it"])
def test_record_waits_for_a_look_at_all_streams_that_began_after_it_was_seen(bench: Bench, seen: str) -> None:
    """A read may take longer than the hold-back; what it found last must not count as having waited."""
    one, two = Writer(bench.factory, A), Writer(bench.factory, B)
    one.log("early", created=NOW - 10)
    two.log("early too", created=NOW - 9)
    bench.step(3)
    one.log("later", created=NOW)
    if seen == "before it":
        bench.cycle.step(thorough=True)
    slow = bench.cycle.source.poll

    def poll(budget: int, **options: Any) -> Any:
        found = slow(budget, **options)
        bench.clock.advance(5.0)  # the machine was busy
        two.log("between", created=NOW - 1)  # appended after its journal was looked at
        return found

    bench.cycle.source.poll = poll  # type: ignore[method-assign]
    bench.cycle.step(thorough=True)
    bench.cycle.source.poll = slow  # type: ignore[method-assign]
    bench.step(3)
    assert bench.lines() == ["early", "early too", "between", "later"]
    one.die()
    two.die()


def test_restart_writes_nothing_twice_and_loses_nothing(bench: Bench) -> None:
    """A collector may end between any two steps."""
    writer = Writer(bench.factory, A)
    for number in range(6):
        writer.log(str(number))
        bench.step()
        if number % 2:
            bench.restart()
    bench.step(2)
    assert bench.lines() == list("012345")
    writer.die()


def test_failed_write_is_finished_before_anything_else(bench: Bench) -> None:
    """A disk that was full: the open step is completed from its own bytes, and its records come once."""
    writer = Writer(bench.factory, A)
    writer.log("first")
    bench.step()
    sink = bench.sinks.by_key["app.log"]
    sink.fails = True
    writer.log("second")
    bench.step(3)
    assert bench.cycle.failing() == ["app.log"]
    writer.log("third")
    bench.step()
    sink.fails = False
    bench.step(12)
    assert bench.lines() == ["first", "second", "third"]
    assert bench.cycle.failing() == []
    writer.die()


@pytest.mark.parametrize("half", [False, True])
def test_successor_finishes_a_step_that_could_not_be_finished(bench: Bench, half: bool) -> None:
    """The intent has the bytes: its records must not be read from the journal a second time."""
    writer = Writer(bench.factory, A)
    writer.log("first")
    bench.step()
    sink = bench.sinks.by_key["app.log"]
    sink.fails, sink.half = True, half
    writer.log("second")
    bench.step(2)
    bench.restart()
    bench.step(2)
    writer.log("third")
    sink.fails = False
    bench.step(12)
    assert bench.lines() == ["first", "second", "third"]
    writer.die()


def test_what_a_recovery_repaired_is_counted_for_good(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is among the named exceptions to "exactly once": the next collector must know them as well."""
    writer = Writer(bench.factory, A)
    writer.log("first")
    bench.step()
    sink = bench.sinks.by_key["app.log"]
    sink.fails = True
    writer.log("second")
    bench.step(2)
    sink.fails = False
    monkeypatch.setattr(sink, "recover", lambda step: Outcome(damaged=2, rewritten=3))
    bench.restart()
    bench.step(1)
    for _ in range(2):
        counts = bench.cycle.pipes["app.log"].counts()
        assert (counts.damaged, counts.rewritten, counts.written) == (2, 3, 2)
        bench.restart()
        bench.step(1)
    writer.die()


def test_refused_target_keeps_its_records_until_it_is_allowed(bench: Bench) -> None:
    """A header that asks for a file which may not be written costs nothing but patience."""
    bench.sinks.refuse = "app.log"
    writer = Writer(bench.factory, A)
    writer.log("patient")
    bench.step(3)
    assert bench.lines() == []
    assert any("not allowed" in note for note in bench.notes)
    bench.sinks.refuse = ""
    bench.step(20, seconds=0.2)
    assert bench.lines() == ["patient"]
    writer.die()


def test_dropped_records_are_said_where_they_were_dropped(bench: Bench) -> None:
    """The log itself says what is not in it, and `status` has the same number."""
    writer = Writer(bench.factory, A)
    writer.log("before")
    writer.put(encode_line(Dropped(12, NOW, NOW + 1, "the spool is full")))
    writer.log("after")
    bench.step(3)
    before, said, after = bench.lines()
    assert (before, after) == ("before", "after")
    assert "12 records dropped: the spool is full" in said
    assert bench.cycle.pipes["app.log"].counts().dropped == 12
    bench.restart()
    bench.step(3)
    assert bench.cycle.pipes["app.log"].counts().dropped == 12
    writer.die()


def test_request_to_roll_comes_behind_the_records_before_it(bench: Bench) -> None:
    """`doRollover()` must not roll before what was logged before it, nor after what came after it."""
    writer = Writer(bench.factory, A)
    writer.put(b'{"context":0,"renderer":"rollover"}\n')
    writer.log("one", "two")
    writer.put(b'[%f,0,0,"logboom"]\n' % NOW)
    writer.log("three")
    bench.step(3)
    assert bench.lines() == ["one", "two", "three"]
    assert bench.sinks.by_key["app.log"].rolled_behind == [2]
    bench.restart()
    bench.step(3)
    assert bench.sinks.by_key["app.log"].rolled_behind == [2]
    writer.die()


def test_newest_configuration_is_in_force_and_said_once(bench: Bench) -> None:
    """Processes that configure one file differently must not make its settings flap."""
    factory = bench.factory
    old, new = Target(name="app.log", configured=1.0), Target(name="app.log", configured=2.0, compress="gzip")
    writers = []
    for producer, target in ((A, old), (B, new), ("c" * 16, old)):
        factory.target = target
        writers.append(Writer(factory, producer))
        writers[-1].log(producer)
        bench.step(2)
    assert bench.cycle.pipes["app.log"].target == new
    assert bench.sinks.by_key["app.log"].configured == [new]
    assert len([note for note in bench.notes if "settings differ" in note]) == 1
    bench.restart()
    bench.step()
    assert bench.cycle.pipes["app.log"].target == new
    for writer in writers:
        writer.die()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_difference_is_said_whoever_is_met_first(bench: Bench, order: tuple[int, int]) -> None:
    """A collector that starts beside both has nobody to tell it which of them came later."""
    targets = Target(name="app.log", configured=1.0), Target(name="app.log", configured=2.0, compress="gzip")
    writers = []
    for producer, place in zip((A, B), order, strict=True):
        bench.factory.target = targets[place]
        writers.append(Writer(bench.factory, producer))
        writers[-1].log(producer)
    bench.step(2)
    assert bench.cycle.pipes["app.log"].target == targets[1]
    assert len([note for note in bench.notes if "settings differ" in note]) == 1
    for writer in writers:
        writer.die()


def opens_anew(bench: Bench) -> None:
    """Programs from now on have configured mode `w` at this moment."""
    bench.factory.target = Target(name="app.log", mode="w", configured=bench.clock.wall())


def in_the_file(bench: Bench) -> None:
    """Stands for what the sink wrote, at this moment."""
    (bench.factory.path.parent / "app.log").write_text("something")


def test_mode_w_empties_the_file_of_what_is_still_held_back(bench: Bench) -> None:
    """The last records of the run before are that run's, and do not come behind its end."""
    opens_anew(bench)
    first = Writer(bench.factory, A)
    first.log("run one")
    bench.cycle.step(thorough=True)
    assert bench.lines() == []
    first.die()
    bench.clock.advance(0.1)
    opens_anew(bench)
    second = Writer(bench.factory, B)
    second.log("run two")
    bench.step(4)
    assert bench.lines() == ["run two"]
    second.die()


def test_mode_w_empties_the_file_for_the_first_process_of_a_run(bench: Bench) -> None:
    """A script that opens with "w" wants its own run's records; its siblings must not erase them."""
    opens_anew(bench)
    first = Writer(bench.factory, A)
    first.log("run one")
    bench.step(2)
    second = Writer(bench.factory, B)
    second.log("its sibling")
    bench.step(4)
    assert sorted(bench.lines()) == ["its sibling", "run one"]
    first.die()
    second.die()
    bench.step(60, seconds=0.2)
    opens_anew(bench)
    third = Writer(bench.factory, "c" * 16)
    third.log("run two")
    bench.step(4)
    assert bench.lines() == ["run two"]
    assert bench.sinks.by_key["app.log"].emptied == 2
    bench.restart()
    bench.step(4)
    assert bench.lines() == ["run two"]
    third.die()


def test_mode_w_spares_what_came_since_it_was_configured(bench: Bench) -> None:
    """A program that is silent at first must not delete what its children, or siblings, logged and left."""
    opens_anew(bench)
    child = Writer(bench.factory, A)
    bench.clock.advance(1.0)
    child.log("of a child", created=NOW + 1.0)
    in_the_file(bench)
    child.die()
    bench.step(60, seconds=0.2)
    assert bench.lines() == ["of a child"]
    parent = Writer(bench.factory, B)
    parent.log("of the parent", created=bench.clock.wall())
    bench.step(4)
    assert bench.lines() == ["of a child", "of the parent"]
    parent.die()


def test_mode_w_spares_what_is_held_back_of_its_run(bench: Bench) -> None:
    """As when it is in the file already."""
    opens_anew(bench)
    bench.clock.advance(1.0)
    child = Writer(bench.factory, A)
    child.log("of a child", created=NOW + 1.0)
    bench.cycle.step(thorough=True)
    assert bench.lines() == []
    child.die()
    parent = Writer(bench.factory, B)
    parent.log("of the parent", created=bench.clock.wall())
    bench.step(4)
    assert bench.lines() == ["of a child", "of the parent"]
    parent.die()


@pytest.mark.parametrize("names", [(A, B), (B, A)])
def test_mode_w_finds_the_others_after_a_restart(bench: Bench, names: tuple[str, str]) -> None:
    """A collector was killed while one process lived, and another began: its successor meets both at once."""
    opens_anew(bench)
    old = Writer(bench.factory, names[0])
    old.log("delivered")
    bench.step(4)
    assert bench.lines() == ["delivered"]
    bench.cycle.close()
    bench.clock.advance(60.0)
    opens_anew(bench)
    young = Writer(bench.factory, names[1])
    young.log("of the other", created=bench.clock.wall())
    bench.cycle = bench.begin()
    bench.step(4)
    assert bench.lines() == ["delivered", "of the other"]
    old.die()
    young.die()


@pytest.mark.parametrize("names", [(A, B), (B, A)])
def test_mode_w_empties_the_file_once_for_programs_that_start_together(
    bench: Bench, names: tuple[str, str]
) -> None:
    """All of a service start at once, and the collector comes when they have logged: in no run before it."""
    opens_anew(bench)
    old = Writer(bench.factory, "c" * 16)
    old.log("the run before")
    bench.step(2)
    old.die()
    bench.step(60, seconds=0.2)
    writers = []
    for name in names:
        opens_anew(bench)
        writers.append(Writer(bench.factory, name))
        writers[-1].log(name, created=bench.clock.wall())
        bench.clock.advance(0.2)
    bench.restart()
    bench.step(4)
    assert bench.lines() == list(names)
    for writer in writers:
        writer.die()


@pytest.mark.parametrize("names", [(A, B), (B, A)])
def test_mode_w_spares_a_living_program_that_lost_its_journal(bench: Bench, names: tuple[str, str]) -> None:
    """Its new one was never met, but the file has records that may be of its run."""
    in_the_file(bench)
    written = (bench.factory.path.parent / "app.log").stat().st_mtime
    assert written < NOW
    bench.factory.target = Target(name="app.log", mode="w", configured=written - 100.0)
    old = Writer(bench.factory, names[0])
    old.log("its next")
    opens_anew(bench)
    young = Writer(bench.factory, names[1])
    young.log("of the other")
    bench.step(4)
    assert bench.sinks.by_key["app.log"].emptied == 0
    old.die()
    young.die()


def test_mode_w_that_was_met_is_not_met_again(bench: Bench) -> None:
    """One that joined others did not begin a run, even when it is the only one left after a restart."""
    opens_anew(bench)
    old = Writer(bench.factory, A)
    old.log("delivered")
    bench.step(4)
    bench.clock.advance(1.0)
    opens_anew(bench)
    young = Writer(bench.factory, B)
    bench.cycle.step(thorough=True)
    old.die()
    bench.restart()
    young.log("of the other", created=bench.clock.wall())
    bench.step(4)
    assert bench.lines() == ["delivered", "of the other"]
    young.die()


def test_mode_w_empties_the_file_once_for_a_parent_and_its_children(bench: Bench) -> None:
    """Children that log one after another, and a parent that logs behind them, are one run."""
    opens_anew(bench)
    for producer, text in ((A, "child"), (B, "second child"), ("c" * 16, "parent")):
        writer = Writer(bench.factory, producer)
        writer.log(text)
        bench.step(4)
        writer.die()
        bench.step(60, seconds=0.2)
        bench.restart()
    assert bench.lines() == ["child", "second child", "parent"]


def test_mode_w_is_tried_again_when_the_file_cannot_be_emptied(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trouble of a moment must not leave the records of the run before in front of this one's."""
    opens_anew(bench)
    before = Writer(bench.factory, A)
    before.log("run one")
    bench.step(4)
    before.die()
    bench.step(60, seconds=0.2)
    opens_anew(bench)
    writer = Writer(bench.factory, B)
    writer.log("run two")

    def fail(*_: object) -> Step:
        raise SinkError("Read-only file system")

    with monkeypatch.context() as disk:
        disk.setattr(Recorder, "truncate", fail)
        bench.step(4)
        bench.restart()
        bench.step(4)
    assert bench.lines() == ["run one"]
    bench.step(8, seconds=0.5)
    assert bench.lines() == ["run two"]
    writer.die()


def test_configuration_of_the_future_counts_until_the_next(bench: Bench) -> None:
    """A computer without a clock of its own is configured, then NTP comes: later settings must count."""
    of_future = Target(name="app.log", file_mode=0o600, configured=NOW + 1e7)
    bench.factory.target = of_future
    Writer(bench.factory, A).log("one")
    bench.step(2)
    assert bench.cycle.pipes["app.log"].target.file_mode == 0o600
    bench.restart()
    bench.factory.target = Target(name="app.log", file_mode=0o640, configured=bench.clock.wall() - 0.01)
    Writer(bench.factory, B).log("two")
    bench.step(2)
    assert bench.cycle.pipes["app.log"].target.file_mode == 0o640
    bench.restart()
    bench.step(2)
    assert bench.cycle.pipes["app.log"].target.file_mode == 0o640


def test_recorded_configuration_of_the_future_counts_until_the_next(bench: Bench) -> None:
    """The collector's own clock may have been ahead."""
    bench.cycle.checkpoint.configure("app.log", Target("app.log", file_mode=0o600, configured=NOW + 1e7))
    Writer(bench.factory, A).log("one")
    bench.step(2)
    bench.factory.target = Target(name="app.log", file_mode=0o640, configured=bench.clock.wall())
    Writer(bench.factory, B).log("two")
    bench.step(2)
    assert bench.cycle.pipes["app.log"].target.file_mode == 0o640


def test_dead_producer_is_forgotten_and_its_segment_removed(bench: Bench) -> None:
    """A spool must not grow with every process that ever logged."""
    writer = Writer(bench.factory, A)
    writer.log("last words")
    writer.die()
    bench.step(60, seconds=0.2)
    assert bench.lines() == ["last words"]
    assert list((bench.factory.path / "journal").iterdir()) == []
    assert dict(bench.cycle.checkpoint.positions) == {}
    assert not bench.cycle.living()


@pytest.mark.parametrize("killed", [False, True])
def test_synced_output_then_checkpoint_then_unlink(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    """In any other order a power loss costs a record; so does trust in what a killed collector wrote."""
    events: list[str] = []
    real = Spool.remove

    def remove(spool: Spool, producer: str, number: int) -> bool:
        events.append("unlink")
        return real(spool, producer, number)

    monkeypatch.setattr(MemorySink, "sync", lambda sink: events.append("output"))
    monkeypatch.setattr(Checkpoint, "sync", lambda checkpoint: events.append("checkpoint"))
    monkeypatch.setattr(Spool, "remove", remove)
    writer = Writer(SpoolFactory(bench.factory.path, Target(name="app.log", synced=True)), A)
    writer.log("precious", created=NOW - 1)
    writer.die()
    if killed:
        with monkeypatch.context() as early:
            early.setattr(Cycle, "_reclaim", lambda cycle, now_mono: None)
            bench.step(3)
        assert bench.lines() == ["precious"] and events == []
        bench.restart()
    bench.step(60, seconds=0.2)
    assert bench.lines() == ["precious"]
    assert events == ["output", "checkpoint", "unlink"]


def test_read_ahead_of_large_records_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand records of a few bytes are nothing; of a megabyte they are all the memory there is."""
    monkeypatch.setattr(cycle_module, "_AHEAD_BYTES", 1_000_000)
    texts = [f"{number:05} {'x' * 20_000}" for number in range(300)]
    for producer, start in ((A, NOW - 5000), (B, NOW - 500)):
        body = b"".join(bench.factory.record(text, start + place / 100) for place, text in enumerate(texts))
        head = bench.factory.content(bench.factory.header(producer, mapped=False), [])
        (bench.factory.path / "journal" / segment_name(producer, 1)).write_bytes(head + body)
    most = 0
    for _ in range(100):
        bench.step(seconds=0.03)
        most = max(most, sum(pipe.size for pipe in bench.cycle.pipes.values()))
    assert bench.lines() == texts + texts
    assert most < 3_000_000


def test_read_ahead_is_bounded(bench: Bench) -> None:
    """A stream that is far ahead of a backlog must not be read into memory."""
    texts = [f"{number:05} {'x' * 100}" for number in range(20_000)]
    for producer, start in ((A, NOW - 5000), (B, NOW - 500)):
        body = b"".join(bench.factory.record(text, start + place / 100) for place, text in enumerate(texts))
        head = bench.factory.content(bench.factory.header(producer, mapped=False), [])
        (bench.factory.path / "journal" / segment_name(producer, 1)).write_bytes(head + body)
    most = 0
    for _ in range(200):
        bench.step(seconds=0.03)
        most = max(most, bench.cycle.backlog)
    assert bench.lines() == texts + texts
    assert most < 22_000


def test_who_waits_for_delivery_waits_for_no_idle_one(bench: Bench) -> None:
    """A script that ends beside idle workers leaves at once."""
    worker, script = Writer(bench.factory, A), Writer(bench.factory, B)
    worker.log("worker", created=NOW - 5)
    bench.step(3)
    script.log("script", created=NOW - 1)
    bench.cycle.step(thorough=True)
    assert bench.lines() == ["worker"], "it may go on, and the worker may have an earlier record"
    script.put(REST)
    bench.cycle.step()
    assert bench.lines() == ["worker"], "not every journal was looked into"
    bench.cycle.step(thorough=True)
    assert bench.lines() == ["worker", "script"]
    worker.die()
    script.die()


def test_who_goes_on_during_the_look_is_not_overtaken(bench: Bench) -> None:
    """Of two that wait one goes on while the look is at the other: that one's new record has to wait."""
    one, two = Writer(bench.factory, A), Writer(bench.factory, B)
    one.log("known", created=NOW - 5)
    two.log("known, too", created=NOW - 4)
    bench.step(3)
    del bench.sinks.by_key["app.log"].lines[:]
    now = bench.clock.wall()
    one.log("1", created=now - 3)
    two.log("2", created=now - 2)
    one.put(REST)
    slow = bench.cycle.source.poll

    def poll(budget: int, **options: Any) -> Any:
        bench.clock.advance(0.001)
        two.log("4", created=now + 0.0009)
        two.put(REST)
        found = slow(budget, **options)
        one.put(WAKE)
        one.log("3", created=now + 0.0005)
        return found

    bench.cycle.source.poll = poll  # type: ignore[method-assign]
    bench.cycle.step(thorough=True)
    bench.cycle.source.poll = slow  # type: ignore[method-assign]
    assert bench.lines() == ["1", "2"]
    bench.step(3)
    assert bench.lines() == ["1", "2", "3", "4"]
    one.die()
    two.die()


def test_damage_that_a_predecessor_met_is_counted_once(bench: Bench) -> None:
    """Until the next record is written a restart reads the damaged line again."""
    writer = Writer(bench.factory, A)
    writer.log("before")
    bench.step(2)
    writer.put(b'[1,1,20,"torn\n')
    bench.step(2)
    bench.restart()
    writer.log("behind")
    bench.step(2)
    assert bench.lines() == ["before", "behind"]
    assert bench.cycle.pipes["app.log"].counts().damaged == 1
    assert len([note for note in bench.notes if "damaged journal" in note]) == 1
    writer.die()


def test_a_formatter_for_each_record_is_forgotten_with_its_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs make formatters as they go; a collector that remembered all of them would grow for ever."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")
    handler = logboom.FileHandler(tmp_path / "app.log", close_timeout=0)
    cycle = make_cycle(Spool.create(tmp_path / ".logboom").path, Notebook(tmp_path))
    most, count = 0, 0
    for _ in range(6):
        for _ in range(1500):
            handler.setFormatter(logging.Formatter(f"{count} %(message)s"))
            handler.handle(logging.makeLogRecord({"msg": "x"}))
            count += 1
        mark = cycle.flush_mark()
        cycle.step(thorough=True)
        while not cycle.is_flushed(mark):
            cycle.step(thorough=True)
        (reader,) = cycle.source.readers.values()
        (tables,) = cycle.pipes["app.log"]._contexts.values()
        kept = sum(len(table) if isinstance(table, dict) else 1 for table in tables.values())
        most = max(most, len(reader.contexts), kept)
    segment = reader.segment
    cycle.close()
    handler.close()
    assert (tmp_path / "app.log").read_text().splitlines() == [f"{number} x" for number in range(count)]
    assert segment > 2
    assert most < count * 0.75


def test_flush_is_not_over_before_every_stream_was_looked_into(bench: Bench) -> None:
    """A step that leaves idle streams out says nothing of the record that one of them has just got."""
    writer = Writer(bench.factory, A)
    writer.log("first")
    bench.step(20, seconds=0.2)
    assert bench.lines() == ["first"]
    bench.cycle.step(thorough=True)
    bench.clock.advance(0.0001)
    writer.log("second")
    mark = bench.cycle.flush_mark()
    bench.cycle.step()
    assert not bench.cycle.is_flushed(mark)
    bench.step(3, seconds=0.05)
    bench.cycle.step(thorough=True)
    assert bench.cycle.is_flushed(mark)
    assert bench.lines() == ["first", "second"]
    writer.die()
