"""The public API as a program uses it, for `mypy --strict`; it is never run."""

from __future__ import annotations

import datetime
import logging
import logging.config
import logging.handlers
import multiprocessing
import threading
from pathlib import Path

import logboom
from logboom.errors import ConfigurationError, LogboomError
from logboom.handlers import RotatingFileHandler as ByItsNamesake
from logboom.queues import MultiProcessingLogHandler
from logboom.zeromq import LoggingServer, PUBLogger, PUSHHandler, SUBLogger, get_logger, run_sub_logger

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

formatter: logging.Formatter = logboom.JSONFormatter(timestamp="iso", fields=["message", "level"])
rotating.setFormatter(formatter)
rotating.addFilter(lambda record: record.levelno > logging.DEBUG)
rotating.doRollover()
rotating.flush()
written: bool = logboom.flush(timeout=2.5)
version: str = logboom.__version__

pushing: logging.Handler = PUSHHandler(
    "tcp://localhost:5557",
    formatters={logging.INFO: logging.Formatter("%(message)s"), "ERROR": "%(pathname)s %(message)s"},
    spool=Path("logs/spool"),
    when_full="drop_oldest",
)
in_memory = PUSHHandler("tcp://localhost:5557", high_water_mark=100, block_timeout="0.5 s", close_timeout=1)
lost: int = in_memory.dropped
server = LoggingServer(bind="tcp://127.0.0.1:5557", filename="app.log", maxBytes="10 MB", newlines="indent")
server.run()
server.stop()
publisher: logging.Logger = PUBLogger("localhost", 5558).logger
subscriber = SUBLogger("127.0.0.1", output_dir=Path("logs"))
received: int = subscriber.receive(timeout=1.0)
run_sub_logger("127.0.0.1", threading.Event())
run_sub_logger("127.0.0.1", multiprocessing.Event(), "logs", 5559)
shared: logging.Logger = get_logger("logs/app.log")
queued: logging.Handler = MultiProcessingLogHandler(
    "app.log", "a", 10_000_000, 10, None, False, compress="gzip"
)
error: LogboomError = ConfigurationError("no", hint="Use another")
as_value_error: ValueError = ConfigurationError("no")

logboom.FileHandler("logs/app.log", compres="gzip")  # type: ignore[call-arg]
logboom.FileHandler("logs/app.log", compress="bz2")  # type: ignore[arg-type]
logboom.FileHandler("logs/app.log", when_full="panic")  # type: ignore[arg-type]
logboom.RotatingFileHandler("logs/app.log", backupCount="ten")  # type: ignore[arg-type]
PUSHHandler("tcp://localhost:5557", spol="logs/spool")  # type: ignore[call-arg]
LoggingServer(newlines="keep")  # type: ignore[arg-type]
