"""No text that others choose can pose as the first line of a record, in no format and by no way in."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import logboom
from logboom.collector.assembly import drain
from logboom.platform import clock

# Formats as they stand in public programs, and the mark of their further lines.
FORMATS: dict[str, str] = {
    "%(asctime)s %(levelname)s %(message)s": " ",
    "%(asctime)s - %(name)s - %(levelname)s - %(message)s": " ",
    "%(asctime)s [%(levelname)s] %(name)s: %(message)s": " ",
    "%(asctime)s,%(msecs)d %(levelname)-8s [%(filename)s:%(lineno)d] %(message)s": " ",
    "%(asctime)s %(levelname)-8s %(name)-15s %(message)s": " ",
    "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [-] %(message)s": " ",
    "%(asctime)s %(process)d:%(threadName)s %(message)s": " ",
    "[%(asctime)s] %(levelname)s in %(module)s: %(message)s": " ",
    "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s": " ",
    "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s": " ",
    "[%(levelname)s] %(message)s": " ",
    "[%(levelname)s] %(name)s: %(message)s": " ",
    "[%(name)s] %(message)s": " ",
    "[%(threadName)s] %(levelname)s: %(message)s": " ",
    "(%(levelname)s) %(name)s - %(message)s": " ",
    "<%(levelname)s> %(message)s": " ",
    "%(levelname)s:%(name)s:%(message)s": " ",
    "%(levelname)s: %(message)s": " ",
    "%(levelname)s %(message)s": " ",
    "%(levelname)s - %(message)s": " ",
    "%(levelname)-8s %(message)s": " ",
    "%(levelname)s %(asctime)s %(module)s %(process)d %(thread)d %(message)s": " ",
    "%(levelname).1s%(asctime)s %(name)s] %(message)s": " ",
    "%(name)s - %(asctime)s - %(levelname)s - %(message)s": " ",
    "%(name)s: %(message)s": " ",
    "%(name)s - %(levelname)s - %(message)s": " ",
    "%(name)-12s: %(levelname)-8s %(message)s": " ",
    "%(filename)s:%(lineno)s %(funcName)s() %(message)s": " ",
    "%(module)s.%(funcName)s: %(message)s": " ",
    "%(threadName)s %(message)s": " ",
    "%(process)d %(message)s": " ",
    "%(processName)s[%(process)d]: %(message)s": " ",
    "%(created)f %(message)s": " ",
    "level=%(levelname)s msg=%(message)s": " ",
    "time=%(asctime)s level=%(levelname)s msg=%(message)s": " ",
    "ts=%(asctime)s user=%(user)s %(message)s": " ",
    "%(user)s %(message)s": " ",
    "- %(message)s": " ",
    "# %(message)s": " ",
    "%(asctime)s|%(levelname)s|%(user)s|%(message)s": " ",
    "\x1b[32m%(levelname)s\x1b[0m %(message)s": " ",
    "%(asctime)s\n%(levelname)s\n%(message)s": " ",
    "\n%(asctime)s %(message)s": " ",
    "%(message)s": "\t",
    "%(message)s (%(name)s)": "\t",
    "%(levelname)8s %(message)s": "\t",
    "%(levelname)10s: %(message)s": "\t",
    " %(levelname)s %(message)s": "\t",
    "%(process)6d %(message)s": "\t",
}
NEWLINES = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
HEADINGS = {
    "",
    "Traceback (most recent call last):",
    "Stack (most recent call last):",
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
}


class Upper(logging.Formatter):
    """A formatter of which only the result is known."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record)


class Timed(logging.Formatter):
    """Everything but the time is the standard library's."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return "2026-11-30 12:00:00,000"


class Named:
    """A value that is no text."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name


def raised(text: str) -> Any:
    """An exception whose message, notes, cause and group are `text`."""
    try:
        try:
            raise KeyError(text)
        except KeyError as cause:
            error = ExceptionGroup(text, [OSError(2, text), ValueError(text)])
            error.add_note(text)
            raise error from cause
    except ExceptionGroup:
        return sys.exc_info()


