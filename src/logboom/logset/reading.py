"""The records of one file: where the facts say, and by the look of its lines where there are none.

A file is cut into *blocks*. A block of facts knows, before any text is read, its records' times and classes.
What no facts cover is a *gap*, and is parsed from its beginning to its end.
"""

from __future__ import annotations

import os
import re
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, tzinfo
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from logboom import platform
from logboom.logset import facts
from logboom.logset.facts import Batch, Columns
from logboom.logset.formats import Clock, Format, recognise
from logboom.logset.layouts import JsonLayout, OpaqueLayout, TextLayout
from logboom.logset.opening import OpenFile
from logboom.logset.record import Kind, Layout, Record

__all__ = ["SAME_BYTES", "Block", "Gap", "Loaded", "LogFile", "Reading", "kind_of", "layout_of"]

_BLOCK: Final = 1 << 20
_LONGEST: Final = 16 << 20
_FILE_BITS: Final = 44
SAME_BYTES: Final = frozenset(("utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii"))
_MONTH: Final = re.compile(rb"(?m)^(?:<\d+>)?([A-Z][a-z][a-z]) +(\d{1,2}) \d\d:")


class Reading(NamedTuple):
    """How foreign text is read: the zone of times that have none, and a format of the user's own."""

    zone: tzinfo | None = None
    format: Format | None = None


class Block(NamedTuple):
    """Records whose facts are known.

    Attributes:
        start, end: in the text.
        first, last: lowest and highest time.
        records: how many.
        batches: what it is made of.
    """

    start: int
    end: int
    first: float
    last: float
    records: int
    batches: tuple[Batch, ...]


class Gap(NamedTuple):
    """Text without facts; `end` is None up to wherever the text ends."""

    start: int
    end: int | None


class Loaded:
    """Records of one file that stand one behind the other.

    Attributes:
        at: place of the first in the text.
        text: the bytes, or None while only the facts were read.
        starts: of each record, and the end of the last, from `at` on.
        times: of each.
        codes: of each, its kind's place in `kinds`: bytes, or an array.
        kinds: what the codes mean.
        same_bytes: every record is written in UTF-8.
    """

    __slots__ = ("at", "base", "codes", "kinds", "same_bytes", "set", "starts", "text", "times")

    def __init__(
        self,
        base: tuple[int, int],
        at: int,
        text: bytes | None,
        starts: Sequence[int],
        times: Sequence[float],
        codes: bytes | array[int],
        kinds: Sequence[Kind],
    ) -> None:
        self.set, self.base = base
        self.at = at
        self.text = text
        self.starts = starts
        self.times = times
        self.codes = codes
        self.kinds = kinds
        self.same_bytes = all(kind.layout.encoding in SAME_BYTES for kind in kinds)

    def __len__(self) -> int:
        return len(self.times)

    def index_at(self, place: int) -> int:
        """The record in which a byte of the text stands."""
        return bisect_right(self.starts, place) - 1

    def raw(self, index: int) -> bytes:
        assert self.text is not None
        return self.text[self.starts[index] : self.starts[index + 1]]

    def record(self, index: int) -> Record:
        kind = self.kinds[self.codes[index]]
        text = self.raw(index)
        if not self.same_bytes and kind.layout.encoding not in SAME_BYTES:
            text = _recoded(text, kind.layout.encoding)
        return Record(
            self.times[index], self.set, self.base + self.at + self.starts[index], text.rstrip(b"\r\n"), kind
        )


def _recoded(text: bytes, encoding: str) -> bytes:
    try:
        return text.decode(encoding, "replace").encode("utf-8", "replace")
    except LookupError:
        return text


def layout_of(values: dict[str, Any]) -> Layout:
    """The layout of an `F` frame, or of a journal's context."""
    encoding = str(values.get("encoding", "utf-8")).lower()
    if values.get("renderer") == "text":
        return TextLayout(values.get("format", ""), values.get("style", "%"), encoding)
    if values.get("renderer") == "json":
        return JsonLayout(encoding, values.get("names"), guessed=False)
    return OpaqueLayout(encoding)


def kind_of(values: dict[str, Any], layouts: dict[int, Layout]) -> Kind:
    """The kind of a `C` frame."""
    layout = layouts.get(values.get("format", -1)) or OpaqueLayout()
    return Kind(
        layout,
        values.get("level"),
        values.get("level_name"),
        values.get("logger"),
        values.get("process"),
        values.get("program"),
    )


