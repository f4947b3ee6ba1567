"""What tests of a program that logs through logboom need: an oracle, a clock, a sink, spools made by hand.

Owns: the delivery oracle and the public fakes.
Never knows: production wiring: the oracle looks at the written files alone, never at logboom's own state.

The oracle: a writer notes, in a file of its own that survives SIGKILL, each call that began and each
that returned. Its payload carries its name, a sequence number, a time and a hash. Afterwards `Oracle`
reads the whole rotated set (plain, gzip, Zstandard) and says what became of every record:

    oracle = Oracle(Path("app.log"), Path("notes"))
    writer = oracle.writer("web-1")            # one for each thread of each process
    writer.log(logging.getLogger("shop"))
    assert oracle.wait(5.0).ok, oracle.check()
"""

from __future__ import annotations

import logging
import mmap
import re
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom.journal import layout
from logboom.journal.target import Asked, Target
from logboom.logset.names import log_files
from logboom.logset.opening import OpenFile
from logboom.sinks.base import Batch, Outcome, Sink, Step

__all__ = ["FakeClock", "MemorySink", "Oracle", "Report", "SpoolFactory", "Writer", "log_files"]

_NOTE: Final = struct.Struct("=QQ")
_PAYLOAD: Final = re.compile(rb"~([\w.-]+):(\d+):(\d+):([^~:\n]*):([0-9a-f]{8})~")
_DROPPED: Final = re.compile(rb"(\d+) records? dropped|dropped (\d+) records?", re.IGNORECASE)
_EXAMPLES: Final = 5
_READINGS: Final = 20


class Writer:
    """One thread's side of the oracle: makes payloads and notes the calls that returned.

    Not thread-safe, and not to be used on both sides of a fork: a child takes a writer of its own.
    """

    def __init__(self, notes: Path, name: str) -> None:
        """Raises `FileExistsError` when the name was used before, `ValueError` when it has odd characters."""
        if not re.fullmatch(r"[\w.-]+", name):
            raise ValueError(f"writer name {name!r}: letters, digits, '_', '.' and '-' only")
        notes.mkdir(parents=True, exist_ok=True)
        with open(notes / f"{name}.note", "x+b") as file:
            file.write(bytes(_NOTE.size))
            file.flush()
            # One store a number: `struct.pack_into` clears the bytes first, and a kill can fall between.
            self._note = memoryview(mmap.mmap(file.fileno(), _NOTE.size)).cast("Q")
        self.name = name
        self.sequence = 0

    def payload(self, size: int = 0) -> str:
        """The next record's text, with `size` characters of filling; notes that its call begins."""
        text = f"{self.name}:{self.sequence}:{time.time_ns() // 1000}:{'x' * size}"
        self.sequence += 1
        self._note[0] = self.sequence
        return f"~{text}:{zlib.crc32(text.encode()):08x}~"

    def returned(self) -> None:
        """Note that the call with the last payload has returned: from now on it must be in the log."""
        self._note[1] = self.sequence

    def log(self, logger: logging.Logger, level: int = logging.INFO, size: int = 0) -> None:
        """One record through `logger`, noted."""
        logger.log(level, self.payload(size))
        self.returned()


@dataclass
class Report:
    """What became of every record.

    Attributes:
        noted: calls that returned.
        found: noted records that are in the log set at least once.
        missing: noted records that are not.
        duplicated: copies beyond the first.
        torn: lines that are neither one whole record nor one that `other` accepts.
        out_of_order: records that stand after a later one of their own writer.
        unnoted: records of calls that had begun and not returned; at most one for each killed thread.
        forged: records that no call began, or a second unnoted one of a thread.
        late: records that stand after one made more than the tolerance later, by anybody.
        dropped: records that the log itself says were dropped.
        files: files of the set.
        other: lines that are no records and that `other` accepted.
        waited: seconds that `Oracle.wait` took.
        lost: the missing records of each writer that misses some.
        examples: the first few of each trouble, for people.
    """

    noted: int = 0
    found: int = 0
    missing: int = 0
    duplicated: int = 0
    torn: int = 0
    out_of_order: int = 0
    unnoted: int = 0
    forged: int = 0
    late: int = 0
    dropped: int = 0
    files: int = 0
    other: int = 0
    waited: float = 0.0
    lost: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Each noted record exactly once, whole and in order; what is missing, the log owns up to."""
        troubles = self.duplicated + self.torn + self.out_of_order + self.forged
        return troubles == 0 and self.missing == self.dropped

    def note(self, trouble: str, example: str, count: int = 1) -> None:
        """Count `count` of the field `trouble`."""
        setattr(self, trouble, getattr(self, trouble) + count)
        examples = self.examples.setdefault(trouble, [])
        if len(examples) < _EXAMPLES:
            examples.append(example[:300])


@dataclass
class _Told:
    """One writer's notes, and what was seen of it."""

    name: str
    begun: int
    returned: int
    seen: bytearray
    last: int = -1


