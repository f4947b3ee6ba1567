"""The line for a row that its own format cannot render.

Owns: a rendering that never fails. Never knows: formats, sinks.
"""

from __future__ import annotations

import time
from typing import Any

from logboom.journal.layout import Context
from logboom.records.encoding import encode_surely, escape

__all__ = ["encode_line", "plain_line"]


def encode_line(text: str, context: Context) -> bytes:
    """`text` and the terminator as the file's bytes; what the codec lacks becomes an escape."""
    whole = text + context.terminator
    try:
        return encode_surely(whole, context.encoding, context.errors)
    except Exception:  # codecs and error handlers are anybody's code
        return whole.encode("utf-8", "backslashreplace")


def _when(created: Any, offset: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(created // 1 + offset))
    except (TypeError, ValueError, OverflowError, OSError):
        return str(created)


def plain_line(row: Any, context: Context, error: Exception) -> bytes:
    """Time, level, logger and all other values of `row`, and why its format could not be applied."""
    values: list[Any] = list(row) if isinstance(row, list) else [row]
    values += [""] * (4 - len(values))
    created, _, level, name = values[:4]
    described = [value if isinstance(value, str) else repr(value) for value in values[4:]]
    reason = f"[logboom: {type(error).__name__}: {error}]"
    line = " ".join([_when(created, context.offset), str(level), str(name), *described, reason])
    return encode_line(escape(line), context)
