"""Format strings, taken apart."""

from __future__ import annotations

import pytest

from logboom.records.template import Part, parse, safe_datefmt


@pytest.mark.parametrize(
    ("style", "fmt", "parts"),
    [
        ("%", "a%%%(name)-8s!", (Part("a%", "name", "s", "-8"), Part("!"))),
        ("{", "{{{name!r:<8}}}", (Part("{"), Part("", "name", "r", "<8"), Part("}"))),
        ("$", "$$$name ${message}", (Part("$", "name", "s"), Part(" ", "message", "s"), Part(""))),
    ],
)
def test_the_parts_of_a_format(style: str, fmt: str, parts: tuple[Part, ...]) -> None:
    """The producer takes the columns from them and the collector the code."""
    assert parse(fmt, style) == parts


@pytest.mark.parametrize(
    ("style", "fmt"),
    [
        ("%", "%s"),
        ("%", "%(name)"),
        ("%", "%(name)*d"),
        ("%", "%(name)c"),
        ("%", "100% %(name)s"),
        ("%", "%(exc_text)s"),
        ("%", "%(name)99999s"),
        ("{", "{0}"),
        ("{", "{}"),
        ("{", "{name.x}"),
        ("{", "{name[0]}"),
        ("{", "{name:{lineno}}"),
        ("{", "{lineno:n}"),
        ("{", "{name:d}"),
        ("{", "{request_id:<8}"),
        ("{", "{name"),
        ("$", "$ $name"),
        ("$", "$args"),
    ],
)
def test_what_only_its_own_formatter_can_render(style: str, fmt: str) -> None:
    """A guess here would be a wrong line in somebody's log."""
    assert parse(fmt, style) is None


@pytest.mark.parametrize(
    ("datefmt", "safe"),
    [
        ("%Y-%m-%dT%H:%M:%S%z %Z %%", True),
        ("", True),
        *((unsafe, False) for unsafe in ("%A", "%b", "%c", "%p", "%s", "%Ey", "%-d", "%Y年", "%")),
    ],
)
def test_a_date_that_depends_on_the_locale_stays_in_the_producer(datefmt: str, safe: bool) -> None:
    """A collector that cron started knows neither the locale nor TZ."""
    assert safe_datefmt(datefmt) is safe
