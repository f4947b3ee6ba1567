"""What a handler does when its record cannot take the shortest way: rolls, full disks, closed segments."""

from __future__ import annotations

import ctypes
import errno
import gc
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from harness import wait_until

import logboom
from logboom import platform
from logboom.errors import ConfigurationError, SpoolFullError
from logboom.journal import segment as writing
from logboom.journal.layout import FORMAT, REST, WAKE, segment_name
from logboom.journal.writer import JournalWriter
from logboom.platform.process import this_process
from logboom.producer import lifecycle
from logboom.producer import producer as producing
from logboom.producer.producer import NOT_LIVE, Producer
from logboom.producer.room import Room
from logboom.spool import launch
from logboom.spool.directory import Spool


@pytest.fixture(autouse=True)
def no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing that another test has left behind."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")
    this_process.reset()


class Program:
    """A logger with one handler of ours, and what `handleError` was called for."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.log = directory / "app.log"
        self.handler = logboom.FileHandler(self.log, **options)
        self.handler.setFormatter(logging.Formatter("%(message)s"))
        self.errors: list[logging.LogRecord] = []
        self.handler.handleError = self.errors.append  # type: ignore[method-assign]
        self.logger = logging.Logger("program")
        self.logger.addHandler(self.handler)

    @property
    def producer(self) -> Producer:
        assert self.handler._producer is not None
        return self.handler._producer

    def drain(self) -> list[str]:
        spool = self.producer.spool_path
        assert launch.collect_here(spool, float("inf"))
        return self.log.read_text().splitlines()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path, close_timeout=0, flush_timeout=0)
    yield made
    made.handler.close()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), SpoolFullError("full")])
def test_error_at_a_roll_stays_with_the_handler(
    program: Program, error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spool that cannot even be looked at costs counted records, never an exception in the program."""

    def look(room: Room) -> int:
        raise error

    program.logger.error("before")
    monkeypatch.setattr(Room, "_room", look)
    for _ in range(20):
        program.logger.error("%s", "x" * 8000)
    assert not program.errors
    assert program.producer.drops.count() > 5