def attacks(text: str) -> Iterator[tuple[object, tuple[object, ...], dict[str, Any]]]:
    """Messages, arguments and attributes: each a way in for `text`."""
    yield text, (), {}
    yield "x" + text, (), {}
    yield "%s", (text,), {}
    yield "by %s", (Named(text),), {}
    yield Named(text), (), {}
    yield "failed", (), {"exc_info": raised(text)}
    yield text, (), {"exc_info": raised(text)}
    yield "x", (), {"exc_text": "Traceback (most recent call last):\n" + text}
    yield "x", (), {"stack_info": "Stack (most recent call last):\n  File x" + text}
    yield "x", (), {"stack_info": text, "exc_info": raised(text)}
    yield traceback.format_exc() + text, (), {}
    for field in ("user", "name", "levelname", "threadName", "processName", "module", "funcName"):
        yield "x", (), {field: "y" + text}
    for field in ("process", "lineno", "user", "filename", "taskName"):
        yield "x", (), {field: Named(text)}


def hostile(formatter: logging.Formatter) -> Iterator[logging.LogRecord]:
    forged = [formatter.format(record("forged", ())).strip("\n"), *sorted(HEADINGS), "  forged", "\tforged"]
    for newline in NEWLINES:
        for line in forged if newline == "\n" else forged[:1]:
            for message, args, attributes in attacks(newline + line + newline):
                with contextlib.suppress(TypeError):  # a number is asked for
                    formatter.format(record(message, args, **attributes))
                    yield record(message, args, **attributes)


def record(message: object, args: tuple[object, ...], **attributes: Any) -> logging.LogRecord:
    made = logging.LogRecord("app", 40, "/srv/app.py", 7, message, args, None, "f")
    vars(made).update({"user": "ann"} | attributes)
    return made


def written(path: Path, formatter: logging.Formatter, records: Any, **options: Any) -> tuple[int, str]:
    """The number of records, and the file that a collector makes of them."""
    handler = logboom.FileHandler(path / "x.log", collector="external", **options)
    handler.setFormatter(formatter)
    count = 0
    for one in records:
        handler.handle(one)
        count += 1
    assert drain(path / ".logboom", clock.monotonic() + 30)
    handler.close()
    return count, (path / "x.log").read_bytes().decode("utf-8")


