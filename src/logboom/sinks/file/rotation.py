"""Rotation and retention as decisions: roll now? under which names? what goes?

Owns: the schedule, the names of archives and the order among them, what is deleted and compressed.
Never knows: operations on files of the set. Everything here takes sizes, times, names and inode numbers;
only the data of time zones is read.

An *archive* is a rotated file. By size alone they are numbered as the standard library does
(`app.log.1` is the newest; `app.log.0.2`, `app.log.0.1` are newer still and wait for their number, while
another program holds `app.log.1`). With a timed rotation they bear the start of their period
(`app.log.2026-11-22`), and what rolls again within the period gets `.1`, `.2`: there the highest
number is the newest. Either may have the suffix of a compression.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import struct
import zoneinfo
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import accumulate, count, takewhile
from typing import Final, NamedTuple

from logboom.journal.names import Names, parse_names, text_of
from logboom.journal.target import Rotation, Target

__all__ = [
    "SUFFIXES",
    "Archive",
    "Belief",
    "Move",
    "Schedule",
    "SteadyTime",
    "archives_of",
    "chain",
    "compressible",
    "expired",
    "fitting",
    "keeps_none",
    "names_of",
    "ours",
    "rotates",
    "schedule_of",
    "settled",
    "size_limit",
    "surplus",
    "twins",
    "waiting_name",
]

SUFFIXES: Final = {"gzip": ".gz", "zstd": ".zst"}
_SAME: Final = 60.0
_EARLIEST: Final = -30_000_000_000
_NEVER: Final = datetime(9999, 12, 31)
_LOCALTIME: Final = "/etc/localtime"
_SECONDS: Final = {"S": 1, "M": 60, "H": 3600, "D": 86400}
_STAMPS: Final = {"S": "%Y-%m-%d_%H-%M-%S", "M": "%Y-%m-%d_%H-%M", "H": "%Y-%m-%d_%H"}
_DAY_STAMP: Final = "%Y-%m-%d"


class Archive(NamedTuple):
    """A rotated file of the set.

    Attributes:
        name: its present name.
        inode: the number that stays when it is renamed.
        size: bytes on the disk.
        modified: wall time of its last change.
        stamp: the period in its name; empty for a numbered one.
        number: the number in its name; 0 when there is none, below 0 while it waits for one.
        suffix: `.gz`, `.zst` or empty.
    """

    name: str
    inode: int
    size: int
    modified: float
    stamp: str
    number: int
    suffix: str


class Move(NamedTuple):
    """A file that gets another name."""

    inode: int
    source: str
    target: str


def size_limit(rotation: Rotation) -> int:
    """The size at which a live file is rolled; 0 for never. Without backups to keep, size never rolls."""
    return 0 if keeps_none(rotation) else max(rotation.max_bytes, 0)


def keeps_none(rotation: Rotation) -> bool:
    """Whether a rolled file would have no name: a rotation by size without backups."""
    return rotation.when is None and rotation.backup_count <= 0 and not rotation.keep_all


def rotates(rotation: Rotation) -> bool:
    """Whether the set ever rolls by itself: if not, what lies beside the live file is somebody else's."""
    return rotation.when is not None or size_limit(rotation) > 0


def fitting(
    lines: Sequence[bytes],
    keys: Sequence[float],
    size: int,
    *,
    limit: int,
    rollover_at: float | None,
    empty: bool,
) -> int:
    """How many leading lines go to a live file of `size` bytes; 0 says that it must be rolled first.

    Args:
        lines, keys: the batch; keys never fall.
        size: bytes before the first line.
        limit: from `size_limit`; the file stays below it.
        rollover_at: wall time from which on lines belong to the next file.
        empty: nobody's line is in the file yet: it is not rolled, whatever its first line.
    """
    take = len(lines) if rollover_at is None else max(bisect_left(keys, rollover_at), int(empty))
    if limit <= 0 or take == 0:
        return take
    # Stops at the first line that does not fit: a long batch for small files is measured once, not squared.
    below = takewhile((limit - size).__gt__, accumulate(map(len, lines)))
    take = min(take, len(list(below)))
    return max(take, 1) if empty else take


