"""logboom, through its public API alone.

Owns: its configuration as a user writes it. Never knows: what is measured.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from bench.contenders.base import Contender
from bench.workload import MAX_BYTES

__all__ = ["Logboom", "LogboomUncollected", "LogboomWrite"]


class Logboom(Contender):
    """`logboom.RotatingFileHandler`, nothing else configured."""

    name = "logboom"
    module = "logboom"

    @classmethod
    def available(cls) -> bool:
        return _has_handlers()

    def options(self) -> dict[str, Any]:
        return {}

    def start(self) -> None:
        import logboom  # noqa: F401  (workers are forks: imported once)

    def handler(self, writer: int) -> logging.Handler:
        import logboom

        handler: logging.Handler = logboom.RotatingFileHandler(
            self.path, maxBytes=MAX_BYTES, backupCount=self.backups, encoding="utf-8", **self.options()
        )
        return handler


def _has_handlers() -> bool:
    try:
        import logboom
    except ImportError:
        return False
    return hasattr(logboom, "RotatingFileHandler")


class LogboomUncollected(Logboom):
    """A journal that nobody reads yet."""

    name = "logboom-uncollected"
    keeps = False

    def options(self) -> dict[str, Any]:
        return {"collector": "external", "spool_max_size": "8 GB"}

    def detach(self) -> None:
        """Leave without the end of a program, which would write the backlog out itself."""
        os._exit(0)


class LogboomWrite(Logboom):
    """Segments that grow by `write(2)`, as on file systems that promise no allocation."""

    name = "logboom-write"

    def start(self) -> None:
        os.environ["LOGBOOM_JOURNAL"] = "write"
        super().start()