class Oracle:
    """Compares the notes of the writers with a log set.

    Args:
        log: the live file; rotated files stand beside it.
        notes: directory of the notes; on a disk that the test does not fill.
        prefix: what a line has before the payload, as a pattern; the default takes anything.
        other: says whether a line that is no record belongs in the log all the same; the default
            accepts the log's own statements of dropped records.
        tolerance: seconds by which a line may stand too late without being counted.
    """

    def __init__(
        self,
        log: Path,
        notes: Path,
        *,
        prefix: bytes = rb"[^~]*",
        other: Callable[[bytes], bool] | None = None,
        tolerance: float = 0.05,
    ) -> None:
        self.log = log
        self.notes = notes
        self._prefix = re.compile(prefix)
        self.other = other if other is not None else lambda line: _DROPPED.search(line) is not None
        self._tolerance = int(tolerance * 1e6)

    def writer(self, name: str) -> Writer:
        return Writer(self.notes, name)

    def noted(self) -> int:
        """How many calls have returned so far."""
        return sum(told.returned for told in self._told().values())

    def check(self) -> Report:
        """Read everything, now; again when a file was rotated meanwhile.

        Of a set that never held still in some twenty readings, the last one is returned (a file may be missed
        or read twice in it), or, when none came to its end, a report of which everything is missing.
        """
        report = None
        for _ in range(_READINGS):
            before = _standing(self.log)
            try:
                report = self._read()
            except FileNotFoundError:
                continue
            if _standing(self.log) == before:
                break
        return report if report is not None else self._nothing()

    def _read(self) -> Report:
        report = Report()
        told = self._told()
        newest = 0
        for path in log_files(self.log):
            report.files += 1
            for line in _lines(path):
                newest = self._take(line, path, told, newest, report)
        for one in told.values():
            _settle(one, report)
        return report

    def _nothing(self) -> Report:
        report = Report()
        for one in self._told().values():
            _settle(one, report)
        return report

    def wait(self, timeout: float) -> Report:
        """Check until all is in the log or `timeout` seconds have gone; the last report."""
        start = time.monotonic()
        pause = threading.Event()
        while True:
            report = self.check()
            report.waited = time.monotonic() - start
            if report.ok or report.waited > timeout:
                return report
            pause.wait(min(0.05 + report.waited / 10, 0.5))

    def _told(self) -> dict[bytes, _Told]:
        told = {}
        for path in self.notes.glob("*.note"):
            begun, returned = _NOTE.unpack(path.read_bytes().ljust(_NOTE.size, b"\0")[: _NOTE.size])
            told[path.stem.encode()] = _Told(path.stem, begun, returned, bytearray(begun))
        return told

    def _take(self, line: bytes, path: Path, told: dict[bytes, _Told], newest: int, report: Report) -> int:
        found = self._parse(line)
        if found is None:
            self._take_other(line, path, report)
            return newest
        writer, sequence, stamp = found
        one = told.get(writer)
        if one is None or sequence >= one.begun:
            report.note("forged", f"{path.name}: {writer.decode()}:{sequence}")
            return newest
        _see(one, sequence, path, report)
        if stamp < newest - self._tolerance:
            report.note("late", f"{path.name}: {one.name}:{sequence} by {(newest - stamp) / 1e6:.3f} s")
        return max(newest, stamp)

    def _parse(self, line: bytes) -> tuple[bytes, int, int] | None:
        """`(writer, sequence, time)` of a line that is exactly one whole record."""
        match = _PAYLOAD.search(line)
        if match is None or line.count(b"~") != 2 or line[match.end() :] not in (b"\n", b"\r\n"):
            return None
        if self._prefix.fullmatch(line, 0, match.start()) is None:
            return None
        if zlib.crc32(line[match.start() + 1 : match.start(5) - 1]) != int(match[5], 16):
            return None
        return match[1], int(match[2]), int(match[3])

    def _take_other(self, line: bytes, path: Path, report: Report) -> None:
        if not self.other(line):
            report.note("torn", f"{path.name}: {line[:200]!r}")
            return
        report.other += 1
        dropped = _DROPPED.search(line)
        if dropped is not None:
            report.dropped += int(dropped[1] or dropped[2])


