"""The shortest way of a record: when it holds, when it must not, and what `logging.Handler` promises."""

from __future__ import annotations

import io
import logging
import math
import sys
import threading
import unittest.mock
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logboom
from logboom.errors import ConfigurationError
from logboom.producer.producer import NOT_LIVE, Live, Producer
from logboom.spool import launch


@pytest.fixture(autouse=True)
def no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")


class Program:
    """One handler, and how often a record had to take the slow way."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.log = directory / "app.log"
        options = {"close_timeout": 0, "flush_timeout": 0} | options
        self.handler = logboom.RotatingFileHandler(self.log, **options)
        self.handler.setFormatter(logging.Formatter("%(message)s"))
        self.slow = 0
        append = self.producer.append

        def counted(record: logging.LogRecord, formatter: logging.Formatter | None) -> None:
            self.slow += 1
            append(record, formatter)

        self.producer.append = counted  # type: ignore[method-assign]

    @property
    def producer(self) -> Producer:
        assert self.handler._producer is not None
        return self.handler._producer

    def log_at(self, created: float, message: str = "x", **attributes: Any) -> None:
        record = logging.LogRecord("shop", logging.INFO, "shop.py", 1, message, None, None)
        record.created = created
        vars(record).update(attributes)
        self.handler.handle(record)

    def drain(self) -> list[str]:
        assert launch.collect_here(self.producer.spool_path, math.inf)
        return self.log.read_text("utf-8").splitlines()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    yield made
    made.handler.close()


def test_the_first_record_of_a_second_opens_the_way_for_the_others(program: Program) -> None:
    """Everything that may change is looked at once a second, not once a record."""
    for created in (100.0, 100.2, 100.999):
        program.log_at(created, str(created))
    assert program.slow == 1
    assert program.drain() == ["100.0", "100.2", "100.999"]


@pytest.mark.parametrize("later", [101.0, 99.9, 3700.0, 5.0])
def test_another_second_is_looked_at_anew(later: float, program: Program) -> None:
    """Zones change between seconds, and clocks are set in both directions."""
    for created in (100.5, later, later):
        program.log_at(created, str(created))
    assert program.slow == 2
    assert program.drain() == ["100.5", str(later), str(later)]


def test_a_stale_way_is_not_taken(program: Program) -> None:
    """A thread may hold yesterday's state: its record goes to the segment that is read, once."""
    program.log_at(100.0, "first")
    stale = program.producer.live
    program.handler.close()
    program.producer.live = stale
    program.log_at(100.1, "behind a close")
    program.producer.live = NOT_LIVE
    program.log_at(100.2, "last")
    assert program.drain() == ["first", "behind a close", "last"]


def test_a_full_segment_is_left_on_the_way(program: Program) -> None:
    """The line that did not fit is written to the next segment, whole."""
    lines = [f"{number} {'x' * 9000}" for number in range(20)]
    for line in lines:
        program.log_at(100.0, line)
    assert program.slow == 1
    assert program.drain() == lines


@pytest.mark.parametrize("process", [None, 1, 2**40])
def test_a_record_of_another_process_is_taken_as_it_is(process: int | None, program: Program) -> None:
    """A record that came through a queue says nothing about a fork of this process."""
    program.log_at(100.0, "own")
    program.log_at(100.1, "foreign", process=process)
    assert program.slow == 1
    assert program.drain() == ["own", "foreign"]


def test_a_new_formatter_counts_at_once(program: Program) -> None:
    """`setFormatter` between two records of one second."""
    program.log_at(100.0, "a")
    program.handler.setFormatter(logging.Formatter("[%(message)s]"))
    program.log_at(100.1, "b")
    program.handler.setFormatter(None)
    program.log_at(100.2, "c")
    assert program.drain() == ["a", "[b]", "c"]


def test_a_new_terminator_counts_at_once(program: Program) -> None:
    """Programs that draw progress set `terminator = ""` for a while; a class attribute works as well."""
    program.log_at(100.0, "a")
    program.handler.terminator = "|"
    program.log_at(100.1, "b")
    program.log_at(100.2, "\ud800")
    program.handler.terminator = "\n"
    program.log_at(100.3, "c")
    assert program.drain() == ["a", "b|\\ud800|c"]


