"""Rotation's decisions as tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from datetime import time as datetime_time
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import msgspec
import pytest

import logboom
from logboom.journal.names import parse_names
from logboom.journal.target import Rotation
from logboom.sinks.file.rotation import (
    Archive,
    Belief,
    Move,
    Schedule,
    SteadyTime,
    archives_of,
    chain,
    compressible,
    expired,
    fitting,
    ours,
    rotates,
    schedule_of,
    size_limit,
    surplus,
)

SIZED, TIMED = (parse_names("", "a.log", timed=timed) for timed in (False, True))


def moment(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def archive(name: str, inode: int = 0, size: int = 10, modified: float = 0.0) -> Archive:
    found = archives_of("a.log", [(name, inode, size, modified)], timed="-" in name)
    assert found, name
    return found[0]


@pytest.mark.parametrize(
    ("rotation", "limit"),
    [
        (Rotation(), 0),
        (Rotation(max_bytes=100), 0),
        (Rotation(backup_count=3), 0),
        (Rotation(max_bytes=100, backup_count=3), 100),
        (Rotation(max_bytes=100, when="D"), 100),
        (Rotation(max_bytes=-1, backup_count=3), 0),
    ],
)
def test_size_limit(rotation: Rotation, limit: int) -> None:
    """Without a backup to keep, the standard library lets the file grow; so do we."""
    assert size_limit(rotation) == limit


@pytest.mark.parametrize(
    ("lengths", "size", "limit", "take"),
    [
        ([10, 10, 10], 0, 0, 3),
        ([10, 10, 10], 5, 36, 3),
        ([10, 10, 10], 5, 35, 2),
        ([10, 10, 10], 25, 35, 0),
        ([10, 10, 10], 90, 35, 0),
        ([500, 10], 0, 35, 1),
        ([500], 1, 35, 0),
        ([0, 0], 0, 35, 2),
    ],
)
def test_fitting_by_size(lengths: list[int], size: int, limit: int, take: int) -> None:
    """A file stays below the limit, as in the standard library; an empty file takes any one line."""
    lines = [bytes(length) for length in lengths]
    keys = [0.0] * len(lines)
    assert fitting(lines, keys, size, limit=limit, rollover_at=None, empty=size == 0) == take


def test_fitting_by_time() -> None:
    """Lines from the moment of the rollover on belong to the next file; an empty file takes one at least."""
    lines, keys = [b"x\n"] * 4, [1.0, 2.0, 3.0, 3.5]
    assert fitting(lines, keys, 9, limit=0, rollover_at=3.0, empty=False) == 2
    assert fitting(lines, keys, 9, limit=0, rollover_at=1.0, empty=False) == 0
    assert fitting(lines, keys, 9, limit=0, rollover_at=9.0, empty=False) == 4
    assert fitting(lines, keys, 0, limit=0, rollover_at=3.0, empty=True) == 2
    assert fitting(lines, keys, 0, limit=0, rollover_at=1.0, empty=True) == 1
    assert fitting(lines, keys, 9, limit=12, rollover_at=3.0, empty=False) == 1


@pytest.mark.parametrize(
    ("name", "numbered", "timed"),
    [
        ("a.log.1", True, False),
        ("a.log.17.gz", True, False),
        ("a.log.17.zst", True, False),
        ("a.log.2026-11-22", False, True),
        ("a.log.2026-11-22.3", False, True),
        ("a.log.2026-11-22_10", False, True),
        ("a.log.2026-11-22_10-59.zst", False, True),
        ("a.log.2026-11-22_10-59-01.2.gz", False, True),
        ("a.log", False, False),
        ("a.log.0", False, False),
        ("a.log.01", False, False),
        ("a.log.bak", False, False),
        ("a.log.old", False, False),
        ("a.log.1.bak", False, False),
        ("a.log.1.gz.tmp", False, False),
        ("xa.log.1", False, False),
        ("a_log.1", False, False),
        ("a.log.٣", False, False),
        ("a.log.1\n", False, False),
        ("a.log.2026-11-22.bak", False, False),
        ("a.log.2026-11-22-old", False, False),
    ],
)
def test_names_of_the_set(name: str, numbered: bool, timed: bool) -> None:
    """Only what the set itself names may ever be renamed or deleted."""
    files = [(name, 1, 1, 1.0)]
    assert bool(archives_of(SIZED, files)) == numbered
    assert bool(archives_of(TIMED, files)) == timed


@pytest.mark.parametrize(
    ("numbers", "backup_count", "left"),
    [
        ("1 2 20261122 2025", 3, "1 2"),
        ("1 2 3 4 5 6 7 8 9 10", 3, "1 2 3 4 5 6 7 8 9 10"),
        ("1 2 3 4 2025", 1, "1 2 3 4"),
        ("1 2.gz 2 3.gz 5", 2, "1 2 2.gz 3.gz"),
        ("2 4 5", 4, "2 4"),
        ("2 4 5", 0, ""),
        ("0.1 1", 5, "1"),
    ],
)
def test_numbers_of_the_set(numbers: str, backup_count: int, left: str) -> None:
    """An admin's copy with a date in its name is not an old backup; backups beyond a lowered count are."""
    files = [(f"a.log.{number}", 1, 1, 1.0) for number in numbers.split()]
    found = archives_of(SIZED, files)
    rotation = Rotation(max_bytes=9, backup_count=backup_count)
    own = ours(found, rotation, names=SIZED, holding=False)
    assert [one.name.removeprefix("a.log.") for one in own] == left.split()


