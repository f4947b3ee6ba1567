"""The handlers, with the signatures of their namesakes in the standard library.

Owns: their constructors. Never knows: how a record travels.
"""

from __future__ import annotations

import datetime
import logging
import logging.handlers
import os
from typing import Unpack

from logboom.errors import ConfigurationError
from logboom.handlers.base import JournalHandler
from logboom.journal.target import Rotation, parse_size
from logboom.producer.options import Keywords

__all__ = ["FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler"]

Filename = str | bytes | os.PathLike[str]


class FileHandler(JournalHandler, logging.FileHandler):
    """`logging.FileHandler` for many processes: one file, every record once, in order.

    Args:
        filename: the log file; its directory is made when it is missing.
        mode: `a`, or `w`: the first process of a run empties the file.
        encoding, errors: of the file; None means UTF-8 with `backslashreplace` everywhere.
        delay: make the file with the first record.
        **options: logboom's own, keyword-only (see `logboom.producer.options.Options`).

    Raises:
        ConfigurationError: an option cannot work; the text says what to use.
        OSError: the file cannot be made, as `open` would say.
    """

    def __init__(
        self,
        filename: Filename,
        mode: str = "a",
        encoding: str | None = None,
        delay: bool = False,
        errors: str | None = None,
        **options: Unpack[Keywords],
    ) -> None:
        logging.FileHandler.__init__(self, os.fsdecode(filename), mode, encoding, True, errors)
        self._configure(
            Rotation(), mode=mode, encoding=encoding, delay=delay, errors=errors, keywords=options
        )


class RotatingFileHandler(JournalHandler, logging.handlers.RotatingFileHandler):
    """`logging.handlers.RotatingFileHandler` for many processes.

    Args:
        maxBytes: size before which the file is rolled, in bytes or as `"10 MB"`; 0 never rolls.
        backupCount: how many rotated files stay; 0 never rolls, or with `max_age`, `max_total_size` or
            `compress` keeps all that they leave.
        filename, mode, encoding, delay, errors, **options: as `FileHandler`.

    Raises:
        ConfigurationError: an option cannot work; the text says what to use.
        OSError: the file cannot be made, as `open` would say.
    """

    def __init__(
        self,
        filename: Filename,
        mode: str = "a",
        maxBytes: int | str = 0,
        backupCount: int = 0,
        encoding: str | None = None,
        delay: bool = False,
        errors: str | None = None,
        **options: Unpack[Keywords],
    ) -> None:
        size = parse_size(maxBytes, "maxBytes")
        logging.handlers.RotatingFileHandler.__init__(
            self, os.fsdecode(filename), mode, size, backupCount, encoding, True, errors
        )
        limits = ("compress", "max_age", "max_total_size")
        rotation = Rotation(
            max_bytes=size,
            backup_count=_count(backupCount),
            keep_all=any(options.get(limit) is not None for limit in limits),
        )
        self._configure(
            rotation, mode=self.mode, encoding=encoding, delay=delay, errors=errors, keywords=options
        )


class TimedRotatingFileHandler(JournalHandler, logging.handlers.TimedRotatingFileHandler):
    """`logging.handlers.TimedRotatingFileHandler` for many processes, with `maxBytes` too.

    Args:
        when, interval, utc, atTime: the schedule, as in the standard library.
        backupCount: how many rotated files stay (files, not days); 0 keeps all.
        maxBytes: also roll before this size; the names are `app.log.2026-11-22`, then `.1`.
        filename, encoding, delay, errors, **options: as `FileHandler`.

    Raises:
        ConfigurationError: an option cannot work; the text says what to use.
        ValueError: `when` is not a unit of the standard library.
        OSError: the file cannot be made, as `open` would say.
    """

    def __init__(
        self,
        filename: Filename,
        when: str = "h",
        interval: int = 1,
        backupCount: int = 0,
        encoding: str | None = None,
        delay: bool = False,
        utc: bool = False,
        atTime: datetime.time | None = None,
        errors: str | None = None,
        *,
        maxBytes: int | str = 0,
        **options: Unpack[Keywords],
    ) -> None:
        units, since_midnight = _interval(interval, when), _seconds(atTime)
        logging.handlers.TimedRotatingFileHandler.__init__(
            self, os.fsdecode(filename), when, units, backupCount, encoding, True, utc, atTime, errors
        )
        self.maxBytes = parse_size(maxBytes, "maxBytes")
        rotation = Rotation(
            max_bytes=self.maxBytes,
            backup_count=_count(backupCount),
            when=self.when,
            interval=units,
            at_time=since_midnight,
            utc=bool(utc),
            zone=os.environ.get("TZ", ""),
        )
        self._configure(
            rotation, mode=self.mode, encoding=encoding, delay=delay, errors=errors, keywords=options
        )


def _count(value: int) -> int:
    if not isinstance(value, int):
        raise ConfigurationError(f"backupCount={value!r}", hint="Use the number of files to keep")
    return min(max(int(value), 0), 2**31)


def _interval(value: float, when: str) -> int:
    if value == 0 and str(when).upper().startswith(("MIDNIGHT", "W")):
        value = 1  # as in the standard library, where a calendar's period does not depend on it
    if not isinstance(value, (int, float)) or value < 1 or value != int(value):
        raise ConfigurationError(
            f"interval={value!r}", hint="Use a whole number of units; for a part of one, take a smaller unit"
        )
    return min(int(value), 2**31)


def _seconds(value: datetime.time | None) -> int | None:
    if value is None:
        return None
    if not isinstance(value, datetime.time):
        raise ConfigurationError(f"atTime={value!r}", hint="Use a datetime.time")
    return value.hour * 3600 + value.minute * 60 + value.second
