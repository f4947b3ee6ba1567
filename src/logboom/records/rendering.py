"""Rows to output bytes.

Owns: the choice of a renderer for a context, logboom's own records. Never knows: sinks, sources, where
a row was read.

A row is a decoded record line: `[created, context, levelno, name, *columns]`, and after the columns
the text of the traceback and of the stack, each or None, for a record that has one of them. A text that only
its producer could encode is None, and behind it are the final bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from logboom.journal.layout import Context
from logboom.records.encoding import text_as_bytes
from logboom.records.jsonl import compile_json
from logboom.records.plain import encode_line, plain_line
from logboom.records.text import compile_text

__all__ = ["Renderer", "render_notice", "renderer_for"]

Renderer: TypeAlias = Callable[[Sequence[list[Any]]], list[bytes]]

_NOTICE = Context(
    0,
    "text",
    ("msecs", "levelname", "message"),
    options={
        "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        "style": "%",
        "time": "%Y-%m-%d %H:%M:%S",
        "msecs": "%s,%03d",
    },
)


def _each(render: Callable[[list[Any], Context], bytes], context: Context) -> Renderer:
    """A renderer of single rows over many."""

    def guarded(row: list[Any]) -> bytes:
        try:
            return render(row, context)
        except Exception as error:
            return plain_line(row, context, error)

    return lambda rows: [guarded(row) for row in rows]


def _message(row: list[Any], context: Context) -> bytes:
    return encode_line(row[4], context) if len(row) == 5 else _bytes(row, context)


def _bytes(row: list[Any], context: Context) -> bytes:
    return text_as_bytes(row[-1])


def _unknown(context: Context, error: Exception) -> Renderer:
    return lambda rows: [plain_line(row, context, error) for row in rows]


def renderer_for(context: Context) -> Renderer:
    """Decoded rows of one context -> the bytes of each, terminator included. It never raises."""
    try:
        if context.renderer == "text":
            return compile_text(context)
        if context.renderer == "json":
            return compile_json(context)
        return _each({"message": _message, "bytes": _bytes}[context.renderer], context)
    except Exception as error:
        return _unknown(context, error)


def render_notice(context: Context | None, created: float, levelno: int, name: str, message: str) -> bytes:
    """A record of logboom's own, in the format of `context` where that can be known."""
    if context is None or context.renderer not in ("text", "json"):
        given = context or _NOTICE
        context = Context(
            0,
            "text",
            _NOTICE.columns,
            *(given.offset, given.zone, given.encoding, given.errors, given.terminator),
            options=_NOTICE.options,
        )
    known = {"levelname": logging.getLevelName(levelno), "message": message, "process": 0, "thread": 0}
    known |= {"msecs": int(created % 1 * 1000) + 0.0, "lineno": 0, "relativeCreated": 0.0, "taskName": None}
    absent = "" if context.renderer == "text" else None
    columns = [known.get(field, absent) for field in context.columns]
    return renderer_for(context)([[created, context.context, levelno, name, *columns]])[0]