def test_numbers_that_wait_where_files_can_be_held() -> None:
    """Elsewhere, and where nothing is rolled, `a.log.0.1` is somebody's own file."""
    found = archives_of(SIZED, [("a.log.0.1", 1, 1, 1.0)])
    assert ours(found, Rotation(max_bytes=9, backup_count=1), names=SIZED, holding=True) == found
    assert ours(found, Rotation(max_bytes=9, backup_count=1), names=SIZED, holding=False) == []
    assert ours(found, Rotation(), names=SIZED, holding=True) == []


def test_every_stamp_is_of_the_set() -> None:
    """A timed rotation has no numbers of its own."""
    found = archives_of(TIMED, [("a.log.2026-11-22.7", 1, 1, 1.0)])
    assert ours(found, Rotation(when="D"), names=TIMED, holding=False) == found


def test_who_rotates() -> None:
    """A handler that never rolls by itself has no archives."""
    assert rotates(Rotation(when="D"))
    assert rotates(Rotation(max_bytes=9, backup_count=1))
    assert not rotates(Rotation())
    assert not rotates(Rotation(backup_count=1))
    assert not rotates(Rotation(max_bytes=9))


def test_order_of_archives() -> None:
    """The newest first: low numbers, or late periods and in them high numbers."""
    numbered = ["a.log.10", "a.log.2.gz", "a.log.1"]
    found = archives_of(SIZED, [(name, 1, 1, 1.0) for name in numbered])
    assert [one.name for one in found] == ["a.log.1", "a.log.2.gz", "a.log.10"]
    stamped = ["a.log.2026-01-02", "a.log.2026-01-02.10", "a.log.2026-01-02.9.gz", "a.log.2026-01-01.3"]
    found = archives_of(TIMED, [(name, 1, 1, 1.0) for name in stamped])
    assert [one.name[6:] for one in found] == [
        "2026-01-02.10",
        "2026-01-02.9.gz",
        "2026-01-02",
        "2026-01-01.3",
    ]


def test_chain_of_numbers() -> None:
    """Each archive moves to the name above, the oldest first; a gap ends the chain."""
    archives = [archive("a.log.1", 11), archive("a.log.2.gz", 12), archive("a.log.4", 14)]
    assert chain("a.log", SIZED, 9, archives, None) == [
        Move(12, "a.log.2.gz", "a.log.3.gz"),
        Move(11, "a.log.1", "a.log.2"),
        Move(9, "a.log", "a.log.1"),
    ]
    assert chain("a.log", SIZED, 9, [], None) == [Move(9, "a.log", "a.log.1")]


@pytest.mark.parametrize(
    ("names", "target"),
    [
        ([], "a.log.2026-11-22"),
        (["a.log.2026-11-21"], "a.log.2026-11-22"),
        (["a.log.2026-11-22"], "a.log.2026-11-22.1"),
        (["a.log.2026-11-22.gz"], "a.log.2026-11-22.1"),
        (["a.log.2026-11-22.7.gz", "a.log.2026-11-22"], "a.log.2026-11-22.8"),
    ],
)
def test_name_of_a_period(names: list[str], target: str) -> None:
    """A period that rolls again gets the next number, never a name that was given away."""
    assert chain("a.log", TIMED, 9, [archive(name) for name in names], "2026-11-22") == [
        Move(9, "a.log", target)
    ]


