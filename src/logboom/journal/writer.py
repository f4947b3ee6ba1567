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
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from logboom import __version__, platform
from logboom.errors import SpoolError, SpoolFullError
from logboom.journal.layout import (
    REST,
    SMALLEST_SEGMENT,
    WAKE,
    Header,
    encode_line,
    format_for,
    segment_name,
)
from logboom.journal.segment import MappedSegment, Segment, WrittenSegment
from logboom.journal.target import Asked
from logboom.platform.process import this_process
from logboom.records.plan import stamp_of

__all__ = ["FIRST_SIZE", "LARGEST_SIZE", "JournalWriter"]

FIRST_SIZE = SMALLEST_SEGMENT
LARGEST_SIZE = 1024 * 1024

_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


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
        target, more: the sinks that the header asks for.
        mapped: write through `mmap` where the segment is ours alone; else by `write(2)`.
        mode: permission bits of the segments.
        admit: called before a segment is made, with the size that is wanted, the size that will do, and a
            function that is true once another thread has made one; returns the size to make, 0 for none.
            Raises `SpoolFullError`.
    """

    def __init__(
        self,
        directory: Path,
        target: Asked,
        *,
        mapped: bool,
        mode: int,
        more: tuple[Asked, ...] = (),
        admit: Callable[[int, int, Callable[[], bool]], int] = lambda size, least, gone_on: size,
    ) -> None:
        self.directory = directory
        self.target = target
        self.more = more
        self.mapped = mapped
        self.mode = mode
        self.producer = os.urandom(8).hex()
        self.segment: Segment | None = None
        self.users: set[int] = set()
        self._admit = admit
        self._numbers = itertools.count(1)
        self._size = FIRST_SIZE
        self._given_up = 0  # number of the newest segment that was closed
        self._said = _Said()
        self.mark = this_process.mark()

    def roll(self, old: Segment | None, stated: Mapping[int, bytes], room: int) -> Segment | None:
        """The segment to go on in when `old` is full; another thread may have made it already.

        Args:
            old: the segment that refused a line, or None for the first.
            stated: context lines that the new segment must begin with, by number.
            room: bytes that the waiting line needs.

        Returns:
            The segment to try next; None when another thread closed it meanwhile.

        Raises:
            SpoolFullError: the quota or the disk has no room.
            SpoolError: the spool cannot be written.
        """
        current = self.segment
        if current is not None and current is not old:
            return current
        new = self._make(old, b"".join(stated.values()), room)
        if new is None:
            return self.segment
        new.stated.update(stated)
        if self.segment is old or self.segment is None:  # no call between: another thread may have come first
            self.segment = new
        else:
            self._unmake(new)
        if old is not None and old.mark[0]:
            old.end()
            if any(
                asked.synced for asked in (self.target, *self.more)
            ):  # a line that came while `new` was made; nobody could do it later
                with contextlib.suppress(OSError):
                    old.sync(0)
            old.release()
        return self.segment

    def rest(self) -> None:
        """Say that this process waits for delivery: nobody has to wait for an earlier line of its."""
        self._say(REST)

    def wake(self) -> None:
        """Say that it goes on, before it does."""
        self._say(WAKE, only_after=REST)

    def _say(self, line: bytes, *, only_after: bytes = b"") -> None:
        segment, said = self.segment, self._said
        if segment is None or not segment.mark[0]:
            return
        with contextlib.suppress(ValueError, OSError):  # what cannot be said costs others the wait
            start = segment.written()
            last = said.line if (segment.number, start) == (said.segment, said.end) else b""
            if last == line or (only_after and last != only_after):
                return
            segment.write(line)
            # Where another thread's record came between, the end is elsewhere, and this counts for nothing.
            self._said = _Said(segment.number, said.start if last else start, start + len(line), line)

    def _make(self, old: Segment | None, preamble: bytes, room: int) -> Segment | None:
        """A new segment; None when another thread made one while this one waited for room."""
        needed = len(encode_line(self._header(0, mapped=self.mapped))) + len(preamble) + room + 4096
        # The least that will do is enough: a stream whose segments have grown must not be stuck for that.
        size = self._admit(max(self._size, needed), max(FIRST_SIZE, needed), lambda: self._has_left(old))
        if not size:
            return None
        number = next(self._numbers)
        path = self.directory / segment_name(self.producer, number)
        temporary = self.directory / f".{path.name}.tmp"
        try:
            segment = self._fill(temporary, path, number, preamble, size)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            full = SpoolFullError if error.errno in _FULL else SpoolError
            raise full(f"cannot make a journal segment: {error.strerror or error}", path=path) from error
        except ValueError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise SpoolFullError(f"cannot make a journal segment: {error}", path=path) from error
        self._size = min(min(self._size, size) * 2, LARGEST_SIZE)
        return segment

    def _has_left(self, old: Segment | None) -> bool:
        """True when there is another segment than `old` by now; until then no line is let into `old`.

        What is full has to end before there is a next one: only then all of it can be delivered, and counts
        no more.
        """
        if self.segment is not None and self.segment is not old:
            return True
        if old is not None and old.mark[0]:
            old.end()
        return False

    def _fill(self, temporary: Path, path: Path, number: int, preamble: bytes, size: int) -> Segment:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | (0 if self.mapped else os.O_APPEND)
        fd = platform.open_file(temporary, flags)
        try:
            platform.give_like(fd, self.mode, self.directory)
            mapped = self.mapped and platform.is_ours_alone(fd)
            if mapped:
                platform.allocate(fd, size)
            elif self.mapped:
                platform.append_only(fd)
            platform.try_lock(fd)
        except BaseException:
            os.close(fd)
            raise
        kind = MappedSegment if mapped else WrittenSegment
        segment = kind(path, number, fd, size)
        try:
            segment.write(encode_line(self._header(number, mapped=mapped)) + preamble)
            platform.rename(temporary, path)
        except BaseException:
            segment.release()
            raise
        return segment

    def _unmake(self, segment: Segment) -> None:
        with contextlib.suppress(OSError):
            os.unlink(segment.path)
        segment.release()

    def _header(self, number: int, *, mapped: bool) -> Header:
        return Header(
            logboom=format_for(self.target, *self.more),
            producer=self.producer,
            segment=number,
            pid=os.getpid(),
            host=platform.host_name(),
            program=program_name(),
            created=stamp_of(None),
            mapped=mapped,
            target=self.target,
            version=__version__,
            more=self.more,
        )

    def forget(self) -> None:
        """In a forked child: drop the parent's segment. The child's own stream has a new id.

        With mode `w` it goes on with its parent's run, which its target's `configured` tells: whoever of them
        logs first begins it.
        """
        segment, self.segment = self.segment, None
        self.producer = os.urandom(8).hex()
        self._numbers = itertools.count(1)
        self._size = FIRST_SIZE
        self._given_up = 0
        self._said = _Said()
        self.mark = this_process.mark()
        if segment is not None:
            segment.disown()
            segment.release()

    def written(self) -> tuple[str, int, int]:
        """`(producer, segment number, committed bytes)` now; numbers are 0 before the first line.

        As long as nothing else was written, `rest` and `wake` do not count.
        """
        segment, said = self.segment, self._said
        if segment is None or not segment.mark[0]:
            return self.producer, self._given_up, 0
        committed = segment.written()
        quiet = (segment.number, committed) == (said.segment, said.end)
        return self.producer, segment.number, said.start if quiet else committed

    def close(self) -> None:
        """Give the last segment's lock back: its reader may leave it. A later line begins a new one."""
        segment, self.segment = self.segment, None
        if segment is not None and segment.mark[0]:
            self._given_up = segment.number
            segment.release()


def program_name() -> str:
    """How a person knows this process: its script and first argument, whatever an application put there."""
    said = [_as_text(argument) for argument in (getattr(sys, "argv", None) or [])[:2]]
    script, *rest = [text for text in said if text] or ["python"]
    return " ".join([os.path.basename(script), *rest])[:200].encode("utf-8", "backslashreplace").decode()


def _as_text(argument: object) -> str:
    """A `Path` or a port as it is written; not what cannot be written."""
    try:
        return os.fsdecode(argument) if isinstance(argument, (str, bytes, os.PathLike)) else str(argument)
    except Exception:
        return ""
