"""Committed bytes of a segment -> rows, control lines, damage.

Owns: decoding in bulk, and what is still saved from a block with a damaged line. Never knows: files,
descriptors, who reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate, islice
from operator import itemgetter
from typing import Any, Final

import msgspec

from logboom.errors import JournalError
from logboom.journal.layout import END, Context, Dropped, decode_control

__all__ = ["Decoded", "LineDecoder"]

_END_TEXT: Final = END.rstrip()
_MOST_SPLITS: Final = 64
_CONTROL_MARKS: Final = (b"\n{", b"\n ", b"\n\n")
_decoder = msgspec.json.Decoder(list[Any])
_created, _context, _level, _name = (itemgetter(index) for index in range(4))


class Decoded:
    """What a block held.

    Attributes:
        rows: the records' arrays, in order.
        ends: for each row, the place after its line.
        dropped: `dropped` lines, with the place after each.
        damage: `(start, end)` within the block of each line that cannot be read.
        ended: an `end` line was there.
    """

    __slots__ = ("damage", "dropped", "ended", "ends", "rows")

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.ends: list[int] = []
        self.dropped: list[tuple[Dropped, int]] = []
        self.damage: list[tuple[int, int]] = []
        self.ended = False


class LineDecoder:
    """Decodes blocks of whole lines; keeps the contexts that it met.

    Attributes:
        contexts: by number; a row whose context is not here is damage.
    """

    def __init__(self, contexts: dict[int, Context]) -> None:
        self.contexts = contexts

    def decode(self, block: bytes, base: int) -> Decoded:
        """`block` is whole lines; `base` is the place of its first byte."""
        into = Decoded()
        for start, end, is_control in _runs(block):
            if is_control:
                self._control(block, start, end, base, into)
            else:
                self._records(block[start:end], start, base, into)
        return into

    def _records(self, run: bytes, start: int, base: int, into: Decoded) -> None:
        """A run of record lines: all at once, and line by line when that fails."""
        lines = run.splitlines(keepends=True)
        try:
            rows = _decoder.decode_lines(run)
            sound = len(rows) == len(lines) and self._are_sound(rows)
        except (msgspec.MsgspecError, UnicodeError):
            sound = False
        if sound:
            into.rows += rows
            into.ends += islice(accumulate(map(len, lines), initial=base + start), 1, None)
            return
        for line in run.split(b"\n")[:-1]:
            self._one(line, start, base, into)
            start += len(line) + 1

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
        if not self._are_sound([row]):
            return False
        into.rows.append(row)
        into.ends.append(end)
        return True

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

    def _control(self, block: bytes, start: int, end: int, base: int, into: Decoded) -> None:
        line = block[start : end - 1]
        if not line.strip():
            return
        try:
            value = decode_control(line)
        except (JournalError, UnicodeError):
            into.damage.append((start, end))
            into.ended = into.ended or line.endswith(_END_TEXT)
            return
        if isinstance(value, Context):
            self.contexts[value.context] = value
        elif isinstance(value, Dropped):
            into.dropped.append((value, base + end))
        elif line.startswith(b'{"end"'):
            into.ended = True


def _runs(block: bytes) -> Iterator[tuple[int, int, bool]]:
    """`(start, end, is_control)` for each control line or filler, and each run of other lines."""
    places = dict.fromkeys(_CONTROL_MARKS, -1)
    start = 0
    while start < len(block):
        if block[start] in b"{ \n":
            end = block.index(b"\n", start) + 1
            yield start, end, True
        else:
            end = _next_control(block, start, places)
            yield start, end, False
        start = end


def _next_control(block: bytes, start: int, places: dict[bytes, int]) -> int:
    """Where the next control line begins. `places` keeps what was found: no byte is searched twice."""
    for mark, place in places.items():
        if place < start:
            found = block.find(mark, start)
            places[mark] = found if found >= 0 else len(block) - 1
    return min(places.values()) + 1


def _seams(line: bytes) -> Iterator[int]:
    """Places in a damaged line where another record may begin: `]`, the byte that was hit, `[`."""
    place = line.find(b"[", 1)
    for _ in range(_MOST_SPLITS):
        if place < 0:
            return
        if place > 1 and line[place - 2] == ord("]"):
            yield place
        place = line.find(b"[", place + 1)
