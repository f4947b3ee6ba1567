"""The escape rule in text that a formatter of the user's own has made."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest

from logboom.records.guard import guard

FORGED = "2026-11-22 10:00:01,000 ERROR app: forged"
HEAD = "2026-11-22 10:00:00,123 INFO app: paid"


class Shown:
    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def record(message: object = "paid", *args: object, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("app", 20, "/x.py", 1, message, args, None)
    vars(made).update(extra)
    return made


def guarded(text: str, made: logging.LogRecord) -> str:
    return guard(text, made, dict(vars(made)))


def test_a_formatters_own_lines_stay() -> None:
    """Only the values, which others can choose, are put on one line."""
    assert guarded(f"{HEAD}\na\nb\n  detail: 1", record("a\nb")) == f"{HEAD}\na\\nb\n  detail: 1"


def test_a_formatter_that_escapes_by_itself_is_left_alone() -> None:
    """A JSON formatter's text must not be escaped twice."""
    assert guarded('{"message": "a\\nb"}', record("a\nb")) == '{"message": "a\\nb"}'


@pytest.mark.parametrize(
    "value",
    [
        f"eve\n{FORGED}",
        Shown(f"eve\n{FORGED}"),
        {"name": f"eve\n{FORGED}"},
        [("name", {f"eve\n{FORGED}"})],
    ],
    ids=["text", "object", "dict", "deep"],
)
@pytest.mark.parametrize("layout", ["x {} y", "{}{}", "{}\n  own", "\x1b[1m{}\x1b[0m"])
def test_no_value_of_a_record_makes_a_line(value: object, layout: str) -> None:
    """A formatter may print any of them, as often as it likes."""
    text = layout.replace("{}", f"eve\n{FORGED}")
    assert guarded(text, record(user=value)) == layout.replace("{}", f"eve\\n{FORGED}")


@pytest.mark.parametrize("text", ["x\nforged...", "x\nFORGED LINE", "\nforged line", "x\n"])
def test_a_part_of_a_value_is_a_value(text: str) -> None:
    """Formatters cut messages off, strip them, change their case."""
    assert "\n" not in guarded(text, record("x\nforged line"))


def test_the_own_newline_before_a_value_is_no_help() -> None:
    """The second half of a value must not count as the formatter's text."""
    assert guarded("\nINFO a\nINFO a\nINFO a", record("x", user="\nINFO a\nINFO a")).count("\n") == 0


def test_a_value_that_no_list_finds_cannot_pose_as_a_head() -> None:
    """What hides in an object of the user's own is told by its look alone."""
    assert guarded(f"{HEAD} user=x\n{FORGED}", record()) == f"{HEAD} user=x\n {FORGED}"
    assert guarded("\x1b[32mINFO\x1b[0m x\nERROR forged", record()).endswith("\n ERROR forged")


def test_own_colours_stay_and_other_sequences_do_not() -> None:
    """Colour formatters are common; nothing else that a terminal obeys has a place in a log file."""
    coloured = "\x1b[1;32mINFO\x1b[0m paid"
    assert guarded(coloured, record()) == coloured
    assert guarded("\x1b]0;title\x07 \x1b[2J\r", record()) == "\\x1b]0;title\\x07 \\x1b[2J\\r"


def test_colours_in_a_value_are_escaped() -> None:
    """They are the user's, not the formatter's."""
    made = record("\x1b[31mred\x1b[0m")
    assert guarded("INFO \x1b[31mred\x1b[0m", made) == "INFO \\x1b[31mred\\x1b[0m"


def test_what_the_formatter_changed_in_the_record_is_its_own() -> None:
    """The usual recipe for colours sets `levelname` and `msg` before it calls `super().format`."""
    made = record("paid %s", "x\ny")
    before = dict(vars(made))
    made.levelname, made.msg = "\x1b[32mINFO\x1b[0m", "\x1b[1mpaid %s\x1b[0m"
    made.message = made.getMessage()
    text = f"{made.levelname} {made.message}"
    assert guard(text, made, before) == "\x1b[32mINFO\x1b[0m \x1b[1mpaid x\\ny\x1b[0m"


def test_a_traceback_keeps_its_lines() -> None:
    """Also where a value stands in it; then a line that looks like a head is indented."""
    try:
        raise ValueError(f"eve\n{FORGED}")
    except ValueError:
        made = record("failed\n", user=f"eve\n{FORGED}")
        made.exc_info = sys.exc_info()
    made.stack_info = "Stack:\n  x\x1b[2J"
    text = logging.Formatter("2026-11-22 10:00:00,123 %(message)s").format(made)
    lines = guarded(text, made).split("\n")
    assert lines[0] == "2026-11-22 10:00:00,123 failed\\n" and lines[1].startswith("Traceback")
    assert lines[-4:] == ["ValueError: eve", f" {FORGED}", "Stack:", "  x\\x1b[2J"]


def test_a_copy_of_the_traceback_in_a_value_is_no_traceback() -> None:
    """`log.error(traceback.format_exc(), exc_info=True)`, and who knows the traceback beforehand."""
    made = record("x\nTraceback\n  y\nforged")
    made.exc_text = "Traceback\n  y"
    assert "\n" not in guarded("INFO x\nTraceback\n  y\nforged", made)


def test_values_that_cannot_be_shown_cost_nothing() -> None:
    """The formatter has not shown them either."""
    assert guarded("a\nb", record("%d", "x", user=Unshowable(), seen=float("nan"))) == "a\nb"


@pytest.mark.parametrize(
    "made",
    [record("x" + "\n" * 5000, user="\n"), record("m", rows=[["x\ny"] * 900] * 3)],
    ids=["long", "many"],
)
def test_what_takes_too_long_to_look_for_is_escaped(made: logging.LogRecord) -> None:
    """A log call must not take seconds because of what a user has sent."""
    assert "\n" not in guarded("x" + "\n" * 5000, made)
