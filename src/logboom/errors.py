"""The exception tree: what went wrong, where, and what to do about it.

Owns: every exception type of the package. Never knows: any other module.
"""

from __future__ import annotations

import os

__all__ = [
    "ConfigurationError",
    "JournalError",
    "LogboomError",
    "SinkError",
    "SpoolError",
    "SpoolFullError",
]


class LogboomError(Exception):
    """Base of all errors of logboom.

    Attributes:
        path: the file or directory concerned, as text, or None.
        offset: byte offset in `path`, or None.
        hint: one sentence that says what to do, or an empty string.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | os.PathLike[str] | None = None,
        offset: int | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = None if path is None else os.fspath(path)
        self.offset = offset
        self.hint = hint

    def __str__(self) -> str:
        where = "" if self.path is None else f" ({self.path}"
        if where:
            where += ")" if self.offset is None else f", byte {self.offset})"
        return f"{self.message}{where}{'. ' + self.hint if self.hint else ''}"


class ConfigurationError(LogboomError, ValueError):
    """A setting that cannot work; raised when the handler is made, never later."""


class JournalError(LogboomError):
    """A segment that cannot be read as the format says: damage, or a newer format."""


class SpoolError(LogboomError, OSError):
    """The spool directory cannot be made, trusted or used."""


class SpoolFullError(SpoolError):
    """The spool's quota, or the disk under it, has no room for another segment."""


class SinkError(LogboomError):
    """A sink could not make its bytes durable; the batch stays in the journal."""
