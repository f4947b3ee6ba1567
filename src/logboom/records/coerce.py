"""Any object as JSON's own types, whatever it is.

Owns: what becomes of values that JSON does not know, limits of depth and size, exceptions as data.
Never knows: records, formats, files. Nothing is pickled, and no object's code but `str` and `repr` runs.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final

__all__ = ["ExcInfo", "coerce", "describe_exception", "safe_text"]

ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

_DEPTH: Final = 8
_NODES: Final = 10_000
_TEXT: Final = 10_000
_FRAMES: Final = 100
_CAUSES: Final = 20
# Modules whose values read better by `str`; named, since importing them would cost every program.
_READABLE: Final = frozenset(("datetime", "decimal", "pathlib", "uuid"))


def safe_text(value: object, convert: Any = repr) -> str:
    """`convert(value)`, or what can be said of an object that cannot be shown; bounded."""
    try:
        text = convert(value)
        text = str.__str__(text)
    except Exception as error:
        return f"<unprintable {type(value).__name__}: {type(error).__name__}>"
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}... ({len(text)} characters)"


def _encodable(text: str) -> str:
    """`text` with lone surrogates escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


class _Coercion:
    """One value and all that is in it, within one budget."""

    def __init__(self) -> None:
        self._nodes = _NODES

    def value(self, value: Any, depth: int = 0) -> Any:
        kind = type(value)
        if kind is str:
            return _encodable(value)
        if value is None or kind is bool:
            return value
        if isinstance(value, int):
            number = int.__int__(value)
            return number if -(2**63) <= number < 2**64 else safe_text(number)
        if isinstance(value, float):
            real = float.__float__(value)
            return real if math.isfinite(real) else repr(real)
        return self._other(value, depth)

    def _other(self, value: Any, depth: int) -> Any:
        self._nodes -= 1
        if isinstance(value, str):
            return _encodable(str.__str__(value))
        inner = type(value) in (dict, list, tuple, set, frozenset) or isinstance(value, (dict, list, tuple))
        if inner and depth < _DEPTH and self._nodes > 0:
            return self._mapping(value, depth) if isinstance(value, dict) else self._items(value, depth)
        if inner:
            return f"<{type(value).__name__} of {len(value)}>"
        readable = any(base.__module__.partition(".")[0] in _READABLE for base in type(value).__mro__)
        return _encodable(safe_text(value, str if readable else repr))

    def _mapping(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, item in list(dict.items(value)):
            if self._nodes <= 0:
                break
            self._nodes -= 1
            name = key if type(key) is str else safe_text(key, str)
            result[_encodable(name)] = self.value(item, depth + 1)
        return result

    def _items(self, value: Iterable[Any], depth: int) -> list[Any]:
        result = []
        for item in value:
            if self._nodes <= 0:
                break
            self._nodes -= 1
            result.append(self.value(item, depth + 1))
        return result


def coerce(value: Any) -> Any:
    """`value` made of JSON's types: those are kept, others become their text. It never raises.

    Bounds: 8 levels, 10,000 values, 10,000 characters of a `repr`. Strings are kept whole.
    """
    try:
        return _Coercion().value(value)
    except Exception as error:
        return f"<unprintable {type(value).__name__}: {type(error).__name__}>"


def _kind(error: type[BaseException] | None) -> tuple[str | None, str | None]:
    return (None, None) if error is None else (error.__qualname__, error.__module__)


def _frames(trace: TracebackType | None) -> list[dict[str, Any]]:
    """The innermost frames of a traceback, outermost first."""
    frames = traceback.extract_tb(trace, limit=-_FRAMES)
    return [{"file": f.filename, "line": f.lineno, "function": f.name, "code": f.line or ""} for f in frames]


def _causes(error: BaseException | None) -> list[dict[str, Any]]:
    """The chain behind an exception, nearest first."""
    causes: list[dict[str, Any]] = []
    seen = set()
    while error is not None and len(causes) < _CAUSES and id(error) not in seen:
        seen.add(id(error))
        follows = error.__cause__ is not None
        error = error.__cause__ if follows or error.__suppress_context__ else error.__context__
        if error is not None:
            name, module = _kind(type(error))
            relation = "cause" if follows else "context"
            causes.append(
                {"type": name, "module": module, "message": safe_text(error, str), "relation": relation}
            )
    return causes


def _group(error: BaseException | None) -> list[dict[str, Any]]:
    members = error.exceptions[:_CAUSES] if isinstance(error, BaseExceptionGroup) else ()
    return [
        {"type": _kind(type(member))[0], "module": _kind(type(member))[1], "message": safe_text(member, str)}
        for member in members
    ]


def describe_exception(exc_info: ExcInfo | None, text: str | None) -> dict[str, Any]:
    """An exception as data: `type`, `module`, `message`, `frames`, `causes`, `group`, `text`.

    Keys without a value are absent. `text` is the traceback as a formatter would write it.
    """
    if not isinstance(exc_info, tuple) or len(exc_info) != 3:
        return {"text": text}
    kind, error, trace = exc_info
    name, module = _kind(kind)
    message = None if error is None else safe_text(error, str)
    described = {"type": name, "module": module, "message": message, "frames": _frames(trace)}
    described |= {"causes": _causes(error), "group": _group(error), "text": text}
    return {key: coerce(value) for key, value in described.items() if value not in (None, [])}
