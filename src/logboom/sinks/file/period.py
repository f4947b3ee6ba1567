"""When the live file's period began, remembered over a restart.

Owns: the start of the period and the small file that keeps it. Never knows: the schedule, names.

A rollover that is due while nothing runs happens with the first record afterwards, and a program
that is restarted every half hour still rolls every hour.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from logboom import platform

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
        self._path = path
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
        if self._path is None or state == self._kept:
            return
        fresh = self._path.with_name(self._path.name + ".new")
        with contextlib.suppress(OSError):
            fresh.write_bytes(msgspec.json.encode(state))
            platform.replace(fresh, self._path)
            self._kept = state

    def _load(self) -> _State | None:
        if self._path is None:
            return None
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_State)
        except (OSError, msgspec.MsgspecError):
            return None
