"""What is still to be had behind a hole in a segment that nobody writes to any more.

Owns: finding the next whole line behind zeroed bytes, and the target in a damaged header. Never knows:
rows, producers, directories.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from logboom.journal.target import Asked, StoredTarget

__all__ = ["Gap", "find_gap", "salvage_target"]

_BLOCK: Final = 256 * 1024
_decode_target: Final = msgspec.json.Decoder(StoredTarget).decode
Fetch = Callable[[int, int], bytes]


class Gap(NamedTuple):
    """Bytes of a segment that hold no whole line.

    Attributes:
        start, end: offsets; reading goes on at `end`.
        last: nothing follows it: the line that a killed process was writing, or damage that looks the same.
    """

    start: int
    end: int
    last: bool


def find_gap(fetch: Fetch, start: int, is_line: Callable[[bytes], bool]) -> Gap | None:
    """The gap at `start`, where the committed prefix ends; None when only zero bytes follow.

    Args:
        fetch: `(size, offset)` -> bytes, fewer at the end of the file.
        is_line: whether bytes are a whole record or control line, so that a line right behind the hole
            is not given up with it.
    """
    hole = _find(fetch, start, zero=True)
    if hole is None:
        size = _end_of(fetch, start)
        return Gap(start, size, last=True) if size > start else None
    behind = _find(fetch, hole, zero=False)
    if behind is None:
        return Gap(start, hole, last=True) if hole > start else None
    line, complete = _line_at(fetch, behind)
    if complete and is_line(line):
        return Gap(start, behind, last=False)
    return Gap(start, behind + len(line), last=_find(fetch, behind + len(line), zero=False) is None)


def _find(fetch: Fetch, offset: int, *, zero: bool) -> int | None:
    """The offset of the first byte from `offset` on that is zero, or is not."""
    while block := fetch(_BLOCK, offset):
        place = block.find(0) if zero else len(block) - len(block.lstrip(b"\0"))
        if 0 <= place < len(block):
            return offset + place
        offset += len(block)
    return None


def _line_at(fetch: Fetch, offset: int) -> tuple[bytes, bool]:
    """Bytes from `offset` to the next newline, zeros and all, and whether there is one."""
    line = b""
    while block := fetch(_BLOCK, offset + len(line)):
        place = block.find(b"\n")
        if place >= 0:
            return line + block[: place + 1], True
        line += block
    return line.rstrip(b"\0"), False


def _end_of(fetch: Fetch, offset: int) -> int:
    while block := fetch(_BLOCK, offset):
        offset += len(block)
    return offset


def salvage_target(line: bytes) -> Asked | None:
    """The target in a damaged header line, when the damage is elsewhere in it."""
    _, found, text = line.partition(b'"target":')
    end = text.find(b"}") + 1 if found else 0
    while end:
        try:
            target = _decode_target(text[:end]).asked()
            return target if target.key else None
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            end = text.find(b"}", end) + 1
    return None
