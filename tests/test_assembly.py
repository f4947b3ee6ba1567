"""How a collector is put together, hands over, and leaves."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import logboom
from logboom import platform
from logboom.cli import collect as collecting
from logboom.cli import drain as draining
from logboom.collector import assembly
from logboom.collector.election import Leadership
from logboom.collector.service import NEWER, UNNEEDED, Service
from logboom.errors import ConfigurationError, SpoolError
from logboom.journal.layout import FORMAT, encode_line, segment_name
from logboom.journal.survey import committed_ends
from logboom.journal.target import Server, Target
from logboom.producer import starting
from logboom.spool import status
from logboom.spool.allowed import allow
from logboom.spool.directory import Spool
from logboom.spool.flushed import Flushed, FlushedWatch
from logboom.spool.status import Notebook
from logboom.testing import SpoolFactory

A, B = "a" * 16, "b" * 16


@pytest.fixture
def factory(tmp_path: Path) -> SpoolFactory:
    return SpoolFactory(tmp_path / "logs" / ".logboom")


def written(factory: SpoolFactory) -> list[str]:
    log = factory.path.parent / "app.log"
    return log.read_text().splitlines() if log.exists() else []


def test_drain_writes_what_a_dead_program_left(factory: SpoolFactory) -> None:
    """`logboom drain` and the end of a program without a collector."""
    factory.segment(A, ["one", "two"])
    assert assembly.drain(factory.path, time.monotonic() + 10)
    assert written(factory) == ["one", "two"]
    assert assembly.drain(factory.path, time.monotonic() + 10)
    assert written(factory) == ["one", "two"]


@pytest.mark.parametrize("fails", [False, True])
def test_drain_tells_those_who_wait_beside_it(factory: SpoolFactory, fails: bool) -> None:
    """Else each of many would lead in turn; of a failure it tells nobody: others may have more rights."""
    factory.segment(A, ["one"])
    if fails:
        (factory.path.parent / "app.log").mkdir()
    assert assembly.drain(factory.path, time.monotonic() + 10) is not fails
    flushed = FlushedWatch(factory.path).news()
    if fails:
        assert flushed is None
    else:
        assert flushed is not None
        assert not waited_for(factory.path, flushed)


def waited_for(spool: Path, flushed: Flushed) -> list[str]:
    """Streams that are not delivered to their end."""
    ends = committed_ends(Spool(spool))
    return [name for name, end in ends.items() if flushed.through.get(name, -1) < end]


def test_drain_does_not_lead_beside_a_leader(factory: SpoolFactory) -> None:
    """Two who write one file would write every record twice."""
    factory.segment(A, ["one"])
    leadership = Leadership.seek(factory.path)
    assert leadership is not None
    assert not assembly.drain(factory.path, time.monotonic() + 10)
    assert written(factory) == []
    leadership.release()


def test_drain_without_a_spool_has_nothing_to_do(tmp_path: Path) -> None:
    """A program that never logged leaves without a trace."""
    assert assembly.drain(tmp_path / "none", time.monotonic() + 1)
    assert list(tmp_path.iterdir()) == []


def test_attempts_of_one_program_say_a_sentence_once(factory: SpoolFactory) -> None:
    """A program that leaves while nothing can be written tries again and again."""
    factory.target = Target(name="../app.log")
    factory.segment(A, ["waits"])
    for _ in range(5):
        assert not assembly.drain(factory.path, time.monotonic())
    assert (factory.path / "collector.log").read_text().count("not a plain file name") == 1


def test_drain_that_fails_gives_the_lock_back(factory: SpoolFactory) -> None:
    """A program whose drain failed must not keep the next collector out."""
    (factory.path / "checkpoint.jsonl").mkdir()
    with pytest.raises(OSError, match="directory"):
        assembly.drain(factory.path, time.monotonic() + 1)
    leadership = Leadership.seek(factory.path)
    assert leadership is not None
    leadership.release()


@pytest.mark.parametrize("name", ["", ".", "..", "../app.log", "a/b", "/etc/passwd", "a\0b", ".logboom"])
def test_header_names_a_plain_file(factory: SpoolFactory, name: str) -> None:
    """Who may write segments must not thereby write any file that the collector may."""
    with pytest.raises(ConfigurationError):
        assembly._make_sink(factory.path, Target(name=name), lambda note: None)


def test_address_must_be_on_the_owners_list(factory: SpoolFactory) -> None:
    """Else whoever may write segments could send everybody's records to any host."""
    pytest.importorskip("zmq")
    target = Server(kind="push", address="tcp://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="allowed"):
        assembly._make_sink(factory.path, target, lambda note: None)
    allow(factory.path, "tcp://127.0.0.1:9")
    assembly._make_sink(factory.path, target, lambda note: None).close()


def test_directory_must_be_on_the_owners_list(factory: SpoolFactory, tmp_path: Path) -> None:
    """With spool= the log is elsewhere: where, the spool's owner says, and no segment."""
    target = Target(name="app.log", directory=str(tmp_path / "elsewhere"))
    with pytest.raises(ConfigurationError, match="allowed"):
        assembly._make_sink(factory.path, target, lambda note: None)
    allow(factory.path, str(tmp_path / "elsewhere"))
    assembly._make_sink(factory.path, target, lambda note: None).close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_strangers_entry_counts_for_nothing(factory: SpoolFactory, tmp_path: Path) -> None:
    """A group member who may write the spool must not extend the list."""
    allow(factory.path, str(tmp_path))
    (entry,) = (factory.path / "allowed").iterdir()
    os.chown(entry, 12345, 12345)
    with pytest.raises(ConfigurationError, match="allowed"):
        assembly._make_sink(factory.path, Target(name="app.log", directory=str(tmp_path)), lambda note: None)


def test_collector_of_no_spool_says_so(tmp_path: Path) -> None:
    """A mistyped path must not make a directory and wait there for ever."""
    with pytest.raises(SpoolError, match="no such spool"):
        assembly.collect(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_second_collector_says_so(factory: SpoolFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that starts two must be told."""
    monkeypatch.setattr(assembly, "_CANDIDACY", 0.05)
    leadership = Leadership.seek(factory.path)
    assert leadership is not None
    with pytest.raises(SpoolError, match="another collector"):
        assembly.collect(factory.path)
    leadership.release()


def test_candidate_does_not_take_a_look_for_a_leader(
    factory: SpoolFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks whether somebody leads holds the lock for an instant: nobody would lead after it."""
    real, refused = platform.try_lock, list[int]()

    def try_lock(fd: int) -> bool:
        if not refused:
            refused.append(fd)
            return False
        return real(fd)

    def run(service: Service, started: Callable[[], None]) -> str:
        service._leadership.release()
        return "stopped"

    monkeypatch.setattr(platform, "try_lock", try_lock)
    monkeypatch.setattr(Service, "run", run)
    assert assembly.collect(factory.path) == "stopped"
    assert refused


def test_collector_that_made_way_for_a_newer_release_does_not_stand_again_at_once(
    factory: SpoolFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many programs most are of the older release: theirs would win every election, and leave again."""
    factory.segment(A, ["older"])
    header = msgspec.structs.replace(factory.header(B), logboom=FORMAT + 1)
    (factory.path / "journal" / segment_name(B, 1)).write_bytes(encode_line(header).ljust(4096, b"\0"))
    runs: list[int] = []
    real = Service.run

    def run(service: Service, started: Callable[[], None]) -> str:
        runs.append(1)
        return real(service, started)

    monkeypatch.setattr(Service, "run", run)
    assert assembly.collect(factory.path) == NEWER
    assert written(factory) == ["older"]
    assert assembly.collect(factory.path) == NEWER and len(runs) == 1
    with monkeypatch.context() as newer:
        newer.setattr(assembly, "FORMAT", FORMAT + 1)
        assembly.collect(factory.path)
    assert len(runs) == 2
    monkeypatch.setattr(status, "_TURN", 0.0)
    assembly.collect(factory.path)
    assert len(runs) == 3


LATER = """
import sys, time
from pathlib import Path
from logboom.collector import assembly
before = set(sys.modules)
assert assembly.drain(Path(sys.argv[1]), time.monotonic() + 30)
print(*sorted(name for name in set(sys.modules) - before if name.startswith("logboom")))
"""


def test_collector_has_imported_all_of_logboom_when_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pip install` replaces the files below a running one: a module of another release must not mix in."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")
    quick: dict[str, Any] = {"close_timeout": 0, "flush_timeout": 0}
    handlers = [
        logboom.RotatingFileHandler(
            tmp_path / "a.log", maxBytes=100, backupCount=3, compress="gzip", **quick
        ),
        logboom.TimedRotatingFileHandler(tmp_path / "b.log", "S", **quick),
        logboom.FileHandler(tmp_path / "c.log", **quick),
    ]
    handlers[0].setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    handlers[1].setFormatter(logboom.JSONFormatter())
    for handler in handlers:
        for _ in range(8):
            handler.handle(logging.LogRecord("shop", 40, "f.py", 1, "x" * 50, (), None))
    command = [sys.executable, "-c", LATER, str(tmp_path / ".logboom")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "\n"
    assert (tmp_path / "a.log.1").exists() and (tmp_path / "b.log").stat().st_size
    for handler in handlers:
        handler.close()


def test_who_came_and_died_while_it_left_is_collected(
    factory: SpoolFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program found the doorbell still there, logged and was killed: nobody else would come for it."""
    runs: list[Service] = []
    listing = assembly.Spool

    def run(service: Service, started: Callable[[], None]) -> str:
        service.seen = {(p, n) for p, numbers in listing(factory.path).segments().items() for n in numbers}
        runs.append(service)
        if len(runs) == 1:
            factory.segment(B, ["last words"])
        service._leadership.release()
        return UNNEEDED

    monkeypatch.setattr(Service, "run", run)
    factory.segment(A, ["one"])
    assert assembly.collect(factory.path) == UNNEEDED
    assert len(runs) == 2


def test_starting_lock_is_given_back_once(tmp_path: Path) -> None:
    """The number may belong to another file when it is called again."""
    fd = os.open(tmp_path, os.O_RDONLY)
    once = assembly._CloseOnce(fd)
    once()
    again = os.open(tmp_path, os.O_RDONLY)
    once()
    os.fstat(again)
    os.close(again)


def test_detached_collector_ends_quietly_when_another_leads(
    factory: SpoolFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loser of an election is no error."""
    monkeypatch.setattr(assembly, "_CANDIDACY", 0.05)
    monkeypatch.setattr(assembly.platform, "name_process", lambda name: None)
    leadership = Leadership.seek(factory.path)
    keep = os.open(factory.path, os.O_RDONLY)
    assembly.run_detached(str(factory.path), keep)
    assert leadership is not None
    leadership.release()


def test_detached_collector_asks_again_once_others_may_start_one(
    factory: SpoolFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who led until now left because it saw a candidate: if that gives up, nobody collects."""
    free: list[bool] = []

    def collect(spool: Path, **options: Any) -> str:
        free.append(starting.start_is_free(spool))
        if len(free) == 1:
            raise SpoolError("another collector has this spool")
        return "stopped"

    monkeypatch.setattr(platform, "name_process", lambda name: None)
    monkeypatch.setattr(assembly, "collect", collect)
    keep = platform.claim(factory.path / starting.STARTING_LOCK)
    assert keep is not None
    assembly.run_detached(str(factory.path), keep)
    assert free == [False, True]


def test_roots_collector_is_the_spools_owner_before_it_reads_anything(
    factory: SpoolFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a journal asks for must be done with the rights of those who can write journals."""
    events: list[str] = []

    def collect(spool: Path, **options: Any) -> str:
        events.append(f"collect {spool}")
        return "stopped"

    monkeypatch.setattr(platform, "drop_privileges", lambda path: events.append(f"drop to {path}"))
    monkeypatch.setattr(platform, "name_process", lambda name: None)
    monkeypatch.setattr(assembly, "collect", collect)
    wanted = [f"drop to {factory.path}", f"collect {factory.path}"]
    assembly.run_detached(str(factory.path), os.open(os.devnull, os.O_RDONLY))
    assert events == wanted
    events.clear()
    collecting.run(argparse.Namespace(spool=factory.path, stay=False))
    assert events == wanted
    events.clear()
    monkeypatch.setattr(draining, "wait_until_flushed", lambda spool, *_: collect(spool) == "stopped")
    draining.run(argparse.Namespace(place=factory.path, timeout=1.0))
    assert events == wanted


def test_cycle_of_a_full_spool_gives_up_the_oldest(factory: SpoolFactory) -> None:
    """`when_full="drop_oldest"` without a collector: room is made here, and what went is said in the log."""
    factory.segment(A, ["x" * 100] * 400, ended=True)
    factory.segment(A, ["newest"], number=2)
    factory.segment(A, ["x" * 100] * 400, number=3)
    assembly.prune(factory.path, 1)
    assert assembly.drain(factory.path, time.monotonic() + 10)
    lines = written(factory)
    assert any("400 records dropped" in line for line in lines)
    assert "newest" in lines


def test_notebook_is_bounded_and_says_nothing_twice(tmp_path: Path) -> None:
    """The collector's own log must not be what fills the disk."""
    notebook = Notebook(tmp_path)
    for _ in range(100):
        notebook.note("the same")
    assert notebook.path.read_text().count("the same") == 1
    for number in range(600):
        notebook.note("x" * 1000 + str(number))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 600_000


def test_notebook_never_raises(tmp_path: Path) -> None:
    """It is written to exactly when something is wrong with the disk."""
    notebook = Notebook(tmp_path / "missing")
    notebook.note("one")
    notebook.note("surrogate \udcff and newline\nhere")


BY_ITS_OLD_NAME = """
import os, sys
from logboom.assembly import run_detached
run_detached(sys.argv[1], os.open(os.devnull, os.O_RDONLY))
"""


def test_a_program_of_an_earlier_release_starts_this_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pip install` replaces the package under running programs, which know the collector by its old name."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")
    handler = logboom.FileHandler(tmp_path / "a.log", linger=0, close_timeout=0, flush_timeout=0)
    handler.handle(logging.LogRecord("shop", logging.INFO, __file__, 1, "hello", None, None))
    handler.close()
    command = [sys.executable, "-c", BY_ITS_OLD_NAME, str(tmp_path / ".logboom")]
    environment = os.environ | {"LOGBOOM_COLLECTOR": "", "PYTHONPATH": str(Path(logboom.__file__).parents[1])}
    subprocess.run(command, env=environment, timeout=60, check=True)
    assert (tmp_path / "a.log").read_text("utf-8") == "hello\n"
