"""Patterns mask what differs; a comparison finds what is new, gone, or has another rate."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.logs import FORMAT, Made, write

from logboom.query.asking import ask
from logboom.query.patterns import Patterns, changes, mask
from logboom.query.statistics import count_by, statistics

NOW = 1_795_341_600.0


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("order 17 paid in 3.5 ms", "order <n> paid in <n> ms"),
        ('user "Eve \\" x" left', "user <str> left"),
        ("user 'Eve' isn't 'here'", "user <str> isn't <str>"),
        ("from 10.0.0.1:80 at 10:00:01,5", "from <ip> at <time>"),
        ("id 4bf92f3577b34da6a3ce929d0e0e4736 x", "id <id> x"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id <id>"),
        ("deadbeef is a word", "deadbeef is a word"),
        ("v2 of utf8", "v2 of utf8"),
    ],
)
def test_what_differs_is_masked(text: str, masked: str) -> None:
    """Numbers, ids, addresses, times and quoted strings; words stay."""
    assert mask(text) == masked


@given(st.text(max_size=50), st.integers(0, 10**12), st.integers(0, 10**12))
def test_two_numbers_have_one_pattern(text: str, one: int, other: int) -> None:
    """Deterministic: the number never decides the pattern."""
    assert mask(f"{text} {one} x") == mask(f"{text} {other} x")


def _set(directory: Path) -> Path:
    made = [Made(NOW + n, message=f"order {n} paid") for n in range(200)]
    made += [Made(NOW + n, level=30, message=f"retry {n}") for n in range(0, 100, 20)]
    made += [Made(NOW + 100 + n, level=30, message=f"retry {n}") for n in range(0, 100, 2)]
    made += [Made(NOW + n, message="old cache") for n in range(0, 100, 10)]
    made += [
        Made(
            NOW + 150,
            level=40,
            message="no such table 7",
            traceback="Traceback (most recent call last):\nE: x",
        )
    ]
    made += [Made(NOW + 90, logger="logboom.mark", message="deploy 41", format="%(name)s %(message)s")]
    made.sort(key=lambda one: one.time)
    return write(directory / "app.log", made, batch=20)


def test_what_appeared_vanished_or_changed_its_rate(tmp_path: Path) -> None:
    """The question after every deploy; what goes on as before is not in the answer."""
    asked = ask("-logger:logboom.mark", [_set(tmp_path)], now=NOW + 200)
    before, after = Patterns(), Patterns()
    for record in asked.search.hits():
        (before if record.time < NOW + 100 else after).add(record)
    found = [(one.what, one.pattern.text, one.before, one.after) for one in changes(before, after, 100, 100)]
    assert found == [
        ("more", "retry <n>", 5, 50),
        ("gone", "old cache", 10, 0),
        ("new", "no such table <n> [E]", 0, 1),
    ]


def test_a_mark_is_a_time(tmp_path: Path) -> None:
    """`since:mark:` takes the newest mark of that name."""
    asked = ask('since:"mark:deploy 41" paid', [_set(tmp_path)], now=NOW + 200)
    assert asked.search.count() == 110


def test_counts_need_no_text(tmp_path: Path) -> None:
    """Facts know levels, loggers and times: statistics of a large set read none of its text."""
    path = _set(tmp_path)
    asked = ask("", [path], now=NOW + 200)
    found = statistics(asked.search)
    assert asked.search.bytes_read == 0
    assert (found.records, found.levels["WARNING"], found.loggers["shop"]) == (267, 55, 266)
    assert sum(one.total() for one in found.histogram.counts) == 267
    assert count_by(asked.search, "level") == {"INFO": 211, "WARNING": 55, "ERROR": 1}
    assert asked.search.bytes_read == 0
    assert FORMAT