def test_a_filter_decides_and_adds(program: Program) -> None:
    """Filters run in the process that logs, and what they add is written."""

    def no_secrets(record: logging.LogRecord) -> bool:
        record.msg = f"{record.msg} by {record.name}"
        return "secret" not in record.msg

    program.handler.addFilter(no_secrets)
    program.log_at(100.0, "paid", name="shop")
    program.log_at(100.1, "a secret", name="shop")
    assert program.drain() == ["paid by shop"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="filters replace records from 3.12 on")
def test_a_filter_replaces_the_record(program: Program) -> None:
    """3.12: what a filter returns is what is logged; the original stays as it was for other handlers."""
    original = logging.makeLogRecord({"msg": "card 1234", "created": 100.0})

    def masked(record: logging.LogRecord) -> logging.LogRecord:
        return logging.makeLogRecord(vars(record) | {"msg": "card ****"})

    program.handler.addFilter(masked)
    returned = program.handler.handle(original)
    assert program.drain() == ["card ****"]
    assert original.msg == "card 1234"
    assert isinstance(returned, logging.LogRecord) and returned.msg == "card ****"


@pytest.mark.parametrize("of", ["class", "instance"])
def test_a_format_of_the_handlers_own_is_called(of: str, tmp_path: Path) -> None:
    """Handlers hide secrets there; a record that goes past it would show them."""

    class Masked(logboom.FileHandler):
        def format(self, record: logging.LogRecord) -> str:
            return super().format(record).replace("1234", "****")

    kind = Masked if of == "class" else logboom.FileHandler
    handler = kind(tmp_path / "app.log", flush_timeout=0, close_timeout=0)
    handler.handle(logging.makeLogRecord({"name": "shop", "levelno": 20, "msg": "warm", "created": 100.0}))
    if of == "instance":
        handler.format = lambda record: record.getMessage().replace("1234", "****")  # type: ignore[method-assign]
    for _ in range(2):
        handler.handle(
            logging.makeLogRecord({"name": "shop", "levelno": 20, "msg": "card 1234", "created": 100.1})
        )
    handler.close()
    assert launch.collect_here(tmp_path / ".logboom", math.inf)
    assert (tmp_path / "app.log").read_text().splitlines() == ["warm", "card ****", "card ****"]


@pytest.mark.parametrize("created", ["2026", None, [], 1j, 5, float("nan"), unittest.mock.MagicMock()])
def test_a_record_with_an_odd_time_does_not_reach_the_program(created: Any, program: Program) -> None:
    """Records come over queues and from mocked clocks; the standard library writes them."""
    program.log_at(100.0, "before")
    program.log_at(created, "odd")
    assert program.drain() == ["before", "odd"]