@pytest.fixture(autouse=True)
def no_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that cannot be formatted here is a fault of the test."""

    def fail(*_: object) -> None:
        raise AssertionError from sys.exc_info()[1]

    monkeypatch.setattr(logging.Handler, "handleError", fail)


def first_lines(text: str, mark: str) -> list[str]:
    lines = text.removesuffix("\n").split("\n")
    return [line for line in lines if not line.startswith(mark) and (mark == "\t" or line not in HEADINGS)]


@pytest.mark.parametrize("kind", [logging.Formatter, Timed, Upper])
@pytest.mark.parametrize("layout", FORMATS)
def test_there_are_as_many_first_lines_as_records(
    tmp_path: Path, layout: str, kind: type[logging.Formatter]
) -> None:
    """Forged lines are told by the mark alone: not by what they look like."""
    formatter = kind(layout)
    count, text = written(tmp_path, formatter, hostile(formatter))
    mark = " " if kind is Upper and layout.startswith("%(message)s") else FORMATS[layout]
    assert text.splitlines() == text.removesuffix("\n").split("\n")
    heads = first_lines(text, mark)
    assert len(heads) <= count
    if not layout.startswith(
        ("\n", "%(message)s", "%(user)s", "%(filename)s")
    ):  # they have blank first lines
        assert len(heads) == count
    forged = formatter.format(record("forged", ())).strip("\n").split("\n")[0]
    usual = re.sub(r"\d+", r"\\d+", re.escape(forged))
    if "forged" in forged:
        assert not re.search(rf"^{usual}$", text, re.MULTILINE)


@pytest.mark.parametrize("layout", FORMATS)
def test_a_record_is_one_line_with_escape(tmp_path: Path, layout: str) -> None:
    """Tracebacks and stacks as well, for tools that read lines."""
    formatter = logging.Formatter(layout)
    count, text = written(tmp_path, formatter, hostile(formatter), control_characters="escape")
    assert text.splitlines() == text.removesuffix("\n").split("\n")
    assert len(text.splitlines()) == count * (1 + layout.count("\n"))


@pytest.mark.parametrize("making", [logboom.JSONFormatter])
@pytest.mark.parametrize("controls", ["escape", "indent", "raw"])
def test_json_has_a_line_a_record(
    tmp_path: Path, making: Callable[[], logging.Formatter], controls: Any
) -> None:
    """JSON escapes by itself, and no mark may get into it."""
    count, text = written(
        tmp_path, making(), hostile(logging.Formatter("%(message)s")), control_characters=controls
    )
    assert len(text.splitlines()) == count
    assert all(json.loads(line)["logger"] for line in text.splitlines())


PIECES = ["", " ", "  ", "\t", "[", "] ", ": ", "- ", "|", "\x1b[1m", "\n", "x=", "T"]
FIELDS = ["message", "asctime", "levelname", "name", "user", "process", "threadName", "taskName"]
TEXTS = st.text(st.sampled_from("ab 1\n\r\t\x1b\x1e\x85\u2028é[:-|T"), max_size=12)


@st.composite
def layouts(draw: st.DrawFn) -> str:
    text = ""
    for field in draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4)):
        text += (
            draw(st.sampled_from(PIECES)) + f"%({field}){draw(st.sampled_from(['s', '-9s', '9s', '.3s']))}"
        )
    return text + draw(st.sampled_from(["", "\n", " end"]))


@given(
    layouts(),
    st.sampled_from([logging.Formatter, Timed, Upper]),
    st.lists(st.tuples(st.one_of(TEXTS, st.sampled_from(sorted(HEADINGS))), TEXTS, TEXTS), max_size=5),
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_format_and_any_text(
    tmp_path_factory: pytest.TempPathFactory,
    layout: str,
    kind: type[logging.Formatter],
    texts: list[tuple[str, str, str]],
) -> None:
    """One mark for the whole file; a line without it, and no heading, is one record's first."""
    made = []
    for message, user, name in texts:
        made.append(record(message, (), user=user, name=name, threadName=user, taskName=name))
        made[-1].exc_info = raised(message) if "T" in user else None
    count, text = written(tmp_path_factory.mktemp("any"), kind(layout), made)
    lines = text.removesuffix("\n").split("\n") if text else []
    assert lines == text.splitlines()
    assert not lines or min(len(first_lines(text, mark)) for mark in " \t") <= count <= len(lines)


# --- what stays as it is ---


@pytest.mark.parametrize(
    "layout",
    ["%(asctime)s %(message)s", "[%(levelname)s] %(message)s", "%(levelname)s %(message)s"],
)
@pytest.mark.parametrize("kind", [logging.Formatter, Timed, Upper])
def test_frames_and_headings_keep_their_bytes(
    tmp_path: Path, kind: type[logging.Formatter], layout: str
) -> None:
    """A traceback reads as ever; the line of the exception is the only one that is marked."""
    made = record("failed", (), exc_info=raised("x"))
    _, text = written(tmp_path, kind(layout), [made])
    standard = "".join(traceback.format_exception(made.exc_info[1])).rstrip("\n").split("\n")  # type: ignore[index]
    found = text.removesuffix("\n").split("\n")[1:]
    changed = [(was, is_) for was, is_ in zip(standard, found, strict=True) if was != is_]
    assert changed == [("KeyError: 'x'", " KeyError: 'x'")]


def test_no_first_line_is_a_heading(tmp_path: Path) -> None:
    """A logger named `Traceback` is all that it would take."""
    made = record("(most recent call last):", (), name="Traceback")
    _, text = written(tmp_path, logging.Formatter("%(name)s %(message)s"), [made])
    assert text == "\\x54raceback (most recent call last):\n"


def test_first_lines_lose_their_own_mark(tmp_path: Path) -> None:
    """Or a record could hide as a part of another one."""
    path = tmp_path / "named"
    path.mkdir()
    _, text = written(path, logging.Formatter("%(name)s %(message)s"), [record("x", (), name=" app")])
    assert text == "\\x20app x\n"
    _, text = written(tmp_path, logging.Formatter("%(message)s"), [record("\tx", ()), record("  x", ())])
    assert text == "\\tx\n  x\n"


# --- whose code runs ---