def test_surplus_of_a_rollover() -> None:
    """What is beyond the count goes under the names it has after the moves; 0 keeps all."""
    archives = [archive(f"a.log.{n}", n) for n in (1, 2, 3)]
    moves = chain("a.log", SIZED, 9, archives, None)
    assert surplus(archives, moves, 3) == [(3, "a.log.4")]
    assert surplus(archives, moves, 1) == [(1, "a.log.2"), (2, "a.log.3"), (3, "a.log.4")]
    assert surplus(archives, moves, 0) == []


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({}, 4),
        ({"backup_count": 2}, 2),
        ({"backup_count": 9}, 4),
        ({"max_total_size": 30}, 3),
        ({"max_total_size": 39}, 3),
        ({"max_total_size": 5}, 0),
        ({"max_age": 250.0}, 2),
        ({"max_age": 1000.0}, 4),
        ({"max_age": 0.5}, 0),
        ({"backup_count": 3, "max_age": 150.0}, 1),
    ],
)
def test_expired(limits: dict[str, float], left: int) -> None:
    """Each limit alone and together: the newest stay."""
    archives = [archive(f"a.log.{n}", n, 10, 1000.0 - 100 * n) for n in (1, 2, 3, 4)]
    given = {"backup_count": 0, "max_age": None, "max_total_size": None} | limits
    assert expired(archives, 1000.0, **given) == archives[left:]  # type: ignore[arg-type]


def test_a_clock_that_stood_wrong_makes_no_file_old() -> None:
    """A file written while the clock said 1970 is as young as the one before it."""
    archives = [archive("a.log.1", modified=12.0), archive("a.log.2", modified=900.0)]
    assert expired(archives, 1000.0, backup_count=0, max_age=500.0, max_total_size=None) == []


def test_compressible() -> None:
    """The oldest plain file, never the newest, never one that was refused."""
    archives = [archive("a.log.1", 1), archive("a.log.2", 2), archive("a.log.3", 3), archive("a.log.4.gz", 4)]
    assert compressible(archives) == archives[2]
    assert compressible(archives, [3]) == archives[1]
    assert compressible(archives, [2, 3]) is None
    assert compressible(archives[:1]) is None


@pytest.mark.parametrize(
    ("when", "interval", "start", "end", "stamp"),
    [
        ("S", 5, "2026-11-22T10:00:01", "2026-11-22T10:00:06", "2026-11-22_10-00-01"),
        ("M", 1, "2026-11-22T10:00:30", "2026-11-22T10:01:30", "2026-11-22_10-00"),
        ("H", 2, "2026-11-22T10:30:00", "2026-11-22T12:30:00", "2026-11-22_10"),
        ("D", 1, "2026-11-22T10:30:00", "2026-11-23T10:30:00", "2026-11-22"),
        ("MIDNIGHT", 1, "2026-11-22T10:30:00", "2026-11-23T00:00:00", "2026-11-22"),
        ("MIDNIGHT", 3, "2026-11-22T10:30:00", "2026-11-25T00:00:00", "2026-11-22"),
        ("W0", 1, "2026-11-22T10:30:00", "2026-11-24T00:00:00", "2026-11-17"),
        ("W6", 1, "2026-11-22T10:30:00", "2026-11-23T00:00:00", "2026-11-16"),
    ],
)
def test_schedule(when: str, interval: int, start: str, end: str, stamp: str) -> None:
    """The end of a period and its name, in UTC."""
    schedule = Schedule(Rotation(when=when, interval=interval, utc=True))
    assert schedule.rollover_at(moment(start)) == moment(end)
    assert schedule.stamp(moment(start)) == stamp


