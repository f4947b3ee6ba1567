"""How a handler's records are to be rendered, under numbers.

Owns: contexts, and when a new one is due: a new formatter, a changed one, another zone; how many there may
be. Never knows: the journal's files, the collector.

Each new context is a line in the journal and code in the collector. A program that makes formatters without
end has its records rendered in its own process, to the bytes: one context does for all of them.
"""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable
from typing import Final, TypeAlias, TypedDict

from logboom.journal import layout
from logboom.journal.layout import ROLLOVER, encode_line
from logboom.records.marks import Controls
from logboom.records.plan import Plan, Zone, finished_plan, plan_for, stamp_of, zone_at

__all__ = ["Context", "Contexts", "PlanOptions"]

_MOST: Final = 32
_EVERY: Final = 1.0  # seconds between two contexts, beyond so many
_UTC: Final = Zone(0, "UTC")
_Key: TypeAlias = tuple[str, int, str]
_numbers: Final = itertools.count(1)  # unique in the process: handlers for one file share a stream


class PlanOptions(TypedDict):
    """The keyword arguments of `plan_for`."""

    encoding: str
    errors: str
    terminator: str
    controls: Controls


class Context:
    """A plan under its number, stated in each segment that uses it."""

    __slots__ = ("encode", "formatter", "line", "number", "plan", "terminator", "zone")

    def __init__(
        self, plan: Plan | None, formatter: logging.Formatter | None, zone: Zone, number: int
    ) -> None:
        """`plan` is None for context 0, whose records are requests."""
        self.plan = plan
        self.formatter = formatter
        self.zone = zone
        self.number = number
        self.terminator = "" if plan is None else plan.terminator
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
        self._known: dict[_Key, Context] = {}  # the one that was used last comes last
        self._passing: logging.Formatter | None = None
        self._made = -math.inf

    def of(
        self, formatter: logging.Formatter | None, created: float, options: PlanOptions | None = None
    ) -> Context:
        """The context of records that `formatter` renders, at the time `created`.

        Args:
            options: for text that is written in another way than the output's.
        """
        options = options or self._options()
        key = ("plan", id(formatter), options["terminator"])
        current = self._known.get(key)
        if current is None or current.plan is None or not current.fits(formatter):
            if not self._has_room(key, formatter):
                return self.finished(formatter, options)
            return self._remember(key, plan_for(formatter, **options), formatter, created)
        if current.plan.zoned and _zone(created) != current.zone:
            return self._remember(key, current.plan, formatter, created)
        return self._keep(key, current)

    def finished(self, formatter: logging.Formatter | None, options: PlanOptions | None = None) -> Context:
        """The context of records that `formatter` renders in this process, down to the bytes."""
        options = options or self._options()
        key = ("finished", 0, options["terminator"])
        current = self._known.get(key)
        if current is None or current.formatter is not formatter:
            number = next(_numbers) if current is None else current.number
            current = Context(finished_plan(formatter, **options), formatter, _UTC, number)
        return self._keep(key, current)

    def requests(self) -> Context:
        """Context 0: not records, but requests to roll the output."""
        return self._known.setdefault(("rollover", 0, ""), Context(None, None, _UTC, ROLLOVER))

    def lines(self) -> dict[int, bytes]:
        """The control lines of all of them, by number."""
        return {context.number: context.line for context in list(self._known.values())}

    def _has_room(self, key: _Key, formatter: logging.Formatter | None) -> bool:
        """Whether a context may be made: at once for the first few, then for a formatter that comes again."""
        if len(self._known) < _MOST and key not in self._known:
            return True
        again, now = key in self._known or formatter is self._passing, time.monotonic()
        self._passing = formatter
        if not again or now - self._made < _EVERY:
            return False
        self._made = now
        return True

    def _remember(
        self, key: _Key, plan: Plan, formatter: logging.Formatter | None, created: float
    ) -> Context:
        zone = _zone(created) if plan.zoned else _UTC
        return self._keep(key, Context(plan, formatter, zone, next(_numbers)))

    def _keep(self, key: _Key, context: Context) -> Context:
        """`context` as the one that was used last; the one that was not for the longest time goes."""
        self._known.pop(key, None)
        self._known[key] = context
        for unused in list(self._known)[:-_MOST]:
            self._known.pop(unused, None)
        return context


def _zone(created: float) -> Zone:
    try:
        return zone_at(created)
    except (ValueError, OverflowError, OSError):
        return zone_at(stamp_of(None))


def _no_record(record: logging.LogRecord) -> bytes:
    raise ValueError("requests are not made of records")