def test_a_clock_that_a_test_has_replaced_costs_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mock.patch("time.time")` makes all times of a program something that is no number."""
    monkeypatch.setattr("time.time", unittest.mock.MagicMock())
    program = Program(tmp_path)
    record = logging.LogRecord("shop", logging.INFO, "shop.py", 1, "mocked", None, None)
    program.handler.handle(record)
    del record.created
    program.handler.handle(record)
    monkeypatch.undo()
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")
    assert program.drain() == ["mocked", "mocked"]
    program.handler.close()


def test_what_handle_returns(program: Program) -> None:
    """`logging.Handler.handle` says whether the record passed; subclasses look at it."""
    record = logging.makeLogRecord({"msg": "x"})
    assert program.handler.handle(record)
    program.handler.addFilter(lambda record: False)
    assert not program.handler.handle(record)


@pytest.mark.parametrize("loud", [True, False])
@pytest.mark.parametrize("warmed", [True, False])
def test_errors_are_told_only_when_asked_for(
    loud: bool, warmed: bool, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`logging.raiseExceptions` decides about the traceback; the program never sees an exception."""
    monkeypatch.setattr(logging, "raiseExceptions", loud)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    if warmed:
        program.log_at(100.0, "before")
    program.log_at(100.1, "%d", args=("seven",))
    program.log_at(100.2, "after")
    assert ("--- Logging error ---" in sys.stderr.getvalue()) == loud
    assert program.drain() == (["before"] if warmed else []) + ["after"]


def test_an_emit_after_close_still_appends(program: Program) -> None:
    """`logging.shutdown` runs before the last `__del__` and `atexit` functions have logged."""
    program.log_at(100.0, "before")
    program.handler.close()
    program.log_at(100.1, "after")
    program.handler.close()
    program.log_at(102.0, "much later")
    assert program.drain() == ["before", "after", "much later"]


def test_an_emit_after_close_is_refused_with_mode_w(tmp_path: Path) -> None:
    """As in the standard library: opening again would empty the file."""
    program = Program(tmp_path, mode="w")
    program.log_at(100.0, "before")
    program.handler.close()
    program.log_at(102.0, "after")
    assert program.drain() == ["before"]


def test_a_handler_has_the_lock_that_others_take(program: Program) -> None:
    """`logging.shutdown` and other libraries use it: from 3.13 on a handler without one is a TypeError."""
    lock = program.handler.lock
    assert lock is not None
    with lock:
        assert program.handler.lock is lock


def test_a_log_call_waits_for_nobody_who_holds_the_handler(program: Program) -> None:
    """`logging.shutdown` and `dictConfig` hold the handler's lock while they flush."""
    held, done = threading.Event(), threading.Event()

    def holder() -> None:
        program.handler.acquire()
        held.set()
        done.wait(30)
        program.handler.release()

    thread = threading.Thread(target=holder)
    thread.start()
    assert held.wait(30)
    caller = threading.Thread(target=program.log_at, args=(100.0,))
    caller.start()
    caller.join(30)
    waited = caller.is_alive()
    done.set()
    thread.join()
    caller.join()
    assert not waited and program.drain() == ["x"]


@pytest.mark.parametrize(("encoding", "expected"), [("utf-8", "é \\ud800"), ("ascii", "\\xe9 \\ud800")])
@pytest.mark.parametrize("errors", [None, "strict", "surrogateescape"])
def test_a_lone_surrogate_costs_no_record(
    encoding: str, expected: str, errors: str | None, tmp_path: Path
) -> None:
    """File names and damaged input bring them: the record is written with an escape, whatever the codec."""
    program = Program(tmp_path, encoding=encoding, errors=errors)
    program.log_at(100.0, "é \ud800")
    program.log_at(100.1, "after")
    assert program.drain() == [expected, "after"]
    program.handler.close()


def test_flush_never_raises(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """`logging.config` and `logging.shutdown` call it at moments when nobody expects an error."""

    def broken(*_: object) -> bool:
        raise RuntimeError("surprise")

    program.log_at(100.0)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with monkeypatch.context() as patch:
        patch.setattr(Producer, "wait", broken)
        program.handler.flush()


def test_a_state_is_never_changed_in_place(program: Program) -> None:
    """Threads read it without a lock: it is replaced as a whole, or they would mix two."""
    program.log_at(100.0)
    before = program.producer.live
    seen = [getattr(before, name) for name in Live.__slots__]
    program.log_at(101.0)
    assert program.producer.live is not before
    assert [getattr(before, name) for name in Live.__slots__] == seen


@pytest.mark.parametrize(("name", "says"), [("namer", "beside the log"), ("rotator", "compress=")])
def test_functions_that_rotate_are_refused(name: str, says: str, tmp_path: Path) -> None:
    """The collector runs no code of the application; None, the default, may be set."""
    handler = logboom.RotatingFileHandler(tmp_path / "app.log")
    setattr(handler, name, None)
    with pytest.raises(ConfigurationError, match=says):
        setattr(handler, name, lambda *_: "elsewhere")
    assert getattr(handler, name) is None
    handler.close()


def test_a_stream_cannot_be_set(program: Program) -> None:
    """No process that logs has the file open."""
    with pytest.raises(ConfigurationError, match="StreamHandler"):
        program.handler.setStream(sys.stdout)