class Schedule:
    """When a timed rotation is due, and what the period is called: the standard library's rules.

    A day has one rollover, however its clock is changed: at the first moment that shows `atTime` or has
    been passed over. What cannot be reckoned (a period of a million years) never ends.
    """

    def __init__(self, rotation: Rotation) -> None:
        """Raises `ValueError` when `rotation.when` is None or unknown."""
        when = (rotation.when or "").upper()
        self._weekday = int(when[1]) if re.fullmatch("W[0-6]", when) else None
        if not (when == "MIDNIGHT" or self._weekday is not None or when in _SECONDS):
            raise ValueError(f"when={rotation.when!r}")
        self._interval = max(rotation.interval, 1)
        self._unit = _SECONDS.get(when, 0)
        self._days = 1 if self._weekday is None else 7
        self._at = timedelta(seconds=(rotation.at_time or 0) % 86400)
        if self._weekday is not None and rotation.at_time is None:
            # Without a time it is the end of the weekday; a time, also midnight, is on the weekday itself.
            self._weekday = (self._weekday + 1) % 7
        self._zone = _zone(rotation.utc, rotation.zone)
        self._format = _STAMPS.get(when, _DAY_STAMP)

    def rollover_at(self, start: float) -> float:
        """Wall time at which a file that began at `start` is full: always after it."""
        if self._unit:
            end = float(int(start) + self._unit * self._interval)
            return end if end > start else math.inf
        try:
            first = self._first_end(start)
            later = self._days * (self._interval - 1)
            return self._moment(first + timedelta(days=later)) if later else self._moment(first)
        except (ValueError, OverflowError, OSError):
            return math.inf

    def is_ahead(self, start: float, key: float) -> bool:
        """Whether the clock was ahead when a file began, at `start`: its next line has `key`.

        A line that comes late, behind the first ones of the next period, says nothing of that kind.
        """
        return start > key + _SAME and start >= self.rollover_at(self.rollover_at(key))

    def stamp(self, start: float, date: str = "") -> str:
        """The name of the period of a file that began at `start`; `date` is a pattern of another form."""
        try:
            begun = self._local(start) if self._unit else self._first_end(start) - timedelta(days=self._days)
        except (ValueError, OverflowError, OSError):
            begun = _NEVER
        return text_of(date or self._format, begun)

    def moment(self, shown: datetime, modified: float) -> float:
        """When a period began at which the clock showed this; an hour that came twice is told by the file.

        Args:
            modified: wall time of the file's last change.

        Raises:
            ValueError: that is no time.
        """
        try:
            first, second = (self._moment(shown.replace(fold=fold)) for fold in (0, 1))
        except (OverflowError, OSError) as error:
            raise ValueError(shown) from error
        return second if first < second <= modified else first

    def _first_end(self, start: float) -> datetime:
        """What the clock shows at the first rollover after `start`."""
        begun = self._local(start)
        # Where clocks are set back over midnight, or forward, that day may have begun or ended already.
        end = begun.replace(hour=0, minute=0, second=0, tzinfo=None, fold=0) + self._at - timedelta(days=2)
        if self._weekday is not None:
            end -= timedelta(days=(end.weekday() - self._weekday) % 7)
        while self._moment(end) <= start:
            end += timedelta(days=self._days)
        return end

    def _local(self, moment: float) -> datetime:
        """What the clock shows, from the year 1000 on: earlier ones have no four digits."""
        # Without a zone, fromtimestamp gives what the machine's clock shows.
        return datetime.fromtimestamp(max(int(moment), _EARLIEST), self._zone)

    def _moment(self, shown: datetime) -> float:
        return shown.replace(tzinfo=self._zone).timestamp()


def _zone(utc: bool, name: str) -> tzinfo | None:
    """Of a producer whose `TZ` was `name`; None is the zone that this process shows."""
    if utc:
        return UTC
    name = name.removeprefix(":")
    for find in (zoneinfo.ZoneInfo, _zone_of_rules) if name else (_zone_of_machine,):
        with contextlib.suppress(Exception):  # a TZ may say anything, and its zone is anybody's file
            zone = find(name)
            datetime.fromtimestamp(0, zone)
            return zone
    return None


