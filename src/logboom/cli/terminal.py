"""Text for a terminal.

Owns: colours, and making shown values harmless. Never knows: what is shown.
"""

from __future__ import annotations

import os
from typing import TextIO

__all__ = ["Paint", "age", "escape", "plural", "size"]

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "bright_red": "1;31"}
_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def escape(value: object) -> str:
    """One line of printable text: control characters, line ends and lone surrogates as `\\x1b`."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class Paint:
    """Colours for one stream: none unless it is a terminal, and none under `NO_COLOR`."""

    def __init__(self, stream: TextIO) -> None:
        self.on = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.on else text


def plural(count: int, noun: str) -> str:
    """`1 record`, `2,000 records`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def size(count: int) -> str:
    """`512 bytes`, `5.8 KB` (1,000 bytes)."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return plural(count, "byte") if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def age(seconds: float) -> str:
    """`3.2 s`, `5 min`, `7.5 h`, `3.0 d`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"
