"""The hits of a query in open sets, in the order of (UTC time, set, position).

Blocks whose facts are known are read in the order of their times, and a hit is given as soon as no unread
block can hold an earlier one. Text without facts has to be read to its end first.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from operator import attrgetter
from typing import Final, NamedTuple

from logboom.logset.index import Index, read_index
from logboom.logset.reading import Block, Gap, Loaded, LogFile
from logboom.logset.record import Kind, Record
from logboom.logset.snapshot import SetView
from logboom.query.matching import MAYBE, TRUE, Matcher

__all__ = ["Search", "Slice"]

_key = attrgetter("key")
_FEW: Final = 20_000


class Slice(NamedTuple):
    """Hits of one run of records: their places in it, without their text."""

    loaded: Loaded
    places: Sequence[int]


class Search:
    """One query over the sets that are open.

    Args:
        views: the sets.
        matcher: the query.
    """

    def __init__(self, views: Sequence[SetView], matcher: Matcher) -> None:
        self.views = views
        self.matcher = matcher
        self.first, self.last = matcher.window
        self.bytes_read = 0
        self._files = [file for view in views for file in view.files]
        self._indexes: dict[int, Index | None] = {}

    # -- what a caller asks for ---------------------------------------------------------------------

    def hits(self) -> Iterator[Record]:
        """Every hit, the oldest first."""
        gaps = self._gap_hits()
        pending = [record for view in self.views for record in view.pending if self.matcher.judge(record)]
        pending.sort(key=_key)
        return merge(self._block_hits(), gaps, pending, key=_key)

    def last_hits(self, most: int) -> list[Record]:
        """The newest hits, found from the end; the oldest of them first."""
        found = [record for view in self.views for record in view.pending if self.matcher.judge(record)]
        found += self._last_of(self._gap_hits(), most)
        found = sorted(found, key=_key)[-most:]
        blocks = sorted(self._blocks(), key=lambda one: one[1].last, reverse=True)
        for file, block in blocks:
            if len(found) >= most and block.last < found[0].time:
                break
            for one in self._slices_of(file, block, text=True):
                fresh = (
                    [one.loaded.record(place) for place in one.places[-most:]]
                    if _sorted(one)
                    else [one.loaded.record(place) for place in one.places]
                )
                found = sorted([*found, *fresh], key=_key)[-most:]
        return found

    def count(self) -> int:
        """How many hits there are."""
        total = sum(self.matcher.judge(record) for view in self.views for record in view.pending)
        return total + sum(len(one.places) for one in self.slices())

    def slices(self) -> Iterator[Slice]:
        """The hits, run by run, in no order; what is pending excepted. Text is only read where it decides."""
        for file, block in self._blocks():
            yield from self._slices_of(file, block, text=False)
        for file, gap in self._gaps():
            yield from self._slices_of_gap(file, gap)

    def with_text(self, loaded: Loaded) -> Loaded:
        """The same records with their text."""
        file = next(file for file in self._files if file.base == (loaded.set, loaded.base))
        loaded.text = file.file.read(loaded.at, loaded.starts[-1])
        return loaded

    def pending(self) -> list[Record]:
        """The hits among what is not delivered yet."""
        return [record for view in self.views for record in view.pending if self.matcher.judge(record)]

    # -- blocks -------------------------------------------------------------------------------------

    def _blocks(self) -> Iterator[tuple[LogFile, Block]]:
        """Those that can hold a hit, by their times, their classes and the index."""
        for file in self._files:
            for block in file.blocks:
                if isinstance(block, Block) and block.last >= self.first and block.first < self.last:
                    yield file, block

    def _gaps(self) -> Iterator[tuple[LogFile, Gap]]:
        for file in self._files:
            for block in file.blocks:
                if isinstance(block, Gap):
                    yield file, block

    def _block_hits(self) -> Iterator[Record]:
        waiting: list[Record] = []
        for file, block in sorted(self._blocks(), key=lambda one: one[1].first):
            if waiting and waiting[0].time < block.first:
                cut = bisect_left(waiting, block.first, key=lambda record: record.time)
                yield from waiting[:cut]
                del waiting[:cut]
            for one in self._slices_of(file, block, text=True):
                waiting += map(one.loaded.record, one.places)
            waiting.sort(key=_key)
        yield from waiting

    def _slices_of(self, file: LogFile, block: Block, *, text: bool) -> Iterator[Slice]:
        """The hits of a block."""
        matcher = self.matcher
        loaded = file.load(block, text=False)
        assert loaded is not None
        verdicts = [matcher.of_kind(kind) for kind in loaded.kinds]
        present = set(loaded.codes)
        sure = {code for code in present if verdicts[code] == TRUE}
        unsure = {code for code in present if verdicts[code] == MAYBE}
        if not sure and not unsure:
            return
        inside = block.first >= self.first and block.last < self.last
        places = self._in_window(loaded, _places(loaded.codes, sure), inside)
        if unsure and not self._may_hold(file, block):
            unsure = set()
        if not places and not unsure:
            return
        if unsure or text:
            whole = file.load(block)
            if whole is None:
                yield from self._slices_of_gap(file, Gap(block.start, block.end))
                return
            self.bytes_read += block.end - block.start
            loaded = whole
        if unsure:
            more = self._judged(loaded, unsure, len(unsure) == len(present))
            places = sorted({*places, *more}) if places else more
        if places:
            yield Slice(loaded, places)

    def _in_window(self, loaded: Loaded, places: Sequence[int], inside: bool) -> Sequence[int]:
        if inside or not places:
            return places
        times = loaded.times
        return [place for place in places if self.first <= times[place] < self.last]

    def _may_hold(self, file: LogFile, block: Block) -> bool:
        if not self.matcher.tokens:
            return True
        if id(file) not in self._indexes:
            self._indexes[id(file)] = None if file.index is None else read_index(file.index)
        index = self._indexes[id(file)]
        return index is None or index.may_hold(block.start, block.end, self.matcher.tokens)

    def _judged(self, loaded: Loaded, unsure: set[int], all_unsure: bool) -> list[int]:
        """The places of hits among records whose text decides."""
        candidates = self._candidates(loaded)
        judge, record = self.matcher.judge, loaded.record
        first, last, times, codes = self.first, self.last, loaded.times, loaded.codes
        if candidates is None:
            candidates = _places(codes, unsure)
        elif not all_unsure:
            candidates = [place for place in candidates if codes[place] in unsure]
        return [place for place in candidates if first <= times[place] < last and judge(record(place))]

    def _candidates(self, loaded: Loaded) -> Sequence[int] | None:
        """Places of the records that have what every hit must have; None where that says nothing."""
        needles = self.matcher.needles
        if not needles or not loaded.same_bytes:
            return None
        text = loaded.text
        assert text is not None
        lower: bytes | None = None
        chosen: list[tuple[bytes, bytes]] = []
        for needle in needles:
            holding = []
            for literal, folded in needle:
                if folded and literal.lower() != literal.upper():
                    if lower is None:
                        core = _caseless(literal)
                        if core is not None and core not in text:
                            continue
                        lower = text.lower()
                    where = lower
                else:
                    where = text
                if literal in where:
                    holding.append((literal, where))
            if not holding:
                return []
            if not chosen or min(len(one[0]) for one in holding) > min(len(one[0]) for one in chosen):
                chosen = holding
        return _occurrences(loaded, chosen)

    # -- gaps ---------------------------------------------------------------------------------------

    def _slices_of_gap(self, file: LogFile, gap: Gap) -> Iterator[Slice]:
        for loaded in file.parse(gap, self._wanted()):
            self.bytes_read += len(loaded.text or b"")
            verdicts = [self.matcher.of_kind(kind) for kind in loaded.kinds]
            sure = {code for code, verdict in enumerate(verdicts) if verdict == TRUE}
            unsure = {code for code, verdict in enumerate(verdicts) if verdict == MAYBE}
            places = self._in_window(loaded, _places(loaded.codes, sure), False)
            if unsure:
                more = self._judged(loaded, unsure, len(unsure) == len(verdicts))
                places = sorted({*places, *more}) if places else more
            if places:
                yield Slice(loaded, places)

    def _wanted(self) -> Callable[[bytes], bool] | None:
        """Tells which text can hold a hit, where the query says what must be in it."""
        needles = self.matcher.needles
        if not needles:
            return None

        def wanted(text: bytes) -> bool:
            lower: bytes | None = None
            for needle in needles:
                for literal, folded in needle:
                    if folded and literal.lower() != literal.upper():
                        lower = text.lower() if lower is None else lower
                        if literal in lower:
                            break
                    elif literal in text:
                        break
                else:
                    return False
            return True

        return wanted

    def _gap_hits(self) -> Iterator[Record]:
        """The hits where there are no facts, in order: few are kept, of many their places."""
        few: list[Record] = []
        slices = ((file, one) for file, gap in self._gaps() for one in self._slices_of_gap(file, gap))
        for file, one in slices:
            few += map(one.loaded.record, one.places)
            if len(few) > _FEW:
                return self._many(few, slices)
            del file
        few.sort(key=_key)
        return iter(few)

    def _many(self, few: list[Record], slices: Iterable[tuple[LogFile, Slice]]) -> Iterator[Record]:
        keep = _Places()
        kinds: dict[int, int] = {}
        table: list[Kind] = []

        def add(record: Record) -> None:
            number = kinds.setdefault(id(record.kind), len(table))
            if number == len(table):
                table.append(record.kind)
            keep.add(record, number)

        for record in few:
            add(record)
        few.clear()
        for _, one in slices:
            for place in one.places:
                add(one.loaded.record(place))
        files = {(file.base[0], file.base[1]): file for file in self._files}
        for index in sorted(range(len(keep.times)), key=keep.key):
            place = keep.positions[index]
            base = place >> 44 << 44
            text = files[keep.sets[index], base].file.read(place - base, keep.lengths[index])
            yield Record(keep.times[index], keep.sets[index], place, text, table[keep.kinds[index]])

    @staticmethod
    def _last_of(records: Iterator[Record], most: int) -> list[Record]:
        from collections import deque

        return list(deque(records, most))


class _Places:
    """Hits in few bytes each."""

    def __init__(self) -> None:
        self.times = array("d")
        self.sets = array("H")
        self.positions = array("Q")
        self.lengths = array("I")
        self.kinds = array("I")

    def add(self, record: Record, kind: int) -> None:
        self.times.append(record.time)
        self.sets.append(record.set)
        self.positions.append(record.position)
        self.lengths.append(len(record.text))
        self.kinds.append(kind)

    def key(self, index: int) -> tuple[float, int, int]:
        return self.times[index], self.sets[index], self.positions[index]


def _sorted(one: Slice) -> bool:
    """Return True if the hits stand in the order of their times."""
    times = [one.loaded.times[place] for place in one.places]
    return times == sorted(times)


def _places(codes: bytes | array[int], wanted: set[int]) -> Sequence[int]:
    """Where one of the wanted codes stands."""
    if not wanted:
        return ()
    if isinstance(codes, bytes):
        pattern = b"[" + b"".join(re.escape(bytes([code])) for code in sorted(wanted)) + b"]"
        if wanted >= set(codes):
            return range(len(codes))
        return [match.start() for match in re.finditer(pattern, codes, re.DOTALL)]
    if wanted >= set(codes):
        return range(len(codes))
    return [place for place, code in enumerate(codes) if code in wanted]


def _caseless(literal: bytes) -> bytes | None:
    """The longest part of a needle that has no case: digits, signs, bytes beyond ASCII."""
    parts = re.findall(rb"[^A-Za-z]{4,}", literal)
    return max(parts, key=len) if parts else None


def _occurrences(loaded: Loaded, chosen: list[tuple[bytes, bytes]]) -> Sequence[int]:
    starts, found = loaded.starts, []
    for literal, where in chosen:
        place = where.find(literal)
        while place >= 0:
            index = loaded.index_at(place)
            found.append(index)
            place = where.find(literal, starts[index + 1])
    return sorted(set(found)) if len(chosen) > 1 else found
