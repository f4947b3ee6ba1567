"""Room in the spool: the quota, what happens at it, and the count of what was dropped.

Owns: `when_full`, `block_timeout`, the words about dropped records. Never knows: records, segments.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from logboom import platform
from logboom.errors import SpoolFullError
from logboom.journal.layout import Dropped, encode_line
from logboom.platform import clock
from logboom.producer import waiting
from logboom.producer.options import Options
from logboom.spool.directory import Spool

__all__ = ["Drops", "Room"]

_PRUNING: Final = 0.25
_PRUNED: Final = 8 * 1024 * 1024
_LOOK_AGAIN: Final = 0.005
# More than all processes of a machine write while nobody looks: a look costs a system call a segment.
_PLENTY: Final = 128 * 1024 * 1024
_NO_LOOK_FOR: Final = 0.1
_MANY: Final = 64


class Room:
    """Decides whether a spool takes another segment."""

    def __init__(self, spool: Path, options: Options) -> None:
        self._spool = spool
        self._options = options
        self._waited = False
        self._plenty_until = float("-inf")

    def admit(self, size: int) -> None:
        """Return when there is room for `size` bytes, after what the policy allows to do for it.

        After one wait in vain there is none until there was room again.

        Raises:
            SpoolFullError: there is no room.
        """
        if self._is_there(size) or self._wait(size):
            self._waited = False
            return
        raise SpoolFullError("the spool is full", path=self._spool, hint="See `logboom status`")

    def _wait(self, size: int) -> bool:
        waits = {"block": self._options.block_timeout, "drop_oldest": _PRUNING}
        timeout = waits.get(self._options.when_full, 0.0)
        if not timeout or self._waited:
            return False
        self._waited = True
        if self._options.when_full == "drop_oldest":
            waiting.make_room(self._spool, max(size, _PRUNED))
        deadline = clock.monotonic() + timeout
        while not self._is_there(size):
            if clock.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_AGAIN)
        return True

    def _is_there(self, size: int) -> bool:
        now = clock.monotonic()
        if now < self._plenty_until and size < _PLENTY:
            return True
        try:
            quota = min(self._options.spool_max_size, platform.disk_size(self._spool) // 10)
        except OSError:  # the spool was removed: making the segment says so
            return True
        free = quota - Spool(self._spool).used_bytes()
        if free > 2 * _PLENTY:
            self._plenty_until = now + _NO_LOOK_FOR
        return size <= free


class Drops:
    """Counts dropped records without a lock: `next` of a counter is one step under the interpreter's lock."""

    def __init__(self) -> None:
        self.reason = ""
        self._since = 0.0
        self._counter = itertools.count()
        self._not_drops = 0
        self._said = 0
        self._pause = 1.0
        self._lock = threading.Lock()

    def add(self, reason: str) -> bool:
        """One more record was dropped; True when it is time to say how many: more and more seldom."""
        number = next(self._counter) + 1
        self.reason = reason
        self._since = self._since or time.time()
        if time.time() - self._since < self._pause and number - self._not_drops < max(_MANY, self._said):
            return False
        self._pause *= 2
        return True

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
            self._said += count
        except (ValueError, OSError):
            self._since = since
        finally:
            self._lock.release()
