"""The line rule: every further line of a record carries a mark that no first line can have.

The mark is a space. It is not needed by frames of a traceback, which begin with spaces, and Python's fixed
headings go without it. A first line that would begin with a space or be a heading has its first character
escaped. Where first lines begin with spaces by their format (`%(levelname)8s`) or likely do (a bare
`%(message)s`), the mark is a tab, and all further lines have it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from logboom.platform.patterns import later
from logboom.records import template
from logboom.records.encoding import CONTROL, escape, visible

__all__ = ["NAMES", "Controls", "Lines", "below", "lines_of", "mask", "mask_colours", "tame", "uncoloured"]

# What becomes of control characters: one line a record, marked lines, or all as it is.
Controls: TypeAlias = Literal["escape", "indent", "raw"]

_HEADINGS: Final = frozenset(
    (
        "Traceback (most recent call last):",
        "Stack (most recent call last):",
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    )
)
# What changes the colour of a terminal's text, and nothing else of it.
COLOURS: Final = later("\x1b\\[[0-9;]*m")
# What programmers name: kept on one line, without the colours that another formatter may have put there.
NAMES: Final = template.STANDARD_FIELDS - {"asctime", "message"}
_UNMARKED: Final = {
    "\t": later("\n(?!\t)"),
    " ": later(f"\n(?! |(?:|{'|'.join(map(re.escape, sorted(_HEADINGS)))})(?:\n|\\Z))"),
}


class Lines:
    """The rule for one format: what is made of a record's whole text.

    Attributes:
        mark: what every further line begins with.
    """

    __slots__ = ("_clean", "_unmarked", "mark")

    def __init__(self, mark: str, one_line: bool) -> None:
        self.mark = mark
        self._unmarked = _UNMARKED[mark]
        self._clean = escape if one_line else visible

    def __call__(self, text: str) -> str:
        text = _unmask(self._clean(text))
        first, newline, rest = text.partition("\n")
        if self.is_further(first):
            first = ("\\t" if first[0] == "\t" else f"\\x{ord(first[0]):02x}") + first[1:]
        return first + self._unmarked.sub("\n" + self.mark, newline + rest) if newline else first

    def is_further(self, line: str) -> bool:
        """Return True for a line that has the mark, or that needs none."""
        return line[:1] == self.mark or (line in _HEADINGS and self.mark == " ")

    def needed(self, text: str, heads: Sequence[str]) -> bool:
        """Return True if a first line has to be changed; `text` is all of them, each with a newline."""
        if text[:1] == self.mark or "\n" + self.mark in text:
            return True
        return ":\n" in text and not _HEADINGS.isdisjoint(heads)


@lru_cache(maxsize=256)
def lines_of(
    fmt: str | None, style: str, stamp: str | None, msecs: str | None, one_line: bool, exact: bool = True
) -> Lines:
    """The rule for a format string; None for an unknown one.

    Args:
        stamp, msecs: the formats of `asctime`, where they are known.
        exact: records have this format, and not only about this one.
    """
    first = template.Part("") if fmt is None else template.first(fmt, style)
    padded = _begins_with_spaces(first, style, stamp, msecs, exact)
    return Lines("\t" if padded else " ", one_line)


def _begins_with_spaces(
    part: template.Part, style: str, stamp: str | None, msecs: str | None, exact: bool
) -> bool:
    """Return True if first lines begin with a space by their format, and not by a chance value."""
    if part.literal or not part.field:
        return part.literal[:1] == " "
    if part.field == "message" and exact:
        return True
    sample: object = 1 if part.field in template.INT_FIELDS else "x"
    sample = 1.0 if part.field in template.FLOAT_FIELDS else sample
    try:
        if part.field == "asctime" and stamp is not None:
            sample = time.strftime(stamp, time.gmtime(0))
            sample = msecs % (sample, 0) if msecs else sample
        operator = f"%{part.spec}{part.conversion}"
        text = operator % (sample,) if style == "%" else format(sample, part.spec)
    except (ValueError, TypeError):
        return False
    return text[:1] == " "


def uncoloured(name: str) -> str:
    return COLOURS.sub("", name)


def tame(name: str) -> str:
    """A name on one line, without colours."""
    return name if name.isprintable() else escape(uncoloured(name))


def below(text: str, tail: str) -> str:
    """`text` with a traceback or a stack under it, as the standard formatter puts it there."""
    return text + ("" if text.endswith(_ENDS) else "\n") + tail


# --- control characters that are the format's own ---

_SECRET: Final = os.urandom(8).hex()  # no value can contain what stands for them
_MASKED: Final = later(f"\ue000{_SECRET}([0-9a-f]+);")


def _masked(match: re.Match[str]) -> str:
    return "".join(f"\ue000{_SECRET}{ord(character):x};" for character in match[0])


def mask(text: str) -> str:
    """`text` with stand-ins for its control characters, which `Lines` takes back."""
    return CONTROL.sub(_masked, text)


_ENDS: Final = ("\n", f"\ue000{_SECRET}a;")


def mask_colours(text: str) -> str:
    """`text` with stand-ins for its colours."""
    return COLOURS.sub(_masked, text)


def _unmask(text: str) -> str:
    if _SECRET not in text:
        return text
    return _MASKED.sub(lambda match: chr(int(match[1], 16)), text)
