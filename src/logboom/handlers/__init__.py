"""The `logging` handlers: replace `logging.handlers` by `logboom.handlers` and nothing else changes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from logboom.handlers.file import FileHandler, RotatingFileHandler, TimedRotatingFileHandler

__all__ = [
    "FileHandler",
    "MultiProcessingLogHandler",
    "PUSHHandler",
    "RotatingFileHandler",
    "TimedRotatingFileHandler",
]

if TYPE_CHECKING:
    from logboom.queues import MultiProcessingLogHandler
    from logboom.zeromq import PUSHHandler

_HOMES = {"MultiProcessingLogHandler": "logboom.queues", "PUSHHandler": "logboom.zeromq"}


def __getattr__(name: str) -> Any:
    """Import what is asked for: pyzmq is optional, and only those who use it pay for it."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
