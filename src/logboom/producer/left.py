"""What is still on its way when the handler that logged it is gone.

Owns: `Left`, one for each spool of the process; what becomes of a handler that is dropped without
`close`. Never knows: records, segments, `logging.Handler`.
"""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from pathlib import Path
from typing import Final

from logboom.journal import streams
from logboom.journal.layout import FORMAT
from logboom.platform.process import Mark, this_process
from logboom.producer import lifecycle
from logboom.producer.options import Options
from logboom.producer.room import Drops
from logboom.spool import launch

__all__ = ["Left", "keep_no_watch", "left_in", "when_dropped"]

_MOST: Final = 1000


class Left:
    """What producers of one spool have left behind: the end of the program, and `flush`, wait for it.

    Attributes:
        close_timeout: how long the end of the program waits for it at most; 0 where `close` has waited.
    """

    def __init__(self, spool: Path) -> None:
        self.close_timeout = 0.0
        self._spool = spool
        self._mark = this_process.mark()
        self._targets: set[str] = set()
        self._lost = False
        self._starts = False

    def add(self, target: str, close_timeout: float, *, lost: bool, starts: bool) -> None:
        """Something for `target` is to be waited for. Takes no lock: garbage is collected anywhere.

        Args:
            lost: some of it was dropped, and the log does not say so.
            starts: a collector may be started for what cannot be waited for.
        """
        if not self._mark[0]:
            self.forget()
        self._targets.add(target)
        self._lost = self._lost or lost
        self._starts = self._starts or starts
        self.close_timeout = max(self.close_timeout, close_timeout)

    def wait(self, deadline: float) -> bool:
        """Wait until it is in the files; `deadline` on `clock.monotonic`."""
        if not self._mark[0]:
            return True
        waiting = frozenset(self._targets)
        if waiting:
            targets = waiting if len(waiting) <= _MOST else None
            if not launch.wait_until_flushed(self._spool, lifecycle.budget(deadline), targets):
                if self._starts and launch.lacks_collector(self._spool, FORMAT):
                    launch.start_collector(self._spool)
                return False
            self._targets -= waiting
        return not self._lost

    def forget(self) -> None:
        """In a forked child: it is the parent's."""
        self._mark = this_process.mark()
        self._targets = set()
        self._lost = self._starts = False
        self.close_timeout = 0.0


def left_in(spool: Path) -> Left:
    """The one of `spool`, which the end of the program waits for."""
    left: Left = this_process.left.setdefault(spool, Left(spool))
    lifecycle.register(left, (Left, spool))
    return left


def when_dropped(
    producer: object, stream: Hashable, left: list[tuple[Left, str]], options: Options, drops: Drops
) -> weakref.ref[object]:
    """Give back what `producer` holds of `stream` when nobody has it any more, without waiting.

    Programs make handlers for a job each and drop them: their descriptors must not pile up.
    """
    mark, user, watches = this_process.mark(), id(producer), this_process.watches

    def dropped(watch: weakref.ref[object]) -> None:
        if watch in watches:
            watches.discard(watch)
            _leave(mark, stream, user, left, options, drops)

    # Not `weakref.finalize`: the first one of a program imports, and a log call must not.
    watch = weakref.ref(producer, dropped)
    watches.add(watch)
    return watch


def keep_no_watch(watch: weakref.ref[object]) -> None:
    """What `when_dropped` returned is not needed any more."""
    this_process.watches.discard(watch)


def _leave(
    mark: Mark, stream: Hashable, user: int, left: list[tuple[Left, str]], options: Options, drops: Drops
) -> None:
    if mark[0]:
        for each, target in left:
            each.add(target, options.close_timeout, lost=drops.pending, starts=options.starts_collector)
        streams.leave(stream, user)
