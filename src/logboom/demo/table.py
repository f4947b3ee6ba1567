"""What a demonstration shows: its kills as they happen, the table at the end, the verdict.

Owns: how it looks on a terminal of any width and in a pipe. Never knows: where the counts come from.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from typing import NamedTuple, TextIO

from logboom.demo.oracle import Score

__all__ = ["Kills", "Look", "draw", "look_of", "prose", "verdict"]

_RED, _GREEN, _BOLD, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[0m"
_WIDTH = 16
_DRAWN = "│─┌┬┐├┼┤└┴┘✓✗"

# What a row says, the field it shows, and whether any number but zero is a fault.
_ROWS = (
    ("records whose call returned", "noted", False),
    ("found in the files", "found", False),
    ("missing", "missing", True),
    ("duplicated", "duplicated", True),
    ("torn lines", "torn", True),
    ("out of order (one process)", "disordered", True),
    ("out of time order by 0.1 s", "behind", False),
    ("rotations", "rotations", False),
)
_KILLED = "    killed with SIGKILL: "
_LABEL = max(len(text) for text, _, _ in _ROWS)

Columns = Sequence[tuple[str, Score]]


class Look(NamedTuple):
    """What a stream can show.

    Attributes:
        colour: escape sequences.
        drawn: characters of lines and check marks.
        width: columns.
    """

    colour: bool = False
    drawn: bool = False
    width: int = 80


def look_of(stream: TextIO) -> Look:
    """What suits this stream: in a pipe no colours, and 80 columns."""
    try:
        width = os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):  # `io.UnsupportedOperation` is both
        width = 80
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return Look(stream.isatty() and not plain, _encodes(stream.encoding), width)


def _encodes(encoding: str | None) -> bool:
    try:
        return bool(_DRAWN.encode(encoding or "ascii"))
    except (UnicodeEncodeError, LookupError):
        return False


class Kills:
    """Names each killed process when it is killed: something to look at while the traffic runs."""

    def __init__(self, out: TextIO, look: Look) -> None:
        self._out = out
        self._width = look.width
        self._column = 0

    def __call__(self, kind: str) -> None:
        before = ", " if self._column else _KILLED
        if self._column and self._column + len(before) + len(kind) + 1 >= self._width:
            before, self._column = ",\n      ", 0
        self._column += len(before.lstrip(",\n")) + len(kind)
        print(before, kind, sep="", end="", file=self._out, flush=True)

    def end(self) -> None:
        print("" if self._column else f"{_KILLED}nothing", file=self._out, flush=True)


def prose(text: str, look: Look) -> str:
    """A paragraph, indented, as wide as the stream allows and no wider than is good to read."""
    width = max(20, min(look.width, 88) - 1)
    return textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  ", break_long_words=False)


def draw(columns: Columns, look: Look) -> str:
    """A row for each count, a column for each contender; one below the other where that is too wide."""
    needed = 2 + (_LABEL + 3) + len(columns) * (_WIDTH + 3) + 1
    return _framed(columns, look) if look.width >= needed else _stacked(columns, look)


def _framed(columns: Columns, look: Look) -> str:
    bar = "│" if look.drawn else "|"
    top, middle, bottom = (_rule(ends, len(columns), look) for ends in ("┌┬┐", "├┼┤", "└┴┘"))
    head = f"  {bar} " + " " * _LABEL
    head += "".join(f" {bar} {_paint(f'{title:>{_WIDTH}}', _BOLD, look)}" for title, _ in columns) + f" {bar}"
    lines = [top, head, middle]
    for text, field, fault in _ROWS:
        cells = "".join(f" {bar} {_cell(getattr(score, field), fault, look)}" for _, score in columns)
        lines.append(f"  {bar} {text:<{_LABEL}}{cells} {bar}")
    return "\n".join([*lines, bottom])


def _rule(ends: str, columns: int, look: Look) -> str:
    left, cross, right = tuple(ends) if look.drawn else ("+", "+", "+")
    dash = "─" if look.drawn else "-"
    return "  " + left + dash * (_LABEL + 2) + (cross + dash * (_WIDTH + 2)) * columns + right


def _stacked(columns: Columns, look: Look) -> str:
    lines = []
    for text, field, fault in _ROWS:
        lines.append("  " + _paint(text, _BOLD, look))
        for title, score in columns:
            lines.append(f"    {title:<{_WIDTH}} {_cell(getattr(score, field), fault, look, 9)}")
    return "\n".join(lines)


def verdict(standard: Score, ours: Score, look: Look) -> str:
    """A sentence about each column."""
    lines = [prose(f"standard library: {_faults(standard)}.", look)]
    if ours.exact:
        text, colour = f"logboom: all {ours.noted:,} records arrived once, whole and in order.", _GREEN
    else:
        text, colour = "logboom: a number is wrong. Please report it, with this output.", _RED
    return "\n".join([*lines, _paint(prose(text, look), colour, look)])


def _faults(score: Score) -> str:
    found = [
        f"{score.missing:,} of {score.noted:,} records are missing" if score.missing else "",
        f"{score.duplicated:,} stand there twice" if score.duplicated else "",
        f"{score.torn:,} lines are torn" if score.torn else "",
        f"{score.disordered:,} records are out of order" if score.disordered else "",
    ]
    return ", ".join(filter(None, found)) or f"all {score.noted:,} records arrived, this time"


def _cell(value: int, fault: bool, look: Look, width: int = _WIDTH) -> str:
    if not fault:
        return f"{value:>{width},}"
    mark = ("✗" if look.drawn else "!") if value else ("✓" if look.drawn else "")
    return _paint(f"{f'{mark} {value:,}':>{width}}", _RED if value else _GREEN, look)


def _paint(text: str, code: str, look: Look) -> str:
    return f"{code}{text}{_PLAIN}" if look.colour else text
