"""The `logging` handlers: replace `logging.handlers` by `logboom.handlers` and nothing else changes.

What has no namesake here (`QueueHandler`, `SysLogHandler`, ...) is the standard library's own.
"""

from __future__ import annotations

import importlib
import logging.handlers
from typing import TYPE_CHECKING, Any

from logboom.handlers.file import FileHandler, RotatingFileHandler, TimedRotatingFileHandler

__all__ = ["FileHandler", "MultiProcessingLogHandler", "RotatingFileHandler", "TimedRotatingFileHandler"]

if TYPE_CHECKING:
    from logboom.queues import MultiProcessingLogHandler
    from logboom.zeromq import PUSHHandler as PUSHHandler

_HOMES = {"MultiProcessingLogHandler": "logboom.queues", "PUSHHandler": "logboom.zeromq"}


def __getattr__(name: str) -> Any:
    """Import what is asked for: pyzmq is optional, and only those who use it pay for it."""
    home = _HOMES.get(name)
    if home is not None:
        value = globals()[name] = getattr(importlib.import_module(home), name)
        return value
    if not name.startswith("_") and isinstance(theirs := getattr(logging.handlers, name, None), type):
        return theirs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
