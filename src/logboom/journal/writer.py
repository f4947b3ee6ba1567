"""Append, roll, fork: the producer's half of the journal.

Owns: a producer's segments while they are written. Never knows: readers, the collector, records'
meaning (lines come as bytes).

No lock is taken. An append is one C call, which moves the position and copies the bytes together
under the interpreter's lock; everything else (a roll, a race of two threads, a signal handler that
logs inside either) is made safe by a swap of one reference, after which the loser removes its own.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import mmap
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from logboom import __version__, platform
from logboom.errors import SpoolError, SpoolFullError
from logboom.journal.layout import END, FORMAT, REST, WAKE, Header, encode_line, segment_name
from logboom.journal.spool import DEAD_SUFFIX
from logboom.target import Target

__all__ = ["FIRST_SIZE", "LARGEST_SIZE", "JournalWriter", "Segment"]

FIRST_SIZE = 64 * 1024
LARGEST_SIZE = 1024 * 1024

_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
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
        pid: the process that may write here.
        number: its place in the producer's stream.
        path: where it lies; looked at now and then, since an unlinked segment is silent.
        stated: numbers of the contexts whose lines are in it.
    """

    write: Callable[[bytes], object]
    _held: list[int] = []  # noqa: RUF012 - of one whose making was interrupted

    def __init__(self, path: Path, number: int, fd: int) -> None:
        self.path = path
        self.number = number
        self.pid = os.getpid()
        self.stated: set[int] = set()
        self._fd = fd
        self._held = [fd]  # who takes it out closes it: several threads may leave a segment at once
        self._identity = platform.identity(os.fstat(fd))

    def is_linked(self) -> bool:
        """Whether a reader still finds it under its name."""
        try:
            return platform.identity(os.stat(self.path)) == self._identity
        except OSError:
            return False

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
    """Written by `write(2)` at the end of the file, where a mapping cannot be trusted.

    A short write (a full disk) leaves a torn line without a newline: nothing is appended behind it
    and the line goes to a new segment whole. A signal handler that logs while its own thread is
    in here begins with a newline, so that it can never continue a torn line.
    """

    def __init__(self, path: Path, number: int, fd: int, size: int) -> None:
        super().__init__(path, number, fd)
        self._size = size
        self._lock = threading.RLock()
        self._busy = False
        self._ended = False
        self.write = self._append

    def _append(self, line: bytes) -> None:
        with self._lock:
            if self._ended or not self._descriptor_is_ours():
                raise ValueError("segment has ended")
            nested, self._busy = self._busy, True
            try:
                self._put(b"\n" + line if nested else line)
            finally:
                self._busy = nested

    def _put(self, data: bytes) -> None:
        try:
            whole = os.write(self._fd, data) == len(data)
        except OSError:
            self._ended = True
            raise
        if not whole or os.lseek(self._fd, 0, os.SEEK_CUR) >= self._size:
            self._ended = not whole or self._finish()
        if not whole:
            raise ValueError("torn: write it again elsewhere")

    def _finish(self) -> bool:
        if not self._descriptor_is_ours():
            return True  # closed behind our back: the lock went with it, so a reader leaves it as dead
        with contextlib.suppress(OSError):
            os.write(self._fd, END)
        return True

    def end(self) -> None:
        with self._lock:
            if not self._ended:
                self._ended = self._finish()

    def disown(self) -> None:
        self._lock = threading.RLock()
        self._ended = True

    def release(self) -> None:
        with self._lock:  # not while another thread writes: the number may be a socket's a moment later
            self._ended = True
            super().release()

    def written(self) -> int:
        return os.fstat(self._fd).st_size if self._descriptor_is_ours() else 0


class _Said(NamedTuple):
    """The last `REST` or `WAKE`: a segment's number, where it and those just before it stand, the line."""

    segment: int = 0
    start: int = 0
    end: int = 0
    line: bytes = b""


