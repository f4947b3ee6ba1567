"""A record as it was read: its text, and what is known of it.

What a record's format does not print is `UNKNOWN`; what a record could have and has not is `ABSENT`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

__all__ = ["ABSENT", "UNKNOWN", "Kind", "Layout", "Missing", "Record", "exception_of", "level_name"]


class Missing:
    """Why there is no value."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name

    def __bool__(self) -> bool:
        return False


UNKNOWN: Final = Missing("UNKNOWN")
ABSENT: Final = Missing("ABSENT")
_NAMES: Final = {
    5: "TRACE",
    10: "DEBUG",
    20: "INFO",
    25: "NOTICE",
    30: "WARNING",
    40: "ERROR",
    50: "CRITICAL",
}
_TRACEBACK: Final = re.compile(rb"^[ \t]?Traceback \(most recent call last\):", re.MULTILINE)
_RAISED: Final = re.compile(rb"^[ \t]?(?:\| )?([A-Za-z_][\w.]*)(?:: |:?\s*$)", re.MULTILINE)


class Layout(Protocol):
    """How the records of one format are written.

    Attributes:
        name: for people.
        fields: names of the fields it prints; for JSON those that were met so far.
        open: a record may have fields that are in no list (JSON): what it has not is absent.
        encoding: of the bytes in the file.
        guessed: recognised by the look of its lines, and not stated in facts.
    """

    name: str
    open: bool
    encoding: str
    guessed: bool

    @property
    def fields(self) -> set[str]: ...

    def extract(self, text: bytes, kind: Kind) -> Mapping[str, Any]:
        """The fields that the text has."""
        ...


class Kind:
    """What many records of a file have in common: their class.

    Attributes:
        level: its number; None where it is not known.
        level_name: as the program names it.
        logger, process, program: None where not known.
        layout: how the record is written.
    """

    __slots__ = ("layout", "level", "level_name", "logger", "process", "program")

    def __init__(
        self,
        layout: Layout,
        level: int | None = None,
        level_name: str | None = None,
        logger: str | None = None,
        process: int | None = None,
        program: str | None = None,
    ) -> None:
        self.layout = layout
        self.level = level
        self.level_name = level_name if level_name or level is None else level_name_of(level)
        self.logger = logger
        self.process = process
        self.program = program

    def get(self, field: str) -> Any:
        """The value that all records of the kind have; `UNKNOWN` where each has its own, or none."""
        if field in ("level", "logger", "process", "program"):
            value = getattr(self, field)
            return UNKNOWN if value is None else value
        return UNKNOWN


def level_name_of(level: int) -> str:
    """The name of a level's number, as the standard library has it."""
    return _NAMES.get(level) or logging.getLevelName(level)


level_name = level_name_of


class Record:
    """One record.

    Attributes:
        time: UTC, in seconds; of the preceding record where it has none itself.
        set: place of its set among those that are read.
        position: place in the set: grows from record to record.
        text: as written, in UTF-8, without the newline at its end.
        kind: what it has in common with others.
    """

    __slots__ = ("_fields", "kind", "position", "set", "text", "time")

    def __init__(self, time: float, set: int, position: int, text: bytes, kind: Kind) -> None:
        self.time = time
        self.set = set
        self.position = position
        self.text = text
        self.kind = kind
        self._fields: Mapping[str, Any] | None = None

    @property
    def key(self) -> tuple[float, int, int]:
        """The order in which records are shown."""
        return self.time, self.set, self.position

    @property
    def fields(self) -> Mapping[str, Any]:
        """What the text says, by name."""
        if self._fields is None:
            self._fields = self.kind.layout.extract(self.text, self.kind)
        return self._fields

    def get(self, field: str) -> Any:
        """A field's value, or `UNKNOWN`, or `ABSENT`."""
        if field == "time":
            return self.time
        value = self.kind.get(field)
        if value is not UNKNOWN:
            return value
        if field == "exc":
            found = self.fields.get("exc")
            return found if found is not None else exception_of(self.text) or ABSENT
        value = self.fields.get(field, UNKNOWN)
        if value is UNKNOWN and (self.kind.layout.open or field in self.kind.layout.fields):
            return ABSENT
        return value

    def values(self) -> dict[str, Any]:
        """Everything that is known of it, for output."""
        out: dict[str, Any] = {"time": self.time}
        for name in ("level", "logger", "process", "program"):
            value = self.kind.level_name if name == "level" else getattr(self.kind, name)
            if value is not None:
                out[name] = value
        out.update((name, value) for name, value in self.fields.items() if name not in out)
        exception = self.get("exc")
        if not isinstance(exception, Missing):
            out["exc"] = exception
        return out


def exception_of(text: bytes) -> str | None:
    """The type of the exception that a traceback under a record ends with."""
    found = list(_TRACEBACK.finditer(text))
    if not found:
        return None
    raised = _RAISED.search(text, text.find(b"\n", found[-1].end()) + 1 or len(text))
    return raised[1].decode() if raised is not None else None
