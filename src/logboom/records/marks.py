"""The line rule: every further line of a record carries a mark that no first line can have.

The mark is a space. A first line that would begin with it has `\\x20` instead. Where first lines begin with
spaces by their format (`%(levelname)8s`, a bare `%(message)s`), the mark is a tab. So frames of a traceback
keep their bytes, and so do Python's fixed headings where the format proves that they are no first line.
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

__all__ = ["NAMES", "Controls", "Lines", "below", "lines_of", "mask", "mask_colours", "tame"]

# What becomes of control characters: one line a record, marked lines, or all as it is.
Controls: TypeAlias = Literal["escape", "indent", "raw"]

HEADINGS: Final = (
    "",
    "Traceback (most recent call last):",
    "Stack (most recent call last):",
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
# What changes the colour of a terminal's text, and nothing else of it.
COLOURS: Final = later("\x1b\\[[0-9;]*m")
# What programmers name: kept on one line, without the colours that another formatter may have put there.
NAMES: Final = template.STANDARD_FIELDS - {"asctime", "message"}
_DIRECTIVE: Final = later(r"%[-_0^#]?(.)", re.DOTALL)
_NUMBERS: Final = frozenset("CDFGHIMRSTUVWYcdegjklmsuwxXy")


class Lines:
    """The rule for one format: what is made of a record's whole text.

    Attributes:
        mark: what every further line begins with.
    """

    __slots__ = ("_clean", "_further", "_replaced", "mark")

    def __init__(self, mark: str, kept: Sequence[str], one_line: bool) -> None:
        """`kept`: the headings that no first line can be."""
        self.mark = mark
        self._replaced = "\\t" if mark == "\t" else "\\x20"
        headings = f"|(?:{'|'.join(map(re.escape, kept))})(?:\n|\\Z)" if kept else ""
        self._further = re.compile(f"\n(?!{mark}{headings})")
        self._clean = escape if one_line else visible

    def __call__(self, text: str) -> str:
        text = _unmask(self._clean(text))
        if text[:1] == self.mark:
            text = self._replaced + text[1:]
        return self._further.sub("\n" + self.mark, text) if "\n" in text else text


@lru_cache(maxsize=256)
def lines_of(fmt: str | None, style: str, stamp: str | None, msecs: str | None, one_line: bool) -> Lines:
    """The rule for a format string; for an unknown format, None.

    Args:
        stamp, msecs: the formats of `asctime`, where they are known.
    """
    parts = None if fmt is None else template.parse(fmt, style)
    if parts is None:
        return Lines(" ", (), one_line)
    mark = "\t" if _begins_with_spaces(parts[0], style, stamp, msecs) else " "
    literals, counted = _certain(parts, style, stamp)
    kept = [heading for heading in HEADINGS if counted or not _may_be(heading, literals)]
    return Lines(mark, kept, one_line)


def _begins_with_spaces(part: template.Part, style: str, stamp: str | None, msecs: str | None) -> bool:
    """Return True if first lines begin with a space by their format, and not by a chance value."""
    if part.literal or not part.field:
        return part.literal[:1] == " "
    if part.field == "message":
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


def _certain(parts: Sequence[template.Part], style: str, stamp: str | None) -> tuple[list[str], bool]:
    """The texts that stand in every first line, in order, and whether a number stands there, too."""
    literals = []
    counted = False
    for part in parts:
        literal, newline, _ = part.literal.partition("\n")
        literals.append(literal)
        if newline:
            break
        if part.field == "asctime" and stamp is not None:
            counted = counted or not _NUMBERS.isdisjoint(_DIRECTIVE.findall(stamp.partition("\n")[0]))
            if "\n" in stamp:
                break
        elif part.field not in NAMES:  # its value may end the line
            break
        counted = counted or (style == "%" and part.conversion in tuple("diu"))
    return literals, counted


def _may_be(heading: str, literals: Sequence[str]) -> bool:
    """Return True if a first line with these texts in it can be `heading`."""
    if not heading.startswith(literals[0]):
        return False
    at = len(literals[0])
    for literal in literals[1:]:
        at = heading.find(literal, at)
        if at < 0:
            return False
        at += len(literal)
    return True


def tame(name: str) -> str:
    """A name on one line, without colours."""
    return name if name.isprintable() else escape(COLOURS.sub("", name))


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