def test_unexpected_error_at_a_roll_goes_to_handle_error(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong inside a log call, the program that logs does not see it."""

    def roll(*_: object) -> None:
        raise RuntimeError("not foreseen")

    program.logger.error("before")
    monkeypatch.setattr(JournalWriter, "roll", roll)
    for _ in range(20):
        program.logger.error("%s", "x" * 8000)
    assert program.errors


def test_dropping_is_said_once_on_stderr(
    program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that is full for a day must not flood stderr, nor fill the memory with warnings said."""
    program.logger.error("before")

    def fill_disk(writer: object, temporary: Path, path: Path, *_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(temporary))

    monkeypatch.setattr(JournalWriter, "_fill", fill_disk)
    for _ in range(30):
        program.producer._full_until = float("-inf")
        program.logger.error("%s", "x" * 8000)
    said = capsys.readouterr().err
    assert said.count("records are dropped") == 1
    assert str(program.producer.spool_path) in said


def test_full_disk_is_not_tried_for_every_record(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Making a file and being refused costs more than the record; a moment later is soon enough."""
    program.logger.error("before")
    tries: list[Path] = []

    def fill_disk(writer: object, temporary: Path, path: Path, *_: object) -> None:
        tries.append(path)
        raise OSError(errno.ENOSPC, "No space left on device", str(temporary))

    monkeypatch.setattr(producing, "_RETRY_AFTER", 1e9)
    with monkeypatch.context() as disk:
        disk.setattr(JournalWriter, "_fill", fill_disk)
        for _ in range(30):
            program.logger.error("%s", "x" * 8000)
    assert len(tries) == 1
    assert program.producer.drops.count() > 20


def test_program_that_changes_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Daemons do: the name of the file was resolved when the handler was made, and so was its spool."""
    (tmp_path / "home").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    program = Program(Path(), close_timeout=0)
    monkeypatch.chdir(tmp_path / "elsewhere")
    program.logger.error("one")
    assert (tmp_path / "home" / ".logboom").is_dir()
    assert launch.collect_here(tmp_path / "home" / ".logboom", float("inf"))
    assert (tmp_path / "home" / "app.log").read_text() == "one\n"
    assert list((tmp_path / "elsewhere").iterdir()) == []
    program.handler.close()


def test_dropped_records_are_said_in_the_log_at_the_end(
    program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that drops and then ends, with room again, must not leave a gap that nobody tells."""
    program.logger.error("before")
    with monkeypatch.context() as disk:
        disk.setattr(Room, "_room", lambda room: 0)
        for _ in range(20):
            program.logger.error("%s", "x" * 8000)
    program.handler.close()
    lines = program.drain()
    kept = sum(line.startswith("xxx") for line in lines)
    assert f"{20 - kept} records dropped: the spool is full" in lines
    assert "were dropped" not in capsys.readouterr().err


def test_flush_waits_for_a_segment_that_was_given_up(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records in a segment that was closed after an error are not in the file because of it."""
    monkeypatch.setattr(launch, "wait_until_flushed", lambda *_: False)
    program.logger.error("waits in the journal")
    writer = program.producer._writer
    assert writer is not None
    writer.close()
    assert not program.producer.wait(0.0)


def test_sync_covers_the_segment_that_took_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread may roll between a record's append and its sync: the old segment has the record."""
    program = Program(tmp_path, fsync_level="ERROR", close_timeout=0)
    program.logger.error("first")
    synced: list[int] = []
    real_write, real_sync = Producer._write, writing.Segment.sync

    def write(producer: Producer, *line: Any) -> Any:
        written = real_write(producer, *line)
        assert producer._writer is not None
        producer._writer.roll(producer._writer.segment, {}, 0)
        synced.clear()
        return written

    def sync(segment: writing.Segment, start: int) -> int:
        synced.append(segment.number)
        return real_sync(segment, start)

    monkeypatch.setattr(Producer, "_write", write)
    for kind in (writing.MappedSegment, writing.WrittenSegment):
        monkeypatch.setattr(kind, "sync", sync)
    program.logger.error("second")
    assert 1 in synced
    program.handler.close()


def test_a_failed_sync_is_final_for_its_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kernel may have dropped what it could not write: later records go to a segment of their own."""
    program = Program(tmp_path, fsync_level="ERROR", close_timeout=0)
    program.logger.error("first")

    def fail(segment: writing.Segment, start: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as disk:
        for kind in (writing.MappedSegment, writing.WrittenSegment):
            disk.setattr(kind, "sync", fail)
        program.logger.error("second")
    program.logger.error("third")
    assert program.producer._writer is not None and program.producer._writer.segment is not None
    assert program.producer._writer.segment.number == 2
    assert "fsync failed" in capsys.readouterr().err
    assert program.drain() == ["first", "second", "third"]
    program.handler.close()


@pytest.mark.skipif(sys.platform == "win32", reason="directories cannot be synced")
def test_sync_covers_the_names_that_lead_to_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A synced segment that no directory names after a power loss is as good as none."""
    program = Program(tmp_path, fsync_level="ERROR", close_timeout=0)
    synced: list[str] = []
    monkeypatch.setattr(platform, "sync_directory", lambda path: synced.append(Path(path).name))
    program.logger.error("first")
    assert synced == ["journal", ".logboom", tmp_path.name]
    synced.clear()
    program.logger.error("same segment")
    assert synced == []
    program.logger.error("%s", "x" * 100_000)
    assert synced == ["journal"]
    program.handler.close()


def test_record_after_close_is_kept(program: Program) -> None:
    """Libraries log after `logging.shutdown`: such a record reaches the file as well."""
    program.logger.error("before")
    program.handler.close()
    program.logger.error("after")
    assert program.drain() == ["before", "after"]


def test_unlinked_segment_is_left_within_a_second(program: Program) -> None:
    """A segment that somebody deleted is silent: the next look finds that and goes on in a new one."""
    program.logger.error("lost with the file")
    spool = Spool(program.producer.spool_path)
    (producer,) = spool.segments()
    (spool.journal_path / segment_name(producer, 1)).unlink()
    program.producer._looked = float("-inf")
    record = program.logger.makeRecord("n", 40, "f", 1, "kept", (), None)
    record.created += 2.0
    program.handler.handle(record)
    assert program.drain()[-1] == "kept"


def looks(program: Program, seconds: int) -> None:
    """The program logs once a second, for so long."""
    for _ in range(seconds):
        program.producer._looked = float("-inf")
        program.producer.live = NOT_LIVE
        program.logger.error("one")


def test_records_of_one_second_look_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A synced level takes the long way each time: a look for each record would be two system calls more."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "auto")
    monkeypatch.setattr(producing, "_LOOK_EVERY", 1e9)
    program = Program(tmp_path, close_timeout=0, fsync_level="CRITICAL")
    looked: list[Path] = []
    monkeypatch.setattr(launch, "collector_lives", lambda spool, message=b"": not looked.append(spool))
    for _ in range(20):
        program.logger.error("one")
    assert len(looked) == 1
    monkeypatch.setattr(launch, "wait_until_flushed", lambda *_: False)
    program.handler.close()


def test_helper_is_taken_leave_of_with_the_next_look(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that started a collector long ago must not keep a zombie until it needs another."""
    reaped: list[int] = []
    monkeypatch.setattr(launch, "reap", lambda: reaped.append(1))
    looks(program, 2)
    assert len(reaped) == 2


def test_collector_is_rung_behind_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring before the append makes it look too early: the first record after a pause would come late."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "auto")
    program = Program(tmp_path, close_timeout=0)
    seen: list[int] = []

    def rung(spool: Path, message: bytes = b"") -> bool:
        writer = program.producer._writer
        seen.append(0 if writer is None else writer.written()[2])
        return True

    monkeypatch.setattr(launch, "collector_lives", rung)
    looks(program, 3)
    assert seen[0] > 0
    assert seen == sorted(set(seen))
    monkeypatch.setattr(launch, "wait_until_flushed", lambda *_: False)
    program.handler.close()


def test_collector_that_ends_at_once_is_said_and_not_started_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken installation must not start an interpreter a second for days, and not be silent either."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "auto")
    program = Program(tmp_path, close_timeout=0)
    starts: list[Path] = []

    def start(spool: Path) -> launch.Launch:
        starts.append(spool)
        return launch.Launch(True)

    monkeypatch.setattr(launch, "collector_lives", lambda spool, message=b"": False)
    monkeypatch.setattr(launch, "start_collector", start)
    monkeypatch.setattr(launch, "wait_until_flushed", lambda *_: False)
    looks(program, 9)
    assert capsys.readouterr().err == ""
    looks(program, 91)
    assert len(starts) < 25
    said = capsys.readouterr().err
    assert said.count("no collector") == 1
    assert "logboom drain" in said
    program.handler.close()


def test_no_collector_is_started_while_a_newer_release_has_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Theirs reads all journals; ours could not, and would keep the lock from it."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "auto")
    program = Program(tmp_path, close_timeout=0)
    starts: list[Path] = []
    monkeypatch.setattr(launch, "collector_lives", lambda spool, message=b"": False)
    monkeypatch.setattr(launch, "start_collector", lambda spool: starts.append(spool) or launch.Launch(True))
    monkeypatch.setattr(launch, "wait_until_flushed", lambda *_: False)
    looks(program, 1)
    assert len(starts) == 1
    for made_way, format, count in ((0.0, FORMAT, 1), (0.0, FORMAT - 1, 2), (-60.0, FORMAT, 3)):
        values = {"collector": {"made_way": time.perf_counter() + made_way, "format": format}}
        (program.producer.spool_path / launch.STATUS).write_bytes(msgspec.json.encode(values))
        looks(program, 1)
        assert len(starts) == count
    program.handler.close()


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("collector", ["auto", "external", "off"])
def test_only_auto_leaves_the_rest_to_a_collector_that_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: str, dropped: bool
) -> None:
    """Who said that another one collects, or none, must find no process that he did not start."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", collector)
    starts: list[Path] = []
    monkeypatch.setattr(launch, "collector_lives", lambda spool, message=b"": False)
    monkeypatch.setattr(launch, "start_collector", lambda spool: starts.append(spool) or launch.Launch(True))
    monkeypatch.setattr(launch, "wait_until_flushed", lambda *_: False)
    program = Program(tmp_path, close_timeout=0)
    program.logger.error("waits in the journal")
    starts.clear()
    if dropped:
        program.logger.removeHandler(program.handler)
        del program.handler
        gc.collect()
        assert not lifecycle.flush(0)
    else:
        program.handler.close()
    assert bool(starts) is (collector == "auto")


def test_close_flushes_once_however_long_that_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow flush for the own records has covered those of others, too: leaving must not cost it twice."""
    monkeypatch.setattr(producing, "_JUST_NOW", 0.0)  # as if each flush took longer than that
    program, other = Program(tmp_path, close_timeout=5), logboom.FileHandler(tmp_path / "other.log")
    program.logger.error("mine")
    other.handle(logging.makeLogRecord({"msg": "his"}))
    flushes: list[Path] = []
    monkeypatch.setattr(launch, "wait_until_flushed", lambda spool, *_: not flushes.append(spool))
    program.handler.close()
    assert len(flushes) == 1
    other.close()


def test_spool_that_cannot_be_made_is_said_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one line on stderr must say what to repair."""
    program = Program(tmp_path, close_timeout=0)
    (tmp_path / ".logboom").write_text("a file in the way")
    program.logger.error("dropped")
    program.logger.error("dropped, too")
    said = capsys.readouterr().err
    assert said.count("records are dropped: cannot make the spool") == 1
    (tmp_path / ".logboom").unlink()
    program.producer._full_until = float("-inf")
    program.logger.error("kept")
    lines = program.drain()
    assert lines[-1] == "kept"
    assert any(line.startswith("2 records dropped: cannot make the spool") for line in lines)
    program.handler.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_child_does_not_go_on_in_the_stream_of_a_handler_that_is_gone(tmp_path: Path) -> None:
    """Parent and child would give their segments the same names, and one would take the other's place."""

    def log(*texts: str) -> None:
        program = Program(tmp_path, close_timeout=0)
        for text in texts:
            program.logger.error("%s", text)
        gc.collect()  # the handler goes without `close`, as after `removeHandler`

    log("before")
    gc.collect()
    pid = os.fork()
    if pid == 0:
        log("child " + "x" * 70_000, "child")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    log("parent " + "x" * 70_000, "parent")
    program = Program(tmp_path, close_timeout=0)
    program.logger.error("after")
    assert sorted(line[:6] for line in program.drain()) == sorted(
        ["before", "child ", "child", "parent", "parent", "after"]
    )
    program.handler.close()


class Forks:
    """A message that forks while it is formatted."""

    pid = -1

    def __init__(self, fork: Callable[[], int]) -> None:
        self.fork = fork

    def __str__(self) -> str:
        self.pid = self.fork()
        return "parent" if self.pid else "child"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("mode", ["", "write"])
@pytest.mark.parametrize("in_c", [False, True], ids=["fork", "fork in C"])
def test_fork_in_the_middle_of_a_log_call(
    tmp_path: Path, in_c: bool, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call goes on in both processes, at one place of one segment, unless the child's is taken away."""
    monkeypatch.setenv("LOGBOOM_JOURNAL", mode)
    program = Program(tmp_path, close_timeout=0)
    program.logger.error("before")
    message = Forks(ctypes.PyDLL(None).fork if in_c else os.fork)
    record = program.logger.makeRecord("n", 40, "f", 1, message, (), None)
    record.created = program.producer.live.low + 0.5
    program.handler.handle(record)
    if message.pid == 0:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(message.pid, 0)[1]) == 0
    assert sorted(program.drain()) == ["before", "child", "parent"]
    program.handler.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("call", ["append", "append_full", "roll_over"])
def test_child_without_the_fork_hook_has_a_stream_of_its_own(program: Program, call: str) -> None:
    """uWSGI forks in C: whatever comes first in the child, it must not be written to the parent's segment."""
    program.logger.error("parent")
    live, producer = program.producer.live, program.producer
    assert producer._writer is not None
    assert producer._writer.segment is not None
    parent, path = producer._writer.producer, producer._writer.segment.path
    before = path.read_bytes()
    pid = ctypes.PyDLL(None).fork()
    if pid == 0:
        calls: dict[str, Callable[[], object]] = {
            "append": lambda: producer.append(logging.makeLogRecord({"msg": "child"}), None),
            "append_full": lambda: producer.append_full(b'[1.0,1,40,"n","child"]\n', live, 1.0),
            "roll_over": lambda: producer.roll_over(float("-inf")),
        }
        calls[call]()
        os._exit(0 if producer._writer.producer != parent else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", ["", "write"])
def test_two_threads_that_leave_a_segment_close_it_once(
    program: Program, mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second `close` would hit whatever has the number by then: a socket of the program."""
    monkeypatch.setenv("LOGBOOM_JOURNAL", mode)
    program.logger.error("one")
    assert program.producer._writer is not None
    segment = program.producer._writer.segment
    assert segment is not None
    opened: list[int] = []
    real = os.fstat

    def fstat(fd: int) -> os.stat_result:
        status = real(fd)
        if not opened:
            opened.append(-1)
            segment.release()  # the other thread, in the middle of this one's look
            opened[0] = os.open(tmp_path, os.O_RDONLY)
        return status

    pinned = len(writing._pinned)
    monkeypatch.setattr(os, "fstat", fstat)
    segment.release()
    segment.release()
    real(opened[0])
    os.close(opened[0])
    assert len(writing._pinned) == pinned


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is written keeps its directory")
def test_flush_does_not_say_yes_for_a_journal_that_is_gone(tmp_path: Path) -> None:
    """Nothing is left to write in a directory that somebody removed, but the record is in no file."""
    program = Program(tmp_path, close_timeout=0)
    program.logger.error("written")
    assert logboom.flush(30)
    program.logger.error("lost")
    shutil.rmtree(program.producer.spool_path)
    assert not logboom.flush(0.0)
    assert program.log.read_text() == "written\n"
    program.handler.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is written keeps its directory")
def test_journal_is_made_again_at_once_where_a_roll_has_just_failed(tmp_path: Path) -> None:
    """The wait after a failed roll is for a full disk: here it would drop records that have room."""
    program = Program(tmp_path, close_timeout=0)
    program.logger.error("first")
    shutil.rmtree(program.producer.spool_path)
    program.logger.error("x" * 100_000)
    assert program.producer.drops.pending
    program.producer.live, program.producer._looked = NOT_LIVE, float("-inf")
    program.logger.error("second")
    assert not program.producer.drops.pending
    (segment,) = (program.producer.spool_path / "journal").iterdir()
    assert b"second" in segment.read_bytes()
    program.handler.close()


def test_flush_rests_while_it_waits_and_wakes_before_it_returns(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are not held up by who waits, and who goes on may have an earlier record than they."""
    program.logger.error("one")
    segment = program.producer._writer and program.producer._writer.segment
    assert segment is not None
    seen = []

    def last_line() -> bytes:
        return segment.path.read_bytes().rstrip(b"\0").splitlines(keepends=True)[-1]

    def wait(*_: object) -> bool:
        seen.append(last_line())
        return True

    monkeypatch.setattr(launch, "wait_until_flushed", wait)
    program.handler.flush()
    program.handler.flush()
    assert seen == [REST], "the second flush has nothing to wait for"
    assert last_line() == WAKE


def test_who_collects_here_says_that_nothing_of_its_is_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others that collect by themselves would wait, record for record, for an earlier one of this program."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "off")
    program, seen = Program(tmp_path), [b""]

    def look(*_: object) -> bool:
        (segment,) = program.producer.spool_path.rglob("*.segment")
        seen.append(segment.read_bytes().rstrip(b"\0"))
        return True

    monkeypatch.setattr(launch, "wait_until_flushed", look)
    program.logger.error("one")
    assert seen[-1].endswith(b"\n" + REST)
    look()
    assert seen[-1].endswith(b"\n" + REST + WAKE)
    program.handler.close()


def test_collecting_here_asks_the_collector_that_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests that log to the file of a living server: no log call waits for its collector's next idle look."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "auto")
    server = Program(tmp_path, close_timeout=0)
    server.logger.error("server")
    spool = server.producer.spool_path
    try:
        wait_until(lambda: launch.collector_lives(spool), "a collector lives")
        monkeypatch.setenv("LOGBOOM_COLLECTOR", "off")
        tests = Program(tmp_path, flush_timeout=60)
        tries: list[Path] = []
        monkeypatch.setattr(launch, "collect_here", lambda path, deadline: tries.append(path))
        begun = time.monotonic()
        for number in range(5):
            tests.logger.error("test %d", number)
        assert time.monotonic() - begun < 4.0
        assert not tries
        tests.handler.close()
        assert tests.log.read_text().splitlines()[-5:] == [f"test {number}" for number in range(5)]
    finally:
        launch.collector_lives(spool, launch.STOP)
        server.handler.close()


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_handlers_that_are_dropped_keep_no_descriptors(tmp_path: Path) -> None:
    """A worker that makes a handler a job and forgets it must not run out of descriptors some day."""
    before, logger = _descriptors(), logging.Logger("jobs")
    for number in range(50):
        handler = logboom.FileHandler(tmp_path / f"job{number}.log")
        logger.addHandler(handler)
        logger.error("job %d", number)
        logger.removeHandler(handler)
        del handler
    assert _descriptors() - before < 5
    assert lifecycle.flush(20), "what they logged is waited for all the same"
    assert [(tmp_path / f"job{number}.log").read_text() for number in range(50)] == [
        f"job {number}\n" for number in range(50)
    ]


def test_dropped_handler_leaves_the_stream_to_the_others(tmp_path: Path) -> None:
    """Two handlers for one file share a stream: it must live on when one of them is collected."""
    one, two = Program(tmp_path, close_timeout=0), Program(tmp_path, close_timeout=0)
    one.logger.error("one")
    two.logger.error("two")
    one.logger.removeHandler(one.handler)
    del one
    gc.collect()
    two.logger.error("three")
    assert len(Spool(two.producer.spool_path).segments()) == 1
    assert two.drain() == ["one", "two", "three"]
    two.handler.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_child_that_drops_its_parents_handler_takes_nothing_away(program: Program) -> None:
    """The parent's stream goes on, whatever its children let go of."""
    program.logger.error("before")
    child = os.fork()
    if child == 0:
        program.logger.removeHandler(program.handler)
        del program.handler
        gc.collect()
        os._exit(0 if lifecycle.flush(0) else 1)
    assert os.waitpid(child, 0)[1] == 0
    program.logger.error("after")
    assert len(Spool(program.producer.spool_path).segments()) == 1
    assert program.drain() == ["before", "after"]


def test_flush_is_not_true_behind_a_close_in_vain(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks whether all is in the files gets the truth, also when its handlers are closed by then."""
    program.logger.error("waits in the journal")
    with monkeypatch.context() as stopped:
        stopped.setattr(launch, "wait_until_flushed", lambda *_: False)
        program.handler.close()
        assert not lifecycle.flush(0)
    assert lifecycle.flush(10)
    assert program.log.read_text() == "waits in the journal\n"


def test_flush_is_not_true_while_drops_are_unsaid(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that is neither in the file nor told of there is no reason for "all is in the files"."""
    program.logger.error("before")
    with monkeypatch.context() as disk:
        disk.setattr(Room, "_room", lambda room: 0)
        for _ in range(2):  # a segment that is written takes one that is too large for it
            program.logger.error("%s", "x" * 100_000)
        assert not lifecycle.flush(10)
    assert lifecycle.flush(10)
    assert "records dropped" in program.log.read_text()


def test_flush_is_not_true_when_nothing_could_be_logged(tmp_path: Path) -> None:
    """The only record of a process could not enter the journal: it is missing, and nothing tells of it."""
    (tmp_path / ".logboom").write_bytes(b"in the way")
    program = Program(tmp_path, close_timeout=0)
    program.logger.error("lost")
    assert not lifecycle.flush(0.1)
    program.handler.close()
    assert not lifecycle.flush(0.1), "not even when it is closed"


@pytest.mark.skipif(sys.platform != "linux", reason="any bytes are a name")
def test_name_that_is_not_utf8_is_refused_at_configuration(tmp_path: Path) -> None:
    """A header cannot say it: each record would be lost. A directory's name is in no header."""
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        logboom.FileHandler(os.fsencode(tmp_path / "app") + b"\xff.log")
    program = Program(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")), close_timeout=0)
    program.logger.error("one")
    assert program.drain() == ["one"]
    program.handler.close()


def test_rollover_without_backups_leaves_the_file(tmp_path: Path) -> None:
    """`backupCount=0` keeps no backups in the standard library: asking must not pile them up."""
    handler = logboom.RotatingFileHandler(tmp_path / "app.log", flush_timeout=10, close_timeout=0)
    for text in ("one", "two"):
        handler.handle(logging.makeLogRecord({"msg": text}))
        handler.doRollover()
    assert (tmp_path / "app.log").read_text() == "one\ntwo\n"
    assert not list(tmp_path.glob("app.log.*"))
    handler.close()
