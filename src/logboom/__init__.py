"""logboom: many Python processes, one rotating log set, nothing lost, nothing twice."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "FileHandler": "logboom.handlers",
    "JSONFormatter": "logboom.records.formatters",
    "RotatingFileHandler": "logboom.handlers",
    "TimedRotatingFileHandler": "logboom.handlers",
    "flush": "logboom.producer.lifecycle",
}

__all__ = [
    "FileHandler",
    "JSONFormatter",
    "RotatingFileHandler",
    "TimedRotatingFileHandler",
    "__version__",
    "flush",
]

if TYPE_CHECKING:
    from logboom.handlers import FileHandler, RotatingFileHandler, TimedRotatingFileHandler
    from logboom.producer.lifecycle import flush
    from logboom.records.formatters import JSONFormatter


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that `import logboom` costs nothing."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