def _see(one: _Told, sequence: int, path: Path, report: Report) -> None:
    one.seen[sequence] = min(one.seen[sequence] + 1, 255)
    if one.seen[sequence] > 1:
        report.note("duplicated", f"{path.name}: {one.name}:{sequence}")
    elif sequence < one.last:
        report.note("out_of_order", f"{path.name}: {one.name}:{sequence} after {one.last}")
    one.last = max(one.last, sequence)


def _settle(one: _Told, report: Report) -> None:
    report.noted += one.returned
    missing = one.seen.count(0, 0, one.returned)
    report.found += one.returned - missing
    if missing:
        report.lost[one.name] = missing
        report.note("missing", f"{one.name}:{one.seen.find(0)} and {missing - 1} more", missing)
    extra = len(one.seen) - one.returned - one.seen.count(0, one.returned)
    if extra:
        report.unnoted += 1
    if extra > 1:
        report.note("forged", f"{one.name}: {extra} records of calls that did not return", extra - 1)


def _standing(log: Path) -> list[tuple[Path, int, int]]:
    """Which files the set has: another list after a roll or a deletion, the same after an append."""
    standing = []
    for path in log_files(log):
        try:
            info = path.stat()
        except FileNotFoundError:
            continue
        standing.append((path, info.st_ino, 0 if path == log else info.st_mtime_ns))
    return standing


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a file of the set, whatever its compression."""
    file = OpenFile(path)
    try:
        left = b""
        for start, length in file.spans():
            lines = (left + file.read(start, length)).splitlines(keepends=True)
            left = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
            yield from lines
        if left:
            yield left
    finally:
        file.close()


class FakeClock:
    """A `Clock` that stands still until it is told."""

    def __init__(self, wall: float = 1_800_000_000.0, monotonic: float = 1000.0) -> None:
        self._wall = wall
        self._monotonic = monotonic

    def wall(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self._wall += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Step the wall clock alone, in either direction."""
        self._wall += seconds


class MemorySink(Sink):
    """A `Sink` that keeps its lines in `lines`; each batch is one step."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.steps: list[Step] = []
        self.synced = 0
        self.closed = False

    def plan(self, batch: Batch, now: float) -> Step:
        details = {"before": len(self.lines)}
        return Step(kind="append", count=len(batch.lines), data=b"".join(batch.lines), details=details)

    def apply(self, step: Step) -> Outcome:
        self.steps.append(step)
        del self.lines[step.details["before"] :]
        self.lines += step.data.splitlines(keepends=True)
        return Outcome()

    def recover(self, step: Step) -> Outcome:
        return self.apply(step)

    def sync(self) -> None:
        self.synced = len(self.lines)

    def status(self) -> dict[str, Any]:
        return {"path": ":memory:", "size": sum(map(len, self.lines)), "rotations": 0}

    def close(self) -> None:
        self.closed = True


class SpoolFactory:
    """Segments written by hand into `path/journal`, byte for byte as the format says.

    Each is of a producer that is gone: nobody holds its lock.
    """

    def __init__(self, path: Path, *sinks: Asked | None) -> None:
        """Records are for `sinks`; for the file `app.log` beside the spool when none is given."""
        self.path = path
        asked = [sink for sink in sinks if sink is not None]
        self.target: Asked = asked[0] if asked else Target(name="app.log")
        self.more = tuple(asked[1:])
        self.context = layout.Context(context=1, renderer="message", columns=("text",))
        (path / "journal").mkdir(parents=True, exist_ok=True)

    def header(self, producer: str, number: int = 1, *, mapped: bool = True) -> layout.Header:
        return layout.Header(
            logboom=layout.format_for(self.target, *self.more),
            producer=producer,
            segment=number,
            pid=1,
            host="testing",
            program="testing",
            created=1_800_000_000.0,
            mapped=mapped,
            target=self.target,
            more=self.more,
        )

    def record(self, text: str, created: float = 1_800_000_000.0) -> bytes:
        """One record line in the factory's context."""
        return msgspec.json.encode([created, 1, logging.INFO, "testing", text]) + b"\n"

    def content(self, header: layout.Header, texts: Sequence[str], *, ended: bool = False) -> bytes:
        """The committed bytes of a segment."""
        head = layout.encode_line(header) + layout.encode_line(self.context)
        return head + b"".join(map(self.record, texts)) + (layout.END if ended else b"")

    def segment(
        self, producer: str, texts: Sequence[str], number: int = 1, *, size: int = 65536, ended: bool = False
    ) -> Path:
        """A mapped segment of `size` bytes with one record for each of `texts`."""
        data = self.content(self.header(producer, number), texts, ended=ended)
        path = self.path / "journal" / layout.segment_name(producer, number)
        path.write_bytes(data.ljust(size, b"\0"))
        return path
