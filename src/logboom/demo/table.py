"""The table at the end of a demonstration.

Owns: how counts look on a terminal and in a pipe. Never knows: where they come from.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TextIO

from logboom.demo.oracle import Score

__all__ = ["draw", "verdict", "wants_colour"]

_RED, _GREEN, _BOLD, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[0m"
_WIDTH = 21

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


def wants_colour(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def draw(columns: Sequence[tuple[str, Score]], *, colour: bool) -> str:
    """A row for each count, a column for each contender."""
    label = max(len(text) for text, _, _ in _ROWS)
    rule = "  +" + "-" * (label + 2) + ("+" + "-" * (_WIDTH + 2)) * len(columns) + "+"
    head = "  | " + " " * label + "".join(f" | {title:>{_WIDTH}}" for title, _ in columns) + " |"
    lines = [rule, _paint(head, _BOLD, colour), rule]
    for text, field, fault in _ROWS:
        cells = "".join(f" | {_cell(getattr(score, field), fault, colour)}" for _, score in columns)
        lines.append(f"  | {text:<{label}}{cells} |")
    return "\n".join([*lines, rule])


def verdict(score: Score, *, colour: bool) -> str:
    """One sentence about logboom's column."""
    if score.exact:
        return _paint(
            f"  logboom: all {score.noted:,} records arrived once, whole and in order.", _GREEN, colour
        )
    return _paint("  logboom: a number is wrong. Please report it, with this output.", _RED, colour)


def _cell(value: int, fault: bool, colour: bool) -> str:
    text = f"{value:>{_WIDTH},}"
    return _paint(text, _RED if value else _GREEN, colour) if fault else text


def _paint(text: str, code: str, colour: bool) -> str:
    return f"{code}{text}{_PLAIN}" if colour else text