class LogFile:
    """One file of a set.

    Attributes:
        file: its text.
        blocks: its parts in their order.
        kinds: of all records that have facts.
        guess: the format that was recognised in a part without facts.
    """

    def __init__(
        self, path: Path, place: tuple[int, int], reading: Reading, limit: int | None = None
    ) -> None:
        """Opens the file. Raises `OSError`.

        Args:
            place: `(set, number of the file in it)`.
            limit: bytes after which is not read.
        """
        self.file = OpenFile(path)
        if limit is not None and self.file.size is not None:
            self.file.size = min(self.file.size, limit)
        self.base = place[0], place[1] << _FILE_BITS
        self.kinds: list[Kind] = []
        self.guess: Format | None = None
        self.reading = reading
        self._said = facts.Facts()
        self._tables: list[list[Kind]] = []
        self._facts: Callable[[int, int], bytes] = _nothing
        self._clock: Clock | None = None
        self._time: float | None = None
        self.blocks: list[Block | Gap] = list(self._cut(self._read_facts(), 0, self.file.size))

    def close(self) -> None:
        self.file.close()

    @property
    def header(self) -> dict[str, Any]:
        return self._said.header

    @property
    def index(self) -> bytes | None:
        """The payload of the index, where there is one."""
        return self._said.index

    @property
    def epochs(self) -> int:
        return len(self._tables)

    def table(self, epoch: int) -> Sequence[Kind]:
        """The kinds of an epoch by class number; the last one stands for those that are not known."""
        return self._tables[epoch] if self._tables else (Kind(OpaqueLayout()),)

    @property
    def known(self) -> bool:
        """Return True if facts say all of it."""
        return not any(isinstance(block, Gap) for block in self.blocks)

    def grow(self) -> list[Block | Gap]:
        """What was appended to a plain file since it was opened, or since the last call, in whole lines."""
        before = self.file.size
        assert before is not None
        self.file.status = os.fstat(self.file.fd)
        size = self.file.status.st_size
        if size <= before:
            return []
        self.file.size = size
        batches = [batch for batch in self._read_facts() if batch.offset >= before]
        end = batches[-1].end if batches else before
        tail = self.file.read(end, size - end)
        self.file.size = end + tail.rfind(b"\n") + 1
        return list(self._cut(batches, before, self.file.size))

    # -- facts -------------------------------------------------------------------------------------

    def _read_facts(self) -> list[Batch]:
        status, size = self.file.status, self.file.size
        try:
            data = _trusted_bytes(facts.facts_path(self.file.path, status.st_ino), status)
            self._facts = lambda place, length: data[place : place + length]
            self._said.take(self._facts)
        except (OSError, ValueError, KeyError):
            return []
        batches = list(self._said.batches)
        if self.file.codec is None and size is not None:
            while batches and batches[-1].end > size:
                partial = batches.pop()
                if partial.offset < size:
                    self.file.size = size = partial.offset  # its bytes are being appended
            batches = self._sound_ends(batches)
        elif not self._is_copy_of_this():
            return []
        self._tables.clear()
        self.kinds.clear()
        for classes, formats in self._said.epochs:
            layouts = {number: layout_of(values) for number, values in formats.items()}
            unknown = Kind(OpaqueLayout())
            table = [unknown] * (max(classes, default=-1) + 1)
            for number, values in classes.items():
                table[number] = kind_of(values, layouts)
            table.append(unknown)
            self._tables.append(table)
            self.kinds += table[:-1]
        return batches

    def _sound_ends(self, batches: list[Batch]) -> list[Batch]:
        """Batches that are this file's: a file's inode may have been another's."""
        for place in (0, -1):
            if batches and not self._holds(batches[place]):
                return [batch for batch in batches if self._holds(batch)]
        return batches

    def _holds(self, batch: Batch) -> bool:
        width = min(64, batch.length)
        head = self.file.read(batch.offset, width)
        tail = self.file.read(batch.end - width, width)
        return len(head) == len(tail) == width and _ends(head, tail) == batch.ends

    def _is_copy_of_this(self) -> bool:
        """A compressed file's facts name its size and both ends."""
        stated = self.header.get("packed")
        if not isinstance(stated, dict):
            return False
        size = self.file.status.st_size
        width = min(64, size)
        head = platform.read_at(self.file.fd, width, 0)
        tail = platform.read_at(self.file.fd, width, size - width)
        return stated.get("size") == size and stated.get("ends") == _ends(head, tail)

    def _cut(self, batches: list[Batch], place: int, size: int | None) -> Iterator[Block | Gap]:
        size = self.file.size if size is not None else None
        run: list[Batch] = []
        for batch in batches:
            if run and (
                batch.offset != run[-1].end
                or batch.epoch != run[-1].epoch
                or batch.end - run[0].offset > _BLOCK
            ):
                yield _block(run)
                run = []
            if batch.offset > place and not self._is_mark(place, batch.offset):
                yield Gap(place, batch.offset)
            run.append(batch)
            place = batch.end
        if run:
            yield _block(run)
        if size is None or place < size:
            yield Gap(place, size)

    def _is_mark(self, start: int, end: int) -> bool:
        """The byte order mark at a file's beginning is no record."""
        return start == 0 and end <= 4 and self.file.read(0, end) in _MARKS

    # -- loading -----------------------------------------------------------------------------------

    def load(self, block: Block, *, text: bool = True) -> Loaded | None:
        """The records of a block; None when the bytes are not those that the facts are of."""
        columns = [facts.read_batch(batch, self._facts(batch.place, batch.size)) for batch in block.batches]
        data = self.file.read(block.start, block.end - block.start) if text else None
        if data is not None and not self.holds(block, data):
            return None
        lengths, low, high, times = columns[0] if len(columns) == 1 else _joined(columns)
        table = self._tables[block.batches[0].epoch]
        codes: bytes | array[int] = low
        most = len(table) - 1
        if high:
            codes = array("H", (min(a | b << 8, most) for a, b in zip(low, high, strict=True)))
        elif len(table) <= 256 and low and max(low) >= len(table):
            codes = bytes(min(code, most) for code in low)
        return Loaded(self.base, block.start, data, _starts(lengths), times, codes, table)

    def holds(self, block: Block, data: bytes) -> bool:
        """Return True if these bytes are those that the facts of a block are of."""
        return len(data) == block.end - block.start and all(
            facts.ends_of(data, batch.offset - block.start, batch.length) == batch.ends
            for batch in block.batches
        )

    # -- parsing -----------------------------------------------------------------------------------

    def parse(self, gap: Gap, wanted: Callable[[bytes], bool] | None = None) -> Iterator[Loaded]:
        """The records of a gap, in runs; to be called for one gap after the other.

        Args:
            wanted: text -> False when no record in it is of interest: it is passed over unparsed.
        """
        carry, at = b"", gap.start
        place, end = gap.start, gap.end
        format: Format | None = None
        while True:
            length = _BLOCK if end is None else min(_BLOCK, end - place)
            fresh = self.file.read(place, length) if length > 0 else b""
            place += len(fresh)
            text = carry + fresh
            over = len(fresh) < length or length <= 0 or (end is not None and place >= end)
            if format is None and text:
                format = self._recognised(text)
            if not text or format is None:
                return
            cut = len(text) if over or len(text) > _LONGEST else _last_head(format, text)
            if cut:
                if wanted is None or wanted(text[:cut]):
                    loaded = self._parsed(format, at, text[:cut])
                    if len(loaded):
                        yield loaded
                else:
                    self._pass_over(format, text[:cut])
            at, carry = at + cut, text[cut:]
            if over:
                return

    def _recognised(self, text: bytes) -> Format:
        format = recognise(text[: 1 << 16], self.reading.format)
        if self.guess is not None and format.name == "lines":
            format = self.guess  # a few lines that follow: the rest of a traceback, perhaps
        if self._clock is None:
            self._clock = Clock(self.reading.zone, self._year(format))
        self.guess = format
        return format

    def _year(self, format: Format) -> int:
        """The year of the first line, where lines have none: counted back from the file's time."""
        changed = datetime.fromtimestamp(self.file.status.st_mtime, self.reading.zone)
        if format.name != "syslog":
            return changed.year
        months = [
            (_MONTH_NUMBERS.get(match[1], 0), int(match[2]))
            for start, length in self.file.spans()
            for match in _MONTH.finditer(self.file.read(start, length))
        ]
        months = [one for one in months if one[0]]
        if not months:
            return changed.year
        year = changed.year - (months[-1] > (changed.month, changed.day + 1))
        for (before, _), (after, _) in pairwise(months):
            year -= after < before - 6
            year += after > before + 6
        return year

    def _parsed(self, format: Format, at: int, text: bytes) -> Loaded:
        clock = self._clock
        assert clock is not None
        starts: list[int] = []
        times: list[float | None] = []
        kinds: list[Kind] = []
        known: dict[Any, int] = {}
        codes = array("H")
        if format.many:
            heads = list(format.head.finditer(text))
            if not heads or heads[0].start() > 0:
                self._add((0, None), format, known, kinds, codes, starts, times)
            for match in heads:
                self._add((match.start(), match), format, known, kinds, codes, starts, times)
        else:
            place = 0
            while place < len(text):
                found = text.find(b"\n", place)
                stop = len(text) if found < 0 else found + 1
                if stop - place > 1 or found < 0:
                    match_one = format.head.match(text, place)
                    self._add((place, match_one), format, known, kinds, codes, starts, times)
                place = stop
        first = next((time for time in times if time is not None), None)
        if self._time is None:
            self._time = first if first is not None else self.file.status.st_mtime
        filled: list[float] = []
        for time in times:
            if time is not None:
                self._time = time
            filled.append(self._time)
        return Loaded(self.base, at, text, [*starts, len(text)], filled, codes, kinds)

    def _add(
        self,
        head: tuple[int, re.Match[bytes] | None],
        format: Format,
        known: dict[Any, int],
        kinds: list[Kind],
        codes: array[int],
        starts: list[int],
        times: list[float | None],
    ) -> None:
        start, match = head
        assert self._clock is not None
        line = None if match is None else format.read(self._clock, match)
        key = None if line is None else line[1:]
        code = known.get(key)
        if code is None:
            if len(kinds) >= facts.UNKNOWN_CLASS:
                key, code = None, known.get(None)
            if code is None:
                code = known[key] = len(kinds)
                kinds.append(Kind(format) if key is None else Kind(format, *key))
        codes.append(code)
        starts.append(start)
        times.append(None if line is None else line.time)

    def _pass_over(self, format: Format, text: bytes) -> None:
        """Keep the clock: what comes next may have no time, or one that comes twice."""
        assert self._clock is not None
        place = _last_head(format, text)
        match = format.head.match(text, place)
        if match is not None:
            time = format.read(self._clock, match).time
            self._time = time if time is not None else self._time


