"""Counts over the hits of a query: by level, logger, program, any field, and over time.

Where facts know the value, no text is read.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from logboom.logset.record import ABSENT, UNKNOWN, Kind
from logboom.query.language import ALIASES
from logboom.query.search import Search, Slice, kinds_of

__all__ = ["STEPS", "Histogram", "Statistics", "count_by", "statistics"]

STEPS: Final = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200, 86400, 604800, 2592000)
_OF_KIND: Final = ("level", "logger", "process", "program")


class Histogram(NamedTuple):
    """How many records fell into each step of time.

    Attributes:
        start: of the first step, a multiple of `step`.
        step: seconds.
        counts: for each step, by level.
    """

    start: float
    step: float
    counts: list[Counter[str]]


class Statistics(NamedTuple):
    """Counts of the hits.

    Attributes:
        records: how many hits there are.
        first, last: their times; NaN for none.
        levels, loggers, programs: counts by value; `""` is not known.
        histogram: over time.
    """

    records: int
    first: float
    last: float
    levels: Counter[str]
    loggers: Counter[str]
    programs: Counter[str]
    histogram: Histogram


def statistics(search: Search, steps: int = 60) -> Statistics:
    """Count all hits; `steps` is about how many steps the histogram has."""
    levels: Counter[str] = Counter()
    loggers: Counter[str] = Counter()
    programs: Counter[str] = Counter()
    fine: dict[tuple[int, str], int] = {}
    counted = _from_index(search, steps)
    if counted is not None:
        first, last, parts = counted
        for minute, kind, count in parts:
            key = minute * 60, kind.level_name or ""
            fine[key] = fine.get(key, 0) + count
            levels[key[1]] += count
            loggers[kind.logger or ""] += count
            programs[kind.program or ""] += count
    else:
        first, last = _from_slices(search, fine, levels, loggers, programs)
    total = levels.total()
    if not total:
        first = last = math.nan
    return Statistics(total, first, last, levels, loggers, programs, _histogram(fine, first, last, steps))


def _from_index(search: Search, steps: int) -> tuple[float, float, Iterator[tuple[int, Kind, int]]] | None:
    """Counts by minute, where indexes have them and minutes are fine enough."""
    parts = search.minutes()
    if parts is None:
        return None
    first, last = search.ends()
    return None if not last - first > 60 * steps else (first, last, parts)


def _from_slices(
    search: Search,
    fine: dict[tuple[int, str], int],
    levels: Counter[str],
    loggers: Counter[str],
    programs: Counter[str],
) -> tuple[float, float]:
    first, last = math.inf, -math.inf

    def add(kind: Kind, count: int) -> None:
        levels[kind.level_name or ""] += count
        loggers[kind.logger or ""] += count
        programs[kind.program or ""] += count

    for one in search.slices():
        for kind, count in kinds_of(one):
            add(kind, count)
        for name, times in _times(one):
            first, last = min(first, times[0]), max(last, times[-1])
            _spread(fine, name, times)
    for record in search.pending():
        add(record.kind, 1)
        first, last = min(first, record.time), max(last, record.time)
        _spread(fine, record.kind.level_name or "", [record.time])
    return first, last


def _times(one: Slice) -> Iterator[tuple[str, list[float]]]:
    """The times of the hits of each level, in order."""
    times, codes, kinds = one.loaded.times, one.loaded.codes, one.loaded.kinds
    names = [kind.level_name or "" for kind in kinds]
    present = {names[code] for code in set(codes)}
    if len(present) == 1:
        some = list(times) if isinstance(one.places, range) else [times[place] for place in one.places]
        some.sort()
        if some:
            yield present.pop(), some
        return
    by_name: dict[str, list[float]] = {}
    for place in one.places:
        by_name.setdefault(names[codes[place]], []).append(times[place])
    for name, some in by_name.items():
        some.sort()
        yield name, some


def _spread(fine: dict[tuple[int, str], int], name: str, times: list[float]) -> None:
    """Count ordered times by second; of a long run only the edges are looked for."""
    place = 0
    while place < len(times):
        second = math.floor(times[place])
        end = bisect_left(times, second + 1, place)
        key = second, name
        fine[key] = fine.get(key, 0) + end - place
        place = end


def _histogram(fine: dict[tuple[int, str], int], first: float, last: float, steps: int) -> Histogram:
    if not fine:
        return Histogram(0.0, 1.0, [])
    step = next((one for one in STEPS if (last - first) / one <= steps), STEPS[-1])
    start = math.floor(first / step) * step
    counts: list[Counter[str]] = [Counter() for _ in range(math.floor((last - start) / step) + 1)]
    for (second, name), count in fine.items():
        counts[min(max((second - start) // step, 0), len(counts) - 1)][name] += count
    return Histogram(float(start), float(step), counts)


def count_by(search: Search, field: str) -> Counter[Any]:
    """How many hits have each value of a field; `ABSENT` and `UNKNOWN` are counted as such."""
    name = ALIASES.get(field, field)
    found: Counter[Any] = Counter()
    if name in _OF_KIND and search.knows(name):
        for kind, count in search.by_kind():
            found[_shown(kind, name)] += count
        return found
    for one in search.slices():
        loaded = one.loaded
        if loaded.text is None:
            loaded = search.with_text(loaded)
        for place in one.places:
            record = loaded.record(place)
            value = record.kind.level_name if name == "level" else None
            found[_hashable(value if value is not None else record.get(name))] += 1
    for record in search.pending():
        value = record.kind.level_name if name == "level" else None
        found[_hashable(value if value is not None else record.get(name))] += 1
    return found


def _shown(kind: Kind, name: str) -> Any:
    return kind.level_name if name == "level" else getattr(kind, name)


def _hashable(value: Any) -> Any:
    return (
        value if value is ABSENT or value is UNKNOWN or isinstance(value, (str, int, float)) else str(value)
    )
