"""Timed rotation over every change of the clocks, in all zones."""

from __future__ import annotations

import datetime
import logging.handlers
import math
import time
import zoneinfo
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logboom.journal.names import parse_names
from logboom.journal.target import Rotation
from logboom.sinks.file.rotation import Archive, Schedule, ours

NAMES = parse_names("", "app.log", timed=True)
DAY = 86400
FIRST = datetime.datetime(1925, 1, 1, tzinfo=datetime.UTC).timestamp()
LAST = datetime.datetime(2037, 12, 31, tzinfo=datetime.UTC).timestamp()


class Change(NamedTuple):
    """A clock is set: its zone, the moment, and what it shows just before and from then on."""

    zone: str
    moment: int
    before: datetime.datetime
    after: datetime.datetime


def offset_at(zone: zoneinfo.ZoneInfo, moment: float) -> datetime.timedelta | None:
    return datetime.datetime.fromtimestamp(moment, zone).utcoffset()


def changes_of(name: str) -> Iterator[Change]:
    """Of one zone, in the century."""
    zone = zoneinfo.ZoneInfo(name)
    low, offset = FIRST, offset_at(zone, FIRST)
    while low < LAST:
        high = low + 9 * DAY
        if offset_at(zone, high) != offset:
            left, right = int(low), int(high)
            while right - left > 1:
                middle = (left + right) // 2
                left, right = (middle, right) if offset_at(zone, middle) == offset else (left, middle)
            old = datetime.timezone(offset or datetime.timedelta(0))
            yield Change(
                name,
                right,
                datetime.datetime.fromtimestamp(right, old).replace(tzinfo=None),
                datetime.datetime.fromtimestamp(right, zone).replace(tzinfo=None),
            )
            low, offset = right, offset_at(zone, right)
        else:
            low = high


@lru_cache(maxsize=1)
def kinds_of_change() -> list[Change]:
    """One for each time of day and weekday at which a clock was set, and for each distance: of all zones."""
    names = sorted(zoneinfo.available_timezones())
    if not names:
        pytest.skip("no zones on this machine")
    found = {}
    for name in names:
        if not name.startswith(("posix", "right")):
            for change in changes_of(name):
                kind = (change.before.time(), change.after.time(), change.after - change.before)
                found[kind] = change
    return list(found.values())


def clock_times(change: Change) -> set[int | None]:
    """`at_time` around a change: seconds after midnight, inside what comes twice or never, and none."""
    low, high = sorted((change.before, change.after))
    middle = low + (high - low) / 2
    second = datetime.timedelta(seconds=1)
    shown = (low - second, low, low + second, middle, high - second, high, high + second)
    return {None, 0, *((at.hour * 60 + at.minute) * 60 + at.second for at in shown)}


def check(schedule: Schedule, start: float, end: float, pause: float) -> None:
    """Log for some days; after each rollover, the first record of the new file comes after a `pause`."""
    names: list[str] = []
    while start < end:
        rolled = schedule.rollover_at(start)
        assert rolled > start
        names.append(schedule.stamp(start))
        assert schedule.rollover_at(math.nextafter(rolled, -math.inf)) == rolled, (
            "every record until then agrees"
        )
        assert schedule.stamp(rolled - 1) == names[-1], "on the name, too"
        start = rolled + pause
    assert names == sorted(set(names)), "one rollover a period"
    dates = [datetime.date.fromisoformat(name) for name in names]
    assert (dates[-1] - dates[0]).days <= (end - start) / DAY + 60


@pytest.mark.parametrize("pause", [0.0, 900.0, 3 * 3600.0, 30 * 3600.0])
def test_every_change_of_every_zone(pause: float) -> None:
    """A file has one end, after its beginning, and a name of its own, whatever is shown twice or never."""
    changes = kinds_of_change()
    assert {change.after < change.before for change in changes} == {True, False}
    for change in changes:
        for at in clock_times(change):
            for when in ("MIDNIGHT", f"W{change.before.weekday()}"):
                schedule = Schedule(Rotation(when=when, at_time=at, zone=change.zone))
                days = 3 if when == "MIDNIGHT" else 20
                check(schedule, change.moment - days * DAY / 2, change.moment + days * DAY, pause)


