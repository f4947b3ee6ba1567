"""Order across producers: the hold-back window, late records.

Owns: the key of each record, and which records are ready in which order. Never knows: where records
come from, what they hold besides their time.

A record's key is its `created`, but never beyond the wall time at which it was first seen and never
below the key before it in the same producer: so a producer's order is its append order, and a record
from the future holds nothing back. How long records wait for slower producers is measured on the
monotonic clock alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, islice, repeat
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

__all__ = ["Merge", "Merged"]

_SHORTEST: Final = 0.02
_LONGEST: Final = 1.0
_HALF_LIFE: Final = 10.0
_created = itemgetter(0)
_T = TypeVar("_T")


class Merged(NamedTuple):
    """Records in their final order; four lists of one length.

    Attributes:
        rows: the records' arrays.
        keys: their keys; never falling.
        producers: who wrote each.
        ends: the packed position after each, in its producer.
    """

    rows: list[list[Any]]
    keys: list[float]
    producers: list[str]
    ends: list[int]


class _Stream:
    """One producer's records that wait.

    Attributes:
        last: the key of the last record that was added.
        came: monotonic time of the last `add`.
        arrivals: `(monotonic time, key)` of the last record of each `add`.
        parts: `(records, bytes)` of each `add`, as far as they wait.
        size: bytes that wait.
    """

    __slots__ = ("arrivals", "came", "ends", "keys", "last", "parts", "rows", "size")

    def __init__(self) -> None:
        self.last = float("-inf")
        self.came = float("-inf")
        self.rows: list[list[Any]] = []
        self.ends: list[int] = []
        self.keys: list[float] = []
        self.arrivals: list[tuple[float, float]] = []
        self.parts: deque[tuple[int, int]] = deque()
        self.size = 0

    def drop(self, count: int) -> None:
        del self.rows[:count], self.ends[:count], self.keys[:count]
        if not self.keys:
            self.arrivals.clear()
        while count:
            records, size = self.parts.popleft()
            gone = min(records, count)
            left = size - size * gone // records
            if gone < records:
                self.parts.appendleft((records - gone, left))
            self.size -= size - left
            count -= gone


class Merge:
    """Records of many producers -> one order.

    Attributes:
        window: seconds that a record waits for earlier ones of other producers, at most.
        late: records that were released after one with a higher key.
        pending: records that wait.
    """

    def __init__(self) -> None:
        self.window = _SHORTEST
        self.late = 0
        self.pending = 0
        self._streams: dict[str, _Stream] = {}
        self._highest = float("-inf")  # key that was released
        self._waited = float("-inf")  # the same, of those that had waited their time
        self._shrunk_at: float | None = None

    def add(
        self,
        producer: str,
        rows: Sequence[list[Any]],
        ends: Sequence[int],
        now_wall: float,
        now_mono: float,
        size: int = 0,
    ) -> None:
        """Take records in their producer's order.

        Args:
            rows: the first value of each is its time.
            ends: for each, the position after it.
            now_wall: wall time in seconds.
            now_mono: monotonic time in seconds.
            size: how many bytes all of them were in the journal.
        """
        if not rows:
            return
        stream = self._streams.setdefault(producer, _Stream())
        stream.keys += _keys(list(map(_created, rows)), stream.last, now_wall)
        stream.rows += rows
        stream.ends += ends
        stream.last = stream.keys[-1]
        stream.came = now_mono
        stream.arrivals.append((now_mono, stream.last))
        stream.parts.append((len(rows), size))
        stream.size += size
        self.pending += len(rows)

    def counts(self) -> dict[str, int]:
        """For each producer, how many of its records wait."""
        return {producer: len(stream.keys) for producer, stream in self._streams.items()}

    def active(self, now_mono: float) -> list[str]:
        """Producers of whom something came within the window: they may have more on its way."""
        since = now_mono - self.window
        return [producer for producer, stream in self._streams.items() if stream.came > since]

    def above(self, records: int, size: int) -> list[str]:
        """Producers of whom more waits than that many records, or bytes."""
        return [
            producer
            for producer, stream in self._streams.items()
            if len(stream.keys) > records or stream.size > size
        ]

    @property
    def size(self) -> int:
        """Bytes of the journal that wait."""
        return sum(stream.size for stream in self._streams.values())

    def floor(self, unfinished: Iterable[str]) -> float | None:
        """The highest key that may be released while these producers have more to read; None: any."""
        lasts = [self._streams[name].last if name in self._streams else float("-inf") for name in unfinished]
        return min(lasts, default=None)

    def forget(self, producer: str) -> None:
        """The producer is finished, and all its records were released."""
        stream = self._streams.pop(producer, None)
        if stream is not None:
            self.pending -= len(stream.keys)

    def release(
        self,
        now_mono: float,
        *,
        ready: float = float("-inf"),
        floor: float | None = None,
        limit: int | None = None,
    ) -> Merged:
        """The records that are ready, in order.

        Args:
            now_mono: monotonic time in seconds.
            ready: up to this key nothing has to wait; infinity for flush and exit.
            floor: nothing with a higher key, since earlier records may be unread.
            limit: this many at most.
        """
        self._shrink(now_mono)
        bound = max(self._bound(now_mono), ready)
        merged = self._take(bound if floor is None else min(bound, floor), limit)
        self._judge(merged.keys, waited=ready == float("-inf"))
        return merged

    def _bound(self, now_mono: float) -> float:
        """The highest key among the records that have waited their time; -infinity when none has."""
        since = now_mono - self.window
        bound = float("-inf")
        for stream in self._streams.values():
            arrivals = stream.arrivals
            if arrivals and arrivals[0][0] <= since:
                key = arrivals[bisect_right(arrivals, (since, float("inf"))) - 1][1]
                bound = max(bound, key)
        return bound

    def _take(self, bound: float, limit: int | None) -> Merged:
        cuts = []
        for producer, stream in self._streams.items():
            cut = bisect_right(stream.keys, bound)
            if cut:
                cuts.append((producer, stream, cut if limit is None else min(cut, limit)))
        total = sum(cut for _, _, cut in cuts)
        if len(cuts) > 1 or (limit is not None and total > limit):
            return self._mix(cuts, total if limit is None else min(limit, total))
        for producer, stream, cut in cuts:
            merged = Merged(stream.rows[:cut], stream.keys[:cut], [producer] * cut, stream.ends[:cut])
            self._drop(stream, cut)
            return merged
        return Merged([], [], [], [])

    def _mix(self, cuts: list[tuple[str, _Stream, int]], count: int) -> Merged:
        """The `count` lowest of several runs. The sort is stable: equal keys keep the producers' order."""
        keys = list(chain.from_iterable(stream.keys[:cut] for _, stream, cut in cuts))
        rows = list(chain.from_iterable(stream.rows[:cut] for _, stream, cut in cuts))
        ends = list(chain.from_iterable(stream.ends[:cut] for _, stream, cut in cuts))
        producers = list(chain.from_iterable(repeat(producer, cut) for producer, _, cut in cuts))
        order = sorted(range(len(keys)), key=keys.__getitem__)[:count]
        merged = Merged(_pick(rows, order), _pick(keys, order), _pick(producers, order), _pick(ends, order))
        taken = Counter(merged.producers) if count < len(keys) else None
        for producer, stream, cut in cuts:
            self._drop(stream, cut if taken is None else taken[producer])
        return merged

    def _drop(self, stream: _Stream, count: int) -> None:
        stream.drop(count)
        self.pending -= count
        if stream.keys:
            first = stream.keys[0]
            gone = bisect_left(stream.arrivals, first, key=itemgetter(1))
            del stream.arrivals[:gone]

    def _judge(self, keys: list[float], *, waited: bool) -> None:
        """Count late records; a longer window where one would have helped."""
        if not keys:
            return
        late = bisect_left(keys, self._highest)
        self.late += late
        lateness = self._waited - keys[0]
        if late and 0 < lateness <= _LONGEST:
            self.window = min(_LONGEST, max(self.window * 2, lateness * 1.5))
        self._highest = max(self._highest, keys[-1])
        if waited:
            self._waited = max(self._waited, keys[-1])

    def _shrink(self, now_mono: float) -> None:
        passed = 0.0 if self._shrunk_at is None else max(0.0, now_mono - self._shrunk_at)
        self.window = max(_SHORTEST, self.window * 0.5 ** (passed / _HALF_LIFE))
        self._shrunk_at = now_mono


def _pick(values: list[_T], order: list[int]) -> list[_T]:
    return list(map(values.__getitem__, order))


def _keys(created: list[float], last: float, now_wall: float) -> list[float]:
    """Never falling, never below `last`, and beyond `now_wall` only where `last` is."""
    rising = sorted(created)
    if rising[0] >= last and rising[-1] <= now_wall and rising == created:
        return created
    if rising[-1] > now_wall:
        created = [min(moment, now_wall) for moment in created]
    return list(islice(accumulate(created, max, initial=last), 1, None))
