"""What changed between two windows of time, in the records of a query."""

from __future__ import annotations

from collections.abc import Iterator

from logboom.query.asking import MARK_LOGGER, Asked
from logboom.query.matching import Matcher
from logboom.query.patterns import Change, Patterns, changes
from logboom.query.search import Search

__all__ = ["compare"]


def compare(
    question: Asked, one: tuple[float, float], other: tuple[float, float], now: float
) -> tuple[list[float], Iterator[Change]]:
    """The lengths of both windows in seconds, as far as there are records, and the changes of patterns."""
    before, after = Patterns(), Patterns()
    first, last = float("inf"), float("-inf")
    for record in Search(question.views, Matcher(question.matcher.tree)).hits():
        if record.kind.logger == MARK_LOGGER:
            continue
        first, last = min(first, record.time), max(last, record.time)
        if one[0] <= record.time < one[1]:
            before.add(record)
        if other[0] <= record.time < other[1]:
            after.add(record)
    seconds = [_length(window, first, last, now) for window in (one, other)]
    return seconds, changes(before, after, *seconds)


def _length(window: tuple[float, float], first: float, last: float, now: float) -> float:
    start = max(window[0], first) if window[0] == float("-inf") else window[0]
    end = (
        min(window[1], max(last, now if last > now - 86400 else last))
        if window[1] == float("inf")
        else window[1]
    )
    return max(end - start, 1.0)