def _zone_of_rules(rules: str) -> tzinfo:
    """A zone in POSIX notation, `JST-9` or `CET-1CEST,M3.5.0,M10.5.0/3`: data without a table."""
    part = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"
    return zoneinfo.ZoneInfo.from_file(io.BytesIO(part * 2 + b"\n" + rules.encode("ascii") + b"\n"))


def _zone_of_machine(_: str) -> tzinfo | None:
    """Also where this process has a `TZ` of its own, which is not the one of the producer."""
    if "TZ" not in os.environ:
        return None
    with open(_LOCALTIME, "rb") as data:
        return zoneinfo.ZoneInfo.from_file(data)


def names_of(target: Target) -> Names:
    """What a target's backups are called: the standard library's names, where a template cannot be read."""
    timed = target.rotation.when is not None
    try:
        return parse_names(target.rotation.names, target.name, timed=timed)
    except ValueError:
        return parse_names("", target.name, timed=timed)


def archives_of(names: Names, files: Iterable[tuple[str, int, int, float]]) -> list[Archive]:
    """The archives among `(name, inode, size, modified)`, the newest first.

    Only a name that the set itself would give counts: never `app.log.bak`, `app.log.01`, `app.log.1.old`.
    """
    found = []
    for name, inode, size, modified in files:
        said = names.find(name) if name.startswith(names.head) else None
        if said is not None:
            found.append(Archive(name, inode, size, modified, *said))
    if names.timed:
        return sorted(found, key=lambda one: (one.stamp, one.number, one.suffix), reverse=True)
    return sorted(found, key=lambda one: (one.number, one.suffix))


def ours(archives: Sequence[Archive], rotation: Rotation, *, names: Names, holding: bool) -> list[Archive]:
    """The archives to which the set gave their numbers; `app.log.20261122` is somebody's own copy.

    Args:
        archives: from `archives_of`, with these `names`.
        holding: files can be held here, so that archives wait for their numbers.
    """
    if rotation.when is not None:
        schedule = schedule_of(rotation)
        return list(archives) if schedule is None else _in_time(archives, schedule, names)
    numbers = {one.number for one in archives}
    unbroken = next(number for number in count(1) if number not in numbers) - 1
    last = max(rotation.backup_count, unbroken)
    waiting = holding and not keeps_none(rotation)
    return [one for one in archives if one.number <= last and (waiting or one.number > 0)]


def _in_time(archives: Sequence[Archive], schedule: Schedule, names: Names) -> list[Archive]:
    """The newest first, also those of an hour that came twice; without those whose name is of no period."""
    began = {}
    for one in archives:
        with contextlib.suppress(ValueError):
            began[one] = schedule.moment(names.began(one.stamp), one.modified)
    return sorted(began, key=lambda one: began[one], reverse=True)


def chain(live: str, names: Names, inode: int, archives: Sequence[Archive], stamp: str | None) -> list[Move]:
    """The renames of one rollover, in the order in which they are made: no name is ever taken twice.

    Args:
        live, inode: the live file.
        names: what its backups are called.
        archives: all of the set, the newest first.
        stamp: the period of the live file in a timed rotation; None numbers the archives.
    """
    if stamp is not None:
        taken = [one.number for one in archives if one.stamp == stamp]
        return [Move(inode, live, names.dated(stamp, max(taken) + 1 if taken else 0))]
    return [*_shifted(names, archives, 1), Move(inode, live, names.numbered(1))]


def twins(archives: Sequence[Archive]) -> tuple[list[Archive], list[Move]]:
    """The archives without the second names that unfinished moves left, and the moves that finish those.

    Of two names the later one in the chain is kept: the one that the file was on its way to.
    """
    last = {one.inode: one for one in archives}
    kept = [one for one in archives if last[one.inode] is one]
    return kept, [
        Move(one.inode, one.name, last[one.inode].name) for one in archives if last[one.inode] is not one
    ]


def settled(names: Names, archives: Sequence[Archive]) -> list[Move]:
    """The renames after which no archive waits for its number; the live file stays."""
    return _shifted(names, archives, 0)


