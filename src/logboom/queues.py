"""`MultiProcessingLogHandler` by name, without the queue and the thread that it had.

Owns: its signature and the methods that subclasses override. Never knows: how a record travels.
"""

from __future__ import annotations

import logging
import os
from typing import Any, Unpack

from logboom.handlers import RotatingFileHandler
from logboom.handlers.unlocked import Unlocked
from logboom.producer.options import Keywords

__all__ = ["MultiProcessingLogHandler"]


class _Through:
    """What stands for the queue, for a subclass that puts records into it: each is written at once."""

    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler

    def put(self, record: logging.LogRecord, block: bool = True, timeout: float | None = None) -> None:
        self._handler.handle(record)

    def put_nowait(self, record: logging.LogRecord) -> None:
        self._handler.handle(record)

    def empty(self) -> bool:
        return True

    def qsize(self) -> int:
        return 0


class MultiProcessingLogHandler(Unlocked, logging.Handler):
    """A rotating file for children of every start method, and for programs that know nothing of each other.

    A record takes `emit` -> `_format_record` -> `send`; each may be overridden.

    Args:
        filename, mode, maxBytes, backupCount, encoding, delay: as `logging.handlers.RotatingFileHandler`.
        **options: logboom's own (see `logboom.producer.options.Options`).

    Attributes:
        queue: takes records as a queue would, and writes each at once.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        mode: str = "a",
        maxBytes: int | str = 0,
        backupCount: int = 0,
        encoding: str | None = None,
        delay: bool = False,
        **options: Unpack[Keywords],
    ) -> None:
        before = set(vars(self))
        super().__init__()
        self._made_of = (filename, mode, maxBytes, backupCount, encoding, delay), dict(options)
        self._handler = RotatingFileHandler(filename, mode, maxBytes, backupCount, encoding, delay, **options)
        self._handler.handleError = self._report  # type: ignore[method-assign]
        self.queue: Any = _Through(self._handler)
        self._ours = frozenset(vars(self)) - before | {"_ours", "_turns"}

    def _report(self, record: logging.LogRecord) -> None:
        self.handleError(record)

    def setFormatter(self, fmt: logging.Formatter | None) -> None:
        """Format all records with `fmt`."""
        super().setFormatter(fmt)
        self._handler.setFormatter(fmt)

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`: on return it survives SIGKILL of this process. Never raises."""
        try:
            self.send(self._format_record(record))
        except Exception:
            self.handleError(record)

    def _format_record(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record as it is to be sent: as it is. Nothing is pickled, so arguments may be anything."""
        return record

    def send(self, s: logging.LogRecord) -> None:
        """Hand a record on."""
        self.queue.put_nowait(s)

    def receive(self) -> None:
        """Returns at once: there is no queue to take records from. For those who call or start it."""

    def flush(self) -> None:
        """Wait, at most `flush_timeout`, until all that was logged here is in the file."""
        self._handler.flush()

    def close(self) -> None:
        """Wait, at most `close_timeout`, as `flush` does; a record after it still reaches the file."""
        self._handler.close()
        super().close()

    def __reduce__(self) -> tuple[Any, ...]:
        """For arguments of a `Process`: the child makes a handler of its own for the same file."""
        own = {name: value for name, value in vars(self).items() if name not in self._ours}
        return _make, (type(self), *self._made_of, self.level, self.formatter, list(self.filters), own)


def _make(
    kind: type[MultiProcessingLogHandler],
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    level: int,
    formatter: logging.Formatter | None,
    filters: list[Any],
    own: dict[str, Any],
) -> MultiProcessingLogHandler:
    handler = kind.__new__(kind)
    # A subclass's constructor may have another signature.
    MultiProcessingLogHandler.__init__(handler, *arguments, **options)
    vars(handler).update(own)
    handler.setLevel(level)
    handler.setFormatter(formatter)
    for each in filters:
        handler.addFilter(each)
    return handler
