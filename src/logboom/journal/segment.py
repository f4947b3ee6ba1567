"""One open segment, mapped or written: appends, its end, what a fork leaves of it."""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from logboom import platform
from logboom.journal.layout import END
from logboom.platform.process import this_process
from logboom.spool.directory import DEAD_SUFFIX

__all__ = ["MappedSegment", "Segment", "WrittenSegment"]

_FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()
# A mapping whose descriptor was closed behind our back must never be released: `mmap` would close the
# number of its duplicate, which may be somebody's socket by now.
_pinned: list[object] = []


def _taken(held: list[int]) -> list[int]:
    """What one thread takes out of a list that several may have."""
    try:
        return [held.pop()]
    except IndexError:
        return []


class Segment:
    """One open segment. `write(line)` appends a whole line, or raises `ValueError` when it is full.

    Attributes:
        mark: of the process that may write here.
        number: its place in the producer's stream.
        path: where it lies; looked at now and then, since an unlinked segment is silent.
        stated: numbers of the contexts whose lines are in it.
    """

    write: Callable[[bytes], object]
    _held: list[int] = []  # noqa: RUF012 - of one whose making was interrupted

    def __init__(self, path: Path, number: int, fd: int) -> None:
        self.path = path
        self.number = number
        self.mark = this_process.mark()
        self.stated: set[int] = set()
        self._fd = fd
        self._held = [fd]  # who takes it out closes it: several threads may leave a segment at once
        self._identity = platform.identity(os.fstat(fd))

    def is_linked(self) -> bool:
        """Return False if a reader does not find it under its name any more."""
        try:
            return platform.identity(os.stat(self.path)) == self._identity
        except (FileNotFoundError, NotADirectoryError):
            return False
        except (
            OSError
        ):  # a directory without `x`: who cannot see it cannot know, and a new one could not be made
            return True

    def was_set_aside(self) -> bool:
        """Whether it lost its name to a collector, which has read it: nothing in it is lost by that.

        A collector takes it for a dead process's when its lock went with its descriptor, as daemonisers do.
        """
        return os.path.exists(f"{self.path}{DEAD_SUFFIX}") or not self._descriptor_is_ours()

    def _descriptor_is_ours(self) -> bool:
        try:
            return platform.identity(os.fstat(self._fd)) == self._identity
        except OSError:
            return False

    def end(self) -> None:
        """Let no more line in. Late writers get `ValueError`."""
        raise TypeError("abstract")

    def written(self) -> int:
        """Bytes that are committed."""
        raise TypeError("abstract")

    def disown(self) -> None:
        """In a forked child: a log call in whose middle the fork was gets `ValueError` here, too."""
        raise TypeError("abstract")

    def sync(self, start: int) -> int:
        """Make `[start, written())` durable against power loss; returns the new `start`.

        Raises:
            OSError: it is not, and never will be in this file: go on in a new one.
        """
        end = self.written()
        if end > start:
            platform.sync_file(self._fd)
        return end

    def release(self) -> None:
        """Drop what this process holds. Never unlocks: in a forked child the lock is the parent's."""
        ours = self._descriptor_is_ours()
        held, self._held = self._held, []  # no call between: one thread gets it, and no signal loses it
        if _FREE_THREADED:
            held = _taken(held)
        for fd in held:
            if ours:
                os.close(fd)
            else:
                self._lost()

    def _lost(self) -> None:
        """The descriptor was closed behind our back."""

    def __del__(self) -> None:
        # A signal handler that raises can drop it anywhere; a lock that stays would hold up the reader.
        self.release()


class MappedSegment(Segment):
    """Written through `mmap`: a memory copy, no system call."""

    def __init__(self, path: Path, number: int, fd: int, size: int) -> None:
        super().__init__(path, number, fd)
        if sys.version_info >= (3, 13):
            self._map = mmap.mmap(fd, size, trackfd=False)
        else:
            self._map = mmap.mmap(fd, size)
        self.write = self._locked_write if _FREE_THREADED else self._map.write
        self._lock = threading.RLock()
        self._size = size

    def _locked_write(self, line: bytes) -> None:
        with self._lock:
            self._map.write(line)

    def end(self) -> None:
        while rest := self._size - self._map.tell():
            with contextlib.suppress(ValueError):  # a late writer came between
                self.write(b" " * (rest - 1) + b"\n")

    def written(self) -> int:
        return self._map.tell()

    def disown(self) -> None:
        self._lock = threading.RLock()
        self._map.seek(0, os.SEEK_END)

    def sync(self, start: int) -> int:
        end = self.written()
        if end > start:
            page = start - start % mmap.PAGESIZE
            self._map.flush(page, end - page)
        return end

    def _lost(self) -> None:
        if sys.version_info < (3, 13):
            _pinned.append(self._map)


class WrittenSegment(Segment):
    """Written by one system call a line at the end of the file, where a mapping cannot be trusted.

    A short write (a full disk) leaves a torn line without a newline: nothing is appended behind it, its
    reader may leave it as one of a dead process, and the line goes to a new segment whole. A signal handler
    that logs while its own thread is in here begins with a newline: it must not continue a torn line.

    A daemoniser may close the descriptor, and its number be another file's a moment later. So the number is a
    high one, and a line goes by `pwrite`, which sockets and pipes refuse. Where the system does not append
    with that, each line looks first.
    """

    def __init__(self, path: Path, number: int, fd: int, size: int) -> None:
        super().__init__(path, number, platform.out_of_the_way(fd))
        self._size = size
        self._end = 0
        self._lock = threading.RLock()
        self._busy = False
        self._ended = False
        self.write = self._append

    def _append(self, line: bytes) -> None:
        with self._lock:
            if self._ended or not (platform.appends_to_files_only or self._descriptor_is_ours()):
                raise ValueError("segment has ended")
            nested, self._busy = self._busy, True
            data = b"\n" + line if nested else line
            try:
                written = platform.append(self._fd, data, self._end)
            except OSError as error:
                if not self._has_taken(data):
                    self.release()
                    raise ValueError(str(error)) from error
                written = len(data)
            finally:
                self._busy = nested
            self._end += written
            if written < len(data):
                self.release()
                raise ValueError("torn: write it again elsewhere")
            if self._end >= self._size:
                self.end()

    def _has_taken(self, data: bytes) -> bool:
        """An append that failed may be there all the same (FUSE, a soft NFS mount)."""
        return self.written() >= self._end + len(data)

    def end(self) -> None:
        with self._lock:
            if not self._ended:
                self._ended = True
                if self._descriptor_is_ours():  # else its lock is gone as well: a reader leaves it as dead
                    with contextlib.suppress(OSError):
                        os.write(self._fd, END)

    def is_linked(self) -> bool:
        return super().is_linked() and self._descriptor_is_ours()

    def disown(self) -> None:
        self._lock = threading.RLock()
        self._ended = True

    def release(self) -> None:
        with self._lock:  # not while another thread writes: the number may be a socket's a moment later
            self._ended = True
            super().release()

    def written(self) -> int:
        return os.fstat(self._fd).st_size if self._descriptor_is_ours() else 0
