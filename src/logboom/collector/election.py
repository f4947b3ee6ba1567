"""Who collects.

Owns: the leader's lock on a spool, and telling that it was lost. Never knows: formats, records, sinks.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from logboom import platform
from logboom.launch import LEADER_LOCK

__all__ = ["Leadership"]


class Leadership:
    """The lock `collector.lock`, held. Get one with `Leadership.seek`."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def seek(cls, spool: Path, deadline: float = 0.0) -> Leadership | None:
        """Become the leader, or None when another process is until `deadline` (`time.monotonic`).

        Somebody who only looks takes the lock for an instant, so one refusal proves nothing: a
        candidate gives a deadline.

        Raises:
            OSError: the lock file cannot be made.
        """
        path = spool / LEADER_LOCK
        while True:
            fd = _open(path)
            leadership = cls(path, fd)
            if platform.try_lock(fd) and leadership.is_held():
                return leadership
            os.close(fd)
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.01)

    def is_held(self) -> bool:
        """Whether the lock's file still lies under its name: if it does not, another may lead."""
        try:
            ours, named = os.fstat(self._fd), os.stat(self.path)
        except OSError:
            return False
        return platform.identity(ours) == platform.identity(named)

    def release(self) -> None:
        """Let another lead."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _open(path: Path) -> int:
    fd = platform.open_file(path, os.O_RDWR | os.O_CREAT, 0o660)
    with contextlib.suppress(OSError):
        if os.fstat(fd).st_mode & 0o777 != path.parent.stat().st_mode & 0o666:
            platform.give_like(fd, path.parent.stat().st_mode & 0o666, path.parent)
    return fd