@pytest.mark.parametrize(
    ("when", "at", "start", "end"),
    [
        ("MIDNIGHT", 0, "2026-03-28T12:00", "2026-03-29T00:00"),
        ("MIDNIGHT", 0, "2026-03-29T00:00", "2026-03-30T00:00"),
        ("MIDNIGHT", 0, "2026-10-25T00:30", "2026-10-26T00:00"),
        ("MIDNIGHT", 5 * 3600, "2026-10-24T06:00", "2026-10-25T05:00"),
        ("MIDNIGHT", 5 * 3600, "2026-03-29T01:00", "2026-03-29T05:00"),
        ("W0", 0, "2026-11-20T12:00", "2026-11-23T00:00"),
        ("W0", 0, "2026-11-23T00:00", "2026-11-30T00:00"),
        ("W0", None, "2026-11-20T12:00", "2026-11-24T00:00"),
        ("W0", None, "2026-11-23T00:00", "2026-11-24T00:00"),
        ("MIDNIGHT", None, "2026-11-20T12:00", "2026-11-21T00:00"),
        ("W6", 12 * 3600, "2026-03-28T12:00", "2026-03-29T12:00"),
        ("W6", 12 * 3600, "2026-03-29T12:00", "2026-04-05T12:00"),
    ],
)
def test_schedule_over_a_change_of_the_hour(when: str, at: int | None, start: str, end: str) -> None:
    """The clock on the wall counts, also on the two days a year that have 23 or 25 hours."""
    schedule = Schedule(Rotation(when=when, at_time=at, zone="Europe/Berlin"))
    assert schedule.rollover_at(moment(start, "Europe/Berlin")) == moment(end, "Europe/Berlin")


def test_headers_of_earlier_releases_name_no_midnight() -> None:
    """Midnight was not told from no time then, and was left out: those files keep their schedule."""
    decoded = msgspec.json.decode(b'{"when":"W0"}', type=Rotation)
    assert decoded == Rotation(when="W0", at_time=None)
    named = Rotation(when="W0", at_time=0)
    assert msgspec.json.decode(msgspec.json.encode(named), type=Rotation) == named


@pytest.mark.parametrize("when", ["W0", "W6", "MIDNIGHT"])
@pytest.mark.parametrize("at", [None, datetime_time(0, 0), datetime_time(13, 30)])
def test_named_times_are_the_standard_librarys(tmp_path: Path, when: str, at: datetime_time | None) -> None:
    """Also midnight, which says another day than none does."""
    given = {"filename": tmp_path / "a.log", "when": when, "atTime": at, "utc": True, "delay": True}
    theirs = TimedRotatingFileHandler(**given)  # type: ignore[arg-type]
    ours = logboom.TimedRotatingFileHandler(**given, collector="external")  # type: ignore[arg-type]
    assert ours._producer is not None
    schedule = Schedule(ours._producer.target.rotation)
    ours.close()
    for hour in range(0, 24 * 15):
        start = 1_790_000_000 + 3600 * hour
        assert schedule.rollover_at(start) == theirs.computeRollover(start), hour


@pytest.mark.parametrize("when", ["S", "M", "H", "D", "MIDNIGHT", "W0", "W3", "W6"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_schedule_is_the_standard_librarys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, zone: str
) -> None:
    """Over a year of days, in several zones: the same moments."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        theirs = TimedRotatingFileHandler(tmp_path / "a.log", when=when, delay=True)
        ours = Schedule(Rotation(when=when, zone=zone))
        local = Schedule(Rotation(when=when, zone="nowhere/such"))
        for day in range(365):
            start = 1_790_000_000 + day * 86400 + 7919 * (day % 11)
            expected = theirs.computeRollover(start)
            assert local.rollover_at(start) == ours.rollover_at(start)
            # Across a change of the hour theirs is off by one before 3.13: the table above has those days.
            around = (start - 86400, start, expected, expected + 7200)
            if len({time.localtime(one).tm_gmtoff for one in around}) == 1:
                assert ours.rollover_at(start) == expected, time.ctime(start)
            assert ours.stamp(start) == local.stamp(start)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.fixture
def zone_of_this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets `TZ` of the process that would be the collector."""

    def change(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield change
    monkeypatch.undo()
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="TZ is of POSIX")
def test_the_machines_zone_is_not_the_collectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone_of_this_process: Callable[[str], None]
) -> None:
    """A program without `TZ`, collected by one that a program with `TZ` started."""
    found = [root for root in TZPATH if Path(root, "Europe/Berlin").exists()]
    if not found:
        pytest.skip("no zone data outside of Python")
    monkeypatch.setattr("logboom.sinks.file.rotation._LOCALTIME", Path(found[0], "Europe/Berlin"))
    zone_of_this_process("Asia/Tokyo")
    start = moment("2026-11-22T23:30")
    assert Schedule(Rotation(when="MIDNIGHT")).stamp(start) == "2026-11-23"
    assert Schedule(Rotation(when="H")).stamp(start) == "2026-11-23_00"
    assert Schedule(Rotation(when="MIDNIGHT")).rollover_at(start) == moment(
        "2026-11-24T00:00", "Europe/Berlin"
    )
    monkeypatch.setattr("logboom.sinks.file.rotation._LOCALTIME", tmp_path / "none")
    assert Schedule(Rotation(when="H")).stamp(start) == "2026-11-23_08"


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="TZ is of POSIX")
@pytest.mark.parametrize(
    "rules", ["JST-9", ":JST-9", "<+0530>-5:30", "EST5EDT,M3.2.0,M11.1.0", "CET-1CEST,M3.5.0,M10.5.0/3"]
)
def test_zones_in_posix_notation(rules: str, zone_of_this_process: Callable[[str], None]) -> None:
    """As the producer with this `TZ` sees it, whatever the collector's is."""
    starts = [1_790_000_000 + 7919 * hour for hour in range(0, 4000, 7)]
    zone_of_this_process(rules.removeprefix(":"))
    shown = [time.strftime("%Y-%m-%d_%H", time.localtime(start)) for start in starts]
    zone_of_this_process("Pacific/Auckland")
    schedule = Schedule(Rotation(when="H", zone=rules))
    assert [schedule.stamp(start) for start in starts] == shown


