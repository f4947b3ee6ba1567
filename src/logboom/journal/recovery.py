"""What can still be read behind a hole in a segment that is not written to any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from logboom.journal.target import Asked, StoredTarget

__all__ = ["MOST_GAPS", "Gap", "find_gap", "joined", "salvage_target"]

MOST_GAPS: Final = 1000  # of one segment; what is behind is given up

_BLOCK: Final = 256 * 1024
_decode_target: Final = msgspec.json.Decoder(StoredTarget).decode
Fetch = Callable[[int, int], bytes]
Skip = Callable[[int], "int | None"]


class Gap(NamedTuple):
    """Bytes of a segment that hold no whole line.

    Attributes:
        start, end: offsets; reading goes on at `end`.
        last: nothing follows it: the line that a killed process was writing, or damage that looks the same.
    """

    start: int
    end: int
    last: bool


def find_gap(
    fetch: Fetch, start: int, is_line: Callable[[bytes], bool], skip: Skip = lambda offset: offset
) -> Gap | None:
    """The gap at `start`, where the committed prefix ends; None when only zero bytes follow.

    Takes time for the bytes that are on the disk, and memory for one line of them.

    Args:
        fetch: `(size, offset)` -> bytes, fewer at the end of the file.
        is_line: whether bytes are a whole record or control line, so that a line right behind the hole
            is not given up with it.
        skip: offset -> the first one from there on that is not in a hole of a sparse file; None for the end.
    """
    hole, found = _find_zero(fetch, start)
    behind = _find_data(fetch, skip, hole) if found else None
    if behind is None:
        return Gap(start, hole, last=True) if hole > start else None
    end, line = _line_at(fetch, skip, behind)
    if line is not None and is_line(line):
        return Gap(start, behind, last=False)
    return Gap(start, end, last=_find_data(fetch, skip, end) is None)


def _find_zero(fetch: Fetch, offset: int) -> tuple[int, bool]:
    """The offset of the first zero byte from `offset` on, or of the end, and whether it is a zero byte."""
    while block := fetch(_BLOCK, offset):
        place = block.find(0)
        if place >= 0:
            return offset + place, True
        offset += len(block)
    return offset, False


def _find_data(fetch: Fetch, skip: Skip, offset: int) -> int | None:
    """The offset of the first byte from `offset` on that is not zero."""
    while (at := skip(offset)) is not None and (block := fetch(_BLOCK, at)):
        data = block.lstrip(b"\0")
        offset = at + len(block) - len(data)
        if data:
            return offset
    return None


def _line_at(fetch: Fetch, skip: Skip, offset: int) -> tuple[int, bytes | None]:
    """Where the line at `offset` ends, and its bytes when it has a newline and no zero byte."""
    parts: list[bytes] | None = []
    end = offset
    while (at := skip(offset)) is not None and (block := fetch(_BLOCK, at)):
        place = block.find(b"\n") + 1
        part = block[:place] if place else block
        if parts is not None and 0 not in part:
            parts.append(part)
        else:
            parts = None
        if place:
            return at + place, None if parts is None else b"".join(parts)
        data = block.rstrip(b"\0")
        end = at + len(data) if data else end
        offset = at + len(block)
    return end, None


def joined(damage: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Damaged lines that follow each other as one."""
    found: list[tuple[int, int]] = []
    for start, end in damage:
        if found and found[-1][1] == start:
            start = found.pop()[0]
        found.append((start, end))
    return found


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
