"""Room in the spool: the quota, what happens at it, and the count of what was dropped."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from logboom import platform
from logboom.errors import LogboomError, SpoolFullError
from logboom.journal.layout import SMALLEST_SEGMENT, Dropped, encode_line
from logboom.platform import clock
from logboom.producer.options import Options
from logboom.spool import launch
from logboom.spool.directory import Spool

__all__ = ["Drops", "Room"]

_PRUNING: Final = 0.25
_PRUNED: Final = 8 * 1024 * 1024
_DELIVERING: Final = 0.25
_LOOK_AGAIN: Final = 0.005
_LOOKING: Final = 4  # looks take a fifth of the time at most
_LONGEST_PAUSE: Final = 0.05
_APART: Final = 10  # times as long as an attempt took that was in vain
# More than all processes of a machine write while nobody looks: a look costs a system call a segment.
_PLENTY: Final = 128 * 1024 * 1024
_NO_LOOK_FOR: Final = 0.1


class Room:
    """Decides whether a spool takes another segment. All threads of a handler share one.

    Only what is not delivered counts against the quota. That is looked up only when all segments together
    are beyond it: it takes the checkpoint and a look into each segment.
    """

    def __init__(self, spool: Path, options: Options) -> None:
        self._spool = spool
        self._options = options
        self._caller = threading.local()
        self._grants = 0
        self._plenty_until = self._look_at = self._deliver_at = float("-inf")
        self._free = self._wanted = 0

    @property
    def is_full(self) -> bool:
        """True when the last look found no room."""
        return clock.monotonic() < self._look_at

    def look_afresh(self) -> None:
        """Rely on no earlier look: it is the last chance."""
        self._look_at = float("-inf")

    def admit(self, size: int, least: int, gone_on: Callable[[], bool] = lambda: False) -> int:
        """Return the size that a new segment may have, after what the policy allows to be done for room.

        A caller that waited in vain does not wait again until there was room for anybody.

        Args:
            size: what is wanted.
            least: what will do.
            gone_on: called while there is no room; True ends the wait: there is a new segment already.

        Returns:
            `size` or `least`; 0 when `gone_on` says so.

        Raises:
            SpoolFullError: there is no room.
        """
        self._wanted = least
        free = self._room()
        if free < least:
            free = self._make_room(least, gone_on)
            if gone_on():
                return 0
        if free < least:
            self._caller.vain = self._grants
            raise SpoolFullError("the spool is full", path=self._spool, hint="See `logboom status`")
        self._grants += 1
        self._look_at = self._deliver_at = float("-inf")
        return size if size <= free else least

    def _make_room(self, least: int, gone_on: Callable[[], bool]) -> int:
        """Deliver, make room, wait for it; returns the free bytes after that."""
        waits = {"block": self._options.block_timeout, "drop_oldest": _PRUNING}
        timeout = waits.get(self._options.when_full, 0.0)
        if getattr(self._caller, "vain", -1) == self._grants:
            timeout = 0.0
        deadline = clock.monotonic() + timeout
        if gone_on():
            return 0
        self._deliver(deadline if timeout else clock.monotonic() + _DELIVERING)
        if timeout and self._options.when_full == "drop_oldest" and self._room() < least:
            launch.make_room(self._spool, max(least, _PRUNED))
            self._look_at = float("-inf")
        while (free := self._room()) < least and clock.monotonic() < deadline and not gone_on():
            time.sleep(min(_LOOK_AGAIN, max(0.0, deadline - clock.monotonic())))
        return free

    def _deliver(self, deadline: float) -> None:
        """Have delivered what waits, and reclaimed what is delivered: by the collector, else here."""
        begun = clock.monotonic()
        if begun < self._deliver_at:
            return
        if not launch.collector_lives(self._spool, launch.FLUSH):
            launch.wait_until_flushed(self._spool, deadline)
            self._look_at = float("-inf")
        ended = clock.monotonic()
        self._deliver_at = ended + max(_LOOK_AGAIN, _APART * (ended - begun))

    def _room(self) -> int:
        """Free bytes, as of a look that may be some milliseconds old where there was no room."""
        now = clock.monotonic()
        if now < self._plenty_until:
            return _PLENTY
        if now >= self._look_at:
            self._free = self._look()
            took = clock.monotonic() - now
            self._look_at = now + took + min(max(_LOOK_AGAIN, _LOOKING * took), _LONGEST_PAUSE)
            if self._free > 2 * _PLENTY:
                self._plenty_until = now + _NO_LOOK_FOR
        return self._free

    def _look(self) -> int:
        try:
            quota = min(self._options.spool_max_size, platform.disk_size(self._spool) // 10)
        except OSError:  # the spool was removed: making the segment says so
            return 4 * _PLENTY
        quota = max(quota, SMALLEST_SEGMENT)
        free = quota - Spool(self._spool).used_bytes()
        if free < self._wanted:
            undelivered = getattr(launch.import_collector(), "undelivered", None)
            if undelivered is not None:
                with contextlib.suppress(OSError, LogboomError):
                    free = quota - undelivered(self._spool)
        return free


class Drops:
    """Counts dropped records without a lock: `next` of a counter is one step under the interpreter's lock."""

    def __init__(self) -> None:
        self.reason = ""
        self._since = 0.0
        self._counter = itertools.count()
        self._not_drops = 0
        self._lock = threading.Lock()

    def add(self, reason: str) -> None:
        """One more record was dropped."""
        next(self._counter)
        self.reason = reason
        self._since = self._since or time.time()

    @property
    def pending(self) -> bool:
        """Whether some were dropped and not yet said."""
        return self._since > 0

    def count(self) -> int:
        """Records dropped and not yet said."""
        count = next(self._counter) - self._not_drops
        self._not_drops += 1
        return count

    def say(self, write: Callable[[bytes], object]) -> None:
        """Say them with `write`, if there are any; one thread at a time, the others go on.

        A segment that is full already (`ValueError`) leaves them for the next one.
        """
        if not self._since or not self._lock.acquire(blocking=False):
            return
        since, self._since = self._since, 0.0  # before the count: what is dropped from here on is said later
        try:
            count = self.count()
            if count:
                write(encode_line(Dropped(count, since, time.time(), self.reason)))
            self._not_drops += count
        except (ValueError, OSError):
            self._since = since
        finally:
            self._lock.release()
