"""The journals of one spool: every stream is read here, and its segments are freed when they are delivered.

Reading changes nothing: a stream that is met for the first time is reported (`met`), and read once it is
admitted.

A journal where something came is looked at in each poll. One where nothing came is looked at less
and less often, up to a quarter of a second, or two seconds where there are a thousand; but while others
are busy, often enough that its records are not late for the merge.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from logboom import platform
from logboom.journal.layout import pack_position, unpack_position
from logboom.journal.reader import Chunk, JournalReader
from logboom.platform.clock import Clock
from logboom.spool.directory import Spool

__all__ = ["JournalsSource"]

_SHORTEST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.25
_PAUSE_A_JOURNAL: Final = 150e-6  # while some are busy, 2% of the time goes into looking at idle ones
_IDLE_PAUSE_A_JOURNAL: Final = 3e-3  # and while none is, less than 1%
_LONGEST_PAUSE_OF_MANY: Final = 2.0
_LIVENESS_PAUSE: Final = 1.0
_LONGEST_LIVENESS_PAUSE: Final = 3.0
_DISCOVER_EVERY: Final = 0.005  # a quarter of what a record is held back at least
_SMALLEST_SHARE: Final = 4 * 1024
_BLOCK: Final = 1024 * 1024
_REST: Final = 5.0  # a late writer of a dead journal has this long


class _Journal:
    """What the source remembers of one stream.

    Attributes:
        reader: the stream.
        pause: seconds until an idle stream is looked at again.
        looked, checked: monotonic times: last read, last look whether its writer lives.
        admitted: it may be read.
        ignored: it is another collector's.
        shared: it is another collector's as well.
        retired: monotonic time at which it was set aside, or None.
        confirmed: it was read again `_REST` after that, and nothing came.
        late: something came while it was set aside.
        erased: packed position before which no record is in its segment any more.
    """

    __slots__ = (
        "admitted",
        "checked",
        "confirmed",
        "erased",
        "ignored",
        "late",
        "looked",
        "pause",
        "reader",
        "retired",
        "shared",
    )

    def __init__(self, reader: JournalReader, now: float) -> None:
        self.reader = reader
        self.admitted = self.ignored = self.shared = False
        self.pause = 0.0
        self.looked = now
        self.checked = now
        self.retired: float | None = None
        self.confirmed = self.late = False
        self.erased = 0

    def is_due(self, now: float, longest: float) -> bool:
        if self.ignored:
            return False
        if self.retired is not None:
            return not self.confirmed and now >= self.retired + _REST
        return now >= self.looked + min(self.pause, longest)


class JournalsSource:
    """Every producer's stream in a spool.

    Attributes:
        readers: by producer.
        met: streams that the last `poll` would have read if they were admitted; their headers are known.
        errors: producer -> why its stream could not be read when it was last tried.
        listed: wall time at which it was last looked which streams there are.
    """

    def __init__(self, spool: Spool, positions: Mapping[str, int], clock: Clock) -> None:
        """Nothing is read yet.

        Args:
            spool: the directory.
            positions: for each producer, the packed position to go on from.
            clock: decides when a journal is looked at.
        """
        self.readers: dict[str, JournalReader] = {}
        self.met: list[JournalReader] = []
        self.errors: dict[str, OSError] = {}
        self._unread_since: dict[str, float] = {}
        self.listed = float("-inf")
        self._spool = spool
        self._positions = dict(positions)
        self._clock = clock
        self._journals: dict[str, _Journal] = {}
        self._busy = 1
        self._longest_line = math.inf
        self._left = 0  # of the budget of this poll
        self._longest = _LONGEST_PAUSE
        self._listing: dict[str, list[int]] = {}
        self._discovered_at = float("-inf")

    def poll(
        self, budget: int, *, thorough: bool = False, skip: Collection[str] = (), memory: float = math.inf
    ) -> list[tuple[JournalReader, Chunk]]:
        """Read what is new: each record once, in the order of its stream.

        Args:
            budget: about how many bytes at most, shared by the streams.
            thorough: look everywhere now, also where nothing came for a while.
            skip: streams to pass over this time.
            memory: bytes that all streams may keep in memory; each has its part of it for one record, of
                which the columns stay on the disk where they are longer (`lines.Stored`).

        One stream's trouble is in `errors`, and it is tried again.

        Raises:
            OSError: the place as a whole cannot be looked at.
        """
        self.met = []
        now = self._clock.monotonic()
        if thorough or now >= self._discovered_at + _DISCOVER_EVERY:
            self._discover(now, thorough)
        share, self._left = budget // self._busy, budget
        self._longest_line = max(memory / max(1, len(self._journals)), _SMALLEST_SHARE)
        busy = set(skip)
        idle = min(_IDLE_PAUSE_A_JOURNAL * len(self._journals), _LONGEST_PAUSE_OF_MANY)
        self._longest = max(_LONGEST_PAUSE, idle)
        found = self._round(now, share, busy, longest=0.0 if thorough else self._longest, check=thorough)
        if len(busy) > len(skip) and not thorough:
            often = max(_SHORTEST_PAUSE, _PAUSE_A_JOURNAL * len(self._journals))
            found += self._round(now, share, busy, longest=often, check=False)
        self._busy = max(1, len(busy) - len(skip))
        return found

    def admit(self, name: str, *, shared: bool = False) -> None:
        """Read this stream from now on.

        Args:
            shared: another collector delivers it as well, so `reclaim` frees nothing before it is told.
        """
        journal = self._journals[name]
        journal.shared = shared
        journal.admitted, journal.pause, journal.reader.exhausted = True, 0.0, False

    def ignore(self, name: str) -> None:
        """Leave this stream to other collectors: it is never read here, and none of `readers`."""
        self.readers.pop(name, None)
        self._journals[name].ignored = True
        self._positions.pop(name, None)

    @property
    def idle_pause(self) -> float:
        """Seconds that a look for idle journals may be put off: it costs, where there are many."""
        return self._longest / 4

    def unfinished(self) -> list[str]:
        """Producers with more to read than the last poll's budget allowed."""
        return [
            name for name, reader in self.readers.items() if not reader.exhausted and name not in self.errors
        ]

    def unreadable(self, seconds: float) -> list[str]:
        """Streams that could not be read for so long: there is no use in waiting for them."""
        now = self._clock.monotonic()
        return [name for name, since in self._unread_since.items() if now >= since + seconds]

    def headless(self) -> list[str]:
        """Streams whose writer is gone, that hold something, and of which no header can be read."""
        unknown = [reader for reader in self.readers.values() if reader.header is None and not reader.gone]
        names = [reader.producer for reader in unknown if not reader.newer]
        return [name for name in names if name not in self.errors and self._is_headless(name)]

    def set_aside(self, name: str) -> bool:
        """Keep a headless stream in `damaged/`, and forget it; False when it could not be moved."""
        moved = [self._spool.set_aside(name, number) for number in self._spool.numbers(name)]
        if all(moved):
            del self._journals[name], self.readers[name]
            self._positions.pop(name, None)
        return all(moved)

    def _is_headless(self, name: str) -> bool:
        try:
            self.readers[name].peek()
            if self.readers[name].header is not None or self.readers[name].newer:
                return False
            segments = [self._spool.open_segment(name, number) for number in self._spool.numbers(name)[-1:]]
            return any(self._spool.owner_gone(fd) and _holds_bytes(fd) for fd in segments)
        except OSError:
            return False

    def reclaim(self, delivered: Mapping[str, int], now_mono: float) -> list[str]:
        """Free what is delivered.

        Args:
            delivered: for each stream, everything before this packed position is durable in every sink.
            now_mono: monotonic time in seconds.

        Returns:
            Streams that are finished and gone: their positions may be forgotten.
        """
        finished = self._vanished(now_mono)
        if not os.path.isdir(self._spool.journal_path):
            return []  # moved away: it may come back with everything in it
        for name in finished:
            del self._positions[name]
        for name, journal in list(self._journals.items()):
            numbers = self._listing.get(name, ())
            if journal.ignored:
                if not numbers:
                    del self._journals[name]
                continue
            if len(numbers) < 2 and not journal.reader.gone:
                continue
            done = self._delivered(name, delivered)
            self._free_passed(journal.reader, numbers, done)
            if journal.reader.gone and done >= journal.reader.last and self._bury(name, journal, now_mono):
                finished.append(name)
        return finished

    def reclaimable(self, delivered: Mapping[str, int]) -> bool:
        """Whether `reclaim` would delete something now: the moment to make the outputs durable first."""
        for name, journal in self._journals.items():
            reader, done = journal.reader, self._delivered(name, delivered)
            if any(done >= last for last in reader.passed.values()):
                return True
            if journal.confirmed and reader.gone and done >= reader.last:
                return True
        return False

    def burying(self) -> bool:
        """Return True while dead streams that are delivered are still to be removed."""
        return any(journal.retired is not None for journal in self._journals.values())

    def erase(self, delivered: Mapping[str, int]) -> None:
        """Take delivered records out of segments that are still written to; others are removed whole."""
        for name, journal in self._journals.items():
            position = self._delivered(name, delivered)
            number, offset = unpack_position(position)
            dead = journal.reader.gone or journal.retired is not None
            if dead or number != journal.reader.segment or position <= journal.erased:
                continue
            with contextlib.suppress(OSError):
                self._spool.erase(name, number, offset)
                journal.erased = position

    def give_modes(self, key: str) -> None:
        """Give the segments of a target the permission bits that its log has now."""
        for name, reader in self.readers.items():
            sinks = () if reader.header is None else reader.header.sinks
            if any(asked.key == key for asked in sinks):
                mode = self._spool.segment_mode(*sinks)
                for number in self._listing.get(name, ()):
                    self._spool.give_mode(name, number, mode)

    def close(self) -> None:
        """Give all descriptors back."""
        self._spool.close()

    def _vanished(self, now: float) -> list[str]:
        """Streams without a segment; a new look at the directory is made when there seem to be any."""
        if self._positions.keys() - self._journals.keys():
            self._discover(now, thorough=False)
        return [name for name in self._positions if name not in self._journals]

    def _delivered(self, name: str, delivered: Mapping[str, int]) -> int:
        journal = self._journals.get(name)
        if journal is not None and journal.shared:
            return delivered.get(name, 0)
        return max(delivered.get(name, 0), self._positions.get(name, 0))

    def _discover(self, now: float, thorough: bool) -> None:
        self._discovered_at, self.listed = now, self._clock.wall()
        # Whoever waits for a thorough look is not told what a directory's time seems to say.
        listing = self._spool.segments() if thorough else self._spool.listing()
        if listing is self._listing:
            return
        self._listing = listing
        for producer, numbers in listing.items():
            journal = self._journals.get(producer)
            if journal is None:
                reader = JournalReader(self._spool, producer, self._positions.get(producer, 0))
                self._journals[producer] = _Journal(reader, now)
                self.readers[producer] = reader
            elif numbers[-1] > journal.reader.segment and journal.retired is not None:
                journal.retired = None  # a closed writer went on
                journal.pause = 0.0

    def _round(
        self, now: float, share: int, busy: set[str], *, longest: float, check: bool
    ) -> list[tuple[JournalReader, Chunk]]:
        """Look at every journal that is due and was not found busy in this poll."""
        found: list[tuple[JournalReader, Chunk]] = []
        for name, journal in list(self._journals.items()):
            if name in busy or not journal.is_due(now, longest):
                continue
            chunks = self._read(name, journal, now, share, check)
            if chunks or not journal.reader.exhausted:
                busy.add(name)
            found += ((journal.reader, chunk) for chunk in chunks)
        return found

    def _read(self, name: str, journal: _Journal, now: float, share: int, check: bool) -> list[Chunk]:
        reader = journal.reader
        seldom = min(max(_LIVENESS_PAUSE, 2 * self._longest), _LONGEST_LIVENESS_PAUSE)
        check = check or journal.retired is not None or now >= journal.checked + seldom
        journal.looked = now
        try:
            chunks: list[Chunk] = []
            if self._may_read(journal, check):
                size = max(min(share, self._left), _SMALLEST_SHARE)
                chunks = reader.read(size, liveness=check, longest=self._longest_line)
            if self.errors.pop(name, None) is not None:
                del self._unread_since[name]
        except OSError as error:
            self.errors[name] = error
            self._unread_since.setdefault(name, now)
            journal.pause = _LONGEST_PAUSE
            return []
        self._left -= sum(chunk.size for chunk in chunks)
        if check:
            journal.checked = now
        self._settle(journal, bool(chunks) or not reader.exhausted)
        return chunks

    def _may_read(self, journal: _Journal, check: bool) -> bool:
        reader = journal.reader
        if journal.admitted:
            return True
        if reader.header is None and not reader.peek():
            if check and self._is_empty(reader):
                return True  # to be left, and removed
            reader.exhausted = True
        elif reader.header is None:
            reader.exhausted = True  # destroyed
        else:
            self.met.append(reader)
        return False

    def _is_empty(self, reader: JournalReader) -> bool:
        """True for what a power loss leaves of a segment whose writer is gone: zeros, or nothing at all."""
        try:
            fd = self._spool.open_segment(reader.producer, reader.segment)
        except FileNotFoundError:
            return False
        return self._spool.owner_gone(fd) and not _holds_bytes(fd)

    def _settle(self, journal: _Journal, active: bool) -> None:
        """How soon to look again."""
        if journal.retired is not None:
            journal.confirmed = journal.reader.gone and not active
            if not journal.confirmed:
                journal.retired = None
                journal.late = True
        if active:
            journal.pause = 0.0
        else:
            journal.pause = min(self._longest, max(_SHORTEST_PAUSE, journal.pause * 2))

    def _free_passed(self, reader: JournalReader, numbers: Sequence[int], done: int) -> None:
        for number in numbers:
            # What this collector never entered was delivered by an earlier one; by the others, `done` says.
            before = pack_position(number + 1, 0) if self._journals[reader.producer].shared else 0
            last = before if number < reader.began else reader.passed.get(number)
            passed = last is not None and done >= last and number != reader.segment
            if passed and self._spool.remove(reader.producer, number):
                reader.passed.pop(number, None)

    def _bury(self, name: str, journal: _Journal, now: float) -> bool:
        """A dead stream that is delivered: set it aside, read it once more later, then remove it.

        The file's own time says when that was done: most collectors of short jobs do not live for `_REST`.
        """
        reader = journal.reader
        if journal.retired is None:
            since = self._spool.retire(name, reader.segment)
            if since is None or journal.late:
                journal.retired, journal.late = now, False
            else:  # a clock that was set back makes it one of the future
                journal.retired = now - abs(self._clock.wall() - since)
            journal.confirmed = journal.looked >= journal.retired + _REST
        if not journal.confirmed:
            return False
        numbers = {reader.segment, *self._listing.get(name, ())}
        if not all(self._spool.remove(name, number) for number in numbers):
            return False
        del self._journals[name], self.readers[name]
        self._positions.pop(name, None)
        return True


def _holds_bytes(fd: int) -> bool:
    """Whether not all of it is zero, as a power loss leaves what was allocated."""
    offset = 0
    while (place := platform.next_data(fd, offset)) is not None:
        block = platform.read_at(fd, _BLOCK, place)
        if not block or block.strip(b"\0"):
            return bool(block)
        offset = place + len(block)
    return False
