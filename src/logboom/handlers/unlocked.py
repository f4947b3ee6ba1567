"""`handle` without the handler's lock: what is behind it needs none, and a fork may leave it held.

Owns: that one method. Never knows: what `emit` does.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

__all__ = ["Unlocked"]

if TYPE_CHECKING:
    _Base = logging.Handler
else:
    _Base = object


class Unlocked(_Base):
    """Mixed in before a `logging.Handler` whose `emit` is safe for any number of threads."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        """A class with a `filter` of its own is asked for each record, as the standard library does."""
        super().__init_subclass__(**arguments)
        own = getattr(cls, "filter", None) not in (None, logging.Filterer.filter)
        if own and cls.handle is Unlocked.handle:
            cls.handle = Unlocked._handle_asking  # type: ignore[method-assign]

    def handle(self, record: logging.LogRecord) -> Any:
        """As `logging.Handler.handle`: what the filters say; the record, or theirs, goes to `emit`."""
        if self.filters:
            return self._handle_asking(record)
        self.emit(record)
        return True

    def _handle_asking(self, record: logging.LogRecord) -> Any:
        passed: Any = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return passed
