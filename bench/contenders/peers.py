"""Libraries for the same job: concurrent-log-handler, loguru.

Owns: their configuration, as their own documentation has it. Never knows: what is measured.
"""

from __future__ import annotations

import logging
from typing import Any

from bench.contenders.base import Contender
from bench.workload import LOGGER, MAX_BYTES, Call, with_variant

__all__ = ["ConcurrentLogHandler", "Loguru"]


class ConcurrentLogHandler(Contender):
    """A lock file around each write."""

    name = "concurrent-log-handler"
    module = "concurrent_log_handler"
    share = 0.35

    def handler(self, writer: int) -> logging.Handler:
        from concurrent_log_handler import ConcurrentRotatingFileHandler

        handler: logging.Handler = ConcurrentRotatingFileHandler(
            str(self.path), maxBytes=MAX_BYTES, backupCount=self.backups, encoding="utf-8"
        )
        return handler


class Loguru(Contender):
    """`enqueue=True`: a multiprocessing queue, and a thread of the parent that writes."""

    name = "loguru"
    module = "loguru"
    message = "order {} paid by {} in {} ms"
    share = 0.25

    def start(self) -> None:
        from loguru import logger

        logger.remove()
        logger.add(
            self.path,
            format="{time:YYYY-MM-DD HH:mm:ss,SSS} {level: <8} " + LOGGER + " {process} {message}",
            rotation=MAX_BYTES,
            retention=self.backups,
            enqueue=True,
            encoding="utf-8",
        )
        self.logger: Any = logger

    def attach(self, writer: int) -> Call:
        return with_variant(self.logger.info, self.variant)

    def detach(self) -> None:
        self.logger.complete()

    def finish(self) -> None:
        self.logger.complete()

    def close(self) -> None:
        self.logger.remove()
