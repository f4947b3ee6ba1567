"""Formatters that put their text together as the standard library's does.

A text of theirs that is made here is what the collector would make of the same record.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, TypeGuard

from logboom.records import template
from logboom.records.marks import NAMES, below, lines_of, mask, tame

__all__ = [
    "STYLES",
    "about",
    "composed",
    "composes",
    "exception_text",
    "is_standard",
    "look_at",
    "stamp_formats",
    "time_options",
    "width_of",
]

_METHODS: Final = ("format", "formatException", "formatMessage", "formatStack", "formatTime", "usesTime")
_COMPOSING: Final = frozenset(("format", "formatMessage", "usesTime"))
_COMPOSING_METHODS: Final = attrgetter(*_COMPOSING)
_STATE: Final = attrgetter("converter", "default_msec_format", "default_time_format", *_METHODS)
_STYLE_STATE: Final = frozenset(("_fmt", "_defaults", "_tpl"))
_STYLE_METHODS: Final = attrgetter("format", "_format", "usesTime")
STYLES: Final[dict[type, str]] = {
    logging.PercentStyle: "%",
    logging.StrFormatStyle: "{",
    logging.StringTemplateStyle: "$",
}
_LOGGING_FILE: Final = logging.LogRecord.__init__.__code__.co_filename


@lru_cache(maxsize=256)
def _are_logging(functions: tuple[Any, ...]) -> bool:
    codes = [getattr(function, "__code__", None) for function in functions]
    return all(code is not None and code.co_filename == _LOGGING_FILE for code in codes)


def _untouched(functions: tuple[Any, ...]) -> bool:
    """Whether methods are the standard library's own: nobody replaced one in the class."""
    try:
        return _are_logging(functions)
    except TypeError:  # no function has no hash
        return False


def is_standard(formatter: object) -> TypeGuard[logging.Formatter]:
    """Whether it is `logging.Formatter` itself, with nothing replaced."""
    if type(formatter) is not logging.Formatter or not _untouched(_STATE(logging.Formatter)[3:]):
        return False
    return not vars(formatter).keys() & set(_METHODS) and _has_standard_style(formatter)


def _has_standard_style(formatter: logging.Formatter) -> bool:
    style: Any = getattr(formatter, "_style", None)
    if type(style) not in STYLES or not _untouched(_STYLE_METHODS(type(style))):
        return False
    changed = not _STYLE_STATE.issuperset(vars(style))
    stale = isinstance(style, logging.StringTemplateStyle) and style._tpl.template != style._fmt
    return not changed and not stale and isinstance(style._fmt, str)


def composes(formatter: object) -> TypeGuard[logging.Formatter]:
    """Whether it puts its text together as the standard formatter does, whatever the parts are."""
    kind = type(formatter)
    if not isinstance(formatter, logging.Formatter) or not _COMPOSING.isdisjoint(vars(formatter)):
        return False
    return _untouched(_COMPOSING_METHODS(kind)) and _has_standard_style(formatter)


def width_of(formatter: object) -> int:
    """To how many characters a formatter of the standard library, or one derived from it, pads its fields."""
    style: Any = getattr(formatter, "_style", None)
    fmt, msecs = getattr(style, "_fmt", None), getattr(formatter, "default_msec_format", None)
    # The last first: the others are derived from `PercentStyle`.
    letter = next((letter for kind, letter in reversed(STYLES.items()) if isinstance(style, kind)), "%")
    own = template.width(fmt, letter) if isinstance(fmt, str) else 0
    return own + (template.width(msecs, "%") if isinstance(msecs, str) else 0)


def look_at(formatter: logging.Formatter) -> Callable[[], object]:
    """Everything that the rendering of a standard formatter depends on."""
    own, style = vars(formatter), formatter._style
    style_own, style_class = vars(style), type(style)
    return lambda: (own, style_own, _STATE(logging.Formatter), _STYLE_METHODS(style_class))


def time_options(formatter: logging.Formatter) -> dict[str, Any] | None:
    """How the collector makes `asctime`, or None when only this process can."""
    if formatter.converter not in (time.localtime, time.gmtime):
        return None
    datefmt = formatter.datefmt or formatter.default_time_format
    msecs = None if formatter.datefmt else formatter.default_msec_format or None
    if type(datefmt) is not str or not template.safe_datefmt(datefmt) or type(msecs) not in (str, type(None)):
        return None
    try:
        time.strftime(datefmt, time.gmtime(0))
        if msecs is not None:
            msecs % ("", 1.0)
    except (ValueError, TypeError):
        return None
    return {"time": datefmt, "msecs": msecs}


def stamp_formats(formatter: logging.Formatter) -> tuple[str | None, str | None]:
    """The formats of `asctime` and of its milliseconds, as far as they are the standard library's."""
    own = "formatTime" in vars(formatter) or not _untouched((type(formatter).formatTime,))
    stamp = formatter.datefmt or formatter.default_time_format
    if own or type(stamp) is not str:
        return None, None
    msecs = None if formatter.datefmt else formatter.default_msec_format
    return stamp, msecs if type(msecs) is str else None


def about(formatter: object) -> tuple[str | None, str, str | None, str | None]:
    """The format that a formatter of any kind was given: what its records begin with as a rule."""
    if not isinstance(formatter, logging.Formatter) or not _has_standard_style(formatter):
        return None, "", None, None
    style = formatter._style
    return style._fmt, STYLES[type(style)], *stamp_formats(formatter)


@lru_cache(maxsize=256)
def _masked(fmt: str, letter: str) -> str:
    """A format with stand-ins for its own control characters, if they stand between its fields."""
    masked = mask(fmt)
    return masked if template.fields(masked, letter) == template.fields(fmt, letter) else fmt


def exception_text(record: logging.LogRecord) -> str | None:
    """`exc_text`; None if it is blank, with which loguru says that the message has the traceback."""
    text = record.exc_text
    return None if not text or (type(text) is str and text.isspace()) else text


def composed(formatter: logging.Formatter, record: logging.LogRecord, one_line: bool) -> str:
    """`formatter.format(record)` as the collector would render it, of whatever types the values are."""
    record.message = record.getMessage()
    changed: dict[str, Any] = {}
    if formatter.usesTime():
        record.asctime = formatter.formatTime(record, formatter.datefmt)
        if not is_standard(formatter) or time_options(formatter):
            changed["asctime"] = mask(record.asctime)
    for name in NAMES & record.__dict__.keys():
        value = record.__dict__[name]
        if isinstance(value, str) and not value.isprintable():
            changed[name] = tame(value)
    style, letter = formatter._style, STYLES[type(formatter._style)]
    fmt = _masked(style._fmt, letter)
    if fmt == style._fmt and not changed:
        text = formatter.formatMessage(record)
    else:
        twin = object.__new__(logging.LogRecord)
        twin.__dict__ = record.__dict__ | changed
        text = type(style)(fmt, defaults=getattr(style, "_defaults", None)).format(twin)
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    if trace := exception_text(record):
        text = below(text, trace)
    if record.stack_info:
        text = below(text, formatter.formatStack(record.stack_info))
    return lines_of(*about(formatter), one_line)(text)
