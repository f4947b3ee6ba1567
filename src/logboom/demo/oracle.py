"""What should be in a log set, and what is.

Owns: the demonstration's records, the notes that producers take, the count.
Never knows: who wrote the set, and which handler.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from logboom.logset.names import log_files
from logboom.logset.opening import OpenFile

__all__ = ["Mark", "Score", "Writer", "count", "read_notes"]

_LINE = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[,.]\d{3}) [A-Z]+ [^=:]*writer=(\S+) n=(\d+) check=([0-9a-f]{8})"
)
_NOTE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)

_BEHIND = 0.1

Mark = tuple[str, int]


@dataclass(frozen=True)
class Score:
    """The count over one log set.

    Attributes:
        noted: records whose log call returned.
        found: those of them that are in the set.
        missing: those that are not.
        duplicated: records that are in the set again.
        torn: lines that are no whole record.
        disordered: lines before which a later record of the same writer stands.
        behind: lines over 0.1 s older than a line before them: the set is not in time order.
        rotations: rotated files.
    """

    noted: int
    found: int
    missing: int
    duplicated: int
    torn: int
    disordered: int
    behind: int
    rotations: int

    @property
    def exact(self) -> bool:
        """Everything arrived, once, whole and in order; and there was something to count."""
        return self.noted > 0 and not (self.missing or self.duplicated or self.torn or self.disordered)


class Writer:
    """Logs numbered records and notes each one after its call returned.

    Args:
        logger: where the records go.
        notes: directory of the notes; a file of its own for each writer.
        name: unique in the directory, without spaces.
    """

    def __init__(self, logger: logging.Logger, notes: Path, name: str) -> None:
        self.name = name
        self._logger = logger
        self._number = 0
        self._lock = threading.Lock()
        self._notes = os.open(notes / name, _NOTE_FLAGS, 0o644)

    def log(self, text: str) -> None:
        with self._lock:
            number = self._number = self._number + 1
            self._logger.info(
                "%s writer=%s n=%d check=%08x", text, self.name, number, _check(self.name, number)
            )
            os.write(self._notes, b"%d\n" % number)


def read_notes(notes: Path) -> set[Mark]:
    """Every record that was noted; half a note, of a writer that was killed, names an earlier record."""
    return {(path.name, int(line)) for path in notes.iterdir() for line in path.read_bytes().split()}


def count(live: Path, noted: set[Mark]) -> Score:
    """Read the whole set of `live` and compare it with what was noted."""
    files = log_files(live)
    seen: set[Mark] = set()
    last: dict[str, int] = {}
    latest = 0.0
    duplicated = torn = disordered = behind = 0
    for mark, created in _marks(_lines(files)):
        if mark is None:
            torn += 1
            continue
        duplicated += mark in seen
        disordered += mark not in seen and mark[1] < last.get(mark[0], 0)
        behind += created < latest - _BEHIND
        last[mark[0]] = mark[1]
        latest = max(latest, created)
        seen.add(mark)
    found = len(noted & seen)
    rotations = len(files) - live.exists()
    return Score(len(noted), found, len(noted) - found, duplicated, torn, disordered, behind, rotations)


def _check(writer: str, number: int) -> int:
    return zlib.crc32(f"{writer}/{number}".encode())


def _marks(lines: Iterable[str]) -> Iterator[tuple[Mark | None, float]]:
    """The record of each line and its time; None for a line that is no whole record."""
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None or int(match[4], 16) != _check(match[2], int(match[3])):
            yield None, 0.0
        else:
            yield (match[2], int(match[3])), datetime.fromisoformat(match[1].replace(",", ".")).timestamp()


def _lines(files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        file = OpenFile(path)
        data = b"".join(file.read(start, length) for start, length in file.spans())
        file.close()
        text = data.decode("utf-8", "replace").replace("\r\n", "\n")
        yield from text.removesuffix("\n").split("\n") if text else ()
