"""A record as the line that goes over the wire: a formatter for each level."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from logboom.errors import ConfigurationError

__all__ = ["Quick", "by_level", "default_formatter"]

default_formatter: Final = logging.Formatter(
    "%(asctime)s %(levelname)-8s %(pathname)s[line:%(lineno)d] %(message)s"
)

_OWN: Final = frozenset(("_style", "_fmt", "datefmt"))
_USUAL: Final = len(_OWN)
_UNTOUCHED: Final = {
    name: vars(logging.Formatter)[name]
    for name in ("format", "formatException", "formatMessage", "formatStack", "formatTime", "usesTime")
}


def by_level(given: Mapping[Any, Any]) -> dict[int, logging.Formatter]:
    """A mapping of an instance's own, from what a class or a configuration has.

    Args:
        given: level (a number or a name) to a formatter, or to a format string.

    Raises:
        ConfigurationError: something else is in it.
    """
    mapping = {}
    for level, formatter in given.items():
        number = logging.getLevelName(level) if isinstance(level, str) else level
        made = logging.Formatter(formatter) if isinstance(formatter, str) else formatter
        if not isinstance(number, int) or not hasattr(made, "format"):
            raise ConfigurationError(
                f"formatters={{{level!r}: {formatter!r}}}", hint="Use a level and a logging.Formatter"
            )
        mapping[number] = made
    return mapping


class Quick:
    """What one formatter makes of a record, with the second's `asctime` made once.

    Only for a formatter that is exactly the standard library's; every other one is simply called. Safe for
    threads: what a second's stamp is lies in one tuple.
    """

    def __init__(self, formatter: logging.Formatter) -> None:
        self.formatter = formatter
        self._stamp = (-1, "")

    def format(self, record: logging.LogRecord) -> str:
        """As `formatter.format`, step by step."""
        formatter = self.formatter
        second, stamp = self._stamp
        if second != int(record.created) or len(vars(formatter)) != _USUAL or formatter.datefmt:
            if not _is_standard(formatter):
                return formatter.format(record)
            stamp = self._renew(record.created)
        record.message = record.getMessage()
        record.asctime = str(formatter.default_msec_format) % (stamp, record.msecs)
        text = formatter._style.format(record)
        if record.exc_info or record.exc_text or record.stack_info:
            return self._with_tails(record, text)
        return text

    def _renew(self, created: float) -> str:
        formatter = self.formatter
        stamp = time.strftime(formatter.default_time_format, formatter.converter(created))
        self._stamp = int(created), stamp
        return stamp

    def _with_tails(self, record: logging.LogRecord, text: str) -> str:
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatter.formatException(record.exc_info)
        if record.exc_text:
            text = f"{text}{'' if text[-1:] == chr(10) else chr(10)}{record.exc_text}"
        if record.stack_info:
            stack = self.formatter.formatStack(record.stack_info)
            text = f"{text}{'' if text[-1:] == chr(10) else chr(10)}{stack}"
        return text


def _is_standard(formatter: logging.Formatter) -> bool:
    """Whether it shows the time as `Quick` does: nothing overridden, in the class or the instance."""
    return (
        type(formatter) is logging.Formatter
        and vars(formatter).keys() == _OWN
        and not formatter.datefmt
        and type(formatter.default_msec_format) is str
        and formatter.usesTime()
        and all(vars(logging.Formatter)[name] is method for name, method in _UNTOUCHED.items())
    )
