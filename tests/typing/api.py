"""The public API as a program uses it, for `mypy --strict`; it is never run."""

from __future__ import annotations

import datetime
import logging
import logging.config
import logging.handlers
from pathlib import Path

import logboom
from logboom.handlers import RotatingFileHandler as ByItsNamesake

plain = logboom.FileHandler(
    "logs/app.log", "a", "utf-8", False, "strict", spool=Path("/run/shop"), linger="1 min"
)
rotating = logboom.RotatingFileHandler(
    Path("logs/app.log"),
    maxBytes="10 MB",
    backupCount=10,
    compress="zstd",
    max_age="7 d",
    max_total_size=2**30,
    file_mode="0640",
    spool_max_size="500 MB",
    when_full="block",
    block_timeout=0.5,
    fsync_level="ERROR",
    collector="external",
    flush_timeout=1,
    close_timeout="2 s",
    control_characters="raw",
)
timed = logboom.TimedRotatingFileHandler(
    "logs/app.log", when="midnight", utc=True, atTime=datetime.time(4), maxBytes=10_000_000
)
ByItsNamesake("logs/app.log", "a", 10_000_000, 10)

as_handlers: list[logging.Handler] = [plain, rotating, timed]
as_file_handlers: list[logging.FileHandler] = [plain, rotating, timed]
as_namesakes: tuple[logging.handlers.RotatingFileHandler, logging.handlers.TimedRotatingFileHandler] = (
    rotating,
    timed,
)

formatter: logging.Formatter = logboom.JSONFormatter(timestamp="iso", fields=["message", "levelname"])
rotating.setFormatter(formatter)
rotating.addFilter(lambda record: record.levelno > logging.DEBUG)
rotating.doRollover()
rotating.flush()
written: bool = logboom.flush(timeout=2.5)
version: str = logboom.__version__

logboom.FileHandler("logs/app.log", compres="gzip")  # type: ignore[call-arg]
logboom.FileHandler("logs/app.log", compress="bz2")  # type: ignore[arg-type]
logboom.FileHandler("logs/app.log", when_full="panic")  # type: ignore[arg-type]
logboom.RotatingFileHandler("logs/app.log", backupCount="ten")  # type: ignore[arg-type]
