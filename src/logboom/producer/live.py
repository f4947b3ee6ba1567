"""The state that an append needs on the shortest way.

Owns: `Live`. Never knows: when it is renewed, the journal's files, the collector.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from logging import LogRecord
from typing import Final

from logboom.platform.process import Mark
from logboom.producer.contexts import Context

__all__ = ["NOT_LIVE", "Live"]


class Live:
    """All that an append needs, replaced as a whole, never changed.

    Attributes:
        low, high: the records' `created` for which it holds: one second, since zones change between seconds.
        mark: of the process for which it holds.
        formatter, terminator: the formatter and the terminator for which it holds.
        context: how the records are to be rendered.
        encode: record to line, as `context` says.
        write: line to segment; `ValueError` when it is full.
    """

    __slots__ = ("context", "encode", "formatter", "high", "low", "mark", "terminator", "write")

    def __init__(
        self, low: float, high: float, mark: Mark, context: Context | None, write: Callable[[bytes], object]
    ) -> None:
        self.low = low
        self.high = high
        self.mark = mark
        self.context = context
        self.formatter = None if context is None else context.formatter
        self.terminator = None if context is None else context.terminator
        self.encode = _never if context is None else context.encode
        self.write = write

    def takes(self, record: LogRecord) -> bool:
        """Return True if it holds for a record of its formatter and terminator."""
        try:
            return self.low <= record.created < self.high
        except Exception:
            return False


def _never(*_: object) -> bytes:
    raise ValueError("no segment yet")


NOT_LIVE: Final = Live(math.inf, -math.inf, b"\0", None, _never)
