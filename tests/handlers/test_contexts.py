"""Contexts: which are made, how many, and what a program costs that makes formatters without end."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from logboom.producer import contexts
from logboom.producer.contexts import Context, Contexts

OPTIONS: Any = {"encoding": "utf-8", "errors": "backslashreplace", "terminator": "\n", "controls": "indent"}


class Time:
    """The module's `time`, standing still until it is told otherwise."""

    now = 1000.0
    time = staticmethod(time.time)

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(contexts, "time", clock)
    return clock


def made() -> Contexts:
    return Contexts(lambda: OPTIONS)


def formatters(count: int) -> list[logging.Formatter]:
    return [logging.Formatter(f"F{number} %(asctime)s %(message)s") for number in range(count)]


def is_finished(context: Context) -> bool:
    return b'"bytes"' in context.line


@pytest.mark.parametrize("count", [40, 2000], ids=["in turn", "new"])
def test_formatters_without_end_need_few_contexts(count: int, clock: Time) -> None:
    """Each is a line in the journal, and code that the collector keeps."""
    known, line = made(), b""
    numbers = set()
    for formatter in formatters(count) * (2000 // count):
        context = known.of(formatter, 1.5)
        numbers.add(context.number)
        line = context.encode(logging.LogRecord("app", 20, "/x.py", 1, "m", None, None))
        clock.now += 0.3
        assert len(known.lines()) <= 32
    assert len(numbers) == 33 and line.count(b"F") == 1


def test_records_that_are_finished_here_share_a_context() -> None:
    """The bytes need no word about the formatter that has made them."""
    known = made()
    one, other = (known.finished(formatter) for formatter in formatters(2))
    assert (one.number, one.line) == (other.number, other.line)
    record = logging.LogRecord("app", 20, "/x.py", 1, "m", None, None)
    assert b"F0" in one.encode(record) and b"F1" in other.encode(record)


def test_a_formatter_that_stays_gets_its_context(clock: Time) -> None:
    """A program that is configured anew for the hundredth time must be as fast as at first."""
    known = made()
    first, *others, last = formatters(34)
    for formatter in (first, *others):
        known.of(formatter, 1.5)
    assert is_finished(known.of(last, 1.5))
    assert not is_finished(known.of(last, 1.5))
    assert not is_finished(known.of(last, 1.5))


def test_the_one_that_was_not_used_goes(clock: Time) -> None:
    """Else the formatter of most records could be forgotten again and again."""
    known = made()
    often, *others = formatters(40)
    number = known.of(often, 1.5).number
    for formatter in others:
        for _ in range(3):
            known.of(formatter, 1.5)
            clock.now += 2
            assert known.of(often, 1.5).number == number


def test_a_formatter_that_changes_all_the_time_is_followed(clock: Time) -> None:
    """In each record, and without a context for each."""
    known, numbers = made(), set()
    formatter = logging.Formatter("%(asctime)s %(message)s")
    for hour in range(50):
        formatter.datefmt = f"{hour}h"
        context = known.of(formatter, 1.5)
        numbers.add(context.number)
        if is_finished(context):
            assert f"{hour}h m" in str(context.encode(logging.LogRecord("a", 20, "/x", 1, "m", None, None)))
    assert len(numbers) <= 3
    clock.now += 2
    assert not is_finished(known.of(formatter, 1.5))


def test_another_zone_is_another_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Summer time begins while a program runs."""
    known, (formatter,) = made(), formatters(1)
    summer = known.of(formatter, 1.5)
    assert known.of(formatter, 1.5) is summer
    monkeypatch.setattr(contexts, "zone_at", lambda created: contexts.Zone(7200, "CEST"))
    assert known.of(formatter, 1.5).number != summer.number
    assert b"7200" in known.of(formatter, 1.5).line
