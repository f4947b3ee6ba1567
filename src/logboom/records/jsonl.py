"""JSON Lines: a row as one JSON object.

A field whose value is None is left out. `timestamp` comes first; `extra`, `exception` and `stack` last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final, TypeAlias

import msgspec

from logboom.journal.layout import Context
from logboom.records.encoding import json_text, plain_codec, u_escape
from logboom.records.marks import NAMES, uncoloured
from logboom.records.plain import encode_line
from logboom.records.stamps import Stamps

__all__ = ["FIELDS", "compile_json", "json_line"]

# The fields of a line, in order, and the attribute of the record that each is.
FIELDS: Final = {
    "timestamp": "created",
    "created": "created",
    "level": "levelname",
    "levelno": "levelno",
    "logger": "name",
    "message": "message",
    "template": "msg",
    "pathname": "pathname",
    "lineno": "lineno",
    "func": "funcName",
    "module": "module",
    "process": "process",
    "process_name": "processName",
    "thread": "thread",
    "thread_name": "threadName",
    "task_name": "taskName",
    "extra": "extra",
    "exception": "exception",
    "stack": "stack",
}
_TAILS: Final = ("exception", "stack")
_LEADING: Final = ("created", "context", "levelno", "name")
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029]")

_THREE: Final = tuple(f"{number:03d}" for number in range(1000))

_encode = msgspec.json.Encoder().encode
LineMaker: TypeAlias = Callable[[Sequence[Any]], bytes]


def _iso_clock() -> Callable[[float], str]:
    """`2026-11-22T10:00:00.123456Z` of a time; the number, where there is no such year."""
    seconds = Stamps("%Y-%m-%dT%H:%M:%S", 0, "UTC")

    def iso(created: float) -> str:
        second = created // 1
        micros = int((created - second) * 1_000_000 + 0.5)
        if micros > 999_999:
            second, micros = second + 1, 0
        try:
            text = seconds[second]
        except (ValueError, OverflowError, OSError):
            return str(created)
        return f"{text}.{_THREE[micros // 1000]}{_THREE[micros % 1000]}Z"

    return iso


def _one_line(data: bytes) -> bytes:
    """JSON allows DEL, C1 and the Unicode line separators as they are; in a log line they are escaped."""
    if data.isascii() and b"\x7f" not in data:
        return data
    text = data.decode()
    return data if text.isprintable() else _UNSAFE.sub(u_escape, text).encode()


def _struct(names: dict[str, str]) -> type[msgspec.Struct]:
    """The line's type; its attributes are numbered, so that a field may bear any name."""
    fields = [(f"f{index}", Any, None) for index in range(len(names))]
    renamed = {f"f{index}": name for index, name in enumerate(names.values())}
    return msgspec.defstruct("Line", fields, omit_defaults=True, rename=renamed, gc=False)


def json_line(columns: Sequence[str], options: dict[str, Any]) -> LineMaker:
    """Row -> its JSON object, one line without a newline.

    Args:
        columns: names of the row's values after the first four.
        options: `fields` (field -> its name in the line) and `timestamp` (`iso` or `epoch`).
    """
    names: dict[str, str] = {field: name for field, name in options["fields"].items() if field in FIELDS}
    line = _struct(names)
    order = list(names)
    places = (*_LEADING, *columns)
    sources = [FIELDS[field] for field in order if field not in _TAILS and field != "timestamp"]
    # Two more than are needed: with one index `itemgetter` gives no tuple.
    pick = itemgetter(*(places.index(source) for source in sources), 0, 0)
    iso = _iso_clock() if options["timestamp"] == "iso" else float
    stamped, width = "timestamp" in names, len(places)
    tails = [(index, f"f{order.index(field)}") for index, field in enumerate(_TAILS) if field in names]
    named = [index for index, field in enumerate(places) if field in NAMES]

    def make(row: Sequence[Any]) -> bytes:
        data = encoded(row)
        return data if b"\\u001b[" not in data else encoded(plain_names(row))

    def plain_names(row: Sequence[Any]) -> list[Any]:
        """The row without colours that another formatter left in a level's name and the like."""
        row = list(row)
        for index in named:
            row[index] = uncoloured(row[index]) if isinstance(row[index], str) else row[index]
        return row

    def encoded(row: Sequence[Any]) -> bytes:
        values = pick(row)[:-2]
        value = line(iso(row[0]), *values) if stamped else line(*values)
        if len(row) > width:
            for index, attribute in tails:
                setattr(value, attribute, row[width + index])
        return _one_line(_encode(value))

    return make


def _failed(row: Any, error: Exception) -> bytes:
    """A line for a row that is not as its context says."""
    values = {"logboom_error": f"{type(error).__name__}: {error}", "row": row}
    return _one_line(_encode(values))


def _encoded(data: bytes, context: Context) -> bytes:
    """JSON in a codec other than UTF-8: what the codec lacks is escaped in JSON's own way."""
    return encode_line(json_text(data.decode(), context.encoding), context)


def compile_json(context: Context) -> Callable[[Sequence[Any]], list[bytes]]:
    """The renderer of a `json` context."""
    make = json_line(context.columns, context.options)
    utf8 = plain_codec(context.encoding) == "utf-8"
    end = context.terminator.encode()

    def single(row: Any) -> bytes:
        try:
            data = make(row)
        except Exception as error:
            data = _failed(row, error)
        return data + end if utf8 else _encoded(data, context)

    def render(rows: Sequence[Any]) -> list[bytes]:
        if utf8:
            try:
                return [make(row) + end for row in rows]
            except Exception:
                pass
        return [single(row) for row in rows]

    return render
