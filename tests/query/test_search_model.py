"""The search against a slow, obvious one: the same hits in the same order, on sets of every kind."""

from __future__ import annotations

import fnmatch
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.logs import BARE, FORMAT, LEVELS, Made, write

from logboom.query.asking import ask
from logboom.query.statistics import statistics

NOW = 1_800_000_000.0
WORDS = (
    "timeout",
    "Order",
    "é",
    'a"b',
    "c\\d",
    "x",
    "42",
    "INFO",
    "shop",
    "not found",
    "\x1b[31m",
    "2027-01-15",
    "*",
)
LOGGERS = ("shop", "shop.orders", "INFO", "Shop", "web é")

words = st.sampled_from(WORDS) | st.text(alphabet="aA1é .\\\"'", min_size=1, max_size=4)
records = st.builds(
    Made,
    time=st.integers(0, 4000).map(lambda number: NOW - 4000 + number + (number % 10) / 8),
    level=st.sampled_from(sorted(LEVELS)),
    logger=st.sampled_from(LOGGERS),
    process=st.sampled_from((7, 8, 4121)),
    message=st.lists(words, max_size=4).map(" ".join) | st.just("a x b not found"),
    traceback=st.sampled_from(
        ("", "", "", 'Traceback (most recent call last):\n  File "x"\nValueError: é timeout')
    ),
    format=st.sampled_from((FORMAT, BARE, "json")),
    zone=st.sampled_from(("UTC", "Europe/Berlin", "Asia/Tokyo")),
    extra=st.sampled_from(({}, {"status": 500}, {"status": 200, "user": "Eve"})),
)


class Question:
    """A query, and the obvious way to judge a record: True, False, or None where it is unknown."""

    def __init__(self, text: str, judge: Callable[[Made], bool | None]) -> None:
        self.text, self.judge = text, judge


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _contains(word: str) -> Question:
    raw = word.encode()
    exact = any(c.isupper() for c in word)

    def judge(record: Made) -> bool:
        text = record.text().rstrip(b"\r\n")
        return raw in text if exact else raw.lower() in text.lower()

    return Question(_quoted(word), judge)


def _level(op: str, level: int) -> Question:
    compare = {">=": int.__ge__, "<": int.__lt__, "=": int.__eq__, ":": int.__eq__}[op]
    return Question(f"level{op}{LEVELS[level].lower()}", lambda record: compare(record.level, level))


def _logger(pattern: str) -> Question:
    return Question(
        f"logger:{_quoted(pattern) if '*' not in pattern else pattern}",
        lambda record: fnmatch.fnmatchcase(record.logger.lower(), pattern.lower()),
    )


def _status(text: str, test: Callable[[int], bool]) -> Question:
    """Only JSON has it; in text it is unknown."""

    def judge(record: Made) -> bool | None:
        if record.format != "json":
            return None
        return "status" in record.extra and test(record.extra["status"])

    return Question(text, judge)


def _user(name: str) -> Question:
    def judge(record: Made) -> bool | None:
        if record.format != "json":
            return None
        return str(record.extra.get("user", "")).lower() == name.lower() and "user" in record.extra

    return Question(f"user:{name}", judge)


def _whole_word(word: str) -> Question:
    def judge(record: Made) -> bool:
        return re.search(rf"\b{word}\b", record.text().decode("utf-8", "surrogateescape")) is not None

    return Question(rf"re:/\b{word}\b/", judge)


def _process(record: Made) -> bool:
    return record.process == 4121


atoms = st.one_of(
    words.filter(lambda word: word.strip() == word).map(_contains),
    st.builds(_level, st.sampled_from((">=", "<", "=", ":")), st.sampled_from(sorted(LEVELS))),
    st.sampled_from(("shop", "shop.*", "*o*", "info")).map(_logger),
    st.just(Question("pid:4121", _process)),
    st.just(Question("exc:ValueError", lambda record: bool(record.traceback))),
    st.just(_status("status>=500", lambda status: status >= 500)),
    st.just(_status("status:*", lambda status: True)),
    st.just(_status("status:100..300", lambda status: 100 <= status <= 300)),
    st.just(_status("status:500", lambda status: status == 500)),
    st.sampled_from(("eve", "EVE", "ev")).map(_user),
    st.sampled_from(("timeout", "shop", "Order", "42")).map(_whole_word),
    st.sampled_from((" not ", "a x b", '"b x', "é x", " x ")).map(_contains),
    st.integers(0, 4000).map(
        lambda number: Question(
            f"since:{NOW - 4000 + number:.0f}", lambda record: record.time >= NOW - 4000 + number
        )
    ),
)


