"""The collector's loop: waiting, errors, its doorbell, its end. The cycle is a stand-in."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logboom.collector.election import Leadership
from logboom.collector.flushing import FlushMark
from logboom.collector.holding import BIRTH
from logboom.collector.service import UNNEEDED, Service
from logboom.platform.clock import SYSTEM_CLOCK, Clock
from logboom.spool import launch
from logboom.spool.status import Notebook
from logboom.testing import FakeClock


class Cycle:
    """Does nothing, as often as it is told to, and counts it."""

    format = 1

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.newer = False
        self.exhausted = True
        self.stepped = 0
        self.backlog = 0
        self.flushed = True
        self.sees = True
        self.closed = False
        self.pruned = 0
        self.fails: list[str] = []

    def step(self, *, thorough: bool = False) -> int:
        self.bench.steps.append(thorough)
        self.bench.clock_advance(self.bench.takes)
        if self.bench.error is not None:
            raise self.bench.error
        return self.stepped

    def prune(self, room: int) -> None:
        self.pruned += 1

    def flush_mark(self) -> FlushMark:
        return FlushMark(self.bench.clock.monotonic())

    def is_flushed(self, mark: FlushMark) -> bool:
        if self.sees:
            mark.observe({}, self.bench.clock.monotonic())
        return self.flushed

    def failing(self) -> list[str]:
        return self.fails

    def unwritten(self) -> str:
        return "7 records"

    def holdback(self) -> float:
        return 0.02

    def idle_pause(self) -> float:
        return 0.0

    def seen(self) -> set[tuple[str, int]]:
        return {("a", 1)}

    def living(self) -> bool:
        return self.bench.living

    def burying(self) -> bool:
        return self.bench.burying

    def elsewhere(self) -> set[Path]:
        return set()

    def linger(self) -> float:
        return 5.0

    def status(self) -> dict[str, Any]:
        return {"time": time.time(), "producers": []}

    def close(self) -> None:
        self.closed = True


class Bench:
    """A service that leads a spool, turned by hand."""

    def __init__(self, spool: Path, clock: Clock | None = None) -> None:
        spool.mkdir()
        self.spool = spool
        self.clock: Any = FakeClock() if clock is None else clock
        self.cycles: list[Cycle] = []
        self.steps: list[bool] = []
        self.error: Exception | None = None
        self.living = True
        self.burying = False
        self.takes = 0.0
        leadership = Leadership.seek(spool)
        assert leadership is not None
        self.leadership = leadership
        self.notebook = Notebook(spool)
        self.service = Service(spool, leadership, self.make, self.clock, self.notebook)

    def make(self) -> Any:
        self.cycles.append(Cycle(self))
        return self.cycles[-1]

    def clock_advance(self, seconds: float) -> None:
        if seconds:
            self.clock.advance(seconds)

    def turn(self, rung: bytes = b"", seconds: float = 0.0) -> str:
        self.clock_advance(seconds)
        return self.service._turn(rung)

    def status(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads((self.spool / "status.json").read_bytes())
        return values


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / ".logboom")
    yield made
    made.leadership.release()


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline, pause = time.monotonic() + 10.0, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        pause.wait(0.01)


def test_error_begins_anew_at_what_is_delivered(bench: Bench) -> None:
    """After an error nothing in memory is trusted: reading begins again at the checkpoint."""
    bench.turn()
    bench.error = OSError(5, "Input/output error")
    assert bench.turn() == ""
    assert bench.cycles[0].closed
    bench.error = None
    bench.turn(seconds=1.0)
    assert len(bench.cycles) == 2
    assert not bench.cycles[1].closed


def test_error_is_not_repeated_for_everybody_who_rings(bench: Bench) -> None:
    """A full disk and a crowd that waits for a flush must not make a collector that burns a processor."""
    bench.error = OSError(28, "No space left on device")
    for _ in range(50):
        bench.turn(launch.FLUSH)
        assert bench.service._pause() > 0
    assert len(bench.cycles) == 1
    for _ in range(20):
        bench.turn(seconds=bench.service._pause())
    assert bench.service._pause() == pytest.approx(5.0), "the waits grow, and not without end"


def test_stop_is_obeyed_in_the_middle_of_a_back_off(bench: Bench) -> None:
    """A collector that cannot write can still be stopped."""
    bench.error = OSError(28, "No space left on device")
    assert bench.turn() == ""
    assert "stopped in trouble" in bench.turn(launch.STOP)


def test_status_says_the_error_and_its_end(bench: Bench) -> None:
    """Whoever looks at the status of a collector that fails must not read that all is well."""
    bench.error = OSError(5, "Input/output error")
    bench.turn()
    assert "Input/output error" in bench.status()["collector"]["trouble"]
    bench.error = None
    bench.turn(seconds=10.0)
    assert bench.status()["collector"]["trouble"] == ""


def test_crowd_that_rings_is_looked_after_together(bench: Bench) -> None:
    """Many programs that log once a second each must not cause a look at all journals for each of them."""
    bench.takes = 0.01
    for _ in range(105):
        bench.turn(launch.WAKE)
    assert sum(bench.steps) < 15
    bench.turn(seconds=0.2)
    assert bench.steps[-1], "who rang in between is looked after a little later"
    bench.turn(seconds=0.2)
    assert not bench.steps[-1]


def test_flush_is_answered_while_others_ring(bench: Bench) -> None:
    """A waiting flush is looked after at once."""
    bench.takes = 0.01
    bench.turn(launch.WAKE)
    asked = bench.clock.monotonic()
    bench.turn(launch.FLUSH)
    assert bench.steps[-1]
    assert bench.status()["flushed"] >= asked


def test_flush_looks_when_a_look_helps(bench: Bench) -> None:
    """Thirty programs that end together must not have every journal read every two milliseconds."""
    bench.turn()
    cycle = bench.cycles[0]
    cycle.flushed = cycle.sees = False
    bench.turn(launch.FLUSH)
    assert bench.steps[-1], "to see how far it goes"
    bench.turn(seconds=bench.service._pause())
    assert bench.steps[-1], "not all was read at once"
    cycle.sees = True
    bench.turn(seconds=bench.service._pause())
    assert bench.steps[-1]
    bench.turn(seconds=BIRTH / 2)
    assert not bench.steps[-1], "seen, and held back"
    assert bench.service._pause() == pytest.approx(BIRTH / 2)
    bench.turn(seconds=BIRTH / 2 + 0.0001)
    assert bench.steps[-1], "enough where nobody is waited for"
    bench.turn(seconds=0.01)
    assert not bench.steps[-1]
    bench.turn(seconds=0.02 - BIRTH - 0.01)
    assert bench.steps[-1], "what was held back is written behind a look"


def test_crowd_that_flushes_is_looked_after_together(bench: Bench) -> None:
    """Each of many programs that end asks for a look of its own; they get one in three moments."""
    bench.takes = 0.01
    bench.turn()
    bench.cycles[0].flushed = False
    begun = bench.clock.monotonic()
    for _ in range(30):
        bench.turn(launch.FLUSH)
    assert bench.steps.count(True) <= (bench.clock.monotonic() - begun) / 0.03 + 1


def test_status_is_left_alone_while_nothing_changes(bench: Bench) -> None:
    """An idle machine's disk may sleep."""
    bench.turn(seconds=1.0)
    bench.turn(seconds=1.5)
    before = (bench.spool / "status.json").stat()
    for _ in range(5):
        bench.turn(seconds=1.5)
    after = (bench.spool / "status.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_leaves_when_nobody_logs_any_more(bench: Bench) -> None:
    """No process stays behind; but a program that is restarted finds the collector still there."""
    assert bench.turn() == ""
    bench.living = False
    assert bench.turn(seconds=4.9) == ""
    assert bench.turn(seconds=0.2) == UNNEEDED


def test_stays_a_moment_longer_to_leave_nothing_behind(bench: Bench) -> None:
    """Else what dead programs left lies there until the next one logs, for months perhaps."""
    bench.turn()
    bench.living, bench.burying = False, True
    assert bench.turn(seconds=6.9) == ""
    bench.burying = False
    assert bench.turn() == UNNEEDED


def test_stays_no_longer_than_a_moment_for_that(bench: Bench) -> None:
    """A file that cannot be removed must not keep a process for ever."""
    bench.turn()
    bench.living, bench.burying = False, True
    assert bench.turn(seconds=7.1) == UNNEEDED


def test_stays_while_something_waits_to_be_written(bench: Bench) -> None:
    """Nobody lives, but the disk is full: what was read is not in the file."""
    bench.turn()
    bench.living = False
    bench.cycles[0].backlog = 1
    assert bench.turn(seconds=60.0) == ""


def test_stop_writes_what_waits_but_not_for_ever(bench: Bench) -> None:
    """A supervisor that stops the collector gets the tail, or an end within a second."""
    bench.turn()
    bench.cycles[0].flushed = False
    bench.service.stop()
    assert bench.turn() == ""
    assert bench.turn(seconds=0.5) == ""
    assert bench.turn(seconds=0.6) == "stopped before everything was written; there wait 7 records"


def test_stop_takes_the_time_that_writing_takes(bench: Bench) -> None:
    """A million records that wait are written, however long that takes, as long as it goes on."""
    bench.turn()
    cycle = bench.cycles[0]
    cycle.flushed, cycle.stepped = False, 1
    bench.service.stop()
    for _ in range(30):
        assert bench.turn(seconds=0.9) == ""
    cycle.flushed = True
    assert bench.turn(seconds=0.9) == "stopped"


def test_stop_does_not_take_a_file_that_cannot_be_written_for_written(bench: Bench) -> None:
    """A supervisor must not read that all is well."""
    bench.turn()
    bench.cycles[0].fails = ["app.log"]
    bench.service.stop()
    assert (bench.turn() or bench.turn()).startswith("stopped before")


def test_newer_release_is_handed_over_to(bench: Bench) -> None:
    """An old collector must not hold the lock against one that understands the journal."""
    bench.turn()
    bench.cycles[0].newer = True
    assert "newer" in (bench.turn() or bench.turn(seconds=0.1))
    bench.service._publish(alive=False)
    collector = bench.status()["collector"]
    assert (collector["made_way"], collector["format"]) == (bench.clock.monotonic(), 1)


def test_lost_lock_is_noticed(bench: Bench) -> None:
    """A cleaner of temporary files took the lock: another may lead, so this one leaves before it writes."""
    bench.turn()
    bench.leadership.path.unlink()
    steps = len(bench.steps)
    assert "lock" in bench.turn()
    assert len(bench.steps) == steps


def test_starting_is_over_when_programs_find_it(tmp_path: Path) -> None:
    """Before that, each program that looks would be free to start another one."""
    bench = Bench(tmp_path / ".logboom", SYSTEM_CLOCK)
    found: list[bool] = []

    def started() -> None:
        found.append(launch.collector_lives(bench.spool))
        bench.service.stop()

    bench.service.run(started)
    assert found == [True]


def test_removed_doorbell_is_made_again(tmp_path: Path) -> None:
    """Else no program finds the collector, each starts another that cannot lead, and no flush is answered."""
    bench = Bench(tmp_path / ".logboom", SYSTEM_CLOCK)
    runs = threading.Thread(target=bench.service.run, args=(lambda: None,))
    runs.start()
    try:
        wait_until(lambda: launch.collector_lives(bench.spool), "it listens")
        (bench.spool / launch.DOORBELL).unlink()
        wait_until(lambda: launch.collector_lives(bench.spool), "it listens again")
    finally:
        bench.service.stop()
        runs.join(10)
    assert not runs.is_alive()
    assert not launch.collector_lives(bench.spool)
    assert bench.status()["collector"]["pid"] is None
    assert Leadership.seek(bench.spool) is not None, "the lock was given back"


def test_full_merge_is_not_looked_at_without_a_pause(bench: Bench) -> None:
    """What was read is held back and more would be too much: turning on the spot helps nobody."""
    bench.turn()
    cycle = bench.cycles[0]
    cycle.exhausted, cycle.stepped = False, 5
    bench.turn()
    assert bench.service._pause() == 0.0
    cycle.stepped = 0
    bench.turn()
    assert 0.001 <= bench.service._pause() <= 0.01