class Counted:
    """Counts how often it is shown, as a QuerySet that asks a database each time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.shown = 0

    def __str__(self) -> str:
        self.shown += 1
        return self.text

    def __repr__(self) -> str:
        self.shown += 1
        return self.text


LAYOUTS = ["%(asctime)s %(message)s", "%(message)s %(user)s", "\x1b[1m%(message)s\x1b[0m\n%(user)s"]


@pytest.mark.parametrize("text", ["plain", "two\nlines\x1b[2J", "surrogate \ud800"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [logging.Formatter, Timed, Upper])
@pytest.mark.parametrize("controls", ["escape", "indent", "raw"])
def test_no_value_is_shown_more_often_than_by_the_standard_library(
    tmp_path: Path, text: str, layout: str, kind: type[logging.Formatter], controls: Any
) -> None:
    """Showing a value may cost a query; showing one that the format does not print may not happen at all."""
    values = [Counted(text) for _ in range(6)]
    made = [record("%s", (values[n],), user=values[n + 1], unused=Counted(text)) for n in (0, 2, 4)]
    made[1].created = int(made[1].created)
    made[2].threadName = Counted("x")  # type: ignore[assignment]
    written(tmp_path, kind(layout), made, control_characters=controls)
    assert [value.shown for value in values] == [1, int("user" in layout)] * 3
    assert not any(one.unused.shown for one in made)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["app", Counted("app")])
@pytest.mark.parametrize("text", ["plain", "surrogate \ud800"])
def test_json_shows_each_value_once(tmp_path: Path, text: str, name: Any) -> None:
    """Its lines have all of `extra`: once is what that takes."""
    value, extra = Counted(text), Counted(text)
    made = record("%s", (value,), basket=extra, threadName=name)
    written(tmp_path, logboom.JSONFormatter(), [made])
    assert (value.shown, extra.shown) == (1, 1)


def test_a_value_that_cannot_be_shown_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the application's, and so is what it costs."""
    errors = []
    monkeypatch.setattr(logging.Handler, "handleError", lambda *_: errors.append(sys.exc_info()[0]))

    class Failing(Counted):
        def __str__(self) -> str:
            super().__str__()
            raise ZeroDivisionError

    value = Failing("x")
    written(tmp_path, logging.Formatter("%(message)s"), [record("before", ()), record("%s", (value,))])
    assert value.shown == 1 and errors == [ZeroDivisionError]


# --- other formatters ---


class AsBytes(logging.Formatter):
    def format(self, record: logging.LogRecord) -> Any:
        return f'{{"m": "{record.getMessage()}"}}'.encode()


class AsNumber(logging.Formatter):
    def format(self, record: logging.LogRecord) -> Any:
        return 7


def test_bytes_of_a_formatter_are_text(tmp_path: Path) -> None:
    """JSON libraries that are quick return bytes."""
    assert written(tmp_path, AsBytes(), [record("é", ()), record("x", ())])[1] == '{"m": "é"}\n{"m": "x"}\n'


