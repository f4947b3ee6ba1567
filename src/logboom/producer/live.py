"""The state that an append needs on the shortest way.

Owns: `Live`. Never knows: when it is renewed, the journal's files, the collector.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from logboom.platform.process import Mark
from logboom.producer.contexts import Context

__all__ = ["NOT_LIVE", "Live"]


class Live:
    """All that an append needs, replaced as a whole, never changed.

    Attributes:
        low, high: the records' `created` for which it holds: one second, since zones change between seconds.
        mark: of the process for which it holds.
        formatter: the formatter for which it holds.
        context: how the records are to be rendered.
        encode: record to line, as `context` says.
        write: line to segment; `ValueError` when it is full.
    """

    __slots__ = ("context", "encode", "formatter", "high", "low", "mark", "write")

    def __init__(
        self, low: float, high: float, mark: Mark, context: Context | None, write: Callable[[bytes], object]
    ) -> None:
        self.low = low
        self.high = high
        self.mark = mark
        self.context = context
        self.formatter = None if context is None else context.formatter
        self.encode = _never if context is None else context.encode
        self.write = write


def _never(*_: object) -> bytes:
    raise ValueError("no segment yet")


NOT_LIVE: Final = Live(math.inf, -math.inf, b"\0", None, _never)
