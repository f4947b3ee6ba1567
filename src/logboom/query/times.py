"""Times as people type them: `03:00`, `2026-11-22`, `-2h`, `yesterday`, `mark:deploy`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final

__all__ = ["duration", "moment", "span", "zone_named"]

_UNITS: Final = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800, "ms": 0.001}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|sec|min|[smhdw]))+", re.IGNORECASE)
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|sec|min|[smhdw])", re.IGNORECASE)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,6}))?)?")
_EPOCH: Final = re.compile(r"\d{9,11}(?:\.\d+)?")
_OFFSET: Final = re.compile(r"(?:UTC|GMT)?([+-])(\d\d):?(\d\d)")
_FORMS: Final = "Use a time (03:00, 2026-11-22, 2026-11-22T03:00:00Z), an age (-2h), yesterday, or mark:NAME"


def duration(text: str) -> float | None:
    """Seconds of `90s`, `1h30m`, `2d`; None where it is no duration."""
    if _DURATION.fullmatch(text) is None:
        return None
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in _PART.findall(text))


def moment(
    text: str,
    now: float,
    zone: tzinfo | None = None,
    marks: Callable[[str], float | None] | Mapping[str, float] | None = None,
) -> float:
    """Seconds since the epoch.

    Args:
        text: what was typed.
        now: the present.
        zone: of times without a zone; None takes this machine's.
        marks: gives the time of a mark's name.

    Raises:
        ValueError: it is no time; the text says what to type.
    """
    if text.startswith("mark:"):
        name = text[5:]
        find = marks.get if isinstance(marks, Mapping) else marks
        found = find(name) if find is not None else None
        if found is None:
            raise ValueError(
                f'No mark "{name}". `logboom mark "{name}"` makes one; `logboom mark` lists them'
            )
        return found
    lower = text.lower()
    if lower == "now":
        return now
    today = datetime.fromtimestamp(now, zone).date()
    if lower in ("today", "yesterday"):
        return _at(today - timedelta(days=lower == "yesterday"), zone)
    age = duration(lower.lstrip("-"))
    if age is not None and (lower.startswith("-") or lower[-1].isalpha()):
        return now - age
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        return _clock(clock, today, now, zone)
    if _EPOCH.fullmatch(text) is not None:
        return float(text)
    try:
        shown = datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        raise ValueError(f'"{text}" is no time. {_FORMS}') from None
    if shown.tzinfo is None:
        shown = shown.replace(tzinfo=zone)
    try:
        return shown.timestamp()
    except (OverflowError, OSError) as error:
        raise ValueError(f'"{text}" is no time that can be reckoned with: {error}') from None


def span(
    text: str, now: float, zone: tzinfo | None, marks: Callable[[str], float | None]
) -> tuple[float, float]:
    """The window `A..B`; either end may be missing, and a day alone is that day.

    Raises:
        ValueError: an end is no time.
    """
    lower, dots, upper = text.partition("..")
    if not dots and re.fullmatch(r"\d{4}-\d\d-\d\d|today|yesterday", text.lower()):
        start = moment(text, now, zone, marks)
        day = datetime.fromtimestamp(start, zone).date()
        return start, _at(day + timedelta(days=1), zone)
    if not dots:
        return moment(text, now, zone, marks), now
    start = moment(lower, now, zone, marks) if lower else float("-inf")
    end = moment(upper, now, zone, marks) if upper else now
    if end <= start:
        raise ValueError(f'The window "{text}" ends before it begins')
    return start, end


def _at(day: date, zone: tzinfo | None) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def _clock(match: re.Match[str], today: date, now: float, zone: tzinfo | None) -> float:
    """The latest such time that is not in the future."""
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f'"{match[0]}" is no time of a day')
    micros = int((match[4] or "0").ljust(6, "0"))
    for day in (today, today - timedelta(days=1)):
        when = datetime(day.year, day.month, day.day, hour, minute, second, micros, tzinfo=zone).timestamp()
        if when <= now:
            return when
    return now


def zone_named(name: str) -> tzinfo | None:
    """The zone of `--tz`: a name, `UTC`, an offset such as `+02:00`, or `local` (None).

    Raises:
        ValueError: there is none of that name.
    """
    if name.lower() == "local":
        return None
    if name.upper() in ("UTC", "Z", "GMT"):
        return UTC
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        delta = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(delta if offset[1] == "+" else -delta)
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f'No time zone "{name}". Use a name like Europe/Berlin, UTC, +02:00, or local'
        ) from None
