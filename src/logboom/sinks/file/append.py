r"""An append that happens exactly once: what of it is already in the file is found by content.

Owns: matching our bytes in what a file holds, writing all of them. Never knows: names, rotation, steps.

After a crash the region behind the size that was recorded before the append can hold, with other
writers' bytes (F) before, between and after:

    nothing | F                      nothing of ours: write it
    F? all F?                        done
    F? prefix                        complete it
    F? prefix F                      from the broken line on again, on a line of its own
                                     (fewer than 16 bytes between others' lines are not seen)
    F? prefix F line rest-prefix F?  the same, when an earlier recovery was killed as well
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from logboom import platform
from logboom.records.encoding import bom

__all__ = ["Found", "Region", "adapted", "copy", "find_appended", "locate", "newline_of", "write_all"]

_PROBE: Final = 16
_BLOCK: Final = 4 << 20
_MOST_WRITTEN: Final = 1 << 30


class Found(NamedTuple):
    """What of the data a region holds.

    Attributes:
        kept: leading bytes of the data that are there and stay.
        damaged: a line of ours was broken by somebody's bytes (it is not in `kept`).
        fresh_line: what is missing must not continue the line at the region's end.
    """

    kept: int
    damaged: bool = False
    fresh_line: bool = False


def newline_of(encoding: str) -> bytes:
    """A newline in the file's encoding."""
    try:
        return "\n".encode(encoding).removeprefix(bom(encoding))
    except (LookupError, UnicodeError):
        return b"\n"


def locate(written: bytes | Region, data: bytes, newline: bytes = b"\n") -> Found:
    """How much of `data` the region `written` holds; `written` begins where the file ended before."""
    if not data or data in written:
        return Found(len(data))
    kept = start = 0
    damaged = False
    while (match := _best_match(written, start, data, kept, newline)) is not None:
        place, length = match
        end = kept + length
        if end == len(data) or place + length == len(written):
            return Found(end, damaged)
        whole = _line_start(data, kept, end, newline)
        damaged = damaged or end > whole
        kept, start = whole, place + length
    return Found(kept, damaged, bool(written) and not written.endswith(newline))


def _best_match(
    written: bytes | Region, start: int, data: bytes, kept: int, newline: bytes
) -> tuple[int, int] | None:
    """Where in `written[start:]` the longest prefix of `data[kept:]` stands, and how long it is."""
    best: tuple[int, int] | None = None
    probe = data[kept : kept + _PROBE]
    place = written.find(probe, start)
    while place >= 0:
        length = _common(written, place, data, kept)
        if best is None or length > best[1]:
            best = place, length
        place = written.find(probe, place + max(length - len(probe), 0) + 1)
    return best if best is not None else _short_match(written, start, data, kept, newline)


def _short_match(
    written: bytes | Region, start: int, data: bytes, kept: int, newline: bytes
) -> tuple[int, int] | None:
    """A few bytes of ours: at the region's beginning, or at its end on a new line."""
    for length in range(min(_PROBE - 1, len(data) - kept, len(written) - start), 0, -1):
        prefix = data[kept : kept + length]
        place = len(written) - length
        if written.endswith(prefix) and (place == start or written.endswith(newline, 0, place)):
            return place, length
    length = _common(written, start, data, kept) if start == 0 else 0
    return (start, length) if length else None


def _common(left: bytes | Region, left_at: int, right: bytes, right_at: int) -> int:
    """Length of the common prefix of `left[left_at:]` and `right[right_at:]`."""
    most = min(len(left) - left_at, len(right) - right_at)
    step, length = 64, 0
    while step:
        step = min(step, most - length)
        a, b = left_at + length, right_at + length
        if step and left[a : a + step] == right[b : b + step]:
            length += step
            step *= 2
        else:
            step //= 2
    return length


def _line_start(data: bytes, first: int, end: int, newline: bytes) -> int:
    """Where the line begins that `end` stands in; `first` is a line's start."""
    place = data.rfind(newline, first, end)
    while place >= 0 and (place - first) % len(newline):
        place = data.rfind(newline, first, place + len(newline) - 1)
    return first if place < 0 else place + len(newline)


def find_appended(fd: int, before: int, data: bytes, newline: bytes, *, same: bool) -> Found:
    """How much of an append to a file of `before` bytes is in this file.

    Args:
        same: it is the file that was appended to. Else it may be a copy of it, as a restored snapshot is, and
            one that was cut: then the rest is read, too.
    """
    size = os.fstat(fd).st_size
    if same:
        return locate(Region(fd, before, size), data, newline)
    if Region(fd, before, size)[: len(data)] == data or data in Region(fd, 0, size):
        return Found(len(data))
    found = locate(Region(fd, max(0, size - len(data) - _BLOCK), size), data, newline)
    return found if found.kept else Found(0, fresh_line=found.fresh_line and size != before)


class Region:
    """A file's bytes from `start` to `end`, for `locate`: read in blocks, of which it keeps one."""

    def __init__(self, fd: int, start: int, end: int) -> None:
        self._fd = fd
        self._start = start
        self._end = max(start, end)
        self._at = 0
        self._block = b""

    def __len__(self) -> int:
        return self._end - self._start

    def __contains__(self, data: bytes) -> bool:
        return self.find(data) >= 0

    def __getitem__(self, part: slice) -> bytes:
        first, last, _ = part.indices(len(self))
        here, there = first - self._at, last - self._at
        if not (here >= 0 and there <= len(self._block)):
            if last - first > _BLOCK:
                return self._read(first, last - first)
            self._at, self._block = first, self._read(first, _BLOCK)
            here, there = 0, last - first
        return self._block[here:there]

    def find(self, data: bytes, start: int = 0) -> int:
        """As `bytes.find`."""
        while start + len(data) <= len(self):
            if not (self._at <= start and start + len(data) <= self._at + len(self._block)):
                self._at, self._block = start, self._read(start, max(_BLOCK, 2 * len(data)))
                if len(self._block) < len(data):
                    return -1  # it was cut meanwhile
            place = self._block.find(data, start - self._at)
            if place >= 0:
                return self._at + place
            start = self._at + len(self._block) - len(data) + 1
        return -1

    def endswith(self, data: bytes, start: int = 0, end: int | None = None) -> bool:
        """As `bytes.endswith`."""
        last = len(self) if end is None else min(end, len(self))
        return last - len(data) >= start and self[last - len(data) : last] == data

    def _read(self, place: int, length: int) -> bytes:
        start = self._start + place
        return platform.read_at(self._fd, min(length, self._end - start), start)


def copy(source: int, start: int, target: int, end: int | None = None) -> None:
    """Append a file's bytes from `start` on to another file, in blocks. Raises `OSError`."""
    end = os.fstat(source).st_size if end is None else end
    while start < end and (block := platform.read_at(source, min(end - start, _BLOCK), start)):
        write_all(target, block)
        start += len(block)


def adapted(data: bytes, size: int, encoding: str) -> bytes:
    """`data` for a file of `size` bytes: with the mark of its encoding when it is the first in it."""
    mark = bom(encoding)
    bare = data.removeprefix(mark) if mark else data
    return mark + bare if mark and size == 0 else bare


def write_all(fd: int, data: bytes) -> None:
    """Append everything, in one call when the system takes it in one; `OSError` may leave a part."""
    done = os.write(fd, data)
    if done == len(data):
        return
    rest = memoryview(data)[done:]
    while rest:
        rest = rest[os.write(fd, rest[:_MOST_WRITTEN]) :]
