"""The hits of a query in open sets, in the order of (UTC time, set, position).

Blocks whose facts are known are read in the order of their times, and a hit is given as soon as no unread
block can hold an earlier one. Text without facts has to be read to its end first.
"""

from __future__ import annotations

import math
import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from operator import attrgetter
from typing import Final, NamedTuple

from logboom.logset.index import Index, read_index
from logboom.logset.reading import SAME_BYTES, Block, Gap, Loaded, LogFile
from logboom.logset.record import UNKNOWN, Kind, Record
from logboom.logset.snapshot import SetView
from logboom.query.matching import MAYBE, TRUE, Matcher, Needle

__all__ = ["Search", "Slice", "kinds_of"]

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
        return sum(count for _, count in self.by_kind())

    def by_kind(self) -> Iterator[tuple[Kind, int]]:
        """How many hits are of each kind, in several parts; what an index counted is not counted again."""
        for file, block in self._blocks():
            counted = self._counted(file, block)
            if counted is not None:
                yield from counted
                continue
            for one in self._slices_of(file, block, text=False):
                yield from kinds_of(one)
        for file, gap in self._gaps():
            for one in self._slices_of_gap(file, gap):
                yield from kinds_of(one)
        for record in self.pending():
            yield record.kind, 1

    def minutes(self) -> Iterator[tuple[int, Kind, int]] | None:
        """Minute, kind and count of the hits, where indexes and facts have them all; else None."""
        if self.first > -math.inf or self.last < math.inf or any(True for _ in self._gaps()):
            return None
        for file in self._files:
            index, table = self._index(file), file.table(0)
            if index is not None and not (index.whole and self._decided(table, index.minutes)):
                return None
        return self._minutes()

    def _minutes(self) -> Iterator[tuple[int, Kind, int]]:
        for file in self._files:
            index, table = self._index(file), file.table(0)
            if index is not None:
                for minute, counts in index.minutes.items():
                    for code, count in counts.items():
                        kind = table[min(code, len(table) - 1)]
                        if self.matcher.of_kind(kind) == TRUE:
                            yield minute, kind, count
                continue
            for block in file.blocks:
                if isinstance(block, Block):
                    for one in self._slices_of(file, block, text=False):
                        loaded = one.loaded
                        codes, times = loaded.codes, loaded.times
                        pairs = Counter((int(times[place] // 60), codes[place]) for place in one.places)
                        for (minute, code), count in pairs.items():
                            yield minute, loaded.kinds[code], count
        for record in self.pending():
            yield int(record.time // 60), record.kind, 1

    def ends(self) -> tuple[float, float]:
        """The times of the first and the last hit, where classes decide; NaN for none."""
        lowest, highest = math.inf, -math.inf
        blocks = list(self._blocks())
        for file, block in sorted(blocks, key=lambda one: one[1].first):
            if block.first >= lowest:
                break
            for one in self._slices_of(file, block, text=False):
                lowest = min(lowest, min(map(one.loaded.times.__getitem__, one.places)))
        for file, block in sorted(blocks, key=lambda one: one[1].last, reverse=True):
            if block.last <= highest:
                break
            for one in self._slices_of(file, block, text=False):
                highest = max(highest, max(map(one.loaded.times.__getitem__, one.places)))
        for record in self.pending():
            lowest, highest = min(lowest, record.time), max(highest, record.time)
        return (lowest, highest) if lowest <= highest else (math.nan, math.nan)

    def _decided(self, table: Sequence[Kind], minutes: dict[int, dict[int, int]]) -> bool:
        """Return True if classes alone say which records are hits."""
        codes = {min(code, len(table) - 1) for counts in minutes.values() for code in counts}
        return all(self.matcher.of_kind(table[code]) != MAYBE for code in codes)

    def knows(self, field: str) -> bool:
        """Return True if facts say the field of every record."""
        if any(True for _ in self._gaps()):
            return False
        kinds = [
            kind for file in self._files for epoch in range(file.epochs) for kind in file.table(epoch)[:-1]
        ]
        kinds += [record.kind for view in self.views for record in view.pending]
        return all(kind.get(field) is not UNKNOWN for kind in kinds)

    def _counted(self, file: LogFile, block: Block) -> list[tuple[Kind, int]] | None:
        """The hits of a block by kind, as its index counted them; None where that is not enough."""
        index = self._index(file)
        counts = None if index is None else index.classes(block.start)
        if counts is None or not (block.first >= self.first and block.last < self.last):
            return None
        table = file.table(block.batches[0].epoch)
        found = []
        for code, count in counts.items():
            kind = table[min(code, len(table) - 1)]
            verdict = self.matcher.of_kind(kind)
            if verdict == MAYBE:
                return None
            if verdict == TRUE:
                found.append((kind, count))
        return found

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
        if self._rules_out(file, block):
            return
        needed = self._needed(file, block)
        data = None
        if needed is not None:
            data = file.file.read(block.start, block.end - block.start)
            self.bytes_read += len(data)
            if not needed(data):
                return
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
            if data is None:
                data = file.file.read(block.start, block.end - block.start)
                self.bytes_read += len(data)
            if not file.holds(block, data):
                yield from self._slices_of_gap(file, Gap(block.start, block.end))
                return
            loaded.text = data
        if unsure:
            more = self._judged(loaded, unsure, len(unsure) == len(present))
            places = sorted({*places, *more}) if places else more
        if places:
            yield Slice(loaded, places)

    def _needed(self, file: LogFile, block: Block) -> Callable[[bytes], bool] | None:
        """Tells which text can hold a hit, where every hit in the block depends on its text."""
        table = file.table(block.batches[0].epoch)
        if any(self.matcher.of_kind(kind) == TRUE for kind in table):
            return None
        if not all(kind.layout.encoding in SAME_BYTES for kind in table):
            return None
        return self._wanted(self._needles(table))

    def _in_window(self, loaded: Loaded, places: Sequence[int], inside: bool) -> Sequence[int]:
        if inside or not places:
            return places
        times = loaded.times
        return [place for place in places if self.first <= times[place] < self.last]

    def _may_hold(self, file: LogFile, block: Block) -> bool:
        matcher = self.matcher
        index = self._index(file) if matcher.value_tokens else None
        if index is None:
            return True
        table = file.table(block.batches[0].epoch)
        unsure = [kind.layout for kind in table if matcher.of_kind(kind) == MAYBE]
        json = all(layout.open and not layout.guessed for layout in unsure)
        return index.may_hold(block.start, block.end, matcher.value_tokens if json else matcher.tokens)

    def _index(self, file: LogFile) -> Index | None:
        if id(file) not in self._indexes:
            self._indexes[id(file)] = None if file.index is None else read_index(file.index)
        return self._indexes[id(file)]

    def _rules_out(self, file: LogFile, block: Block) -> bool:
        """Return True if the classes that the index counted, or its words, leave no hit in the block."""
        index = self._index(file)
        counts = None if index is None else index.classes(block.start)
        if counts is None:
            return False
        table = file.table(block.batches[0].epoch)
        verdicts = {self.matcher.of_kind(table[min(code, len(table) - 1)]) for code in counts}
        if TRUE in verdicts:
            return False
        return MAYBE not in verdicts or not self._may_hold(file, block)

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

    def _needles(self, kinds: Sequence[Kind]) -> list[Needle]:
        """What must be in the text. Foreign JSON may write a value in many ways."""
        if any(kind.layout.open and kind.layout.guessed for kind in kinds):
            return self.matcher.needles
        return self.matcher.value_needles

    def _candidates(self, loaded: Loaded) -> Sequence[int] | None:
        """Places of the records that have what every hit must have; None where that says nothing."""
        needles = self._needles(loaded.kinds)
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
        for loaded in file.parse(gap, self._wanted(self.matcher.needles)):
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

    @staticmethod
    def _wanted(needles: list[Needle]) -> Callable[[bytes], bool] | None:
        """Tells which text can hold a hit, where the query says what must be in it."""
        if not needles:
            return None

        def wanted(text: bytes) -> bool:
            lower: bytes | None = None
            for needle in needles:
                for literal, folded in needle:
                    if folded and literal.lower() != literal.upper():
                        core = _caseless(literal)
                        if core is not None and core not in text:
                            continue
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


def kinds_of(one: Slice) -> Iterator[tuple[Kind, int]]:
    """How many of the hits are of each kind."""
    codes, kinds = one.loaded.codes, one.loaded.kinds
    whole = isinstance(one.places, range)
    if isinstance(codes, bytes) and whole:
        for code in set(codes):
            yield kinds[code], codes.count(code)
    else:
        for code, count in Counter(codes if whole else map(codes.__getitem__, one.places)).items():
            yield kinds[code], count


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
