"""Regular expressions that are compiled when they are first used.

Owns: the putting off. Never knows: what they match.

Compiling one takes a tenth of a millisecond or more, and a program that logs plain lines uses two of them.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast

__all__ = ["later"]


class _Later:
    """Gets each method of the compiled pattern at its first use, and keeps it."""

    def __init__(self, source: str | bytes, flags: int) -> None:
        self._source = source
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self._source, self._flags), name)
        setattr(self, name, found)
        return found


def later(source: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What `re.compile` returns, by its methods and attributes; a wrong `source` raises at first use."""
    return cast("re.Pattern[AnyStr]", _Later(source, flags))