def _not(one: Question) -> Question:
    def judge(record: Made) -> bool | None:
        found = one.judge(record)
        return None if found is None else not found

    return Question(f"NOT ({one.text})", judge)


def _and(one: Question, other: Question) -> Question:
    def judge(record: Made) -> bool | None:
        found = {one.judge(record), other.judge(record)}
        return False if False in found else None if None in found else True

    return Question(f"({one.text}) ({other.text})", judge)


def _or(one: Question, other: Question) -> Question:
    def judge(record: Made) -> bool | None:
        found = {one.judge(record), other.judge(record)}
        return True if True in found else None if None in found else False

    return Question(f"({one.text} OR {other.text})", judge)


questions = st.recursive(
    atoms,
    lambda inner: st.one_of(inner.map(_not), st.builds(_and, inner, inner), st.builds(_or, inner, inner)),
    max_leaves=6,
)
files = st.lists(st.lists(records, max_size=12), min_size=1, max_size=4)


def _build(
    directory: Path, name: str, made: list[list[Made]], codecs: list[str | None], batch: int, seal: bool
) -> Path:
    for number, part in enumerate(made):
        last = number == len(made) - 1
        path = directory / (name if last else f"{name}.{len(made) - 1 - number}")
        codec = None if last else codecs[number % len(codecs)]
        write(path, part, codec=codec, batch=batch, seal=seal and not last)
    return directory / name


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sets=st.lists(files, min_size=1, max_size=2),
    question=questions,
    codecs=st.lists(st.sampled_from((None, "gzip", "zstd")), min_size=1, max_size=3),
    batch=st.integers(1, 5),
    last=st.integers(1, 5),
    seal=st.booleans(),
)
def test_the_same_hits_in_the_same_order(
    sets: list[list[list[Made]]],
    question: Question,
    codecs: list[str | None],
    batch: int,
    last: int,
    seal: bool,
) -> None:
    """All hits, the last few, and the count, on sets with facts: what the obvious implementation finds."""
    pytest.importorskip("zstandard")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        places = [_build(directory, f"app{n}.log", made, codecs, batch, seal) for n, made in enumerate(sets)]
        expected = [
            (record.time, number, place, record.text().rstrip(b"\r\n"))
            for number, made in enumerate(sets)
            for place, record in enumerate(one for part in made for one in part)
            if question.judge(record) is True
        ]
        expected.sort(key=lambda one: one[:3])
        anything = any(one.format == "json" for made in sets for part in made for one in part)
        if re.search("status|user", question.text) and not anything:
            return
        asked = ask(question.text, places, now=NOW)
        try:
            found = [(hit.time, hit.set, hit.text) for hit in asked.search.hits()]
            assert found == [(time, number, text) for time, number, _, text in expected]
            assert [hit.text for hit in asked.search.last_hits(last)] == [one[3] for one in expected[-last:]]
            assert asked.search.count() == len(expected)
            figures = statistics(asked.search)
            assert figures.levels.total() == len(expected)
            if expected:
                assert (figures.first, figures.last) == (expected[0][0], expected[-1][0])
            assert not [file for file in asked.files if file.guess is not None]
        finally:
            asked.close()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    made=files,
    word=words,
    codecs=st.lists(st.sampled_from((None, "gzip", "zstd", "gzip-plain")), min_size=1, max_size=3),
)
def test_a_set_without_facts_is_parsed(made: list[list[Made]], word: str, codecs: list[str | None]) -> None:
    """JSON Lines have a time, so the order is that of sets with facts."""
    pytest.importorskip("zstandard")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for number, part in enumerate(made):
            for one in part:
                one.format = "json"
            last = number == len(made) - 1
            path = directory / ("app.log" if last else f"app.log.{len(made) - 1 - number}")
            write(path, part, codec=None if last else codecs[number % len(codecs)], known=False)
        judge = _contains(word).judge
        expected = [
            (record.time, place, record.text().rstrip(b"\r\n"))
            for place, record in enumerate(one for part in made for one in part)
            if judge(record)
        ]
        expected.sort(key=lambda one: one[:2])
        asked = ask(word, [directory / "app.log"], fixed=True, now=NOW)
        try:
            assert [hit.text for hit in asked.search.hits()] == [text for *_, text in expected]
            assert asked.search.count() == len(expected)
        finally:
            asked.close()
