"""Times and other values that repeat, rendered once.

Owns: the text of a second in a zone, memory of rendered values. Never knows: rows, contexts, files.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

__all__ = ["Memo", "Stamps"]

_KEPT = 2048
_ZONE = re.compile(r"(%[^Zz])|(%Z)|(%z)", re.DOTALL)


class Memo(dict[Any, str]):
    """`memo[value]` is `make(value)`, kept for up to 2,048 values.

    For values that are equal only when their text is the same.
    """

    def __init__(self, make: Callable[[Any], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, value: Any) -> str:
        text = self._make(value)
        if len(self) >= _KEPT:
            self.clear()
        self[value] = text
        return text


def _offset_text(offset: int) -> str:
    """What `%z` says."""
    minutes = abs(offset) // 60
    return f"{'-' if offset < 0 else '+'}{minutes // 60:02d}{minutes % 60:02d}"


class Stamps(Memo):
    """`stamps[created // 1]`: `strftime` of that second in a zone, whatever zone this process is in."""

    def __init__(self, datefmt: str, offset: int, zone: str) -> None:
        super().__init__(self._second)
        names = {2: zone.replace("%", "%%"), 3: _offset_text(offset)}
        self._format = _ZONE.sub(lambda match: names.get(match.lastindex or 0) or match[0], datefmt)
        self._offset = offset

    def _second(self, second: float) -> str:
        return time.strftime(self._format, time.gmtime(second + self._offset))