def test_a_formatter_that_returns_no_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a complaint about JSON from deep inside."""
    errors: list[str] = []
    monkeypatch.setattr(logging.Handler, "handleError", lambda *_: errors.append(str(sys.exc_info()[1])))
    written(tmp_path, AsNumber(), [record("x", ()), record("y", ())])
    assert errors == ["AsNumber.format returned int, not str"] * 2


def test_a_blank_exception_text_is_none(tmp_path: Path) -> None:
    """loguru has the traceback in the message, and `exc_text="\\n"` so that it is not added again."""
    made = record("failed\nTraceback (most recent call last):\n  File x\nKeyError: 1\n", ())
    made.exc_info, made.exc_text = raised("x"), "\n"
    _, text = written(tmp_path, logging.Formatter("%(asctime)s %(message)s"), [made])
    assert text.endswith(" failed\nTraceback (most recent call last):\n  File x\n KeyError: 1\n\n")
    path = tmp_path / "json"
    path.mkdir()
    _, line = written(path, logboom.JSONFormatter(), [made])
    exception = json.loads(line)["exception"]
    assert exception["type"] == "ExceptionGroup" and "text" not in exception


class Coloured(logging.Formatter):
    """The usual recipe, which leaves its colours in the record."""

    def format(self, record: logging.LogRecord) -> str:
        record.levelname = f"\x1b[32m{record.levelname}\x1b[0m"
        return super().format(record)


@pytest.mark.parametrize("kind", [logging.Formatter, Timed])
@pytest.mark.parametrize(
    ("layout", "expected"),
    [("%(levelname)-8s %(message)s", "ERROR    hello\n"), ("{levelname:>8} {message}", "   ERROR hello\n")],
)
def test_colours_that_another_formatter_left_are_taken_out(
    tmp_path: Path, kind: type[logging.Formatter], layout: str, expected: str
) -> None:
    """A console handler came first; the file must stay readable, and its columns straight."""
    made = record("hello", ())
    Coloured("%(levelname)s").format(made)
    formatter = kind(layout, style="{" if "{" in layout else "%")
    assert written(tmp_path, formatter, [made, record("hello", ())])[1] == expected * 2


def test_colours_in_a_level_are_taken_out_of_json(tmp_path: Path) -> None:
    """A query for `level = ERROR` must find it."""
    made = record("hello", ())
    Coloured("%(levelname)s").format(made)
    assert json.loads(written(tmp_path, logboom.JSONFormatter(), [made])[1])["level"] == "ERROR"


def test_a_colour_formatter_keeps_its_colours(tmp_path: Path) -> None:
    """Those of the message are someone else's: none of the record's stay then."""
    made = [record("hello", ()), record("\x1b[8mhidden", ())]
    _, text = written(tmp_path, Coloured("%(levelname)s %(message)s"), made)
    assert text == "\x1b[32mERROR\x1b[0m hello\n\\x1b[32mERROR\\x1b[0m \\x1b[8mhidden\n"


def test_threads_and_loggers_name_themselves(tmp_path: Path) -> None:
    """The real attributes, by the real ways."""
    handler = logboom.FileHandler(tmp_path / "x.log", collector="external")
    handler.setFormatter(logging.Formatter("%(threadName)s %(name)s - %(message)s"))
    logger = logging.getLogger("app\nforged - x")
    logger.addHandler(handler)
    thread = threading.Thread(target=logger.error, args=("x",), name="worker\nforged - x")
    thread.start()
    thread.join()
    logger.removeHandler(handler)
    assert drain(tmp_path / ".logboom", clock.monotonic() + 30)
    handler.close()
    assert (tmp_path / "x.log").read_text() == "worker\\nforged - x app\\nforged - x - x\n"


# --- the patterns on the page about differences ---

PAGE = (Path(__file__).parents[2] / "docs/reference/differences.md").read_text(encoding="utf-8")


def filebeat(lines: list[str]) -> int:
    """`negate: false`, `match: after`: a line that matches belongs to the one before."""
    (pattern,) = re.findall(r"pattern: '(.*)'", PAGE)
    return sum(not re.search(pattern, line) for line in lines)


def fluent_bit(lines: list[str]) -> int:
    """A state for first lines, and one for further lines; anything else is a record of its own."""
    rules = dict(re.findall(r'rule "(\w+)" "/(.*)/" "further"', PAGE))
    records, state = 0, ""
    for line in lines:
        further = state and re.search(rules["further"], line)
        if not further:
            records += 1
            state = "start_state" if re.search(rules["start_state"], line) else ""
    return records


def datadog(lines: list[str]) -> int:
    """A record begins where the pattern matches at the start of a line."""
    (pattern,) = re.findall(r"    pattern: (\\d.*)", PAGE)
    return sum(bool(re.match(pattern, line)) for line in lines)


@pytest.mark.parametrize("agent", [filebeat, fluent_bit, datadog])
@pytest.mark.parametrize("layout", [layout for layout, mark in FORMATS.items() if mark == " "])
def test_agents_find_the_records(tmp_path: Path, agent: Callable[[list[str]], int], layout: str) -> None:
    """They must see no record in a further line, and put none together with another."""
    if (agent is datadog and not layout.startswith("%(asctime)s ")) or layout.startswith(("\n", "%(user)s")):
        pytest.skip("its first lines do not begin with a date, or are blank")
    formatter = logging.Formatter(layout)
    records = [one for one in hostile(formatter) if not isinstance(vars(one)["filename"], Named)]
    count, text = written(tmp_path, formatter, records)
    assert agent(text.removesuffix("\n").split("\n")) == count
