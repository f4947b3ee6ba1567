"""The files that a contender left: which, how long ago, and whether every record is there once.

Owns: finding, counting and checking records. Never knows: who wrote them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Census", "Tally", "census", "last_write", "log_files"]

_RECORD: Final = re.compile(rb"order (\d{3})-(\d{7}) paid by alice in 12 ms")
_LINE: Final = re.compile(
    rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO     shop\.orders \d+ order "
    rb"(?:\d{3}-\d{7} paid by alice in 12 ms|warm-up paid by nobody in 0 ms)"
)
_MARK: Final = b" paid by "
_STAMP: Final = 23


def log_files(directory: Path) -> list[Path]:
    """The live and the rotated files, in no order; lock files and hidden directories are none."""
    return [
        path
        for path in directory.iterdir()
        if ".log" in path.name and not path.name.startswith(".") and not path.name.endswith(".lock")
    ]


def last_write(directory: Path) -> float:
    """Wall time in seconds of the latest change of any file."""
    return max((path.stat().st_mtime_ns for path in log_files(directory)), default=0) / 1e9


class Tally:
    """Counts the records in a growing, rotating set; looks at new bytes alone."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.total = 0
        self._read: dict[int, int] = {}

    def update(self) -> int:
        """Records in the set so far, half-written ones excluded."""
        for path in log_files(self.directory):
            try:
                with path.open("rb") as file:
                    self._count(file.fileno())
            except FileNotFoundError:
                continue
        return self.total

    def _count(self, descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        offset = self._read.get(inode, 0)
        while block := os.pread(descriptor, 1 << 22, offset):
            whole = block.rfind(b"\n") + 1
            if not whole:
                break
            self.total += block.count(_MARK, 0, whole)
            offset += whole
        self._read[inode] = offset


@dataclass(frozen=True)
class Census:
    """What was found of the records that were expected, each once."""

    found: int
    lost: int
    duplicated: int
    torn: int
    late: int


def _age(path: Path) -> int:
    """The number of a backup; a live file has none."""
    number = path.name.rpartition(".")[2]
    return int(number) if number.isdecimal() else 0


def _behind(lines: list[bytes], newest: bytes) -> tuple[bytes, int]:
    """The newest timestamp, and how many lines stand after one that is younger than they are."""
    count = 0
    for line in lines:
        stamp = line[:_STAMP]
        if stamp < newest:
            count += 1
        else:
            newest = stamp
    return newest, count


def census(directory: Path, writers: int, each: int, *, check_lines: bool) -> Census:
    """Look at every record of `writers` x `each`; with `check_lines` also at every line's shape and time.

    `late` says something of one shared set only.
    """
    times = bytearray(writers * each)
    total = 0
    torn = late = 0
    newest = b""
    for path in sorted(log_files(directory), key=_age, reverse=True):
        data = path.read_bytes()
        for writer, number in _RECORD.findall(data):
            place = int(writer) * each + int(number)
            times[place] = min(times[place] + 1, 255)
            total += 1
        if check_lines:
            lines = data.splitlines()
            torn += sum(_LINE.fullmatch(line) is None for line in lines)
            newest, behind = _behind(lines, newest)
            late += behind
    unique = len(times) - times.count(0)
    return Census(unique, writers * each - unique, total - unique, torn, late)
