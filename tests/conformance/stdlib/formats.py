"""Formatters of every kind; the driver uses each on a `FileHandler` for all that `talk` says.

Owns: the formatters. Never knows: whose handler uses them.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from talking import FULL, zone


def format_none() -> logging.Formatter | None:
    return None


def format_default() -> logging.Formatter:
    return logging.Formatter()


def format_full() -> logging.Formatter:
    return logging.Formatter(FULL)


def format_all_attributes() -> logging.Formatter:
    names = "name levelno levelname pathname filename module lineno funcName created msecs relativeCreated"
    names += " thread threadName process processName message"
    return logging.Formatter(" | ".join(f"%({name})s" for name in names.split()))


def format_percent_conversions() -> logging.Formatter:
    return logging.Formatter(
        "%(levelname)-8s %(lineno)05d %(msecs)03d %(created).3f %(levelno)x %% %(message).12s"
    )


def format_braces() -> logging.Formatter:
    return logging.Formatter("{asctime} {levelname:<8} {name!r:>12} {created:.3f} {{}} {message}", style="{")


def format_dollar() -> logging.Formatter:
    return logging.Formatter("${asctime} $levelname $$ ${name}: $message", style="$")


def format_datefmt() -> logging.Formatter:
    return logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%Y-%m-%dT%H:%M:%S%z %Z %j %y")


def format_datefmt_locale() -> logging.Formatter:
    return logging.Formatter("%(asctime)s %(message)s", "%A %d %B %x %X %p")


def format_gmtime() -> logging.Formatter:
    formatter = logging.Formatter(FULL)
    formatter.converter = time.gmtime
    return formatter


def format_gmtime_of_all() -> logging.Formatter:
    logging.Formatter.converter = time.gmtime
    return logging.Formatter(FULL)


def format_foreign_converter() -> logging.Formatter:
    formatter = logging.Formatter(FULL)
    formatter.converter = lambda seconds: time.gmtime((seconds or 0) + 12_345)
    return formatter


def format_msec() -> logging.Formatter:
    formatter = logging.Formatter(FULL)
    formatter.default_msec_format = "%s.%03d"
    return formatter


def format_no_msec() -> logging.Formatter:
    formatter = logging.Formatter(FULL)
    formatter.default_msec_format = None
    formatter.default_time_format = "%d.%m.%Y %H:%M:%S"
    return formatter


def format_defaults() -> logging.Formatter:
    return logging.Formatter("%(message)s request=%(request_id)s", defaults={"request_id": "-"})


def format_defaults_braces() -> logging.Formatter:
    return logging.Formatter(
        "{message} {request_id:>6} {n}", style="{", defaults={"request_id": "-", "n": 1.5}
    )


def format_newlines() -> logging.Formatter:
    return logging.Formatter("%(levelname)s\n  %(message)s\n")


def format_zone_new_york() -> logging.Formatter:
    zone("America/New_York")
    return logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S %Z %z")


def format_zone_berlin() -> logging.Formatter:
    zone("Europe/Berlin")
    return logging.Formatter(FULL)


def format_zone_posix() -> logging.Formatter:
    zone("XYZ-05:45")
    return logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S %Z %z")


def format_zone_kathmandu_gmtime() -> logging.Formatter:
    zone("Asia/Kathmandu")
    formatter = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S %Z %z")
    formatter.converter = time.gmtime
    return formatter


class Shouting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).upper()


class ShortExceptions(logging.Formatter):
    def formatException(self, ei: Any) -> str:
        return f"<{ei[0].__name__}: {ei[1]}>" if ei[0] else "<none>"

    def formatStack(self, stack_info: str) -> str:
        return f"<{len(stack_info.splitlines())} lines of stack>" if stack_info else ""


class ByLevel(logging.Formatter):
    """A formatter a level, as people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.loud = logging.Formatter("!!! " + FULL)
        self.quiet = logging.Formatter("%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return (self.loud if record.levelno >= logging.WARNING else self.quiet).format(record)


class Milliseconds(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return f"{record.created * 1000:.0f}"


class Lines:
    """Not a `logging.Formatter`: all that a handler needs is `format`."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"message": record.getMessage(), "level": record.levelname})


def format_subclass() -> logging.Formatter:
    return Shouting(FULL)


def format_exceptions() -> logging.Formatter:
    return ShortExceptions(FULL)


def format_by_level() -> logging.Formatter:
    return ByLevel()


def format_time_overridden() -> logging.Formatter:
    return Milliseconds(FULL)


def format_instance_override() -> logging.Formatter:
    formatter = logging.Formatter(FULL)
    formatter.formatTime = lambda record, datefmt=None: "now"  # type: ignore[method-assign]
    return formatter


def format_duck() -> Any:
    return Lines()
