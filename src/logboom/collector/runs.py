"""May a file of mode `w` be emptied for a program: is all that is in it of an earlier run?

Owns: when each file was last written, told from the file and from what this collector wrote. Never knows:
streams, sinks, steps.

What was written after a program was configured is of its own run: it may have been silent until now, or its
journal was lost to it and it went on in another. Where that cannot be told, the file is not emptied.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

from logboom.journal.target import Target
from logboom.platform.clock import Clock

__all__ = ["Runs"]

_TICK: Final = 0.02  # a file's time is that of the kernel's last tick, and threads are overtaken
_COARSE: Final = 2.1  # file systems that keep whole seconds, or every other one
_SECOND: Final = 1_000_000_000


class Runs:
    """The last time that each file was written.

    Args:
        spool: the directory.
        clock: where time comes from.
    """

    def __init__(self, spool: Path, clock: Clock) -> None:
        self._spool = spool
        self._clock = clock
        self._written: dict[str, float] = {}
        self._offset = -math.inf

    def tick(self, now_wall: float, now_mono: float) -> None:
        """Call often: a wall clock that is set back is known by it."""
        self._offset = max(self._offset, now_wall - now_mono)

    def wrote(self, key: str) -> None:
        """Records of this target were written just now."""
        self._written[key] = self._clock.monotonic()

    def may_empty(self, target: Target, pending: float, *, known: bool) -> bool:
        """Whether nothing in the file, and nothing that waits to be written, is of the run of a program.

        Args:
            target: as the program asks for it.
            pending: time of the newest record that waits, of whomever; -infinity when none does.
            known: records of this target were written before, by this collector or another.
        """
        now_wall, now_mono = self._clock.wall(), self._clock.monotonic()
        self.tick(now_wall, now_mono)
        if target.configured > now_wall + _TICK:
            return False  # the clock was set back, so nothing can be compared
        set_back = self._offset - (now_wall - now_mono)
        newest = max(pending + set_back + _TICK, self._last_written(target, known))
        return newest < target.configured

    def _last_written(self, target: Target, known: bool) -> float:
        """As wall time; should the clock have been set back since, in the one before."""
        own = self._written.get(target.key)
        try:
            status = os.stat(target.path(self._spool))
        except OSError:
            status = None
        if status is None or not status.st_size:
            return -math.inf
        if own is not None:
            return max(own + self._offset, _changed(status))
        return _changed(status) + (_unsure(status) if known else 0.0)


def _changed(status: os.stat_result) -> float:
    """The later of two times: the first one can be set by anybody."""
    return max(status.st_mtime, status.st_ctime)


def _unsure(status: os.stat_result) -> float:
    return _COARSE if status.st_mtime_ns % _SECOND == 0 else _TICK
