"""What the ways without a disk have in common: counting drops, forks, the last words."""

from __future__ import annotations

import sys
import threading
import time
from abc import ABC, abstractmethod
from typing import Any, Final

from logboom.platform.process import Mark, this_process
from logboom.producer import lifecycle

__all__ = ["Drops", "Waiting"]

_CALM: Final = 1.0
_WHY: Final = "nobody took them in time"


class Drops:
    """Episodes: each begins with a record without room, and is over when none was dropped for `_CALM` s.

    An episode is said twice: at the first room after it began, with the number until then, and at its end,
    with the rest. So a server that is slow for long does not fill its log with this.

    Attributes:
        total: records dropped in this process.
        open: there is something to say, now or later.
    """

    def __init__(self) -> None:
        self.total = 0
        self.open = False
        self._told = False
        self._before = 0
        self._saying = self._said = 0
        self._last = 0.0
        # Who did not get the queue's lock in time drops without it.
        self._lock = threading.RLock()

    def add(self, now: float) -> None:
        """One more, at `now` (monotonic)."""
        with self._lock:
            if not self.open:
                self.open, self._told, self._before = True, False, self.total
            self.total += 1
            self._last = now

    def due(self, now: float, *, final: bool = False) -> str:
        """What is to be said now, or an empty string; say it, then call `said`."""
        with self._lock:
            self._saying = count = self.total - self._before
            if self.open and not self._told:
                return f"{count} records dropped: {_WHY}"
            if self.open and (final or now - self._last >= _CALM):
                return f"{count - self._said} records dropped since then; that is over, {count} in all"
            return ""

    def said(self) -> None:
        """What `due` returned is on its way."""
        with self._lock:
            more = self.total - self._before > self._saying
            self._said = self._saying
            self.open, self._told = more or not self._told, True

    def unsaid(self) -> int:
        """How many nobody has heard of."""
        return self.total - self._before - (self._said if self._told else 0) if self.open else 0

    def give_up(self) -> None:
        """They were said elsewhere; the total stays."""
        self.open = False


class Waiting(ABC):
    """A bounded queue towards a peer, for any number of threads.

    Args:
        block_timeout: seconds that `send` waits for room; after a wait in vain not until there was room.
        close_timeout: seconds that the end of the program waits until everything is sent.

    Attributes:
        lock: held while the queue is changed.
        drops: what found no room.
        unsent: at most so many records were still queued when the time to send them was over.
    """

    def __init__(self, block_timeout: float, close_timeout: float) -> None:
        self._block_timeout = block_timeout
        self.close_timeout = close_timeout
        self._begin_anew()
        this_process.inherited.add(self)

    def _begin_anew(self) -> None:
        self.lock = threading.RLock()
        self.drops = Drops()
        self.unsent = 0
        self._waited = False
        self._process: Mark = this_process.mark()

    @abstractmethod
    def send(self, message: Any) -> bool:
        """Queue a message; False when it was dropped, after at most one wait of `block_timeout`."""

    @abstractmethod
    def wait(self, deadline: float) -> bool:
        """Wait until all that was queued is sent."""

    @abstractmethod
    def _let_go(self) -> None:
        """In a forked child: nothing of the parent's may be closed, or used."""

    def forget(self) -> None:
        """In a forked child: connection, threads and what is queued are the parent's. Takes no lock."""
        if not self._process[0]:
            self._let_go()
            self._begin_anew()

    def _drop(self) -> bool:
        self.drops.add(time.monotonic())
        return False

    def _leave(self, count: int) -> None:
        """So many stay in memory when it ends."""
        self.unsent += count
        if count:
            _complain(f"at most {count} records were not sent: {_WHY}")

    @abstractmethod
    def _end(self) -> None:
        """Behind the `wait` of `close`: give up what it left."""

    def close(self) -> None:
        """`wait`, at most `close_timeout`; a message after it is sent as well."""
        lifecycle.unregister(self)
        self.wait(time.monotonic() + self.close_timeout)
        self._end()
        unsaid = self.drops.unsaid()
        if unsaid:
            _complain(f"{unsaid} records dropped: {_WHY}")
            self.drops.give_up()


def _complain(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"logboom: {text}\n")
