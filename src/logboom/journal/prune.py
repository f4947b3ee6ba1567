"""`drop_oldest`: room in a full spool, at the price of its oldest records.

Only the leader may do it: nobody else knows what has been read. A segment that is being read, and a
producer's newest, are left alone.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from logboom import platform
from logboom.errors import JournalError
from logboom.journal.layout import (
    END,
    Dropped,
    Header,
    decode_header,
    encode_line,
    segment_name,
    unpack_position,
)
from logboom.spool.directory import Spool

__all__ = ["prune"]

REASON: Final = "the spool was full, the oldest went first"
_BLOCK: Final = 1024 * 1024
_SMALLEST: Final = 8192  # a replacement is smaller, a segment never is


def prune(
    spool: Spool,
    delivered: Mapping[str, int],
    reading: Mapping[str, int],
    room: int,
    may_go: Callable[[Header], bool] = lambda header: True,
) -> int:
    """Free at least `room` bytes, if there are old segments; returns the number of records dropped.

    Args:
        delivered: producer to packed position; what is before it is in the files.
        reading: producer to the number of the segment that is read now.
        room: bytes.
        may_go: False for a stream of which another collector may have read more.
    """
    dropped = 0
    for _, producer, number in sorted(_candidates(spool, delivered, reading)):
        if room <= 0:
            break
        path = spool.journal_path / segment_name(producer, number)
        with contextlib.suppress(OSError, JournalError):
            size = path.stat().st_size
            dropped += _replace(path, may_go)
            room -= size - path.stat().st_size
    return dropped


def _candidates(
    spool: Spool, delivered: Mapping[str, int], reading: Mapping[str, int]
) -> list[tuple[float, str, int]]:
    """Whole unread segments that are not their producer's newest, with their age."""
    found = []
    for producer, numbers in spool.segments().items():
        busy = max(reading.get(producer, 0), unpack_position(delivered.get(producer, 0))[0])
        for number in numbers[:-1]:
            path = spool.journal_path / segment_name(producer, number)
            with contextlib.suppress(OSError):
                if number > busy and path.stat().st_size > _SMALLEST:
                    found.append((path.stat().st_mtime, producer, number))
    return found


def _replace(path: Path, may_go: Callable[[Header], bool]) -> int:
    with open(platform.open_for_reading(path), "rb") as file:
        header = decode_header(file.readline())
        if not may_go(header):
            return 0
        records = 0
        before = b"\n"
        while block := file.read(_BLOCK):
            records += (before[-1:] + block).count(b"\n[")
            before = block
    tombstone = msgspec.structs.replace(header, mapped=False)
    said = Dropped(records, header.created, time.time(), REASON)
    temporary = path.with_name(f".{path.name}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    fd = platform.open_file(temporary, flags)
    try:
        platform.give_like(fd, path.stat().st_mode & 0o777, path.parent)
        os.write(fd, encode_line(tombstone) + encode_line(said) + END)
    finally:
        os.close(fd)
    platform.replace(temporary, path)
    return records
