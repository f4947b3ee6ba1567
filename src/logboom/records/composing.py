"""Formatters that put their text together as the standard library's does.

Owns: how they are told, what their rendering depends on, their text made in this process. Never knows: how
a record travels, codecs.

A text of theirs that is made here is what the collector would make of the same record: the format string's
control characters stay, those of values are escaped; a traceback and a stack have the rule of their own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter, index
from typing import Any, Final, TypeGuard

from logboom.platform.patterns import later
from logboom.records import template
from logboom.records.encoding import below, escape, has_controls

__all__ = ["STYLES", "composed", "composes", "is_standard", "look_at", "time_options", "width_of"]

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
# Types that no conversion makes a control character of, and the one that makes one of a number.
_NO_CHARACTERS: Final = (float, type(None))
_CHARACTER: Final = later(r"%\([^)]*\)[^a-zA-Z%]*[hlL]?c")
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


class _OneLine:
    """A value of any kind, for a format string: whatever text is made of it is on one line."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __str__(self) -> str:
        return escape(str(self._value))

    def __repr__(self) -> str:
        return escape(repr(self._value))

    def __format__(self, spec: str) -> str:
        return escape(format(self._value, spec))

    def __int__(self) -> int:
        return int(self._value)

    def __index__(self) -> int:
        return index(self._value)

    def __float__(self) -> float:
        return float(self._value)

    def __getitem__(self, key: Any) -> Any:
        return _one_line(self._value[key])

    def __getattr__(self, name: str) -> Any:
        return _one_line(getattr(self._value, name))


def _one_line(value: Any) -> Any:
    if type(value) is str:
        return escape(value)
    return value if type(value) in _NO_CHARACTERS else _OneLine(value)


def composed(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """`formatter.format(record)` as the collector would render it, of whatever types the values are."""
    record.message = record.getMessage()
    if formatter.usesTime():
        record.asctime = formatter.formatTime(record, formatter.datefmt)
    text = _composed_head(formatter, record)
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    if record.exc_text:
        text = below(text, record.exc_text)
    return below(text, formatter.formatStack(record.stack_info)) if record.stack_info else text


def _own_time(formatter: logging.Formatter, record: logging.LogRecord) -> str | None:
    """`asctime` where its control characters are the formatter's own."""
    if not formatter.usesTime():
        return None
    timing = time_options(formatter) if is_standard(formatter) else {"time": record.asctime}
    return timing["time"] if timing else None


@lru_cache(maxsize=256)
def _layout_has_controls(fmt: str, letter: str) -> bool | None:
    """None where they cannot be told from what a conversion makes of a number."""
    if letter == "%" and _CHARACTER.search(fmt):
        return None
    return has_controls(template.literals(fmt, letter))


def _composed_head(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The control characters of the format string stay, and then each value is escaped by itself."""
    style, timed = formatter._style, _own_time(formatter, record)
    own = _layout_has_controls(style._fmt, STYLES[type(style)])
    own = has_controls(str(timed or "")) if own is False else own
    if not own:
        return escape(formatter.formatMessage(record))
    twin = object.__new__(logging.LogRecord)
    values = (getattr(style, "_defaults", None) or {}) | record.__dict__
    twin.__dict__ = {key: _one_line(value) for key, value in values.items()}
    if timed is not None:
        twin.asctime = record.asctime
    try:
        return formatter.formatMessage(twin)
    except Exception:  # a conversion that only the values themselves know
        return escape(formatter.formatMessage(record))
