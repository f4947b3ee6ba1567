"""The bytes that come out are the standard library's, whichever way a record takes."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, currently_in_test_context, given, note, settings
from hypothesis import strategies as st

from logboom.journal.layout import Context, decode_control, encode_line
from logboom.records.plan import UnencodableError, finished_plan, plan_for, zone_at
from logboom.records.rendering import renderer_for

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Africa/Monrovia",
    "<+0330>-3:30",
    "XYZ7",
]
STYLES: list[Any] = ["%", "{", "$"]
FIELDS = [
    *("asctime", "created", "filename", "funcName", "levelname", "levelno", "lineno", "message", "module"),
    *("msecs", "name", "pathname", "process", "processName", "relativeCreated", "taskName", "thread"),
    *("threadName", "request_id"),
]
PERCENT = [
    "s",
    "-8s",
    "8s",
    ".3s",
    "-12.5s",
    "r",
    "a",
    "d",
    "05d",
    "03d",
    "-6d",
    "f",
    ".3f",
    "x",
    "+d",
    "08s",
    "e",
    "12r",
]
BRACE = ["", "", ":<8", ":>12.4", "!r", "!s:^9", ":05d", ":.3f", ":x", ":,", ":n", "!a", ":e", ":08.2f"]
DATEFMTS = [
    None,
    None,
    "",
    "%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S%z",
    "%d.%m.%y %Z%%Z",
    "%a %b %c %p",
    "%s %j %U",
    "%-d|%F %T",
    "é%Y",
]


class Shouting(str):
    def __str__(self) -> str:
        return "loud"

    def __format__(self, spec: str) -> str:
        return "formatted"


@contextmanager
def zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


def rendered(formatter: logging.Formatter | None, record: logging.LogRecord, **changes: Any) -> bytes:
    """What the collector, in another zone, writes for a record of this process."""
    options: Any = {
        "encoding": "utf-8",
        "errors": "backslashreplace",
        "terminator": "\n",
        "controls": "indent",
    } | changes
    plan = plan_for(formatter, **options)
    try:
        line = plan.encoder(7)(record)
    except UnencodableError as error:
        plan = finished_plan(formatter, **options)
        line = plan.encoder(7)(error.record or record)
    context = decode_control(
        encode_line(plan.context(7, zone_at(record.created) if plan.zoned else zone_at(0)))
    )
    assert isinstance(context, Context) and line.endswith(b"\n") and line.count(b"\n") == 1
    with zone("Antarctica/Troll"):
        return renderer_for(context)([msgspec.json.decode(line)])[0]


@st.composite
def formats(draw: st.DrawFn, style: str) -> str:
    pieces = []
    for field in draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=5)):
        pieces.append(draw(st.sampled_from(["", " ", " - ", "[", "] ", ": ", "%%", "$$", "{{", "é\t", "|"])))
        if style == "%":
            pieces.append(f"%({field}){draw(st.sampled_from(PERCENT))}")
        elif style == "{":
            pieces.append(f"{{{field}{draw(st.sampled_from(BRACE))}}}")
        else:
            pieces.append(draw(st.sampled_from([f"${field} ", f"${{{field}}}"])))
    return "".join(pieces)


@st.composite
def formatters(draw: st.DrawFn) -> logging.Formatter:
    style = draw(st.sampled_from(STYLES))
    defaults = draw(st.sampled_from([None, {"request_id": "-"}, {"taskName": None}, {"request_id": 1.5}]))
    formatter = logging.Formatter(
        draw(formats(style)), draw(st.sampled_from(DATEFMTS)), style, validate=False, defaults=defaults
    )
    if draw(st.booleans()):
        formatter.converter = time.gmtime
    formatter.default_msec_format = draw(st.sampled_from(["%s,%03d", "%s.%03d", "%s %s", "", "%s;%dms"]))
    return formatter


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)
VALUES = st.one_of(
    WORDS,
    st.integers(),
    st.floats(),
    st.none(),
    st.booleans(),
    st.just(Shouting("x")),
    st.just(Decimal("1.5")),
)
TRACES = [None, "plain", "nested"]


def raised(kind: str | None) -> Any:
    if kind is None:
        return None
    try:
        try:
            raise ValueError("first\n  second")
        except ValueError as error:
            if kind == "plain":
                raise
            raise KeyError("second") from error
    except (KeyError, ValueError):
        return sys.exc_info()


@st.composite
def records(draw: st.DrawFn, words: st.SearchStrategy[str]) -> logging.LogRecord:
    level = draw(st.sampled_from([0, 10, 20, 25, 40, 50]))
    stack = draw(st.sampled_from([None, None, "Stack (most recent call last):\n  File x"]))
    trace = raised(draw(st.sampled_from(TRACES)))
    record = logging.LogRecord(
        draw(words), level, "/srv/app/é.py", 12, "%s", (draw(words),), trace, "go", stack
    )
    record.created = draw(st.floats(0, 4e9, width=64))
    record.msecs = draw(st.sampled_from([0.0, 7.0, 999.0, 12.7, record.created % 1 * 1000]))
    for field in draw(st.lists(st.sampled_from([*FIELDS, "request_id"]), max_size=2)):
        if field not in ("created", "message", "asctime"):
            setattr(record, field, draw(VALUES))
    return record


HEADINGS = ("", "Traceback (most recent call last):", "Stack (most recent call last):")
HEADINGS += ("The above exception was the direct cause of the following exception:",)


def assert_same_but_for_marks(got: str, expected: str) -> None:
    """The standard library's text; further lines are marked, frames and headings may be as they are."""
    lines, standard = got.split("\n"), expected.split("\n")
    assert len(lines) == len(standard) and (lines.pop(), standard.pop()) == ("", "")
    assert lines[0] == standard[0] or (lines[0] == "\\x20" + standard[0][1:] and standard[0][0] == " ")
    for line, its in zip(lines[1:], standard[1:], strict=True):
        as_is = line == its and (its.startswith(" ") or its in HEADINGS)
        assert as_is or line == " " + its or line == "\t" + its


