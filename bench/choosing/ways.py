"""The ways to log: how each is set up in a process, as its own documentation shows it.

A way returns the function that logs one line at level INFO. `Place` says where: a file, a listener's port.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["MAX_BYTES", "WAYS", "Log", "Place", "Way", "queue_handler", "start_listener"]

MAX_BYTES: Final = 250_000
# More than any run makes: what is missing was lost, and not deleted by retention.
BACKUPS: Final = 900
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(process)d %(message)s"

Log = Callable[[str], Any]


@dataclass(frozen=True)
class Place:
    """Where a run logs: the file, and the port of the listener (0 where there is none)."""

    path: str
    port: int = 0


@dataclass(frozen=True)
class Way:
    """One way to log.

    Attributes:
        name: what the table calls it.
        attach: makes the log function in a process.
        package: the distribution whose release the table names; empty for the standard library.
        listener: "udp", "tcp" or "http" where the records go to another program, which writes the file.
        rotates: it rotates the file by itself; otherwise the run with an external log rotation applies.
        inherited: works only in children of the process that configured it.
    """

    name: str
    attach: Callable[[Place], Log]
    package: str = ""
    listener: str = ""
    rotates: bool = True
    inherited: bool = False


def _through(handler: logging.Handler, plain: bool = True) -> Log:
    if plain:
        handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.getLogger("shop")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers[:] = [handler]
    return logger.info


def _standard(place: Place) -> Log:
    return _through(logging.handlers.RotatingFileHandler(place.path, maxBytes=MAX_BYTES, backupCount=BACKUPS))


def _logboom(place: Place) -> Log:
    import logboom

    return _through(logboom.RotatingFileHandler(place.path, maxBytes=MAX_BYTES, backupCount=BACKUPS))


def _dropping(place: Place) -> Log:
    """logboom, with every 100th record dropped before it: the table has to show 1 %."""
    log, count = _logboom(place), 0

    def drop(text: str) -> None:
        nonlocal count
        count += 1
        if count % 100:
            log(text)

    return drop


def _concurrent(place: Place) -> Log:
    from concurrent_log_handler import ConcurrentRotatingFileHandler

    return _through(ConcurrentRotatingFileHandler(place.path, maxBytes=MAX_BYTES, backupCount=BACKUPS))


def _logzero(place: Place) -> Log:
    import logzero

    logzero.loglevel(logging.INFO)
    logzero.logfile(place.path, maxBytes=MAX_BYTES, backupCount=BACKUPS, disableStderrLogger=True)
    log: Log = logzero.logger.info
    return log


def _structlog_processors() -> list[Any]:
    from structlog import processors

    return [processors.add_log_level, processors.TimeStamper(), processors.JSONRenderer()]


def _structlog_standard(place: Place) -> Log:
    import structlog

    _standard(place)
    structlog.configure(
        processors=_structlog_processors(),
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    log: Log = structlog.get_logger("shop").info
    return log


def _structlog_file(place: Place) -> Log:
    import structlog

    structlog.configure(
        processors=_structlog_processors(),
        logger_factory=structlog.WriteLoggerFactory(file=open(place.path, "a")),  # noqa: SIM115
    )
    log: Log = structlog.get_logger().info
    return log


def _loguru(place: Place) -> Log:
    from loguru import logger

    logger.remove()
    logger.add(place.path, format="{time} {level} {process} {message}", rotation=MAX_BYTES, enqueue=True)
    log: Log = logger.info
    return log


def _logbook(place: Place) -> Log:
    import logbook

    logbook.RotatingFileHandler(place.path, max_size=MAX_BYTES, backup_count=BACKUPS).push_application()
    log: Log = logbook.Logger("shop").info
    return log


def _picologging(place: Place) -> Log:
    import picologging
    import picologging.handlers

    handler = picologging.handlers.RotatingFileHandler(place.path, maxBytes=MAX_BYTES, backupCount=BACKUPS)
    handler.setFormatter(picologging.Formatter(FORMAT))
    logger = picologging.getLogger("shop")
    logger.setLevel(picologging.INFO)
    logger.addHandler(handler)
    log: Log = logger.info
    return log


def _watched(place: Place) -> Log:
    return _through(logging.handlers.WatchedFileHandler(place.path))


def _logboom_plain(place: Place) -> Log:
    import logboom

    return _through(logboom.FileHandler(place.path))


def _logstash(place: Place) -> Log:
    import logstash

    return _through(logstash.LogstashHandler("127.0.0.1", place.port, version=1), plain=False)


def _logstash_async(place: Place) -> Log:
    from logstash_async.handler import AsynchronousLogstashHandler

    handler = AsynchronousLogstashHandler("127.0.0.1", place.port, database_path=place.path + ".sqlite")
    return _through(handler, plain=False)


def _logstash_memory(place: Place) -> Log:
    from logstash_async.handler import AsynchronousLogstashHandler

    return _through(AsynchronousLogstashHandler("127.0.0.1", place.port, database_path=None), plain=False)


def _opentelemetry(place: Place) -> Log:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider()
    exporter = OTLPLogExporter(endpoint=f"http://127.0.0.1:{place.port}/v1/logs")
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    return _through(LoggingHandler(logger_provider=provider), plain=False)


def _stdout(place: Place) -> Log:
    """As under a container runtime or journald, which reads the standard output through a pipe."""
    return _through(logging.StreamHandler(sys.stdout))


_queue: Any = None


def queue_handler(place: Place) -> Log:
    """`QueueHandler` over a `multiprocessing.Queue`; the parent made the queue and writes the file."""
    return _through(logging.handlers.QueueHandler(_queue), plain=False)


def start_listener(place: Place) -> Any:
    """In the parent of forked workers, for `QueueHandler`: the queue, and the thread that writes."""
    global _queue
    import multiprocessing

    _queue = multiprocessing.get_context("fork").Queue()
    handler = logging.handlers.RotatingFileHandler(place.path, maxBytes=MAX_BYTES, backupCount=BACKUPS)
    handler.setFormatter(logging.Formatter(FORMAT))
    listener = logging.handlers.QueueListener(_queue, handler)
    listener.start()
    return listener


WAYS: Final = {
    way.name: way
    for way in (
        Way("RotatingFileHandler", _standard),
        Way("WatchedFileHandler", _watched, rotates=False),
        Way("QueueHandler", queue_handler, inherited=True),
        Way("stdout to a pipe", _stdout, listener="pipe"),
        Way("structlog over RotatingFileHandler", _structlog_standard, "structlog"),
        Way("structlog WriteLogger", _structlog_file, "structlog", rotates=False),
        Way("logzero", _logzero, "logzero"),
        Way("loguru enqueue", _loguru, "loguru"),
        Way("Logbook", _logbook, "Logbook"),
        Way("picologging", _picologging, "picologging"),
        Way("concurrent-log-handler", _concurrent, "concurrent-log-handler"),
        Way("python-logstash (UDP)", _logstash, "python-logstash", listener="udp"),
        Way("python-logstash-async", _logstash_memory, "python-logstash-async", listener="tcp"),
        Way("python-logstash-async, SQLite", _logstash_async, "python-logstash-async", listener="tcp"),
        Way("OpenTelemetry SDK", _opentelemetry, "opentelemetry-sdk", listener="http"),
        Way("logboom", _logboom, "logboom"),
        Way("logboom FileHandler", _logboom_plain, "logboom", rotates=False),
        Way("every 100th record dropped", _dropping),
    )
}
