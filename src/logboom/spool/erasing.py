"""Delivered records go from segments that are still written to: text must not outlive the log's retention."""

from __future__ import annotations

from typing import Final

from logboom import platform

__all__ = ["erase"]

_BLOCK: Final = 64 * 1024


def erase(fd: int, end: int) -> None:
    """Overwrite the records before `end` with filler; the header and other control lines stay.

    Everything before a line that was erased is erased already, so only what is new is read. The oldest line
    goes first: after a kill in the middle the rest is found by the same rule.

    Args:
        fd: an open segment; its writer only ever writes behind `end`.
        end: offset of the end of a delivered line.

    Raises:
        OSError: it cannot be read or written now.
    """
    found: list[tuple[int, bytes]] = []
    size = _BLOCK
    while end > 0:
        start = max(0, end - size)
        block = platform.read_at(fd, end - start, start)
        if len(block) < end - start or 0 in block:
            return  # it was damaged: it goes as a whole, with its writer
        first = block.find(b"\n") + 1  # behind a line that begins before the block, or behind the header
        if start > 0 and first in (0, len(block)):
            size *= 2
            continue
        lines = block[first:]
        blank = b"\n".join(line if line.startswith(b"{") else b" " * len(line) for line in lines.split(b"\n"))
        if blank != lines:
            found.append((start + first, blank))
        elif lines.startswith(b" ") or b"\n " in lines:
            break
        end, size = (start + first if start else 0), _BLOCK
    for place, blank in reversed(found):
        platform.write_at(fd, blank, place)
