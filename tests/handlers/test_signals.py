"""A signal handler that logs, at every point where the interpreter may run one.

The interpreter runs signal handlers when a Python function begins, and when a call returns; a profile
function sees the same points. So a test stops at one after the other, without a timer, and needs no luck.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import pytest

import logboom
from logboom import platform
from logboom.collector.election import Leadership
from logboom.platform.process import this_process
from logboom.producer import lifecycle, starting, waiting
from logboom.producer.producer import NOT_LIVE, Producer

POINTS = ("call", "c_return", "c_exception")
FOR_EVER = math.inf
NO_CHILD = 2**22 + 1  # more than Linux gives out


@pytest.fixture(autouse=True)
def no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")


def interrupt(act: Callable[[], object], point: int, signal_handler: Callable[[], object]) -> bool:
    """Call `act`, and `signal_handler` at its `point`th point; False when `act` has fewer."""
    seen = 0

    def profile(frame: FrameType, event: str, value: object) -> None:
        nonlocal seen
        if event not in POINTS or _is_callback(frame):
            return
        seen += 1
        if seen == point:
            sys.setprofile(None)
            signal_handler()

    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(None)
    return seen >= point


def _is_callback(frame: FrameType | None) -> bool:
    """Whether the interpreter has called here out of nothing, and ignores what is raised."""
    while frame is not None:
        if frame.f_code.co_name in ("__del__", "_remove"):
            return True
        frame = frame.f_back
    return False


class Program:
    """A logger with one fresh handler of ours, and what its calls returned for."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.log = directory / "app.log"
        self.handler = logboom.RotatingFileHandler(self.log, close_timeout=0.0, flush_timeout=0.0)
        self.errors: list[logging.LogRecord] = []
        self.handler.handleError = self.errors.append  # type: ignore[method-assign]
        self.logger = logging.Logger("program")
        self.logger.addHandler(self.handler)
        self.said: list[str] = []

    @property
    def producer(self) -> Producer:
        assert self.handler._producer is not None
        return self.handler._producer

    def say(self, text: str, size: int = 0) -> None:
        self.logger.error("%s %s", text, "x" * size)
        self.said.append(text)

    def found(self) -> list[str]:
        """The records in the file, everything collected."""
        assert waiting.collect_here(self.producer.spool_path, FOR_EVER)
        return [line.split()[0] for line in self.log.read_text().splitlines()]


def first(program: Program) -> None:
    program.say("outer")


def usual(program: Program) -> None:
    program.say("outer")


def roll(program: Program) -> None:
    program.say("outer", size=60_000)


def second(program: Program) -> None:
    """The look that is due once a second, at a segment that is where it should be."""
    program.producer._looked = -math.inf
    program.producer.live = NOT_LIVE
    program.say("outer")


def flush(program: Program) -> None:
    program.handler.flush()


def close(program: Program) -> None:
    program.handler.close()


def end(program: Program) -> None:
    lifecycle._finish()


LAST_LOOK = 8  # points: two behind it, and four more with each program that was there before
# Every how many points, for what runs through a collector: each of them is a whole collection.
STRETCHES = {first: 17, usual: 1, roll: 5, second: 2, flush: 53, close: 53, end: 53}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    this_process.reset()
    return tmp_path


@pytest.mark.parametrize("act", STRETCHES, ids=lambda act: act.__name__)
def test_a_signal_handler_that_logs_loses_and_doubles_nothing(
    act: Callable[[Program], None], here: Path
) -> None:
    """Its record and the one that it interrupts are both there, once, whatever was half done."""
    inside = True
    point = 1
    descriptors = len(os.listdir("/proc/self/fd"))
    while inside:
        program = Program(here / str(point))
        if act is not first:
            program.say("before")
        inside = interrupt(partial(act, program), point, partial(program.say, "inner"))
        missed = act is end and program.log.read_text().count("\n") != len(program.said)
        program.say("after")
        assert sorted(program.found()) == sorted(program.said), point
        assert not program.errors, point
        program.handler.close()
        # Behind the very last look nothing waits any more; who collects next finds it, as above.
        assert not missed or not end_has(point + LAST_LOOK, here / "last"), point
        point += STRETCHES[act]
    assert point > 20
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 4


def end_has(point: int, directory: Path) -> bool:
    """Whether the end of a program like these has so many points."""
    program = Program(directory)
    program.say("before")
    inside = interrupt(partial(end, program), point, lambda: None)
    program.handler.close()
    return inside


class Interrupted(BaseException):
    """What the handler of a timeout, or of Ctrl-C, raises."""


def raise_it() -> None:
    raise Interrupted


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # an open `with`, interrupted
@pytest.mark.parametrize("act", STRETCHES, ids=lambda act: act.__name__)
def test_a_signal_handler_that_raises_stops_nothing_that_follows(
    act: Callable[[Program], None], here: Path
) -> None:
    """Time limits and Ctrl-C leave a log call, or the wait for its end, anywhere; the program goes on.

    What is logged then is written while the program lives: nothing keeps a lock, or a descriptor.
    """
    inside, point = True, 1
    descriptors = len(os.listdir("/proc/self/fd"))
    while inside:
        program = Program(here / str(point))
        if act is not first:
            program.say("before")
        with contextlib.suppress(Interrupted):
            inside = interrupt(partial(act, program), point, raise_it)
        if act in (flush, close, end):
            gc.collect()  # a collection that was broken off refers to itself
        program.say("after")
        said = [text for text in program.said if text != "outer"]
        found = program.found()
        assert [text for text in found if text != "outer"] == said, point
        assert program.said.count("outer") <= found.count("outer") <= 1, point
        assert not program.errors, point
        program.handler.close()
        point += STRETCHES[act]
    assert point > 20
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 6


def lead(spool: Path) -> None:
    leadership = Leadership.seek(spool)
    assert leadership is not None
    leadership.release()


def look(spool: Path) -> None:
    starting.start_is_free(spool)


def start(spool: Path) -> None:
    starting.start_collector(spool)


@pytest.mark.parametrize("act", [lead, look, start])
def test_a_signal_handler_that_raises_leaves_no_lock_behind(
    act: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that nobody frees keeps everybody from collecting while this program lives.

    Nor is a signal left blocked: the programs that this one starts would never hear of it.
    """
    monkeypatch.setattr(platform, "spawn_detached", lambda *_: NO_CHILD)
    inside, point = True, 1
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    descriptors = len(os.listdir("/proc/self/fd"))
    while inside:
        with contextlib.suppress(Interrupted):
            inside = interrupt(partial(act, tmp_path), point, raise_it)
        assert signal.pthread_sigmask(signal.SIG_SETMASK, blocked) == blocked, point
        assert starting.start_is_free(tmp_path), point
        lead(tmp_path)
        point += 1
    assert point > 20
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 6
