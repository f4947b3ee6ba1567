"""When the live file's period began, remembered over a restart.

A rollover that is due while nothing runs happens with the first record afterwards, and a program
that is restarted every half hour still rolls every hour.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from logboom.sinks.file.kept import Kept

__all__ = ["Period"]


class _State(msgspec.Struct, frozen=True):
    device: int
    inode: int
    start: float


class Period:
    """The live file's period.

    Attributes:
        start: wall time at which it began; None when nothing is known.
    """

    def __init__(self, path: Path | None) -> None:
        """`path`: the file that keeps it, or None to go by the live file's own times."""
        self._file = None if path is None else Kept(path)
        self._kept: _State | None = None
        self.start: float | None = None

    def adopt(self, live: os.stat_result, now: float) -> None:
        """Find out about a live file that was just opened.

        Its period began at the latest now: a clock that was ahead for a moment has written what is kept.
        """
        self._kept = self._load()
        if self._kept is not None and (self._kept.device, self._kept.inode) == (live.st_dev, live.st_ino):
            self.start = min(self._kept.start, now)
        elif live.st_size:
            self.start = min(float(getattr(live, "st_birthtime", live.st_mtime)), now)
        else:
            self.start = None

    def keep(self, device: int, inode: int, start: float) -> None:
        """Remember it for this file; a failure costs accuracy after a restart and nothing else."""
        state = _State(device, inode, start)
        self.start = start
        if self._file is not None and state != self._kept and self._file.write(state):
            self._kept = state

    def _load(self) -> _State | None:
        return None if self._file is None else self._file.read(_State)
