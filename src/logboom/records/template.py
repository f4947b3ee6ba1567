"""A standard format string, taken apart.

Owns: which format strings can be rendered away from their `logging.Formatter`, the fields they use,
and what type each field must have for its conversion. Never knows: records, contexts, bytes.
"""

from __future__ import annotations

import re
import string
from typing import Final, NamedTuple

from logboom.platform.patterns import later

__all__ = [
    "FLOAT_FIELDS",
    "INT_FIELDS",
    "STANDARD_FIELDS",
    "TEXT_FIELDS",
    "WIDEST",
    "Part",
    "literals",
    "parse",
    "safe_datefmt",
    "width",
]

TEXT_FIELDS: Final = frozenset(
    ("asctime", "filename", "funcName", "levelname", "message", "module", "name", "pathname")
) | frozenset(("processName", "threadName"))
INT_FIELDS: Final = frozenset(("levelno", "lineno", "process", "thread"))
FLOAT_FIELDS: Final = frozenset(("created", "msecs", "relativeCreated"))
STANDARD_FIELDS: Final = TEXT_FIELDS | INT_FIELDS | FLOAT_FIELDS | {"taskName"}

# Attributes that are no value to print, or whose value is the user's own object.
_OPAQUE: Final = frozenset(("args", "exc_info", "exc_text", "msg", "stack_info"))
_SAMPLES: Final[tuple[tuple[frozenset[str], object], ...]] = (
    (TEXT_FIELDS, "x"),
    (INT_FIELDS, 1),
    (FLOAT_FIELDS, 1.0),
)
# Characters to which all fields of a format may be padded together, and fields that it may have: a collector
# renders for many programs, and one of them must not fill its memory.
WIDEST: Final = 10_000
_MOST_FIELDS: Final = 1_000
_WIDTHS = later(r"%(?:\([^)]*\))?[#0\- +]*(\d*)(?:\.(\d*))?[hlL]?([a-zA-Z]?)")
_DIGITS = later(r"\d+")
_PERCENT = later(r"%(?:%|\((\w+)\)([#0\- +]*(?:\d{1,4})?(?:\.\d{1,4})?)([diouxXeEfFgGsra]))")
# Directives of strftime that no locale changes, and no `TZ` beyond the offset and the zone's name.
_DIRECTIVE = later(r"%(.?)", re.DOTALL)
_NEUTRAL = frozenset("CDFGHIMRSTUVWYZdegjmuwyz%")


class Part(NamedTuple):
    """Literal text and the field after it.

    Attributes:
        literal: text to copy.
        field: attribute of the record, or an empty string at the end.
        conversion: the letter of a `%` format; `s`, `r`, `a` or nothing in the other styles.
        spec: flags, width and precision of a `%` format; the specification of a `{` format.
    """

    literal: str
    field: str = ""
    conversion: str = ""
    spec: str = ""

    def types(self, style: str) -> frozenset[type] | None:
        """The exact types that this field may have; None for every scalar."""
        if style == "%" and self.conversion not in "sra":
            return frozenset((int,)) if self.conversion in "oxX" else frozenset((int, float))
        if style != "{" or self.conversion or not self.spec:
            return None
        return frozenset(type(sample) for fields, sample in _SAMPLES if self.field in fields)


def _percent(fmt: str) -> list[Part] | None:
    parts, literal, position = [], "", 0
    for match in _PERCENT.finditer(fmt):
        between = fmt[position : match.start()]
        if "%" in between:
            return None
        position = match.end()
        literal += between
        if match[1] is None:
            literal += "%"
        else:
            parts.append(Part(literal, match[1], match[3], match[2]))
            literal = ""
    rest = fmt[position:]
    return None if "%" in rest else [*parts, Part(literal + rest)]


def width(fmt: str, style: str) -> int:
    """To how many characters the fields of a format string are padded, all together at most; never raises."""
    if style == "{":
        try:
            found = [_brace_numbers(spec) for _, _, spec, _ in string.Formatter().parse(fmt) if spec]
        except ValueError:
            return 0
    else:
        # Of text a precision is what stays of it.
        found = [
            [width, "" if conversion in "sra" else precision]
            for width, precision, conversion in (_WIDTHS.findall(fmt) if style == "%" else ())
        ]
    # Of thousands of digits Python reads no number.
    return sum(int(number) if len(number) < 10 else 10**9 for pair in found for number in pair if number)


def _brace_numbers(spec: str) -> list[str]:
    """What stands for a width or for digits in the specification of a `{` format."""
    if spec[1:2] in ("<", ">", "=", "^"):  # behind what it is filled with, which may be a digit or a point
        spec = spec[1:]
    head, _, precision = spec.partition(".")
    return [*_DIGITS.findall(head), *(_DIGITS.findall(precision) if precision[-1:] in "eEfFgG%" else ())]


def _spec_works(part: Part) -> bool:
    """Whether the specification fits its field's usual type, whatever the value and the locale."""
    if not part.spec:
        return True
    sample: object = "x"
    if not part.conversion:
        samples = [value for fields, value in _SAMPLES if part.field in fields]
        if not samples:
            return False
        sample = samples[0]
    try:
        format(sample, part.spec)
    except (ValueError, TypeError, OverflowError):
        return False
    return part.spec[-1:] not in "cn" and len(part.spec) < 12


def _brace(fmt: str) -> list[Part] | None:
    parts = []
    try:
        for literal, field, spec, conversion in string.Formatter().parse(fmt):
            part = Part(literal, field or "", conversion or "", spec or "")
            named = field is None or re.fullmatch(r"[^\W\d]\w*", field) is not None
            if not named or "{" in part.spec or part.conversion not in ("", "s", "r", "a"):
                return None
            if field is not None and not _spec_works(part):
                return None
            parts.append(part)
    except ValueError:
        return None
    return parts


def _dollar(fmt: str) -> list[Part] | None:
    parts, literal, position = [], "", 0
    for match in string.Template.pattern.finditer(fmt):
        literal += fmt[position : match.start()]
        position = match.end()
        field = match["named"] or match["braced"]
        if match["escaped"] is not None:
            literal += "$"
        elif field:
            parts.append(Part(literal, field, "s"))
            literal = ""
        else:
            return None
    return [*parts, Part(literal + fmt[position:])]


_PARSERS = {"%": _percent, "{": _brace, "$": _dollar}


def parse(fmt: str, style: str) -> tuple[Part, ...] | None:
    """The parts of a format string, or None when only its own formatter can render it."""
    parts = _PARSERS[style](fmt) if width(fmt, style) <= WIDEST else None
    if parts is None or len(parts) > _MOST_FIELDS or any(part.field in _OPAQUE for part in parts):
        return None
    return tuple(parts)


def literals(fmt: str, style: str) -> str:
    """The text of a format string that is no field; all of it, where it cannot be taken apart."""
    parts = parse(fmt, style)
    return fmt if parts is None else "".join(part.literal for part in parts)


def safe_datefmt(datefmt: str) -> bool:
    """Whether `strftime` gives the same text in every locale, from broken-down time, offset and zone."""
    return datefmt.isascii() and all(letter in _NEUTRAL for letter in _DIRECTIVE.findall(datefmt))
