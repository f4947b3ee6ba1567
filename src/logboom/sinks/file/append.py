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

from logboom.records.encoding import bom

__all__ = ["Found", "adapted", "locate", "newline_of", "read_from", "write_all"]

_PROBE: Final = 16
_WINDOW: Final = 64 << 20
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


def locate(written: bytes, data: bytes, newline: bytes = b"\n") -> Found:
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


def _best_match(written: bytes, start: int, data: bytes, kept: int, newline: bytes) -> tuple[int, int] | None:
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
    written: bytes, start: int, data: bytes, kept: int, newline: bytes
) -> tuple[int, int] | None:
    """A few bytes of ours: at the region's beginning, or at its end on a new line."""
    for length in range(min(_PROBE - 1, len(data) - kept, len(written) - start), 0, -1):
        prefix = data[kept : kept + length]
        place = len(written) - length
        if written.endswith(prefix) and (place == start or written.endswith(newline, 0, place)):
            return place, length
    length = _common(written, start, data, kept) if start == 0 else 0
    return (start, length) if length else None


def _common(left: bytes, left_at: int, right: bytes, right_at: int) -> int:
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


def read_from(fd: int, start: int, length: int) -> bytes:
    """The file's bytes from `start`: at most enough to find `length` bytes of ours among others'."""
    size = os.fstat(fd).st_size
    start = max(start, 0)
    blocks = []
    position, end = start, min(size, start + length + _WINDOW)
    os.lseek(fd, position, os.SEEK_SET)
    while position < end and (block := os.read(fd, min(end - position, 1 << 24))):
        blocks.append(block)
        position += len(block)
    return b"".join(blocks)


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