@pytest.mark.parametrize(
    ("when", "start", "key", "ahead"),
    [
        ("MIDNIGHT", "2026-11-23T00:00:01", "2026-11-22T23:59:59", False),
        ("MIDNIGHT", "2026-11-23T00:00:01", "2026-11-21T23:59:59", True),
        ("MIDNIGHT", "2026-11-22T10:00:00", "2026-11-22T11:00:00", False),
        ("H", "2026-11-22T10:00:00", "2026-11-22T09:00:00", False),
        ("H", "2026-11-22T10:00:00", "2026-11-22T08:00:00", True),
        ("S", "2026-11-22T10:00:00", "2026-11-22T09:59:50", False),
        ("S", "2026-11-22T10:00:00", "2026-11-22T09:58:00", True),
    ],
)
def test_start_of_a_clock_that_was_ahead(when: str, start: str, key: str, ahead: bool) -> None:
    """It is not believed once a line shows that it was wrong; a late line shows nothing."""
    assert Schedule(Rotation(when=when, utc=True)).is_ahead(moment(start), moment(key)) == ahead


def test_unknown_schedules() -> None:
    """What a producer's validation let through by mistake rolls never, and stops nothing."""
    assert schedule_of(Rotation(when="FORTNIGHT")) is None
    assert schedule_of(Rotation()) is None


def test_steady_time() -> None:
    """A jump forward counts after it has lasted; a step back counts at once."""
    steady = SteadyTime(patience=100.0, belief=Belief(trusted=4990.0))
    assert steady.now(5000.0, 10.0) == 5000.0
    assert steady.now(5030.0, 40.0) == 5030.0
    assert steady.now(91430.0, 50.0) == 5040.0
    assert steady.now(5060.0, 70.0) == 5060.0
    assert steady.now(91480.0, 90.0) == 5080.0
    assert steady.now(91590.0, 200.0) == 91590.0
    assert steady.now(100.0, 210.0) == 100.0


def test_steady_time_without_a_past() -> None:
    """The first clock may be the wrong one: nothing is old before it has lasted, or a lower one has."""
    steady = SteadyTime(patience=100.0)
    assert steady.now(91400.0, 10.0) == float("-inf")
    assert steady.now(5050.0, 60.0) == float("-inf")
    assert steady.now(5149.0, 159.0) == float("-inf")
    assert steady.now(91590.0, 160.0) == 5150.0
    assert steady.now(5170.0, 180.0) == 5170.0


def test_steady_time_goes_on_where_it_was() -> None:
    """A collector of a few seconds has no hour of patience; its successors have the rest of it."""
    belief = Belief()
    for ticks in (10.0, 50.0, 109.0):
        steady = SteadyTime(100.0, belief)
        assert steady.now(5000.0 + ticks, ticks) == float("-inf")
        belief = steady.belief
    assert SteadyTime(100.0, belief).now(5110.0, 110.0) == 5110.0
    assert SteadyTime(100.0, Belief(4000.0, 9000.0, since=50.0)).now(9020.0, 20.0) == 4020.0
