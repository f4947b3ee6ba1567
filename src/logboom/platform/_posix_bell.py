"""The doorbell on POSIX: a regular file, so that every tool that copies or reads a directory passes it by.

Its first bytes are flags, one for each kind of message; then comes the listener's process id. The listener
holds the file's lock, which the kernel releases when it dies, and is woken by inotify or kqueue; where
neither can be had, it looks every 20 ms. Everything happens in place, so it works on a full disk.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import contextlib
import errno
import fcntl
import os
import select
import stat
import time
from pathlib import Path
from typing import Final

__all__ = ["BELLS", "BellFile", "bell_pid", "ring_bell", "ring_fifo", "unheard"]

BELLS: Final = b"wfpsg"
_PID_AT: Final = 16
_SIZE: Final = 64
_LISTEN_FOR: Final = 2.0
_LOOK_EVERY: Final = 0.02
_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
_BUSY: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})
_IN_MODIFY: Final = 2


def _is_ours(fd: int) -> bool:
    """Return True for a plain file with one name: what a collector made."""
    status = os.fstat(fd)
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True


def ring_bell(path: str | Path, message: bytes) -> bool:
    """Ring; False when there is no listener. An empty message asks for no more than read access."""
    try:
        fd = os.open(path, (os.O_RDWR if message else os.O_RDONLY) | _FLAGS)
    except OSError:
        return False
    try:
        if not _is_ours(fd) or _try(fd, fcntl.LOCK_SH):  # closing gives the lock back
            return False
        with contextlib.suppress(OSError):  # it is there, and looks by itself now and then
            for bell in message:
                os.pwrite(fd, b"!", BELLS.index(bell))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def ring_fifo(path: str | Path, message: bytes) -> bool:
    """Ring the doorbell of a collector of the first release; False when none listens."""
    try:
        fd = os.open(path, os.O_WRONLY | _FLAGS)
    except OSError:
        return False
    try:
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            return False
        if message:
            with contextlib.suppress(BlockingIOError):
                os.write(fd, message)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def unheard(path: str | Path) -> bytes:
    """The messages that the listener has not taken yet. Raises `OSError`."""
    fd = os.open(path, os.O_RDONLY | _FLAGS)
    try:
        return _rung(fd)
    finally:
        os.close(fd)


def bell_pid(path: str | Path) -> int | None:
    """The listener's process id, as it wrote it down; None when it did not."""
    try:
        fd = os.open(path, os.O_RDONLY | _FLAGS)
    except OSError:
        return None
    try:
        return int(os.pread(fd, _SIZE - _PID_AT, _PID_AT)) if _is_ours(fd) else None
    except (OSError, ValueError):
        return None
    finally:
        os.close(fd)


def _rung(fd: int) -> bytes:
    found = os.pread(fd, len(BELLS), 0)
    return bytes(bell for bell, flag in zip(BELLS, found, strict=False) if flag)


