"""The page about the handlers names what the code has: no option without its row, and no row too many."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import logboom
from logboom.handlers.options import Keywords, Options, parse_options

REFERENCE = Path(__file__).parents[1] / "docs/reference"
HANDLERS = [logboom.FileHandler, logboom.RotatingFileHandler, logboom.TimedRotatingFileHandler]


def section(heading: str) -> str:
    page = (REFERENCE / "handlers.md").read_text(encoding="utf-8")
    return page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def rows(heading: str) -> dict[str, list[str]]:
    """First column -> the others, without their quotes, of the table under `heading`."""
    lines = [line for line in section(heading).splitlines() if line.startswith("| `")]
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines]
    return {first.strip("` "): rest for first, *rest in cells}


def written(value: str) -> Any:
    """A default as the page writes it, as the value that the code has for it."""
    return {"None": None}.get(value, value.strip('"'))


def test_every_keyword_only_option_is_in_the_page() -> None:
    """An option that nobody can read about does not exist."""
    assert set(rows("Options of all handlers")) == set(Keywords.__optional_keys__)


@pytest.mark.parametrize("option", sorted(Keywords.__optional_keys__))
def test_the_page_gives_the_default(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page says in the column `default` is what happens when one says nothing."""
    monkeypatch.delenv("LOGBOOM_COLLECTOR", raising=False)
    given: Any = {option: written(rows("Options of all handlers")[option][0])}
    if given[option] is not None and re.fullmatch(r"\d+", given[option]):
        given[option] = int(given[option])
    assert parse_options(given) == parse_options({}) == Options()


@pytest.mark.parametrize("handler", HANDLERS)
def test_the_page_gives_the_signature(handler: type) -> None:
    """Who copies the line from the page gets the call right."""
    parts = []
    for parameter in inspect.signature(handler).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            parts.append("*")
        has_default = parameter.default is not parameter.empty
        parts.append(parameter.name + (f"={parameter.default!r}".replace("'", '"') if has_default else ""))
    parts[-1] = "**options"
    told = re.search(rf"{handler.__name__}\((.*?)\)\n", section(handler.__name__), re.DOTALL)
    assert told is not None
    assert re.sub(r"\s+", " ", told[1]) == ", ".join(parts)


def test_every_argument_of_its_own_has_a_row() -> None:
    """`maxBytes` of the timed handler is easily overlooked."""
    for handler in HANDLERS:
        own = set(inspect.signature(handler).parameters) - {"options"}
        told = set(rows("FileHandler")) | set(rows(handler.__name__))
        assert own <= told, handler


def test_every_environment_variable_that_the_handlers_read_is_in_the_page() -> None:
    """A switch that is only in the code is found by nobody who needs it."""
    source = Path(inspect.getfile(Options)).parents[1]
    code = "".join(
        path.read_text(encoding="utf-8") for path in source.rglob("*.py") if path.name != "failpoints.py"
    )
    read = set(re.findall(r"environ\.get\(\s*\"(LOGBOOM_\w+)\"", code))
    assert set(rows("Environment")) >= read - {"LOGBOOM_FAILPOINT"}
