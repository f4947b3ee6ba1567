"""Waiting ends, whatever an application's tests have done to `time`."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import wait_until

import logboom
from logboom.platform import clock
from logboom.producer import lifecycle, waiting
from logboom.spool import doorbell
from logboom.spool.directory import Spool
from logboom.testing import SpoolFactory

STOPPED = 1_704_067_200.0


@pytest.fixture
def stop_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """What freezegun does: its own functions take the place of `time`'s in every module that has them."""

    def stopped() -> float:
        return STOPPED

    def stop() -> None:
        genuine = [time.monotonic, time.perf_counter, time.time]
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in {"_pytest", "pluggy", "pytest", "threading", "execnet"}:
                continue
            for attribute, value in list(getattr(module, "__dict__", {}).items()):
                if any(value is function for function in genuine):
                    monkeypatch.setattr(module, attribute, stopped)

    yield stop
    monkeypatch.undo()


def now() -> float:
    """From a clock that is not replaced."""
    return clock.perf_counter()


def elapsed(begun: float) -> float:
    return now() - begun


def test_a_stopped_clock_stops_no_wait(tmp_path: Path, stop_clock: Callable[[], None]) -> None:
    """A deadline that never comes would hold up the test suite of a user for ever."""
    spool, begun = Spool.create(tmp_path / ".logboom").path, now()
    (spool / "checkpoint.jsonl").mkdir()  # nobody can collect
    SpoolFactory(spool).segment("a" * 16, ["one"])
    stop_clock()
    assert time.monotonic() == STOPPED
    assert not waiting.wait_until_flushed(spool, clock.monotonic() + 0.1)
    assert 0.05 < elapsed(begun) < 5.0


def test_public_flush_ends_while_the_clock_is_stopped(
    tmp_path: Path, stop_clock: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")
    handler = logboom.FileHandler(tmp_path / "app.log", close_timeout=0)
    handler.handle(logging.makeLogRecord({"msg": "one"}))
    (tmp_path / ".logboom" / "checkpoint.jsonl").mkdir()
    stop_clock()
    assert not lifecycle.flush(0.1)
    (tmp_path / ".logboom" / "checkpoint.jsonl").rmdir()
    assert lifecycle.flush(10)
    assert (tmp_path / "app.log").read_text() == "one\n"


def test_flush_beside_a_living_collector_ends_while_the_clock_is_stopped(
    tmp_path: Path, stop_clock: Callable[[], None]
) -> None:
    """What the collector says of its progress is compared with a clock that runs as its own does."""
    handler = logboom.FileHandler(tmp_path / "app.log", flush_timeout=60)
    try:
        handler.handle(logging.makeLogRecord({"msg": "before"}))
        wait_until(lambda: doorbell.collector_lives(tmp_path / ".logboom"), "a collector lives")
        stop_clock()
        handler.handle(logging.makeLogRecord({"msg": "stopped"}))
        begun = now()
        handler.flush()
        assert elapsed(begun) < 30
        assert (tmp_path / "app.log").read_text() == "before\nstopped\n"
    finally:
        doorbell.collector_lives(tmp_path / ".logboom", doorbell.STOP)


IMPORTED_LATE = """
import time, types
def stopped(): return 1704067200.0
time.monotonic = time.perf_counter = stopped
from logboom.platform import clock
begun = clock.monotonic(), clock.perf_counter()
assert begun < (clock.monotonic(), clock.perf_counter()), "it stands still"
assert clock.perf_counter() < 1e9 > clock.monotonic()
assert clock.SYSTEM_CLOCK.monotonic() > begun[1]
"""


def test_clocks_are_genuine_though_time_was_replaced_before(tmp_path: Path) -> None:
    """logboom is imported at the first use, which may be in a test that has stopped the clock already."""
    environment = os.environ | {"PYTHONPATH": str(Path(logboom.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED_LATE], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("collector", ["off", "external"])
def test_handlers_wait_no_longer_than_agreed_while_the_clock_is_stopped(
    tmp_path: Path, stop_clock: Callable[[], None], monkeypatch: pytest.MonkeyPatch, collector: str
) -> None:
    """Where nobody can collect, each call that waits has its limit in seconds that pass."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", collector)
    handler = logboom.FileHandler(tmp_path / "app.log", close_timeout=0.2, flush_timeout=0.2)
    (Spool.create(tmp_path / ".logboom").path / "checkpoint.jsonl").mkdir()
    stop_clock()
    begun = now()
    handler.handle(logging.makeLogRecord({"msg": "one"}))
    handler.flush()
    handler.close()
    assert elapsed(begun) < 10
