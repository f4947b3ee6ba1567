"""Whether a file of mode `w` may be emptied, told from times. The safe side is not to."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest

from logboom.collector.runs import Runs
from logboom.journal.target import Target
from logboom.testing import FakeClock

NONE = -math.inf


class Rig:
    """A log file that was changed at `changed` by its own times, and a clock that is 100 seconds further."""

    def __init__(self, path: Path) -> None:
        self.log = path / "app.log"
        self.log.write_text("one\n")
        self.changed = os.stat(self.log).st_ctime
        self.clock = FakeClock(wall=self.changed + 100.0)
        self.runs = Runs(path / ".logboom", self.clock)
        self.runs.tick(self.clock.wall(), self.clock.monotonic())

    def may_empty(self, configured: float, pending: float = NONE, *, known: bool = True) -> bool:
        target = Target("app.log", mode="w", configured=configured)
        return self.runs.may_empty(target, pending, known=known)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_what_came_before_is_of_an_earlier_run(rig: Rig) -> None:
    """That is what mode `w` is for."""
    assert rig.may_empty(rig.changed + 5.0)
    assert not rig.may_empty(rig.changed - 5.0)


def test_time_of_a_file_lies_up_to_a_tick_back(rig: Rig) -> None:
    """An earlier collector may have written a moment later than it says; an editor does not count."""
    assert not rig.may_empty(rig.changed + 0.005)
    assert rig.may_empty(rig.changed + 0.005, known=False)


def test_whole_seconds_are_not_trusted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old ext4, ext2 and FAT know no more."""
    second = math.floor(time.time()) - 10
    os.utime(rig.log, (second, second))
    assert not rig.may_empty(rig.changed + 1.5)
    assert rig.may_empty(rig.changed + 3.0)


def test_time_that_was_set_by_hand_is_not_trusted(rig: Rig) -> None:
    """`touch -d` and `rsync -t` set a file's time back."""
    os.utime(rig.log, (1.0, 1.0))
    assert not rig.may_empty(rig.changed - 5.0)


def test_file_that_is_empty_or_missing_holds_nothing(rig: Rig) -> None:
    """The collector may have made it a moment ago."""
    rig.log.write_bytes(b"")
    assert rig.may_empty(rig.changed - 5.0)
    rig.log.unlink()
    assert rig.may_empty(rig.changed - 5.0)


def test_what_waits_to_be_written_counts(rig: Rig) -> None:
    """Emptying writes it first, so that it would go with the rest."""
    assert not rig.may_empty(rig.changed + 5.0, pending=rig.changed + 6.0)
    assert rig.may_empty(rig.changed + 5.0, pending=rig.changed + 4.0)


def test_own_writes_are_known_exactly(rig: Rig) -> None:
    """The same program, twice within a tick of the file's time."""
    rig.runs.wrote("app.log")
    assert not rig.may_empty(rig.clock.wall() - 0.001)
    rig.clock.advance(0.002)
    assert rig.may_empty(rig.clock.wall() - 0.001)


def test_clock_that_was_set_back(rig: Rig) -> None:
    """What was written after it bears a time before the configuration, and is of that run all the same."""
    configured = rig.clock.wall()
    rig.clock.jump(-3600.0)
    rig.clock.advance(1.0)
    assert not rig.may_empty(configured), "it lies ahead"
    rig.runs.wrote("app.log")
    waiting = rig.clock.wall()
    rig.clock.advance(7200.0)
    assert not rig.may_empty(configured)
    rig.log.unlink()
    assert not rig.may_empty(configured, pending=waiting)
