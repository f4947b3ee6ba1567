"""Committed bytes of a segment -> rows, control lines, damage."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import accumulate
from operator import itemgetter
from typing import Any, Final

import msgspec

from logboom.errors import JournalError
from logboom.journal.layout import END, REST, Context, Dropped, decode_control, is_too_deep

__all__ = ["Decoded", "LineDecoder", "Stored", "decode_row"]

_END_TEXT: Final = END.rstrip()
_MOST_SPLITS: Final = 64
_RECORD: Final = ord("[")
_LONGEST_NAME: Final = 200
_RUNS: Final = re.compile(rb"\[+|[^\[]", re.DOTALL)  # over the first bytes of lines
_decoder = msgspec.json.Decoder(list[Any])
_first = itemgetter(0)
_created, _context, _level, _name = (itemgetter(index) for index in range(4))


class Stored:
    """Stands last in a row whose columns stay on the disk until they are rendered: `[created, context, level,
    name, Stored(length)]`.

    Attributes:
        length: bytes of the record's line, which ends at the row's position.
    """

    __slots__ = ("length",)

    def __init__(self, length: int) -> None:
        self.length = length


class Decoded:
    """What a block held.

    Attributes:
        rows: the records' arrays, in order.
        ends: for each row, the place after its line.
        dropped: `dropped` lines, with the place after each.
        damage: `(start, end)` within the block of each line that cannot be read.
        ended: an `end` line was there.
        resting: the last line is `REST`.
        stored, stored_bytes: rows whose columns were left on the disk, and how long their lines are.
    """

    __slots__ = ("damage", "dropped", "ended", "ends", "resting", "rows", "stored", "stored_bytes")

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.ends: list[int] = []
        self.dropped: list[tuple[Dropped, int]] = []
        self.damage: list[tuple[int, int]] = []
        self.ended = False
        self.resting = False
        self.stored = self.stored_bytes = 0


class LineDecoder:
    """Decodes blocks of whole lines; keeps the contexts that it met.

    Attributes:
        contexts: by number; a row whose context is not here is damage.
        longest: of a longer line only the time, the context, the level and the name are kept (`Stored`).
    """

    def __init__(self, contexts: dict[int, Context]) -> None:
        self.contexts = contexts
        self.longest: float = math.inf

    def decode(self, block: bytes, base: int) -> Decoded:
        """`block` is whole lines; `base` is the place of its first byte."""
        into = Decoded()
        lines = _split_lines(block)
        places = list(accumulate(map(len, lines), initial=base))
        for run in _RUNS.finditer(bytes(map(_first, lines))):
            start, end = run.span()
            if lines[start][0] == _RECORD:
                self._records(block[places[start] - base : places[end] - base], lines, places, run, into)
            else:
                self._control(lines[start], places[start] - base, places[end], into)
        into.resting = lines[-1:] == [REST]
        return into

    def _records(
        self, block: bytes, lines: list[bytes], places: list[int], run: re.Match[bytes], into: Decoded
    ) -> None:
        """A run of record lines: all at once, and line by line when that fails."""
        start, end = run.span()
        try:
            rows = _decoder.decode_lines(block)
            sound = len(rows) == end - start and self._are_sound(rows)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            sound = False
        if sound:
            if len(block) > self.longest:
                for row, line in zip(rows, lines[start:end], strict=True):
                    self._shorten(row, len(line), into)
            into.rows += rows
            into.ends += places[start + 1 : end + 1]
            return
        for index in range(start, end):
            self._one(lines[index][:-1], places[index] - places[0], places[0], into)

    def _are_sound(self, rows: list[list[Any]]) -> bool:
        """Whether all rows are [number, known context, number, str, ...], at C speed."""
        try:
            numbers = sum(map(_created, rows)) + sum(map(_level, rows))
            "".join(map(_name, rows))
            return self.contexts.keys() >= set(map(_context, rows)) and math.isfinite(numbers)
        except (TypeError, IndexError, OverflowError):
            return False

    def _one(self, line: bytes, start: int, base: int, into: Decoded) -> None:
        """One line of a run that holds damage."""
        end = start + len(line) + 1
        if not line.strip():
            return
        if self._row(line, base + end, into):
            return
        if line.endswith(_END_TEXT):  # an `end` behind a torn line
            into.ended = True
        for cut in _seams(line):
            if self._split(line, cut, start, base, into):
                return
        into.damage.append((start, end))

    def _row(self, line: bytes, end: int, into: Decoded) -> bool:
        try:
            row = _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeError):
            return False
        except RecursionError:
            if not is_too_deep(line):
                raise
            return False
        if not self._are_sound([row]):
            return False
        self._shorten(row, len(line) + 1, into)
        into.rows.append(row)
        into.ends.append(end)
        return True

    def _shorten(self, row: list[Any], length: int, into: Decoded) -> None:
        """Leave the columns of a long line on the disk."""
        if length > self.longest:
            row[3:] = [row[3][:_LONGEST_NAME], Stored(length)]
            into.stored += 1
            into.stored_bytes += length

    def _split(self, line: bytes, cut: int, start: int, base: int, into: Decoded) -> bool:
        """Two lines whose newline was hit: save the second, and the first if it can be read."""
        rows, ends = len(into.rows), len(into.ends)
        head = self._row(line[: cut - 1], base + start + cut, into)
        if self._row(line[cut:], base + start + len(line) + 1, into):
            if not head:
                into.damage.append((start, start + cut))
            return True
        del into.rows[rows:], into.ends[ends:]
        return False

    def _control(self, line: bytes, start: int, end: int, into: Decoded) -> None:
        if line.isspace():
            return
        try:
            value = decode_control(line)
        except (JournalError, UnicodeError):
            into.damage.append((start, start + len(line)))
            into.ended = into.ended or line.endswith(END)
            return
        if isinstance(value, Context):
            self.contexts[value.context] = value
        elif isinstance(value, Dropped):
            into.dropped.append((value, end))
        elif line.startswith(b'{"end"'):
            into.ended = True


def decode_row(line: bytes) -> list[Any] | None:
    """The row of a record line; None when it cannot be read any more."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _split_lines(block: bytes) -> list[bytes]:
    """Lines with their newlines; a carriage return is only ever there as damage, and ends no line."""
    if b"\r" not in block:
        return block.splitlines(keepends=True)
    return [line + b"\n" for line in block.split(b"\n")[:-1]]


def _seams(line: bytes) -> Iterator[int]:
    """Places in a damaged line where another record may begin: `]`, the byte that was hit, `[`."""
    place = line.find(b"[", 1)
    for _ in range(_MOST_SPLITS):
        if place < 0:
            return
        if place > 1 and line[place - 2] == ord("]"):
            yield place
        place = line.find(b"[", place + 1)
