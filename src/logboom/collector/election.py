"""Who collects.

Owns: the leader's locks on a spool, and telling that one was lost. Never knows: formats, records, sinks.

The lock `collector.lock` is what others see. The directory is locked as well: a leader that stands still
(SIGSTOP) while a cleaner deletes `collector.lock` would go on beside its successor.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from logboom import platform
from logboom.errors import SpoolError
from logboom.platform.files import Directory
from logboom.platform.process import Mark, this_process
from logboom.spool.doorbell import LEADER_LOCK
from logboom.spool.place import collects_here, place

__all__ = ["Leadership"]


class Leadership:
    """The lock `collector.lock`, held. Get one with `Leadership.seek`."""

    _fd = _directory = -1
    _mark: Mark = b"\0"

    def __init__(self, path: Path, fd: int) -> None:
        self._fd = fd
        self._mark = this_process.mark()
        self.path = path
        this_process.inherited.add(self)

    @classmethod
    def seek(cls, spool: Path, deadline: float = 0.0) -> Leadership | None:
        """Become the leader, or None when another process is until `deadline` (`time.monotonic`).

        Somebody who only looks takes the lock for an instant, so one refusal proves nothing: a
        candidate gives a deadline.

        Raises:
            SpoolError: this process is root, and the spool another user's.
            OSError: the lock file cannot be made.
        """
        if not collects_here(spool):
            raise SpoolError("root does not collect in another user's directory", path=spool)
        path = spool / LEADER_LOCK
        while True:
            own = place(spool)
            leadership = cls(path, own.open_or_make(LEADER_LOCK, os.O_RDWR))
            leadership._give_access(own)
            if platform.try_lock(leadership._fd) and leadership.is_held() and leadership._hold_directory(own):
                return leadership
            leadership.release()
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.01)

    def is_held(self) -> bool:
        """Whether the lock's file still lies under its name: if it does not, another may lead."""
        try:
            ours, named = os.fstat(self._fd), place(self.path.parent).stat(LEADER_LOCK)
        except OSError:
            return False
        return named is not None and platform.identity(ours) == platform.identity(named)

    def keeps_others_out(self) -> bool:
        """Return True while no other process can lead even without the lock's file: we lock its directory."""
        return self._directory >= 0

    def release(self) -> None:
        """Let another lead."""
        for fd in (self._directory, self._fd):
            if fd >= 0 and self._mark[0]:
                # A child that was forked meanwhile has the same open file, and would keep the lock.
                with contextlib.suppress(OSError):
                    platform.unlock(fd)
        directory, self._directory = self._directory, -1
        if directory >= 0:
            os.close(directory)
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def forget(self) -> None:
        """In a forked child: its copies of the descriptors would hold the locks when its parent is dead."""
        self.release()

    def __del__(self) -> None:
        # Where an application's process leads for a moment, a signal handler of its own may raise anywhere.
        self.release()

    def _give_access(self, own: Directory) -> None:
        """Who may lead: whoever may write to the spool; an earlier release let all open it who may read."""
        with contextlib.suppress(OSError):
            if os.fstat(self._fd).st_mode & 0o777 != own.lockable:
                own.give(self._fd, own.lockable)

    def _hold_directory(self, own: Directory) -> bool:
        """Lock the directory, unless a group may open it that may only read it: then anybody of it could."""
        readers = own.mode & 0o040 and not own.mode & 0o020
        held = -1 if readers else own.hold()
        if held is None:
            return False
        self._directory = held
        return True