@settings(max_examples=300, deadline=None)
@given(
    start=st.floats(-1e12, 1e12) | st.floats(allow_nan=False, allow_infinity=False),
    when=st.sampled_from(["S", "M", "H", "D", "MIDNIGHT", "W0", "W6"]),
    interval=st.integers(1, 2**40),
    at=st.none() | st.integers(0, 86399),
    zone=st.sampled_from(
        ["", "UTC", "Europe/Berlin", "Pacific/Apia", "JST-9", "no zone", "<A>-99:99", "/", "\0"]
    ),
)
def test_any_setting_gives_a_later_moment_and_a_name(
    start: float, when: str, interval: int, at: int | None, zone: str
) -> None:
    """`when="W0", interval=500000` ends in the year 11,600, which Python's calendar does not know."""
    schedule = Schedule(Rotation(when=when, interval=interval, at_time=at, zone=zone))
    assert schedule.rollover_at(start) > start
    assert schedule.stamp(start)[:4].isdecimal()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the machine's zone cannot be set")
@pytest.mark.parametrize(
    "zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo"]
)
def test_names_are_the_standard_librarys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    """Wherever it is right: its rollover is later, at the time asked for, and the first of its day."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    same = 0
    try:
        for change in [one for one in changes_of(zone) if one.moment > 1.4e9][:8]:
            for at in clock_times(change):
                for when in ("MIDNIGHT", f"W{change.before.weekday()}"):
                    same += compare(tmp_path, change, when, at, zone)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert same > 500


def compare(directory: Path, change: Change, when: str, at: int | None, zone: str) -> int:
    """How often the two agreed."""
    at_time = None if at is None else datetime.time(at // 3600, at // 60 % 60, at % 60)
    theirs = logging.handlers.TimedRotatingFileHandler(
        directory / "app.log", when=when, atTime=at_time, delay=True
    )
    schedule = Schedule(Rotation(when=when, at_time=at, zone=zone))
    same = 0
    for hours in range(-50, 50, 7):
        start = change.moment + hours * 3600 + 1234
        rolled = theirs.computeRollover(start)
        if time.localtime(start).tm_isdst != time.localtime(rolled).tm_isdst:
            continue  # 3.11 and 3.13 differ here, and either is wrong somewhere
        shown = datetime.datetime.fromtimestamp(rolled)
        sought = shown.hour * 3600 + shown.minute * 60 + shown.second
        if rolled <= start or shown.fold or sought != (at or 0):
            continue
        assert schedule.rollover_at(start) == rolled
        then = time.localtime(rolled - theirs.interval)
        if then.tm_isdst == time.localtime(rolled).tm_isdst:
            assert schedule.stamp(start) == time.strftime(theirs.suffix, then)
            same += 1
    theirs.close()
    return same


def test_order_of_backups_in_an_hour_that_comes_twice() -> None:
    """By name, the first minutes of its second run are older than the last ones of its first."""
    rotation = Rotation(when="M", zone="America/New_York", backup_count=3)
    schedule = Schedule(rotation)
    twice = datetime.datetime(2026, 11, 1, 1, 0, tzinfo=zoneinfo.ZoneInfo("America/New_York")).timestamp()
    names: dict[str, int] = {}
    made = []
    for minute in range(-3, 125):
        stamp = schedule.stamp(twice + 60 * minute)
        number = names[stamp] = names.get(stamp, -1) + 1
        name = f"app.log.{stamp}.{number}"
        made.append(Archive(name, minute, 1, twice + 60 * minute + 59, stamp, number, ""))
    shuffled = sorted(made, key=lambda one: (one.stamp, one.number), reverse=True)
    assert ours(shuffled, rotation, names=NAMES, holding=False) == made[::-1]


def test_name_of_another_schedule_keeps_its_place() -> None:
    """Who changes `when` keeps the old backups, in their order; a name that is no date is somebody's own."""
    stamps = ["2026-11-23", "2026-11-22_10-30", "2026-11-22_10", "2026-11-22", "2026-11-21"]
    archives = [Archive(f"app.log.{stamp}", 1, 1, 1.0, stamp, 0, "") for stamp in stamps]
    odd = Archive("app.log.2026-13-45", 1, 1, 1.0, "2026-13-45", 0, "")
    for when in ("M", "H", "MIDNIGHT", "W2"):
        assert ours([odd, *archives], Rotation(when=when), names=NAMES, holding=False) == archives


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin"])
def test_a_time_in_the_hour_that_comes_twice(zone: str) -> None:
    """New York at 01:30, Berlin at 02:30: one file a day, not one a record."""
    at = {"America/New_York": 5400, "Europe/Berlin": 9000}[zone]
    schedule = Schedule(Rotation(when="MIDNIGHT", at_time=at, zone=zone))
    info = zoneinfo.ZoneInfo(zone)
    start = datetime.datetime(2026, 10, 20, 0, 10, tzinfo=info).timestamp()
    rolled = []
    for moment in range(int(start), int(start) + 20 * DAY, 3600):
        if moment >= schedule.rollover_at(start):
            rolled.append(schedule.stamp(start))
            start = moment
    assert len(rolled) == len(set(rolled)) == 20
