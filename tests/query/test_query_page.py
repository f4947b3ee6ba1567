"""The examples of the reference page are queries, and find what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.logs import Made, write

from logboom.query.asking import ask
from logboom.query.language import parse

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "query.md"
EXAMPLES = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
NOW = 1_795_341_600.0


def _made() -> list[Made]:
    said = ("timeout", "connection refused", "error healthcheck", "order 123456 FAILED", "req42 not found")
    made = [Made(NOW - 60 + n, message=text) for n, text in enumerate(said)]
    made += [Made(NOW - 30, level=40, logger="shop.pay", process=4121, message="error")]
    made += [Made(NOW - 29, message="bad", traceback="Traceback (most recent call last):\nValueError: x")]
    for status in (200, 404, 503):
        extra = {"status": status, "path": "/api/x"} | ({"user_id": 7} if status == 200 else {})
        made.append(Made(NOW - 20, message="request", format="json", extra=extra))
    return made


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) > 20


@pytest.mark.parametrize("query", EXAMPLES)
def test_an_example_is_a_query_that_finds_something(tmp_path: Path, query: str) -> None:
    """Each of them would be copied by a person in a hurry."""
    assert parse(query)
    path = write(tmp_path / "app.log", _made())
    asked = ask(query.replace("until:03:20", "until:now"), [path], now=NOW)
    found = asked.search.count()
    asked.close()
    if not query.startswith("timeout refused"):
        assert found > 0
    if query == "-user_id:*":
        assert found == 2
    if query == "status:400..499":
        assert found == 1
