"""The loop: how long to wait, when to leave, what to do after an error.

Owns: signals, waiting, back-off, the end. Never knows: file formats.
One thread, one loop: everything durable happens in `Cycle.step`.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom import __version__
from logboom.collector.cycle import Cycle
from logboom.collector.election import Leadership
from logboom.collector.flushing import FlushMark
from logboom.collector.holding import BIRTH
from logboom.platform import Doorbell
from logboom.platform.clock import Clock
from logboom.spool.directory import make_home
from logboom.spool.launch import (
    DOORBELL,
    FLUSH,
    PRUNE,
    STOP,
    collector_lives,
    lacks_collector,
    start_collector,
)
from logboom.spool.status import Notebook, write_status

__all__ = ["NEWER", "STOPPED", "UNNEEDED", "Service"]

NEWER: Final = "a newer release of logboom writes here: handing over"
STOPPED: Final = "stopped"
UNNEEDED: Final = "nobody logs any more"
_BUSY_WAIT: Final = 0.04
_FLUSH_WAIT: Final = 0.002
_FULL_WAIT: Final = 0.002
_FLUSH_APART: Final = 2.0  # and for those who wait for a flush, a third of it
_LAST_WORDS: Final = 1.0
_BURIAL: Final = 7.0  # what dead programs left has to rest for five
_MOST_MARKS: Final = 8
_IDLE_WAIT: Final = 0.25
_ACTIVE_FOR: Final = 1.5
_STATUS_EVERY: Final = 1.0
_STATUS_OLD: Final = 30.0
_START_EVERY: Final = 60.0
_PATIENCE: Final = 2.0
_BELL_EVERY: Final = 1.0
_APART: Final = 10.0  # a thorough look is 9% of the time at most, however many ring
_LONGEST_BACKOFF: Final = 5.0
_ROOM: Final = 8 * 1024 * 1024


class Service:
    """A collector of one spool that holds its lock.

    Args:
        spool: the directory.
        leadership: the lock, held.
        make_cycle: a new `Cycle`; called again after an error, so that reading begins at what is known
            to be delivered.
        clock: where time comes from.
        notebook: the collector's own log.
        stay: never leave for want of producers.

    Attributes:
        seen: the segments that it knew of when it left for want of producers.
    """

    def __init__(
        self,
        spool: Path,
        leadership: Leadership,
        make_cycle: Callable[[], Cycle],
        clock: Clock,
        notebook: Notebook,
        *,
        stay: bool = False,
    ) -> None:
        self._spool = spool
        self._leadership = leadership
        self._make_cycle = make_cycle
        self._clock = clock
        self._notebook = notebook
        self._stay = stay
        self.seen: set[tuple[str, int]] = set()
        self._cycle: Cycle | None = None
        self._since = clock.wall()
        self._flushed = 0.0
        self._status_at = 0.0
        self._busy_at = clock.monotonic()
        self._peopled_at = clock.monotonic()
        self._backoff = 0.0
        self._retry_at = 0.0
        self._trouble = ""
        self._woken = False
        self._moved = False
        self._looked = -math.inf
        self._thorough_at = 0.0
        self._look_at = 0.0
        self._said = b""
        self._said_at = 0.0
        self._bell_at = clock.monotonic() + _BELL_EVERY
        self._stopping = False
        self._marks: list[FlushMark] = []
        self._asked_at = 0.0
        self._leave_at = 0.0
        self._start_at: dict[Path, float] = {}  # when collectors of other sinks may be started
        self._way: dict[str, float] = {}  # keeps collectors of this release from standing again at once

    def stop(self, *_: object) -> None:
        """Write what waits, then leave. Safe as a signal handler."""
        self._stopping = True

    def run(self, started: Callable[[], None]) -> str:
        """Collect until told to stop, or nobody logs any more; returns why it left.

        Args:
            started: called once producers find this collector.
        """
        for name in ("SIGTERM", "SIGINT"):
            with contextlib.suppress(ValueError, AttributeError):
                signal.signal(getattr(signal, name), self.stop)
        self._publish(alive=True)
        doorbell = self._hang()
        rung = b"w"
        started()
        try:
            while True:
                reason = self._turn(rung)
                if reason:
                    return reason
                doorbell = self._hung(doorbell)
                rung = doorbell.wait(self._pause())
        finally:
            doorbell.close()
            self._publish(alive=False)
            self._discard()
            self._leadership.release()

    def _hung(self, doorbell: Doorbell) -> Doorbell:
        """The doorbell, made again when somebody removed it: else nobody would ever find this collector."""
        now = self._clock.monotonic()
        if now < self._bell_at:
            return doorbell
        self._bell_at = now + _BELL_EVERY
        if collector_lives(self._spool, b""):
            return doorbell
        try:
            fresh = self._hang()
        except OSError as error:
            self._notebook.note(f"the doorbell was removed: {error}")
            return doorbell
        doorbell.close()
        self._notebook.note("the doorbell was removed: made again")
        return fresh

    def _hang(self) -> Doorbell:
        return Doorbell(self._spool / DOORBELL, self._spool.stat().st_mode & 0o660)

    # -- one turn ----------------------------------------------------------------------------------

    def _turn(self, rung: bytes) -> str:
        """One cycle; returns a reason to leave, or an empty string."""
        if not self._leadership.is_held():
            return "the lock file was removed"
        self._stopping = self._stopping or STOP in rung
        if self._clock.monotonic() < self._retry_at and not self._stopping:
            return ""  # whoever rings: what failed a moment ago is not begun anew for each of them
        try:
            cycle = self._cycle or self._begin()
            self._obey(cycle, rung)
            self._step(cycle, rung)
            self._check_marks(cycle)
            self._backoff, self._trouble = 0.0, ""
        except Exception as error:
            self._fail(error)
            return f"{STOPPED} in trouble; what is not written waits in the journal" if self._stopping else ""
        if self._clock.monotonic() >= self._status_at:
            self._publish(alive=True)
            if not self._stopping:
                self._start_others(cycle)
        return self._leave_reason(cycle)

    def _step(self, cycle: Cycle, rung: bytes) -> None:
        """One step; every journal is looked into for a flush, and for those that rang, together."""
        begun = self._clock.monotonic()
        self._woken = self._woken or bool(rung)
        flushing = self._look_due(cycle) <= begun
        thorough = flushing or (self._woken and begun >= self._thorough_at)
        stepped = cycle.step(thorough=thorough)
        ended = self._clock.monotonic()
        if flushing:
            self._look_at = ended + max(_FLUSH_WAIT, _FLUSH_APART * (ended - begun))
        if thorough:
            self._looked = begun
            self._woken = False
            self._thorough_at = ended + _APART * (ended - begun)
        self._moved = stepped > 0
        if stepped:
            self._busy_at = ended

    def _look_due(self, cycle: Cycle) -> float:
        """When a look into every journal helps a flush: to see how far it goes, then to write that."""
        if not self._marks:
            return math.inf
        if any(mark.seen_at == math.inf for mark in self._marks):
            return self._look_at
        seen = min(mark.seen_at for mark in self._marks)
        soon = seen + BIRTH  # it is enough where nobody is waited for
        return max(self._look_at, soon if self._looked < soon else seen + cycle.holdback())

    def _obey(self, cycle: Cycle, rung: bytes) -> None:
        """What the doorbell said."""
        if PRUNE in rung:
            cycle.prune(_ROOM)
        if FLUSH in rung or (self._stopping and not self._marks):
            # The last place is for all that come when the others are taken: constant ringing puts none off.
            self._marks[_MOST_MARKS - 1 :] = [cycle.flush_mark()]

    def _check_marks(self, cycle: Cycle) -> None:
        reached = [mark for mark in self._marks if cycle.is_flushed(mark)]
        if reached:
            self._marks = [mark for mark in self._marks if mark not in reached]
            self._flushed = max(mark.began for mark in reached)
            self._publish(alive=True)

    def _start_others(self, cycle: Cycle) -> None:
        """Start the collectors of sinks whose programs did not (`collector="external"`) or have ended."""
        now = self._clock.monotonic()
        lacking = {home for home in cycle.elsewhere() if lacks_collector(home, cycle.format)}
        for home in lacking:
            # At first a program, or the collector of another one, may be about to have one there.
            if now >= self._start_at.setdefault(home, now + _PATIENCE):
                self._start_at[home] = now + (_PATIENCE if self._stay else _START_EVERY)
                with contextlib.suppress(OSError):
                    make_home(home)
                    start_collector(home)
        for home in self._start_at.keys() - lacking:
            if now >= self._start_at[home]:
                del self._start_at[home]

    def _begin(self) -> Cycle:
        self._cycle = self._make_cycle()
        return self._cycle

    def _discard(self) -> None:
        cycle, self._cycle = self._cycle, None
        if cycle is not None:
            with contextlib.suppress(OSError):
                cycle.close()

    def _fail(self, error: Exception) -> None:
        self._trouble = f"{type(error).__name__}: {error}"
        self._notebook.note(self._trouble)
        self._discard()
        self._marks = []
        self._backoff = min(max(0.05, self._backoff * 2), _LONGEST_BACKOFF)
        self._retry_at = self._clock.monotonic() + self._backoff
        self._publish(alive=True)

    def _pause(self) -> float:
        """Seconds to wait for the doorbell."""
        now = self._clock.monotonic()
        if self._backoff:
            return max(0.0, self._retry_at - now)
        cycle = self._cycle
        if cycle is None:
            return 0.0
        if not cycle.exhausted:  # when nothing moved, what was read is held back, and more would be too much
            return 0.0 if self._moved else _FULL_WAIT
        if self._marks:
            return min(max(0.0, self._look_due(cycle) - now), _BUSY_WAIT)
        busy = cycle.backlog or now - self._busy_at < _ACTIVE_FOR or self._woken
        return _BUSY_WAIT if busy else max(_IDLE_WAIT, cycle.idle_pause())

    def _leave_reason(self, cycle: Cycle) -> str:
        now = self._clock.monotonic()
        if self._stopping or cycle.newer:
            return self._farewell(cycle, now)
        if cycle.living() or cycle.backlog or self._marks or self._stay:
            self._peopled_at = now
            return ""
        stay = cycle.linger()
        if now - self._peopled_at < (max(stay, _BURIAL) if cycle.burying() else stay):
            return ""
        self.seen = cycle.seen()
        return UNNEEDED

    def _farewell(self, cycle: Cycle, now: float) -> str:
        """Why it leaves now: what was there when it was asked to is written, or nothing gets any further."""
        if not self._leave_at:
            self._asked_at, self._leave_at = now, now + _LAST_WORDS
        elif self._moved and self._stopping:
            self._leave_at = now + _LAST_WORDS
        written = self._flushed >= self._asked_at
        if not written and now < self._leave_at:
            self._marks = self._marks or [cycle.flush_mark()]
            return ""
        if not self._stopping:
            self._way = {"made_way": now, "format": cycle.format}
            return NEWER
        if written and not cycle.failing():
            return STOPPED
        return f"{STOPPED} before everything was written; there wait {cycle.unwritten()}"

    # -- words -------------------------------------------------------------------------------------

    def _publish(self, *, alive: bool) -> None:
        now = self._clock.monotonic()
        self._status_at = now + _STATUS_EVERY
        values: dict[str, Any] = {
            "collector": {
                "pid": os.getpid() if alive else None,
                "since": self._since,
                "version": __version__,
                "trouble": self._trouble,
            }
            | self._way,
            "flushed": self._flushed,
        }
        if self._cycle is not None:
            values |= self._cycle.status()
        said = msgspec.json.encode({name: value for name, value in values.items() if name != "time"})
        if said != self._said or now >= self._said_at + _STATUS_OLD:
            self._said, self._said_at = said, now
            write_status(self._spool, values)
