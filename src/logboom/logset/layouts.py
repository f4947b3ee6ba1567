"""Layouts that are known for sure: a format string, JSON Lines, a formatter's own text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from logboom.logset.record import Kind
from logboom.records import template

__all__ = ["JSON_TIMES", "JsonLayout", "OpaqueLayout", "TextLayout", "flat"]

_decode = msgspec.json.Decoder().decode
# Attributes of a `LogRecord`, by the name that a query uses.
_QUERY_NAMES: Final = {
    "levelname": "level",
    "name": "logger",
    "funcName": "func",
    "processName": "process_name",
    "threadName": "thread_name",
    "taskName": "task_name",
    "asctime": "asctime",
}
_OF_KIND: Final = {"levelname": "level_name", "levelno": "level", "name": "logger", "process": "process"}
_FLOATS: Final = frozenset(("msecs", "created", "relativeCreated"))
JSON_TIMES: Final = ("timestamp", "time", "@timestamp", "ts", "created", "asctime", "date", "datetime")
_CANONICAL: Final = {
    "level": ("level", "levelname", "severity", "log.level", "lvl", "level_name"),
    "logger": ("logger", "name", "logger_name", "log.logger"),
    "message": ("message", "msg", "event", "log"),
    "process": ("process", "pid", "process.pid"),
}
_DEEPEST: Final = 6


class TextLayout:
    """A standard format string, as the facts name it."""

    open = False
    guessed = False

    def __init__(self, fmt: str, style: str, encoding: str = "utf-8") -> None:
        self.name = fmt
        self.encoding = encoding
        self._parts = template.parse(fmt, style) or ()
        self._style = style
        self._patterns: dict[tuple[Any, ...], re.Pattern[str] | None] = {}
        self.fields = {_QUERY_NAMES.get(part.field, part.field) for part in self._parts if part.field}
        self.fields.add("message")

    def extract(self, text: bytes, kind: Kind) -> Mapping[str, Any]:
        head = text.split(b"\n", 1)[0].decode("utf-8", "surrogateescape")
        pattern = self._pattern(kind)
        match = None if pattern is None else pattern.match(head)
        if match is None:
            return {}
        values: dict[str, Any] = {}
        for part, value in match.groupdict().items():
            field = part[2:]
            name = _QUERY_NAMES.get(field, field)
            values[name] = _number(value.strip()) if field not in template.TEXT_FIELDS else value.strip()
        return values

    def _pattern(self, kind: Kind) -> re.Pattern[str] | None:
        """What a head looks like; the values that all records of the kind have stand in it as they are."""
        key = (kind.level_name, kind.logger, kind.process, kind.level)
        if key not in self._patterns:
            if len(self._patterns) > 1000:
                self._patterns.clear()
            self._patterns[key] = self._compile(kind)
        return self._patterns[key]

    def _compile(self, kind: Kind) -> re.Pattern[str] | None:
        pieces, seen = [], set[str]()
        last = max((i for i, part in enumerate(self._parts) if part.field), default=-1)
        for index, part in enumerate(self._parts):
            pieces.append(re.escape(part.literal))
            if not part.field:
                continue
            known = getattr(kind, _OF_KIND.get(part.field, ""), None) if part.field in _OF_KIND else None
            shown = None if known is None else self._shown(part, known)
            if shown is not None:
                pieces.append(re.escape(shown))
            elif part.field in seen:
                pieces.append(".*?")
            else:
                seen.add(part.field)
                greedy = index == last or (part.field == "message" and index >= last)
                pieces.append(f"(?P<f_{part.field}>.*{'' if greedy else '?'})")
        try:
            return re.compile("".join(pieces) + r"\Z", re.DOTALL)
        except re.error:
            return None

    def _shown(self, part: template.Part, value: Any) -> str | None:
        try:
            if self._style == "%":
                return str(f"%{part.spec}{part.conversion}" % (value,))
            if part.conversion not in ("", "s"):
                return None
            return format(value, part.spec)
        except (TypeError, ValueError):
            return None


class JsonLayout:
    """JSON Lines: every field of a record is in its line."""

    name = "JSON Lines"
    open = True

    def __init__(
        self, encoding: str = "utf-8", names: Mapping[str, str] | None = None, *, guessed: bool
    ) -> None:
        """`names`: field of `JSONFormatter` -> its name in the line."""
        self.encoding = encoding
        self.guessed = guessed
        self.fields: set[str] = {"message", "level", "logger"}
        self._names = {name: field for field, name in (names or {}).items() if name != field}

    def extract(self, text: bytes, kind: Kind) -> Mapping[str, Any]:
        try:
            value = _decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return {}
        if not isinstance(value, dict):
            return {}
        out = flat(value)
        for name, field in self._names.items():
            if name in out:
                out.setdefault(field, out[name])
        self.fields.update(out)
        return out


def flat(value: dict[str, Any]) -> dict[str, Any]:
    """The fields of an object: nested ones as `a.b`, those of `extra` also by their own name."""
    out: dict[str, Any] = {}
    _flatten(value, "", out, 0)
    extra = value.get("extra")
    if isinstance(extra, dict):
        for name, one in extra.items():
            out.setdefault(name, one)
    exception = value.get("exception") or value.get("exc_info")
    if isinstance(exception, dict) and exception.get("type"):
        out["exc"] = exception["type"]
    for name, others in _CANONICAL.items():
        if name not in out:
            found = next((out[other] for other in others if other in out), None)
            if found is not None:
                out[name] = found
    return {name: one for name, one in out.items() if one is not None}


def _flatten(value: dict[str, Any], prefix: str, out: dict[str, Any], depth: int) -> None:
    for name, one in value.items():
        out[prefix + name] = one
        if isinstance(one, dict) and depth < _DEEPEST:
            _flatten(one, f"{prefix}{name}.", out, depth + 1)


class OpaqueLayout:
    """The text of a formatter of the program's own: what stands where in it is not known."""

    open = False
    guessed = False
    name = "a formatter of the program's own"

    def __init__(self, encoding: str = "utf-8") -> None:
        self.encoding = encoding
        self.fields: set[str] = set()

    def extract(self, text: bytes, kind: Kind) -> Mapping[str, Any]:
        return {}


def _number(text: str) -> Any:
    if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20:
        return int(text)
    try:
        return float(text) if text[:1].isdigit() and "." in text else text
    except ValueError:
        return text
