"""`drop_oldest`: room in a full spool, at the price of its oldest records.

Only the leader may do it: nobody else knows what has been read. A segment that is being read, and a
producer's newest, are left alone.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

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
from logboom.platform.files import Directory
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
        name = segment_name(producer, number)
        with contextlib.suppress(OSError, JournalError):
            size = _size(spool.journal, name)
            dropped += _replace(spool.journal, name, may_go)
            room -= size - _size(spool.journal, name)
    return dropped


def _candidates(
    spool: Spool, delivered: Mapping[str, int], reading: Mapping[str, int]
) -> list[tuple[float, str, int]]:
    """Whole unread segments that are not their producer's newest, with their age."""
    found = []
    for producer, numbers in spool.segments().items():
        busy = max(reading.get(producer, 0), unpack_position(delivered.get(producer, 0))[0])
        for number in numbers[:-1]:
            status = spool.journal.stat(segment_name(producer, number))
            if status is not None and number > busy and status.st_size > _SMALLEST:
                found.append((status.st_mtime, producer, number))
    return found


def _size(journal: Directory, name: str) -> int:
    status = journal.stat(name)
    return 0 if status is None else status.st_size


def _replace(journal: Directory, name: str, may_go: Callable[[Header], bool]) -> int:
    with open(journal.open(name, os.O_RDONLY), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o660
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
    journal.write(name, encode_line(tombstone) + encode_line(said) + END, mode)
    return records
