"""One producer's stream, read across its segments.

Owns: where a stream was read to, when a segment may be left, what could not be read. Never knows:
deleting, checkpoints, other producers.

A segment is left when it has ended (`layout.py`), or when its lock is free and it was read once more
after that was seen: then nobody can write to it. A zero byte in a segment that is still written means
"not yet"; in one that nobody writes to it means damage, and reading goes on behind it.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from logboom import platform
from logboom.errors import JournalError
from logboom.journal.layout import (
    LARGEST_SEGMENT,
    Context,
    Dropped,
    Header,
    committed_length,
    decode_control,
    decode_header,
    pack_position,
    unpack_position,
)
from logboom.journal.lines import LineDecoder, decode_row
from logboom.journal.recovery import MOST_GAPS, Gap, find_gap, joined, salvage_target
from logboom.spool.directory import Spool

__all__ = ["Chunk", "Damage", "JournalReader", "load_row"]

_SMALLEST: Final = 4096
_LARGEST: Final = 1024 * 1024
_KEPT: Final = 64 * 1024
_SPARE_CONTEXTS: Final = 64  # a handler restates 32 at most
_CONTEXT_LINE: Final = b'\n{"context"'
_STORED_SIZE: Final = 300  # about what a row takes in memory whose columns are on the disk


class Chunk(NamedTuple):
    """Records of one segment, in their order.

    Attributes:
        rows: the records' arrays; `row[1]` names the context.
        ends: for each row the packed position after it.
        dropped: `dropped` lines, with the packed position after each.
        size: about how many bytes of memory they take.
        contexts: those that the rows name, by number; of the segment, so more may come.
        stored: how many of the rows have their columns on the disk (see `load_row`).
    """

    rows: list[list[Any]]
    ends: list[int]
    dropped: list[tuple[Dropped, int]]
    size: int = 0
    contexts: Mapping[int, Context] = MappingProxyType({})
    stored: int = 0


class Damage(NamedTuple):
    """Bytes that are no whole line.

    Attributes:
        segment, offset, length: where.
        data: the bytes, the first 64 KiB of them.
        torn: it may be no damage, but the line that a killed process was writing: nothing follows it.
    """

    segment: int
    offset: int
    length: int
    data: bytes
    torn: bool = False


class JournalReader:
    """One producer's stream.

    Attributes:
        producer: its id.
        header: the newest segment header that was read, or None.
        contexts: by number, of the segment that is read now: it states all that its rows name. The last few
            of the one before are there as well, should a statement be damaged.
        exhausted: the last `read` came to the end of what is committed.
        gone: nobody writes to the stream any more, and everything was returned.
        resting: who writes to it waits for delivery, as of the last read: nothing is on its way.
        newer: the next segment has a format of a newer release; it stays untouched.
        began: number of the segment of the position that it was made with: older ones are delivered.
        last: packed position after the last row or `dropped` that was returned.
        passed: segments that were left -> value of `last` then: when it is delivered, they may go.
        damaged: what could not be read since `take_damaged`.
    """

    def __init__(self, spool: Spool, producer: str, position: int = 0) -> None:
        """`position` is packed; 0 is the start of the first segment there is."""
        self.producer = producer
        self.header: Header | None = None
        self.contexts: dict[int, Context] = {}
        self.exhausted = False
        self.gone = False
        self.resting = False
        self.newer = False
        self.last = position
        self.began = unpack_position(position)[0]
        self.passed: dict[int, int] = {}
        self.damaged: list[Damage] = []
        self._spool = spool
        self._decoder = LineDecoder(self.contexts)
        self._size = _SMALLEST
        self._done = self.began - 1  # segments up to this number are never entered
        self._barren: set[int] = set()  # later ones that were left without a record
        self._enter(*unpack_position(position))

    @property
    def position(self) -> int:
        """Packed; everything before it was returned."""
        return pack_position(self._number, self._offset)

    @property
    def segment(self) -> int:
        """Number of the segment that is read now; 0 before the first."""
        return self._number

    @property
    def ended(self) -> bool:
        """Whether the current segment was read past its end."""
        return self._ended

    def read(self, budget: int, *, liveness: bool = True, longest: float = math.inf) -> list[Chunk]:
        """Decode what is new.

        Args:
            budget: about how many bytes at most; one line is returned whole, however large.
            liveness: when nothing is new, look whether the writer still lives (two system calls).
            longest: of a record whose line is longer, the columns stay on the disk (see `load_row`).

        Raises:
            OSError: a segment cannot be read now; the position is unchanged.
        """
        chunks: list[Chunk] = []
        self.exhausted = False
        self._decoder.longest = longest
        try:
            while budget > 0 and not self.exhausted:
                budget -= self._take(budget, chunks)
                if self._drained:
                    # Behind a segment that a living writer gave up there may be the next one.
                    more = self._orphaned or self._next_number(again=False) is not None
                    look = liveness and (not chunks or more)
                    self.exhausted = not self._leave(look)
        except OSError:
            if not chunks:
                raise
        return chunks

    def peek(self) -> bool:
        """Read the header line alone; whether there is one, readable (`header` is set) or not."""
        try:
            if self._number == 0 and not self._follow():
                return False
            line = self._fetch(_KEPT, 0).partition(b"\n")[0]
        except FileNotFoundError:
            return False
        if self.header is None and line and 0 not in line:
            self._restore_header(line)
            if self.header is None and not self.newer:
                self._replace_header(line)
        return bool(line) and 0 not in line

    def take_damaged(self) -> list[Damage]:
        """What could not be read since the last call."""
        damaged, self.damaged = self.damaged, []
        return damaged

    def close(self) -> None:
        """Give the descriptor back."""
        self._spool.close_segment(self.producer, self._number)

    def _enter(self, number: int, offset: int) -> None:
        self._number = number
        self._offset = offset
        self.resting = False
        self._ended = False
        self._drained = False
        self._at_file_end = False
        self._orphaned = False
        self._torn_at = -1
        self._gaps = 0
        self._fruitful = offset > 0
        self._knows_head = offset == 0

    def _fetch(self, size: int, offset: int) -> bytes:
        return platform.read_at(self._descriptor(), min(size, LARGEST_SEGMENT - offset), offset)

    def _skip_holes(self, offset: int) -> int | None:
        place: int | None = platform.next_data(self._descriptor(), offset)
        return place if place is None or place < LARGEST_SEGMENT else None

    def _descriptor(self) -> int:
        return self._spool.open_segment(self.producer, self._number)

    def _take(self, budget: int, chunks: list[Chunk]) -> int:
        """Decode the next block; returns its length, and sets `_drained` when no more is committed."""
        try:
            if not self._knows_head:
                self._restore()
            block = self._block(budget)
        except FileNotFoundError:
            self._ended = self._drained = True
            return 0
        head = self._head(block) if self._offset == 0 and block else 0
        if len(block) > head:
            self._decode(block[head:], head, chunks)
        if self.newer:
            return 0
        self._offset += len(block)
        if block and self.gone:  # it was not: a line came late
            self.gone = self._orphaned = False
        return len(block)

    def _block(self, budget: int) -> bytes:
        """Committed whole lines from the current offset on: at most `budget` bytes, but at least a line."""
        size = min(self._size, max(budget, _SMALLEST))
        while True:
            block = self._fetch(size, self._offset)
            length = committed_length(block)
            self._drained = len(block) < size or block.find(0, length) >= 0
            self._at_file_end = length == len(block) < size
            if length or self._drained:
                break
            size *= 2
        self._adapt(size, length)
        return block if length == len(block) else block[:length]

    def _adapt(self, size: int, length: int) -> None:
        if not self._drained:
            self._size = min(size * 2, _LARGEST)
        elif length * 4 < self._size:
            self._size = max(self._size // 2, _SMALLEST)

    def _head(self, block: bytes) -> int:
        """Read the header line at the start of `block`; returns its length."""
        end = block.index(b"\n") + 1
        try:
            self.header = decode_header(block[:end])
        except (JournalError, UnicodeError) as error:
            if getattr(error, "hint", ""):
                self.newer = self._drained = True
                return len(block)
            self._note(Gap(0, end, last=False), block[:end])
            self._replace_header(block[:end])
        return end

    def _replace_header(self, damaged: bytes) -> None:
        """What can be known of a damaged header: from its own bytes, else from another segment."""
        target = salvage_target(damaged)
        if self.header is None and target is None:
            self._borrow_header()
        if self.header is not None:
            target = target or self.header.target
        if target is not None:
            now = 0.0 if self.header is None else self.header.created
            mapped = self._fetch(1, os.fstat(self._descriptor()).st_size - 1) != b"\n"
            self.header = Header(1, self.producer, self._number, 0, "", "", now, mapped, target)

    def _borrow_header(self) -> None:
        for number in self._spool.numbers(self.producer):
            if self.header is None and number > self._number:
                fd = self._spool.open_segment(self.producer, number)
                with contextlib.suppress(JournalError, UnicodeError):
                    self.header = decode_header(platform.read_at(fd, _KEPT, 0).partition(b"\n")[0])
                self._spool.close_segment(self.producer, number)

    def _decode(self, block: bytes, start: int, chunks: list[Chunk]) -> None:
        offset = self._offset + start
        found = self._decoder.decode(block, pack_position(self._number, offset))
        for begin, end in joined(found.damage):
            self._note(Gap(offset + begin, offset + end, last=False), block[begin : min(end, begin + _KEPT)])
        if found.rows or found.dropped or found.damage:
            self._fruitful = True
        if found.rows or found.dropped:
            places = [*found.ends[-1:], *(place for _, place in found.dropped[-1:])]
            self.last = max(places)
            size = len(block) - found.stored_bytes + found.stored * _STORED_SIZE
            chunks.append(Chunk(found.rows, found.ends, found.dropped, size, self.contexts, found.stored))
        self._ended = self._ended or found.ended
        self.resting = found.resting

    def _note(self, gap: Gap, data: bytes) -> None:
        self._gaps += 1
        if self._gaps > MOST_GAPS and not gap.last:
            if self._gaps > MOST_GAPS + 1:
                return
            gap = gap._replace(end=max(gap.end, self._file_size()))
        self.damaged.append(Damage(self._number, gap.start, gap.end - gap.start, data[:_KEPT], gap.last))

    def _file_size(self) -> int:
        return min(os.fstat(self._descriptor()).st_size, LARGEST_SEGMENT)

    def _leave(self, liveness: bool) -> bool:
        """Everything committed was read: whether there may be more, here or in the next segment."""
        if self.newer:
            return False
        if self._number == 0:
            return self._follow()
        if (self.gone or self._has_ended()) and self._follow():
            return True
        if not liveness or self.gone:
            return False
        return self._leave_orphan()

    def _leave_orphan(self) -> bool:
        """Leave a segment that nobody writes to: look again, look behind holes, go on to the next one."""
        if not self._orphaned:
            self._orphaned = self._is_orphan()
            return self._orphaned
        if self._skip_gap() or self._follow():
            return True
        self.gone = True
        return False

    def _is_orphan(self) -> bool:
        try:
            return self._spool.owner_gone(self._descriptor())
        except FileNotFoundError:
            return True

    def _has_ended(self) -> bool:
        """Past an `end` line, or at the end of a file that was allocated in full."""
        if self._at_file_end and self.header is not None and self.header.mapped:
            self._ended = True
        return self._ended

    def _follow(self) -> bool:
        """Go on to the next segment, if there is one.

        Two threads may make segments at once; the loser's holds no record, and may have been seen before
        the winner's, which has a lower number. So a segment without a record is not passed for good.
        """
        number = self._next_number()
        if number is None:
            return False
        if self._number:
            self.passed[self._number] = self.last
            self._barren.add(self._number)
        if self._fruitful:
            self._done = self._number
            self._barren.clear()
        self.close()
        self.gone = False
        self.contexts = self._decoder.contexts = _last_of(self.contexts)
        self._enter(number, 0)
        return True

    def _next_number(self, *, again: bool = True) -> int | None:
        """From what was seen last; when that has none, from a new look at the directory, if `again`."""
        done = self._number if self._fruitful else self._done
        for fresh in (False, True)[: 1 + again]:
            for number in self._spool.listing(fresh=fresh).get(self.producer, ()):
                if number > done and number != self._number and number not in self._barren:
                    return number
        return None

    def _skip_gap(self) -> bool:
        """Step over bytes that hold no whole line; False when nothing is behind them."""
        try:
            gap = find_gap(self._fetch, self._offset, self._is_line, self._skip_holes)
        except FileNotFoundError:
            return False
        if gap is None or (gap.last and self._torn_at == gap.start):
            return False
        if self._gaps > MOST_GAPS and not gap.last:
            gap = gap._replace(end=max(gap.end, self._file_size()))
        self._note(gap, self._fetch(min(gap.end - gap.start, _KEPT), gap.start))
        if gap.last:  # not stepped over: should its writer live, the line is read when it is whole
            self._torn_at = gap.start
            return False
        self._offset = gap.end
        return True

    def _is_line(self, line: bytes) -> bool:
        found = LineDecoder(self.contexts).decode(line, 0)
        return not found.damage

    def _restore(self) -> None:
        """Read header and contexts of a segment that is entered in its middle."""
        offset, rest = 0, b"\n"
        while (place := self._skip_holes(offset)) is not None and place < self._offset:
            block = self._fetch(min(_LARGEST, self._offset - place), place)
            if not block:
                break
            if place == 0:
                self._restore_header(block)
            rest = self._restore_contexts((rest if place == offset else b"") + block)
            offset = place + len(block)
        self._knows_head = True

    def _restore_header(self, block: bytes) -> None:
        """Damage is not reported here: it is when the line is read as such."""
        try:
            self.header = decode_header(block.partition(b"\n")[0])
        except (JournalError, UnicodeError) as error:
            self.newer = self.newer or bool(getattr(error, "hint", ""))

    def _restore_contexts(self, block: bytes) -> bytes:
        """Note the contexts in whole lines of `block`; returns its cut last line if that may be one, too."""
        whole = block.rfind(b"\n")
        place = block.find(_CONTEXT_LINE, 0, whole)
        while place >= 0:
            try:
                value = decode_control(block[place + 1 : block.index(b"\n", place + 1)])
            except (JournalError, UnicodeError, msgspec.MsgspecError):
                value = None
            if isinstance(value, Context):
                self.contexts[value.context] = value
            place = block.find(_CONTEXT_LINE, place + 1, whole)
        rest = block[whole:] if whole >= 0 else b""
        return rest if rest[: len(_CONTEXT_LINE)] == _CONTEXT_LINE[: len(rest)] and 0 not in rest else b""


def load_row(spool: Spool, producer: str, end: int, length: int) -> list[Any] | None:
    """The row of a record that was left on the disk (`lines.Stored`); None when it is not there any more.

    Args:
        end: packed position after its line.
        length: bytes of its line.

    Raises:
        OSError: it cannot be read now.
    """
    number, offset = unpack_position(end)
    try:
        line = platform.read_at(spool.open_segment(producer, number), length, offset - length)
    except FileNotFoundError:
        return None
    return decode_row(line[:-1]) if len(line) == length else None


def _last_of(contexts: Mapping[int, Context]) -> dict[int, Context]:
    return {number: contexts[number] for number in sorted(contexts)[-_SPARE_CONTEXTS:]}
