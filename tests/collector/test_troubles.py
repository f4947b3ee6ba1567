"""A collector whose disk or whose journal gives it trouble: nothing lost, nothing twice, nothing held up."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logboom import platform
from logboom.collector import cycle as cycle_module
from logboom.collector.cycle import Cycle
from logboom.errors import SinkError
from logboom.journal.layout import segment_name
from logboom.journal.target import Rotation, Target
from logboom.sinks.base import Batch, Outcome, Step
from logboom.sinks.file.sink import FileSink
from logboom.spool import checkpoint as checkpoint_module
from logboom.spool import damaged as damaged_module
from logboom.spool.checkpoint import Checkpoint, Counts
from logboom.spool.directory import Spool
from logboom.testing import FakeClock, MemorySink, SpoolFactory

NOW = 1_800_000_000.0
A, B = "a" * 16, "b" * 16
STEP = Step("append", 1, b"one\n")


class FullDisk:
    """Stands in for a write of the operating system: takes a few bytes, then none."""

    def __init__(self, real: Any, room: int) -> None:
        self.real = real
        self.room = room

    def __call__(self, fd: int, data: bytes, *place: int) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        take, self.room = min(len(data), self.room), 0
        return int(self.real(fd, data[:take], *place))


def test_torn_line_of_a_full_disk_damages_no_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full for a moment must not cost the event after it: its records would come twice."""
    checkpoint = Checkpoint(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(os, "write", FullDisk(os.write, 20))
        with pytest.raises(OSError, match="space"):
            checkpoint.intend("app.log", STEP, {A: 1}, Counts(written=1))
    assert not checkpoint.intents
    checkpoint.intend("app.log", STEP, {A: 2}, Counts(written=1))
    checkpoint.complete("app.log")
    checkpoint.close()
    again = Checkpoint(tmp_path)
    assert dict(again.positions) == {A: 2}
    assert again.notes == []
    again.close()


def test_torn_line_is_cut_off_at_once_or_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks meanwhile reads whole lines; and a disk that cannot even cut is tried again."""
    file = tmp_path / "checkpoint.jsonl"
    checkpoint = Checkpoint(tmp_path)
    before = file.read_bytes()
    with monkeypatch.context() as full:
        full.setattr(os, "write", FullDisk(os.write, 20))
        with pytest.raises(OSError, match="space"):
            checkpoint.configure("app.log", Target(name="app.log"))
    assert file.read_bytes() == before

    def refuse(fd: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as full:
        full.setattr(os, "write", FullDisk(os.write, 20))
        full.setattr(os, "ftruncate", refuse)
        with pytest.raises(OSError, match="Input"):
            checkpoint.configure("app.log", Target(name="app.log"))
    checkpoint.configure("b.log", Target(name="b.log"))
    checkpoint.close()
    again = Checkpoint(tmp_path)
    assert list(again.targets) == ["b.log"] and again.notes == []
    again.close()


@pytest.mark.parametrize("room", [0, 30])
def test_checkpoint_that_cannot_be_rewritten_stays_as_it_was(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written in place, a full disk or a kill in the middle would cost every position there is."""
    monkeypatch.setattr(checkpoint_module, "_REWRITE_AT", 0)
    checkpoint = Checkpoint(tmp_path)
    checkpoint.intend("app.log", STEP, {A: 1}, Counts(written=1))
    checkpoint.complete("app.log")
    with monkeypatch.context() as full:
        full.setattr(os, "write", FullDisk(os.write, room))
        with pytest.raises(OSError, match="space"):
            checkpoint.tidy()
    again = Checkpoint(tmp_path)
    assert dict(again.positions) == {A: 1} and again.notes == []
    again.close()
    checkpoint.close()


def test_intent_without_its_bytes_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An intent whose bytes are cut could be finished by nobody: its records would come twice, or never."""
    checkpoint = Checkpoint(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", FullDisk(os.pwrite, 2))
        with pytest.raises(OSError, match="space"):
            checkpoint.intend("app.log", STEP, {A: 1}, Counts(written=1))
    assert not checkpoint.intents
    checkpoint.close()


class Bench:
    """Two producers of one file, and a cycle over their journals."""

    def __init__(self, path: Path) -> None:
        self.factory = SpoolFactory(path)
        self.clock = FakeClock(wall=NOW)
        self.sink = MemorySink()
        self.notes: list[str] = []
        self.a = self.factory.segment(A, ["from a"])
        self.b = self.factory.segment(B, ["from b"])
        self._locks = [os.open(path, os.O_RDWR) for path in (self.a, self.b)]
        for fd in self._locks:
            assert platform.try_lock(fd)
        self.cycle = Cycle(
            Spool(self.factory.path), lambda target, note: self.sink, self.clock, self.notes.append
        )

    def step(self, times: int) -> None:
        for _ in range(times):
            self.cycle.step(thorough=True)
            self.clock.advance(0.05)

    def close(self) -> None:
        self.cycle.close()
        for fd in self._locks:
            os.close(fd)

    def lines(self) -> list[str]:
        return [line.decode().rstrip() for line in self.sink.lines]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / ".logboom")
    yield bench
    bench.close()


def put(path: Path, line: bytes) -> None:
    """Append to a mapped segment."""
    data = path.read_bytes()
    end = data.index(b"\0")
    with path.open("r+b") as file:
        file.seek(end)
        file.write(line)


def unreadable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the segment of A cannot be read."""
    real = Spool.open_segment

    def open_segment(spool: Spool, producer: str, number: int) -> int:
        if producer == A:
            raise PermissionError(errno.EACCES, "Permission denied", segment_name(producer, number))
        return real(spool, producer, number)

    monkeypatch.setattr(Spool, "open_segment", open_segment)


def test_stream_that_cannot_be_read_holds_up_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One segment of another user, or on a bad sector, must not stop the whole log."""
    bench.step(10)
    bench.clock.advance(1.0)
    for path, text in ((bench.a, "more of a"), (bench.b, "more of b")):
        put(path, bench.factory.record(text, NOW + 1.0))
    with monkeypatch.context() as bad:
        unreadable(bench, bad)
        bench.step(10)
        assert bench.lines()[2:] == ["more of b"]
        assert bench.cycle.exhausted, "a collector that has nothing to read must wait, not spin"
        assert bench.cycle.living(), "it stays until it can read the rest"
        assert any("Permission denied" in note for note in bench.notes)
    bench.clock.advance(1.0)
    bench.step(10)
    assert bench.lines()[2:] == ["more of b", "more of a"]


def test_flush_does_not_pass_a_stream_that_cannot_be_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flush()` must not say that a record is in the file that nobody could read, nor hold up others."""
    bench.step(10)
    assert bench.cycle.failing() == []
    put(bench.a, bench.factory.record("more of a", NOW + 1.0))
    with monkeypatch.context() as bad:
        unreadable(bench, bad)
        mark = bench.cycle.flush_mark()
        bench.step(1)
        assert not bench.cycle.is_flushed(mark), "it may be a trouble of a moment"
        bench.step(12)
        assert bench.cycle.is_flushed(mark), "others are not kept waiting"
        assert bench.cycle.failing() == ["app.log"], "a flush of this file answers no"
    bench.clock.advance(1.0)
    bench.step(10)
    assert bench.cycle.is_flushed(mark)
    assert bench.cycle.failing() == []


def test_one_read_that_fails_does_not_end_the_drain_of_a_program_that_leaves(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads again, and says no only when that does not help either."""
    bench.step(10)
    bench.cycle.hasty = True
    put(bench.a, bench.factory.record("more of a", NOW + 1.0))
    mark = bench.cycle.flush_mark()
    with monkeypatch.context() as bad:
        unreadable(bench, bad)
        bench.cycle.step(thorough=True)
        assert not bench.cycle.is_flushed(mark)
    bench.clock.advance(1.0)
    bench.step(3)
    assert bench.cycle.is_flushed(mark) and bench.cycle.failing() == []
    assert bench.lines()[-1] == "more of a"


def test_stream_that_never_could_be_read_is_a_trouble_of_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows its file: other programs' flushes are not told no, but `logboom drain` is."""
    with monkeypatch.context() as bad:
        unreadable(bench, bad)
        mark = bench.cycle.flush_mark()
        bench.step(12)
        assert bench.cycle.is_flushed(mark)
        assert bench.cycle.failing() == [A]


def test_leftovers_of_producers_killed_in_the_middle_of_a_roll_go(bench: Bench) -> None:
    """A segment that never got its name counts in the quota: a crash loop would fill the spool for ever."""
    stray = bench.factory.path / "journal" / f".{segment_name('c' * 16, 1)}.tmp"
    stray.write_bytes(bytes(65536))
    os.utime(stray, (NOW - 7200, NOW - 7200))
    bench.step(2)
    assert not stray.exists()


class Files:
    """A cycle over real log files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = FakeClock(wall=NOW)
        self.notes: list[str] = []
        self.spool = directory / ".logboom"
        SpoolFactory(self.spool)
        self.cycle = self.begin()

    def begin(self) -> Cycle:
        return Cycle(
            Spool(self.spool),
            lambda target, note: FileSink(target, self.directory, notes=note, clock=self.clock),
            self.clock,
            self.notes.append,
        )

    def restart(self) -> None:
        self.cycle.close()
        self.cycle = self.begin()

    def log(self, producer: str, name: str, *texts: str, configured: float = NOW, **settings: Any) -> None:
        target = Target(name=name, configured=configured, **settings)
        SpoolFactory(self.spool, target).segment(producer, texts)

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.cycle.step(thorough=True)
            self.clock.advance(1.0)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    made = Files(tmp_path)
    yield made
    made.cycle.close()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_old_log_that_was_deleted_stays_deleted(files: Files) -> None:
    """Who names logs by date and deletes old ones must not find them made again, empty, for ever."""
    files.log(A, "app-01.log", "one")
    files.pass_time(3)
    assert (files.directory / "app-01.log").read_text() == "one\n"
    files.pass_time(100)
    (files.directory / "app-01.log").unlink()
    files.pass_time(3)
    assert not (files.directory / "app-01.log").exists()
    files.restart()
    files.pass_time(3)
    assert not (files.directory / "app-01.log").exists()
    files.log(B, "app-01.log", "two")
    files.pass_time(3)
    assert (files.directory / "app-01.log").read_text() == "two\n"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_collector_holds_nothing_of_logs_that_nobody_writes(files: Files) -> None:
    """A log a day, or one a job, for a year: no descriptors, no memory, and a short checkpoint."""
    before = open_files()
    for number in range(30):
        files.log(f"{number:016x}", f"job-{number}.log", "done")
    files.pass_time(3)
    files.pass_time(100)
    assert open_files() <= before + 1
    assert files.cycle.pipes == {}


def test_checkpoint_forgets_the_oldest_of_very_many_logs(files: Files) -> None:
    """It is read and written as a whole at each start."""
    for number in range(700):
        files.cycle.checkpoint.configure(f"{number}.log", Target(name=f"{number}.log", configured=number))
    files.restart()
    kept = files.cycle.checkpoint.targets
    assert len(kept) == 500
    assert "699.log" in kept
    files.restart()
    assert len(files.cycle.checkpoint.targets) == 500


def test_settings_of_the_newest_program_outlive_a_restart(files: Files) -> None:
    """An older program's records do not bring its settings back."""
    files.log(A, "app.log", "new", configured=NOW, rotation=Rotation(max_bytes=1000, backup_count=3))
    files.pass_time(30)
    files.restart()
    assert not files.cycle.spool.segments(), "nothing else than the checkpoint knows of it"
    files.log(B, "app.log", "old", configured=NOW - 50, rotation=Rotation(max_bytes=10, backup_count=1))
    files.pass_time(3)
    assert files.cycle.pipes["app.log"].target.rotation.max_bytes == 1000
    assert (files.directory / "app.log").read_text() == "new\nold\n"


class Blocked(MemorySink):
    """Takes nothing as long as it is told so."""

    full = True

    def apply(self, step: Step) -> Outcome:
        if self.full:
            raise SinkError("no space")
        return super().apply(step)


class Pair:
    """Two targets of one spool, of which the first cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock(wall=NOW)
        self.sinks = {"a.log": Blocked(), "b.log": MemorySink()}
        self.journals = {
            name: SpoolFactory(path, Target(name=f"{name}.log")).segment(letter, [])
            for name, letter in (("a", A), ("b", B))
        }
        self._locks = [os.open(path, os.O_RDWR) for path in self.journals.values()]
        for fd in self._locks:
            assert platform.try_lock(fd)
        self.cycle = self.begin()

    def die(self) -> None:
        """Both producers."""
        for fd in self._locks:
            os.close(fd)
        self._locks.clear()

    def begin(self) -> Cycle:
        return Cycle(
            Spool(self.path), lambda target, note: self.sinks[target.key], self.clock, lambda note: None
        )

    def log(self, name: str, *texts: str) -> None:
        factory = SpoolFactory(self.path)
        for text in texts:
            put(self.journals[name], factory.record(text, self.clock.wall()))

    def step(self, times: int) -> None:
        for _ in range(times):
            self.cycle.step(thorough=True)
            self.clock.advance(0.3)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path / ".logboom")
    yield made
    made.die()
    made.cycle.close()


def test_target_that_cannot_be_written_holds_up_no_other(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """One full disk must not stop the logs on the others, nor fill the memory, nor burn a processor."""
    monkeypatch.setattr(cycle_module, "_BACKLOG", 5)
    for _ in range(6):
        pair.log("a", *["waits"] * 10)
        pair.log("b", "goes on")
        pair.step(2)
    assert len(pair.sinks["b.log"].lines) == 6
    assert pair.cycle.backlog < 25
    assert pair.cycle.exhausted, "it waits for the disk"


def test_large_records_of_a_stuck_target_do_not_fill_the_memory(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk and records of a megabyte: what is read ahead is counted in bytes as well."""
    monkeypatch.setattr(cycle_module, "_BACKLOG_BYTES", 4000)
    for _ in range(6):
        pair.log("a", *["waits" * 200] * 5)
        pair.log("b", "goes on")
        pair.step(2)
    assert len(pair.sinks["b.log"].lines) == 6
    assert pair.cycle.backlog < 15
    assert pair.cycle.exhausted, "it waits for the disk"


def test_flush_is_not_early_when_the_disk_is_free_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not read while the target was stuck was logged before the flush all the same."""
    monkeypatch.setattr(cycle_module, "_BACKLOG", 5)
    pair.log("a", *["early"] * 10)
    pair.step(3)
    pair.log("a", "late")
    mark = pair.cycle.flush_mark()
    sink = pair.sinks["a.log"]
    assert isinstance(sink, Blocked)
    sink.full = False
    for _ in range(10):
        pair.step(1)
        if pair.cycle.is_flushed(mark) and not pair.cycle.failing():
            break
    assert sink.lines[-1] == b"late\n"


@pytest.mark.parametrize("lasting", [False, True])
def test_flush_waits_for_a_trouble_of_a_moment_only(pair: Pair, lasting: bool) -> None:
    """A killed collector's lock of the log file can outlast the one of its spool."""
    pair.log("a", "one")
    while not pair.cycle.failing():
        pair.step(1)
    mark = pair.cycle.flush_mark()
    pair.cycle.step(thorough=True)
    assert not pair.cycle.is_flushed(mark)
    sink = pair.sinks["a.log"]
    assert isinstance(sink, Blocked)
    sink.full = lasting
    pair.step(3)
    assert pair.cycle.is_flushed(mark)
    assert pair.cycle.failing() == (["a.log"] if lasting else [])
    assert sink.lines == ([] if lasting else [b"one\n"])


def test_interrupted_step_keeps_the_collector(pair: Pair) -> None:
    """Its records are in no journal any more: who left now would leave them to the next program that logs."""
    pair.log("a", "one")
    pair.die()
    pair.step(3)
    pair.cycle.close()
    pair.cycle = pair.begin()
    pair.step(40)
    assert not pair.cycle.living()
    assert pair.cycle.backlog
    sink = pair.sinks["a.log"]
    assert isinstance(sink, Blocked)
    sink.full = False
    pair.step(3)
    assert sink.lines == [b"one\n"]
    assert not pair.cycle.backlog


class Stubborn(MemorySink):
    """Cannot be emptied, or not synced, as long as it is told so."""

    refuses = True

    def truncate(self) -> Step:
        if self.refuses:
            raise SinkError("permission denied")
        return Step("truncate")

    def apply(self, step: Step) -> Outcome:
        if step.kind == "truncate":
            self.lines.clear()
            return Outcome()
        return super().apply(step)

    def sync(self) -> None:
        if self.refuses:
            raise SinkError("Input/output error")
        super().sync()


def cycle_over(path: Path, sinks: dict[str, MemorySink], clock: FakeClock, notes: list[str]) -> Cycle:
    return Cycle(Spool(path), lambda target, note: sinks[target.key], clock, notes.append)


def test_file_that_cannot_be_emptied_holds_up_no_other(tmp_path: Path) -> None:
    """Mode `w` on a file of another user must not stop every log of the directory."""
    path, clock, notes = tmp_path / ".logboom", FakeClock(wall=NOW), list[str]()
    sinks = {"w.log": Stubborn(), "b.log": MemorySink()}
    SpoolFactory(path, Target(name="w.log", mode="w")).segment(A, ["waits"])
    SpoolFactory(path, Target(name="b.log")).segment(B, ["goes on"])
    cycle = cycle_over(path, sinks, clock, notes)
    mark = cycle.flush_mark()
    for _ in range(10):
        cycle.step(thorough=True)
        clock.advance(0.3)
    assert sinks["b.log"].lines == [b"goes on\n"]
    assert cycle.failing() == ["w.log"], "a flush of this file must answer no"
    assert cycle.is_flushed(mark), "and of the other one yes"
    assert cycle.living()
    sinks["w.log"].refuses = False  # type: ignore[attr-defined]
    for _ in range(10):
        cycle.step(thorough=True)
        clock.advance(0.3)
    assert sinks["w.log"].lines == [b"waits\n"]
    assert cycle.failing() == []
    cycle.close()


def test_nothing_is_freed_after_a_sync_that_failed(tmp_path: Path) -> None:
    """The sink that knows of the failure goes on in a new file: it must not be thrown away with it."""
    path, clock, notes = tmp_path / ".logboom", FakeClock(wall=NOW), list[str]()
    sinks: dict[str, MemorySink] = {"s.log": Stubborn()}
    segment = SpoolFactory(path, Target(name="s.log", synced=True)).segment(A, ["one"])
    cycle = cycle_over(path, sinks, clock, notes)
    for _ in range(60):
        cycle.step(thorough=True)
        clock.advance(0.3)
    assert sinks["s.log"].lines == [b"one\n"]
    assert segment.exists()
    assert sum("Input/output error" in note for note in notes) < 60
    sinks["s.log"].refuses = False  # type: ignore[attr-defined]
    for _ in range(60):
        cycle.step(thorough=True)
        clock.advance(0.3)
    assert not segment.exists()
    assert sinks["s.log"].synced == 1
    cycle.close()


class Busy(MemorySink):
    """Has always a step that must come first, up to a number at which a test would never end."""

    steps_first = 1000

    def plan(self, batch: Batch, now: float) -> Step:
        if self.steps_first:
            self.steps_first -= 1
            return Step("roll", details={"before": len(self.lines)})
        return super().plan(batch, now)


def test_sink_that_never_comes_to_write_holds_up_no_other(tmp_path: Path) -> None:
    """A rollover that ends nowhere, begun anew at once for ever, would stop every log of the directory."""
    path, clock, notes = tmp_path / ".logboom", FakeClock(wall=NOW), list[str]()
    busy, other = Busy(), MemorySink()
    SpoolFactory(path, Target(name="a.log")).segment(A, ["waits"])
    SpoolFactory(path, Target(name="b.log")).segment(B, ["goes on"])
    cycle = cycle_over(path, {"a.log": busy, "b.log": other}, clock, notes)
    for _ in range(10):
        cycle.step(thorough=True)
        clock.advance(0.3)
    assert other.lines == [b"goes on\n"]
    assert cycle.failing() == ["a.log"]
    assert busy.steps_first > 800
    assert len([note for note in notes if "wrote nothing" in note]) == 1
    busy.steps_first = 3
    for _ in range(10):
        cycle.step(thorough=True)
        clock.advance(0.3)
    assert busy.lines == [b"waits\n"]
    assert cycle.failing() == []
    cycle.close()


@pytest.mark.parametrize("byte", [b"#", b"\0"])
def test_dead_stream_without_a_header_is_set_aside(byte: bytes, tmp_path: Path) -> None:
    """Nobody can know its log. It was waited for, without a word, for ever."""
    path, clock, notes = tmp_path / ".logboom", FakeClock(wall=NOW), list[str]()
    sinks = {"app.log": MemorySink()}
    factory = SpoolFactory(path)
    broken = factory.segment(A, ["whose?"])
    data = broken.read_bytes()
    head = data.index(b"\n")
    broken.write_bytes(byte * head + data[head:])
    factory.segment(B, ["goes on"])
    cycle = cycle_over(path, sinks, clock, notes)
    mark = cycle.flush_mark()
    for _ in range(40):
        cycle.step(thorough=True)
        clock.advance(0.3)
    assert sinks["app.log"].lines == [b"goes on\n"]
    assert cycle.is_flushed(mark) and not cycle.living()
    assert list((path / "journal").iterdir()) == []
    assert (path / "damaged" / broken.name).read_bytes()[head:] == data[head:]
    assert sum("its header is destroyed" in note for note in notes) == 1
    cycle.close()


def test_stream_without_a_header_that_cannot_be_set_aside_keeps_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`damaged/` is bounded: it stays where it is, and is not deleted either."""
    path, clock, notes = tmp_path / ".logboom", FakeClock(wall=NOW), list[str]()
    broken = SpoolFactory(path).segment(A, ["whose?"])
    broken.write_bytes(b"#" + broken.read_bytes()[1:].replace(b'"target"', b'"tar\xff\xff"', 1))
    monkeypatch.setattr(damaged_module, "_KEPT", 0)
    cycle = cycle_over(path, {}, clock, notes)
    for _ in range(40):
        cycle.step(thorough=True)
        clock.advance(0.3)
    assert not cycle.living() and broken.exists()
    assert any("its header is destroyed" in note for note in notes)
    cycle.close()


def test_stream_of_zeros_is_removed(tmp_path: Path) -> None:
    """A power loss leaves what was allocated and never written: there is nothing to keep."""
    path, clock, notes = tmp_path / ".logboom", FakeClock(wall=NOW), list[str]()
    empty = SpoolFactory(path).segment(A, [])
    empty.write_bytes(bytes(65536))
    cycle = cycle_over(path, {}, clock, notes)
    for _ in range(40):
        cycle.step(thorough=True)
        clock.advance(0.3)
    assert not cycle.living() and not empty.exists() and notes == []
    cycle.close()