_MARKS: Final = frozenset((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"\0\0\xfe\xff"))
_MONTH_NUMBERS: Final = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}


def _nothing(place: int, length: int) -> bytes:
    return b""


def _block(run: list[Batch]) -> Block:
    return Block(
        run[0].offset,
        run[-1].end,
        min(batch.first for batch in run),
        max(batch.last for batch in run),
        sum(batch.records for batch in run),
        tuple(run),
    )


def _joined(columns: list[Columns]) -> Columns:
    lengths, times = array("I"), array("d")
    for one in columns:
        lengths.extend(array("I", one.lengths))
        times.extend(one.times)
    low = b"".join(one.low for one in columns)
    high = b""
    if any(one.high for one in columns):
        high = b"".join(one.high or bytes(len(one.low)) for one in columns)
    return Columns(lengths, low, high, times)


def _starts(lengths: Sequence[int]) -> list[int]:
    return list(accumulate(lengths, initial=0))


def _ends(head: bytes, tail: bytes) -> int:
    return zlib.crc32(tail, zlib.crc32(head))


def _last_head(format: Format, text: bytes) -> int:
    """Where the last record in a text begins; 0 where no other one does."""
    if not format.many:
        cut = text.rfind(b"\n") + 1
        return cut if cut < len(text) or cut == 0 else text.rfind(b"\n", 0, cut - 1) + 1
    place = len(text)
    while (newline := text.rfind(b"\n", 0, place)) >= 0:
        if newline + 1 < len(text) and format.head.match(text, newline + 1):
            return newline + 1
        place = newline
    return 0


def _trusted_bytes(path: Path, log: Any) -> bytes:
    """A facts file on the log's file system, of the log's owner, root or this user. Raises `OSError`."""
    fd = platform.open_for_reading(path)
    try:
        status = os.fstat(fd)
        if status.st_dev != log.st_dev:
            raise OSError("on another file system")
        if hasattr(os, "geteuid") and status.st_uid not in (log.st_uid, 0, os.geteuid()):
            raise OSError("another user's")
        return platform.read_at(fd, status.st_size, 0)
    finally:
        os.close(fd)
