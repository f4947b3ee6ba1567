"""Statistics, patterns and comparisons of `logboom search`, as text or JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Any, Final

from logboom.cli.asking import read_asking
from logboom.cli.terminal import Paint, escape, plural
from logboom.errors import LogboomError
from logboom.logset.record import ABSENT, UNKNOWN, Missing
from logboom.query.asking import Asked, find_mark
from logboom.query.changes import compare
from logboom.query.patterns import Change, Pattern, Patterns
from logboom.query.statistics import Histogram, count_by, statistics
from logboom.query.times import moment, span

__all__ = ["show"]

_TOP: Final = 10
_SAMPLE: Final = 200_000
_BAR: Final = 40
_STYLES: Final = {"new": "red", "more": "yellow", "less": "green", "gone": "green"}


def show(arguments: argparse.Namespace, question: Asked) -> int:
    """Print what was asked for; returns how many records it is about."""
    zone = read_asking(arguments)["zone"]
    if arguments.count_by:
        return _count_by(question, arguments.count_by, as_json=arguments.json)
    if arguments.new_since or arguments.compare:
        return _compare(arguments, question, zone)
    if arguments.patterns:
        found = Patterns(question.search.hits())
        _show_patterns(found.top(), zone, as_json=arguments.json)
        return sum(one.records for one in found.found.values())
    return _stats(question, zone, as_json=arguments.json)


def _count_by(question: Asked, field: str, *, as_json: bool) -> int:
    found = count_by(question.search, field)
    total = sum(found.values())
    if total and set(found) <= {ABSENT, UNKNOWN}:
        names = ", ".join(sorted(question.names | {"level", "logger", "process", "program"}))
        raise LogboomError(f'No record here has a field "{field}". Fields: {names}')
    for value, count in sorted(found.items(), key=lambda one: (-one[1], str(one[0]))):
        if as_json:
            print(json.dumps({field: None if isinstance(value, Missing) else value, "records": count}))
        else:
            print(f"{count:>10,}  {_value(value)}")
    return total


def _value(value: Any) -> str:
    if value is ABSENT:
        return "(absent)"
    if value is UNKNOWN or value == "":
        return "(not known: the format does not print it)"
    return escape(value)


def _stats(question: Asked, zone: tzinfo | None, *, as_json: bool) -> int:
    found = statistics(question.search)
    sample = question.search.last_hits(_SAMPLE) if found.records else []
    patterns = Patterns(sample).top()[:_TOP]
    histogram = found.histogram
    if as_json:
        print(
            json.dumps(
                {
                    "records": found.records,
                    "first": _iso(found.first, zone),
                    "last": _iso(found.last, zone),
                    "levels": dict(found.levels),
                    "loggers": dict(found.loggers),
                    "programs": dict(found.programs),
                    "histogram": [
                        {"time": _iso(histogram.start + place * histogram.step, zone), "records": one.total()}
                        for place, one in enumerate(histogram.counts)
                    ],
                    "step": histogram.step,
                    "patterns": [_as_object(one, zone) for one in patterns],
                }
            )
        )
        return found.records
    print(
        plural(found.records, "record")
        + (f", {_iso(found.first, zone)} to {_iso(found.last, zone)}" if found.records else "")
    )
    for title, counts in (("levels", found.levels), ("loggers", found.loggers), ("programs", found.programs)):
        _table(title, counts)
    if histogram.counts:
        _draw(histogram, zone)
    if patterns:
        less = f" of the last {len(sample):,}" if len(sample) < found.records else ""
        print(f"\npatterns{less}")
        _show_patterns(patterns, zone, as_json=False)
    return found.records


def _table(title: str, counts: Counter[str]) -> None:
    print(f"\n{title}")
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    for value, count in ordered[:_TOP]:
        print(f"{count:>10,}  {_value(value)}")
    if len(ordered) > _TOP:
        print(f"{sum(count for _, count in ordered[_TOP:]):>10,}  in {len(ordered) - _TOP} more")


def _draw(histogram: Histogram, zone: tzinfo | None) -> None:
    print(f"\nover time, {_step(histogram.step)} a line; # warnings and worse")
    most = max(one.total() for one in histogram.counts) or 1
    for place, one in enumerate(histogram.counts):
        bad = one["WARNING"] + one["ERROR"] + one["CRITICAL"]
        width, filled = round(one.total() / most * _BAR), round(bad / most * _BAR)
        filled = max(filled, int(bad > 0))
        bar = "#" * filled + "=" * max(width - filled, int(one.total() > bad and width == 0))
        print(f"{_iso(histogram.start + place * histogram.step, zone)[:19]}  {one.total():>9,}  {bar}")


def _step(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def _show_patterns(found: Iterable[Pattern], zone: tzinfo | None, *, as_json: bool) -> None:
    for one in found:
        if as_json:
            print(json.dumps(_as_object(one, zone)))
        else:
            head = " ".join(filter(None, (one.level, one.logger)))
            print(f"{one.records:>10,}  {escape(head)}{': ' if head else ''}{escape(one.text)}")


def _as_object(one: Pattern, zone: tzinfo | None) -> dict[str, Any]:
    return {
        "pattern": one.text,
        "level": one.level or None,
        "logger": one.logger or None,
        "records": one.records,
        "first": _iso(one.first, zone),
        "last": _iso(one.last, zone),
        "example": one.example.text.decode("utf-8", "replace"),
    }


# --- what is new ---


def _compare(arguments: argparse.Namespace, question: Asked, zone: tzinfo | None) -> int:
    now = time.time()

    def marks(name: str) -> float | None:
        return find_mark(question.views, name)

    try:
        if arguments.compare:
            one, other = (span(text, now, zone, marks) for text in arguments.compare)
        else:
            since = moment(arguments.new_since, now, zone, marks)
            one, other = (float("-inf"), since), (since, float("inf"))
    except ValueError as error:
        raise LogboomError(str(error)) from None
    seconds, found = compare(question, one, other, now)
    head = " ".join(arguments.compare) if arguments.compare else f"since {_iso(other[0], zone)}"
    return _show_changes(found, seconds, zone, head, as_json=arguments.json)


def _show_changes(
    found: Iterable[Change], seconds: list[float], zone: tzinfo | None, head: str, *, as_json: bool
) -> int:
    paint, count = Paint(sys.stdout), 0
    for one in islice(found, 1000):
        count += 1
        rates = [
            number / length * 3600 for number, length in zip((one.before, one.after), seconds, strict=True)
        ]
        if as_json:
            values = {"change": one.what, "before": one.before, "after": one.after}
            values |= {"rate_before": round(rates[0], 3), "rate_after": round(rates[1], 3)}
            print(json.dumps(values | _as_object(one.pattern, zone)))
            continue
        if count == 1:
            print(f"changes {escape(head)}: records before and after, and how many an hour")
        pattern = one.pattern
        title = " ".join(filter(None, (pattern.level, pattern.logger)))
        title = f"{title}{': ' if title else ''}{pattern.text}"
        numbers = f"{one.before:>8,} -> {one.after:<8,} {rates[0]:>9,.1f}/h -> {rates[1]:<9,.1f}/h"
        print(f"\n{paint(_STYLES[one.what], f'{one.what:4}')} {numbers}  {escape(title)}")
        example = pattern.example.text.split(b"\n", 1)[0].decode("utf-8", "replace")
        print(f"     first {_iso(pattern.first, zone)}  {escape(example[:300])}")
    return count


def _iso(when: float, zone: tzinfo | None) -> str:
    if when != when or abs(when) == float("inf"):
        return ""
    shown = datetime.fromtimestamp(when, zone or UTC)
    return (shown if zone is not None else shown.astimezone()).isoformat(timespec="milliseconds")
