"""How a handler's records are to be rendered, under numbers.

Owns: contexts, and when a new one is due: a new formatter, a changed one, another zone. Never knows: the
journal's files, the collector.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from typing import Final, TypedDict

from logboom.journal import layout
from logboom.journal.layout import ROLLOVER, encode_line
from logboom.record import Plan, Zone, finished_plan, plan_for, zone_at

__all__ = ["Context", "Contexts", "PlanOptions"]

_MOST: Final = 32
_UTC: Final = Zone(0, "UTC")
_numbers: Final = itertools.count(1)  # unique in the process: handlers for one file share a stream


class PlanOptions(TypedDict):
    """The keyword arguments of `plan_for`."""

    encoding: str
    errors: str
    terminator: str
    raw: bool


class Context:
    """A plan under its number, stated in each segment that uses it."""

    __slots__ = ("encode", "formatter", "line", "number", "plan", "zone")

    def __init__(
        self, plan: Plan | None, formatter: logging.Formatter | None, zone: Zone, number: int
    ) -> None:
        """`plan` is None for context 0, whose records are requests."""
        self.plan = plan
        self.formatter = formatter
        self.zone = zone
        self.number = number
        said = layout.Context(number, "rollover") if plan is None else plan.context(number, zone)
        self.line = encode_line(said)
        self.encode = _no_record if plan is None else plan.encoder(number)

    def fits(self, formatter: logging.Formatter | None) -> bool:
        """Whether it still says how `formatter` renders."""
        return self.formatter is formatter and self.plan is not None and self.plan.fresh()


class Contexts:
    """The contexts of one handler, by what they are for."""

    def __init__(self, options: Callable[[], PlanOptions]) -> None:
        """`options`: how text becomes bytes in the output, as of now."""
        self._options = options
        self._known: dict[tuple[str, int, str], Context] = {}

    def of(self, formatter: logging.Formatter | None, created: float) -> Context:
        """The context of records that `formatter` renders, at the time `created`."""
        key = ("plan", id(formatter), self._options()["terminator"])
        current = self._known.get(key)
        if current is None or current.plan is None or not current.fits(formatter):
            current = self._remember(key, plan_for(formatter, **self._options()), formatter, created)
        elif current.plan.zoned and _zone(created) != current.zone:
            current = self._remember(key, current.plan, formatter, created)
        return current

    def finished(self, formatter: logging.Formatter | None) -> Context:
        """The context of records that `formatter` renders in this process, down to the bytes."""
        key = ("finished", id(formatter), self._options()["terminator"])
        current = self._known.get(key)
        if current is None or current.formatter is not formatter:
            current = self._remember(key, finished_plan(formatter, **self._options()), formatter, 0.0)
        return current

    def requests(self) -> Context:
        """Context 0: not records, but requests to roll the output."""
        return self._known.setdefault(("rollover", 0, ""), Context(None, None, _UTC, ROLLOVER))

    def lines(self) -> dict[int, bytes]:
        """The control lines of all of them, by number."""
        return {context.number: context.line for context in list(self._known.values())}

    def _remember(
        self, key: tuple[str, int, str], plan: Plan, formatter: logging.Formatter | None, created: float
    ) -> Context:
        if len(self._known) >= _MOST:
            self._known.clear()
        zone = _zone(created) if plan.zoned else _UTC
        context = self._known[key] = Context(plan, formatter, zone, next(_numbers))
        return context


def _zone(created: float) -> Zone:
    try:
        return zone_at(created)
    except (ValueError, OverflowError, OSError):
        return zone_at(time.time())


def _no_record(record: logging.LogRecord) -> bytes:
    raise ValueError("requests are not made of records")