class BellFile:
    """The listening side.

    Raises:
        OSError: the file cannot be made, or another process listens.
    """

    def __init__(self, path: str | Path, mode: int) -> None:
        self.path = Path(path)
        self._fifo = -1
        self._fd = self._open()
        try:
            self._own(mode)
        except BaseException:
            os.close(self._fd)
            raise
        self._poll = select.poll()
        self._watch = _watch(self._fd, self.path)
        if self._watch >= 0:
            self._poll.register(self._watch, select.POLLIN)

    def _open(self) -> int:
        """The file as it lies there; what is no plain file is replaced by one."""
        for _ in range(2):
            with contextlib.suppress(OSError):
                fd = os.open(self.path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
                if _is_ours(fd):
                    return fd
                os.close(fd)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)

    def _own(self, mode: int) -> None:
        deadline = time.monotonic() + _LISTEN_FOR
        while not _try(self._fd, fcntl.LOCK_EX):  # whoever rings has it for an instant
            if time.monotonic() >= deadline:
                raise OSError(errno.EAGAIN, "another collector listens", str(self.path))
            time.sleep(0.001)
        parent, mine = os.stat(self.path.parent), os.fstat(self._fd)
        with contextlib.suppress(OSError):
            os.fchmod(self._fd, mode)
            if parent.st_gid != mine.st_gid:
                os.fchown(self._fd, -1, parent.st_gid)
        self._write_down()

    def _write_down(self) -> None:
        """The flags' place, and who we are; on a full disk, where the file is new, later."""
        self._whole = False
        with contextlib.suppress(OSError):
            text = bytes(_PID_AT) + b"%-*d\n" % (_SIZE - _PID_AT - 1, os.getpid())
            self._whole = os.pwrite(self._fd, text, 0) == len(text)

    def hear_fifo(self, path: str | Path, mode: int, *, wanted: bool) -> None:
        """Listen at the doorbell of the first release as well, or do no longer. Raises `OSError`."""
        if wanted and self._fifo < 0:
            with contextlib.suppress(FileExistsError):
                os.mkfifo(path, 0o600)
            # Read and write: a FIFO without writers would report its end for ever.
            fd = os.open(path, os.O_RDWR | _FLAGS)
            if not stat.S_ISFIFO(os.fstat(fd).st_mode):
                os.close(fd)
                raise OSError(errno.EEXIST, "not a FIFO", str(path))
            with contextlib.suppress(OSError):
                os.fchmod(fd, mode)
            self._fifo = fd
            self._poll.register(fd, select.POLLIN)
        elif not wanted:
            self._forget_fifo()
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISFIFO(os.lstat(path).st_mode):
                    os.unlink(path)

    def _forget_fifo(self) -> None:
        fd, self._fifo = self._fifo, -1
        if fd >= 0:
            self._poll.unregister(fd)
            os.close(fd)

    def wait(self, timeout: float) -> bytes:
        """What was rung within `timeout` seconds; empty when nothing was."""
        deadline = time.monotonic() + timeout
        while True:
            said = self._take()
            left = deadline - time.monotonic()
            if said or left <= 0:
                return said
            if self._watch < 0:
                left = min(left, _LOOK_EVERY)
            for fd, _ in self._poll.poll(max(1, round(left * 1000))):
                if fd == self._watch:
                    _drain(fd)

    def _take(self) -> bytes:
        said = _rung(self._fd)
        if not self._whole:
            self._write_down()
        # Cleared before anything is done about it: what is rung from now on is heard next time.
        for bell in said:
            os.pwrite(self._fd, b"\0", BELLS.index(bell))
        if self._fifo >= 0:
            with contextlib.suppress(BlockingIOError):
                said += os.read(self._fifo, 4096)
        return said

    def close(self) -> None:
        self._forget_fifo()
        for fd in (self._watch, self._fd):
            if fd >= 0:
                os.close(fd)
        self._watch = self._fd = -1


if sys.platform == "linux":

    def _watch(fd: int, path: Path) -> int:
        """A descriptor that can be read when the file was written to; -1 where that cannot be had."""
        try:
            import ctypes

            libc = ctypes.CDLL(None)
            watch = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
            if watch < 0:
                return -1
            for name in (b"/proc/self/fd/%d" % fd, os.fsencode(path)):
                if libc.inotify_add_watch(watch, name, _IN_MODIFY) >= 0:
                    return watch
            os.close(watch)
        except (ImportError, OSError, AttributeError):
            pass
        return -1

    def _drain(watch: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(watch, 4096)

else:  # macOS, the BSDs: a kqueue is a descriptor, too
    _queues: dict[int, select.kqueue] = {}

    def _watch(fd: int, path: Path) -> int:
        try:
            queue = select.kqueue()
            wanted = select.kevent(
                fd, select.KQ_FILTER_VNODE, select.KQ_EV_ADD | select.KQ_EV_CLEAR, select.KQ_NOTE_WRITE
            )
            queue.control([wanted], 0)
        except OSError:
            return -1
        watch = os.dup(queue.fileno())
        _queues[watch] = queue
        return watch

    def _drain(watch: int) -> None:
        _queues[watch].control([], 8, 0)
