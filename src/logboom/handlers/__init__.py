"""The `logging` handlers: replace `logging.handlers` by `logboom.handlers` and nothing else changes."""

from __future__ import annotations

from logboom.handlers.file import FileHandler, RotatingFileHandler, TimedRotatingFileHandler

__all__ = ["FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler"]