def check(formatter: logging.Formatter, record: logging.LogRecord, tz: str, **changes: Any) -> None:
    if currently_in_test_context():
        note(f"{formatter._fmt!r} {formatter.datefmt!r} {formatter.default_msec_format!r} {vars(record)}")
    with zone(tz):
        try:
            expected = formatter.format(record) + "\n"
        except Exception as error:
            with pytest.raises(type(error)):
                rendered(formatter, record, **changes)
            return
        got = rendered(formatter, record, **changes)
        if changes:
            assert got == expected.encode("utf-8", "backslashreplace")
        else:
            assert_same_but_for_marks(got.decode(), expected)


@given(formatters(), records(WORDS), st.sampled_from(ZONES))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_format_gives_the_standard_bytes(
    formatter: logging.Formatter, record: logging.LogRecord, tz: str
) -> None:
    """A user who changes the handler's class must find the same file."""
    check(formatter, record, tz)


@given(formatters(), records(st.text(max_size=12)), st.sampled_from(ZONES))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_raw_output_is_the_standard_bytes_for_any_text(
    formatter: logging.Formatter, record: logging.LogRecord, tz: str
) -> None:
    """`raw` promises no change at all, so any character is compared."""
    check(formatter, record, tz, controls="raw")


@pytest.mark.parametrize("tz", ZONES)
@pytest.mark.parametrize("converter", [time.localtime, time.gmtime])
@pytest.mark.parametrize("created", [0.0, 1.999, 1763805600.25, 1750000000.0])
def test_the_zone_is_the_producers(tz: str, converter: Any, created: float) -> None:
    """The collector may have been started by cron under another TZ; summer and winter differ."""
    formatter = logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S %Z %z")
    formatter.converter = converter
    record = logging.LogRecord("app", 20, "/x.py", 1, "m", None, None)
    record.created = created
    check(formatter, record, tz)


LAYOUTS = ["%(levelname)s\n  {}", "\x1b[32m%(name)s\x1b[0m {}", "{}", "%(asctime)s {}", "{}\n"]
NASTY = st.text(st.sampled_from("ab 1\n\r\x1b\x85\u2028é[:"), max_size=8)


@given(
    st.sampled_from(LAYOUTS),
    st.sampled_from(["%(message)s %(user)s", "%(user)-9s%(message)r", "%(message).3s %(message)s"]),
    st.sampled_from([None, "%H\n%M"]),
    NASTY,
    NASTY,
    st.sampled_from(TRACES),
)
@settings(max_examples=150, deadline=None)
def test_one_formatter_gives_one_kind_of_bytes(
    layout: str, fields: str, datefmt: str | None, message: str, user: str, trace: str | None
) -> None:
    """A record that has to be finished by its producer must not be told by how it is escaped."""
    formatter = logging.Formatter(layout.format(fields), datefmt)
    record = logging.LogRecord("app", 20, "/x.py", 1, "%s", (message,), raised(trace), None, "Stack\n" + user)
    record.user = user
    options: Any = {
        "encoding": "utf-8",
        "errors": "backslashreplace",
        "terminator": "\n",
        "controls": "indent",
    }
    plan = finished_plan(formatter, **options)
    row = msgspec.json.decode(plan.encoder(7)(record))
    finished = renderer_for(plan.context(7, zone_at(record.created)))([row])[0]
    assert finished == rendered(formatter, record)