def _shifted(names: Names, archives: Sequence[Archive], last: int) -> list[Move]:
    """The renames that leave the numbers up to `last` free, the oldest archive first."""
    by_number: dict[int, list[Archive]] = {}
    for one in archives:
        by_number.setdefault(one.number, []).append(one)
    moves: list[Move] = []
    for number in sorted(by_number):
        if number > last:
            break
        last += 1
        if number != last:
            moves[:0] = [
                Move(one.inode, one.name, names.numbered(last, one.suffix)) for one in by_number[number]
            ]
    return moves


def waiting_name(names: Names, archives: Sequence[Archive]) -> str:
    """A name for the newest archive while numbered ones cannot be renamed."""
    return names.numbered(f"0.{max(0, *(-one.number for one in archives), 0) + 1}")


def surplus(archives: Sequence[Archive], moves: Sequence[Move], backup_count: int) -> list[tuple[int, str]]:
    """`(inode, name)` of what is beyond `backup_count` files once `moves` are made, the oldest last."""
    if backup_count <= 0:
        return []
    named = {move.inode: move.target for move in moves}
    keep = max(backup_count - 1, 0)
    return [(one.inode, named.get(one.inode, one.name)) for one in archives[keep:]]


def expired(
    archives: Sequence[Archive],
    now: float,
    *,
    backup_count: int,
    max_age: float | None,
    max_total_size: int | None,
) -> list[Archive]:
    """The archives that retention deletes.

    Args:
        archives: the newest first.
        now: wall time, from `SteadyTime`.
        backup_count: how many files stay; 0 for all.
        max_age: seconds; an archive is never older than the one before it, so that a clock which
            stood wrong while it was written does not make it old.
        max_total_size: bytes that the archives may have together.
    """
    keep = len(archives) if backup_count <= 0 else min(backup_count, len(archives))
    if max_total_size is not None:
        totals = list(accumulate(one.size for one in archives[:keep]))
        keep = sum(total <= max_total_size for total in totals)
    if max_age is not None:
        ages = accumulate((one.modified for one in reversed(archives)), max)
        old = sum(now - modified > max_age for modified in ages)
        keep = min(keep, len(archives) - old)
    return list(archives[keep:])


def compressible(archives: Sequence[Archive], refused: Iterable[int] = ()) -> Archive | None:
    """The next archive to compress, the oldest first; the newest stays plain. `refused` are inodes."""
    skip = set(refused)
    return next((one for one in reversed(archives[1:]) if not one.suffix and one.inode not in skip), None)


class Belief(NamedTuple):
    """What is known of the wall clock. All but `since` are wall time minus monotonic time.

    Attributes:
        trusted: has lasted; None while nothing has.
        seen: the lowest that was seen since, further ahead than the trusted one; None for none.
        since: monotonic time at which that was seen first.
    """

    trusted: float | None = None
    seen: float | None = None
    since: float = 0.0


class SteadyTime:
    """Wall time that does not believe a clock ahead of what is known before that has lasted.

    A clock that stands a day ahead for a minute must not make retention delete a day's files, also
    where the first one who looks at it is a program of that minute.

    Attributes:
        belief: what to begin with the next time.
    """

    def __init__(self, patience: float = 3600.0, belief: Belief = Belief()) -> None:  # noqa: B008
        """`patience`: seconds (monotonic) after which a clock counts as the truth."""
        self._patience = patience
        self.belief = belief

    def now(self, wall: float, monotonic: float) -> float:
        """Wall time to judge ages by: never later than the true one, as far as can be known."""
        offset = wall - monotonic
        self.belief = self._learnt(offset, monotonic)
        trusted = self.belief.trusted
        if trusted is None:
            return -math.inf
        return wall if trusted == offset else monotonic + trusted

    def _learnt(self, offset: float, monotonic: float) -> Belief:
        trusted, seen, since = self.belief
        if seen is not None and offset > seen - _SAME and monotonic >= since:
            seen = min(seen, offset)
            if monotonic - since >= self._patience:
                trusted, seen = seen, None
        else:
            seen = None
        if trusted is not None and offset <= trusted + _SAME:
            return Belief(offset)
        return Belief(trusted, offset, monotonic) if seen is None else Belief(trusted, seen, since)


@lru_cache(maxsize=64)
def schedule_of(rotation: Rotation) -> Schedule | None:
    """The schedule of a rotation, or None when it has none that can be kept."""
    try:
        return Schedule(rotation) if rotation.when else None
    except ValueError:
        return None