class JournalWriter:
    """One producer: this process's stream of lines for one output file.

    Args:
        directory: the spool's journal directory; it exists.
        target: what the header asks for.
        mapped: write through `mmap`; else by `write(2)`.
        mode: permission bits of the segments.
        admit: called with the size in bytes before a segment is made; raises `SpoolFullError`.
    """

    def __init__(
        self,
        directory: Path,
        target: Target,
        *,
        mapped: bool,
        mode: int,
        admit: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.directory = directory
        self.target = target
        self.mapped = mapped
        self.mode = mode
        self.producer = os.urandom(8).hex()
        self.segment: Segment | None = None
        self.users: set[int] = set()
        self._admit = admit
        self._numbers = itertools.count(1)
        self._size = FIRST_SIZE
        self._given_up = 0  # number of the newest segment that was abandoned or closed
        self._said = _Said()
        self.pid = os.getpid()

    def roll(self, old: Segment | None, stated: Mapping[int, bytes], room: int) -> Segment | None:
        """The segment to go on in when `old` is full; another thread may have made it already.

        Args:
            old: the segment that refused a line, or None for the first.
            stated: context lines that the new segment must begin with, by number.
            room: bytes that the waiting line needs.

        Returns:
            The segment to try next; None when another thread abandoned it meanwhile.

        Raises:
            SpoolFullError: the quota or the disk has no room.
            SpoolError: the spool cannot be written.
        """
        current = self.segment
        if current is not None and current is not old:
            return current
        new = self._make(b"".join(stated.values()), room)
        new.stated.update(stated)
        if self.segment is old or self.segment is None:  # no call between: another thread may have come first
            self.segment = new
        else:
            self._unmake(new)
        if old is not None and old.pid == os.getpid():
            old.end()
            if self.target.synced:  # a line that came while `new` was made; nobody could do it later
                with contextlib.suppress(OSError):
                    old.sync(0)
            old.release()
        return self.segment

    def rest(self) -> None:
        """Say that this process waits for delivery: nobody has to wait for an earlier line of its."""
        self._say(REST)

    def wake(self) -> None:
        """Say that it goes on, before it does."""
        if self._said.line == REST:
            self._say(WAKE)

    def _say(self, line: bytes) -> None:
        segment, said = self.segment, self._said
        if segment is None or segment.pid != os.getpid():
            return
        with contextlib.suppress(ValueError, OSError):  # what cannot be said costs others the wait
            start = segment.written()
            nothing_since = (segment.number, start) == (said.segment, said.end)
            if nothing_since and said.line == line:
                return
            segment.write(line)
            end = start + len(line)
            if segment.written() == end:  # else another thread's record came between
                start = said.start if nothing_since else start
                self._said = _Said(segment.number, start, end, line)

    def abandon(self, segment: Segment) -> None:
        """`segment` failed in the middle of a line: its reader shall leave it as one of a dead process."""
        self._given_up = segment.number
        if self.segment is segment:
            self.segment = None
        segment.release()

    def _make(self, preamble: bytes, room: int) -> Segment:
        number = next(self._numbers)
        head = encode_line(self._header(number)) + preamble
        size = self._admitted(len(head) + room + 4096)
        path = self.directory / segment_name(self.producer, number)
        temporary = self.directory / f".{path.name}.tmp"
        try:
            segment = self._fill(temporary, path, number, head, size)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            full = SpoolFullError if error.errno in _FULL else SpoolError
            raise full(f"cannot make a journal segment: {error.strerror or error}", path=path) from error
        except ValueError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise SpoolFullError(f"cannot make a journal segment: {error}", path=path) from error
        self._size = min(self._size * 2, LARGEST_SIZE)
        return segment

    def _admitted(self, needed: int) -> int:
        """The usual size; where the spool has no room for that, the least that will do.

        Without the second try a stream whose segments have grown could be stuck for ever: its full
        segment is reclaimed only when there is a next one.
        """
        size, least = max(self._size, needed), max(FIRST_SIZE, needed)
        try:
            self._admit(size)
        except SpoolFullError:
            if least == size:
                raise
            self._admit(least)
            size = self._size = least
        return size

    def _fill(self, temporary: Path, path: Path, number: int, head: bytes, size: int) -> Segment:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | (0 if self.mapped else os.O_APPEND)
        fd = platform.open_file(temporary, flags)
        try:
            platform.give_like(fd, self.mode, self.directory)
            if self.mapped:
                platform.allocate(fd, size)
            platform.try_lock(fd)
        except BaseException:
            os.close(fd)
            raise
        kind = MappedSegment if self.mapped else WrittenSegment
        segment = kind(path, number, fd, size)
        try:
            segment.write(head)
            platform.rename(temporary, path)
        except BaseException:
            segment.release()
            raise
        return segment

    def _unmake(self, segment: Segment) -> None:
        with contextlib.suppress(OSError):
            os.unlink(segment.path)
        segment.release()

    def _header(self, number: int) -> Header:
        return Header(
            logboom=FORMAT,
            producer=self.producer,
            segment=number,
            pid=os.getpid(),
            host=platform.host_name(),
            program=program_name(),
            created=time.time(),
            mapped=self.mapped,
            target=self.target,
            version=__version__,
        )

    def forget(self) -> None:
        """In a forked child: drop the parent's segment. The child's own stream has a new id.

        The child goes on with its parent's run, so it does not empty the file (mode `w`).
        """
        if self.target.mode == "w":
            self.target = msgspec.structs.replace(self.target, mode="a")
        segment, self.segment = self.segment, None
        self.producer = os.urandom(8).hex()
        self._numbers = itertools.count(1)
        self._size = FIRST_SIZE
        self._given_up = 0
        self._said = _Said()
        self.pid = os.getpid()
        if segment is not None:
            segment.disown()
            segment.release()

    def written(self) -> tuple[str, int, int]:
        """`(producer, segment number, committed bytes)` now; numbers are 0 before the first line.

        As long as nothing else was written, `rest` and `wake` do not count.
        """
        segment, said = self.segment, self._said
        if segment is None or segment.pid != os.getpid():
            return self.producer, self._given_up, 0
        committed = segment.written()
        quiet = (segment.number, committed) == (said.segment, said.end)
        return self.producer, segment.number, said.start if quiet else committed

    def close(self) -> None:
        """Give the last segment's lock back: its reader may leave it. A later line begins a new one."""
        segment, self.segment = self.segment, None
        if segment is not None and segment.pid == os.getpid():
            self._given_up = segment.number
            segment.release()


def program_name() -> str:
    """How a person knows this process: its script and first argument."""
    script, *rest = [argument for argument in (getattr(sys, "argv", None) or [])[:2] if argument] or [
        "python"
    ]
    return " ".join([os.path.basename(script), *rest])[:200].encode("utf-8", "backslashreplace").decode()
