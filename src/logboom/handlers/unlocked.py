"""`handle` without the handler's lock: what is behind it needs none, and a fork may leave it held.

Owns: `handle`, and what a subclass of the user's finds as in the standard library. Never knows: what
`emit` does.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from logboom.platform.process import this_process

__all__ = ["Unlocked", "is_ours"]

if TYPE_CHECKING:
    _Base = logging.Handler
else:
    _Base = object


def is_ours(owner: Any) -> bool:
    """Whether a class or function is logboom's own."""
    return str(getattr(owner, "__module__", "")).partition(".")[0] == "logboom"


def _is_usual(method: Any) -> bool:
    return is_ours(method) or getattr(method, "__module__", "") == "logging"


class Unlocked(_Base):
    """Mixed in before a `logging.Handler` whose `emit` is safe for any number of threads.

    A subclass with an `emit` or `format` of its own may rely on being called by one thread at a time, so its
    calls take turns; not with the handler's lock, which `flush` and `close` hold while they wait.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        methods = {name: getattr(cls, name, None) for name in ("emit", "format", "filter")}
        users = {name for name, method in methods.items() if method and not _is_usual(method)}
        if users and is_ours(cls.handle):
            asking = Unlocked._handle_asking if users == {"filter"} else Unlocked._handle_in_turn
            cls.handle = asking  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in ("filter", "format", "emit") and is_ours(type(self).handle):  # of this one instance
            vars(self)["handle"] = self._handle_in_turn

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

    def _emit_with_stream(self, record: logging.LogRecord) -> None:
        """`emit` of one who may write to the handler's stream."""
        self.emit(record)

    def _handle_in_turn(self, record: logging.LogRecord) -> Any:
        passed: Any = self.filter(record)
        if passed:
            # A child's is another one: the parent's may be held by a thread that the child does not have.
            turns = vars(self).setdefault("_turns", {})
            record = passed if isinstance(passed, logging.LogRecord) else record
            with turns.setdefault(this_process.mark(), threading.RLock()):
                self._emit_with_stream(record)
        return passed
