"""The page about the handlers names what the code has: no option without its row, and no row too many."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import logboom
from logboom import errors, testing
from logboom.handlers.base import JournalHandler
from logboom.producer.options import Keywords, Options, parse_options
from logboom.records.jsonl import FIELDS

REFERENCE = Path(__file__).parents[1] / "docs/reference"
HANDLERS = [logboom.FileHandler, logboom.RotatingFileHandler, logboom.TimedRotatingFileHandler]


def section(heading: str, name: str = "handlers.md") -> str:
    page = (REFERENCE / name).read_text(encoding="utf-8")
    return page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def rows(heading: str, name: str = "handlers.md") -> dict[str, list[str]]:
    """First column -> the others, without their quotes, of the tables under `heading`."""
    lines = [line for line in section(heading, name).splitlines() if line.startswith("| `")]
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


def signature(callable_: Callable[..., Any]) -> str:
    """The arguments as a person writes them down, without types."""
    parts, starred = [], False
    for parameter in inspect.signature(callable_).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        has_default = parameter.default is not parameter.empty
        name = f"**{parameter.name}" if parameter.kind is parameter.VAR_KEYWORD else parameter.name
        parts.append(name + (f"={parameter.default!r}".replace("'", '"') if has_default else ""))
    return ", ".join(parts)


def told(callable_: Callable[..., Any], name: str) -> str:
    """The arguments as the page has them."""
    found = re.search(
        rf"^    {callable_.__name__}\((.*?)\)\n", section(callable_.__name__, name), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    return re.sub(r"\s+", " ", found[1])


@pytest.mark.parametrize("handler", HANDLERS)
def test_the_page_gives_the_signature(handler: type) -> None:
    """Who copies the line from the page gets the call right."""
    assert told(handler, "handlers.md") == signature(handler)


@pytest.mark.parametrize("module", ["logboom.zeromq", "logboom.queues"])
def test_the_page_of_the_other_designs_gives_the_signatures(module: str) -> None:
    """The same for what is brought along from other designs: nothing public is without its line."""
    pytest.importorskip("zmq")
    public = importlib.import_module(module)
    for name in set(public.__all__) - {"default_formatter"}:
        assert told(getattr(public, name), "zeromq.md") == signature(getattr(public, name)), name


@pytest.mark.parametrize("name", ["PUSHHandler", "LoggingServer", "PUBLogger", "SUBLogger"])
def test_every_argument_of_the_other_designs_has_a_row_with_its_default(name: str) -> None:
    """A name in a signature says nothing about its unit or its meaning."""
    public = pytest.importorskip("logboom.zeromq")
    parameters = inspect.signature(getattr(public, name)).parameters.values()
    table = rows(name, "zeromq.md")
    assert set(table) == {parameter.name for parameter in parameters}
    for parameter in parameters:
        if parameter.default is not parameter.empty:
            assert table[parameter.name][0].strip('"') == str(parameter.default), parameter


def test_every_error_has_a_row_with_what_it_is_besides() -> None:
    """Who catches `ValueError` or `OSError` must know which of these come along."""
    table = rows("Classes", "errors.md")
    assert set(table) == set(errors.__all__)
    for name, (bases, _) in table.items():
        written = {base.strip("` ") for base in bases.split(",")} - {""}
        kind = getattr(errors, name)
        standard = {base.__name__ for base in kind.__mro__ if base.__module__ == "builtins"}
        ours = {base.__name__ for base in kind.__bases__ if base.__module__ == errors.__name__}
        assert (
            written
            == standard & {"ValueError", "OSError", "Exception"} - ({"Exception"} if ours else set()) | ours
        )


def test_every_attribute_of_an_error_has_a_row() -> None:
    """They are there for programs: a message alone would have to be taken apart."""
    assert set(rows("Attributes", "errors.md")) == set(vars(errors.LogboomError("")))


def test_the_page_of_the_test_tools_gives_names_signatures_and_fields() -> None:
    """They are public, so a release must not change what nobody has written down."""
    for name in set(testing.__all__) - {"Report"}:
        tool = getattr(testing, name)
        assert told(tool, "testing.md") == signature(tool), name
        public = (
            {each for each in vars(tool) if not each.startswith("_")} if isinstance(tool, type) else set()
        )
        assert {each for each in public if f"`{each}" not in section(name, "testing.md")} == set(), name
    fields = {each.name for each in dataclasses.fields(testing.Report)} | {"ok", "note"}
    assert set(rows("Report", "testing.md")) == fields


def test_every_field_and_argument_of_the_json_formatter_has_a_row() -> None:
    """Who reads the lines with a program needs the names, and where they come from."""
    table = rows("JSONFormatter")
    assert set(FIELDS) <= set(table)
    for field, attribute in FIELDS.items():
        computed = field in ("timestamp", "message", "template", "extra", "exception", "stack")
        assert computed or table[field][0].startswith(attribute), field
    assert {"timestamp", "fields"} <= set(inspect.signature(logboom.JSONFormatter).parameters) & set(table)


def test_every_key_of_a_structured_exception_is_in_the_page() -> None:
    """The object is read by programs, not by people who could guess."""
    try:
        try:
            raise KeyError("one")
        except KeyError as error:
            raise ExceptionGroup("two", [ValueError("three")]) from error
    except ExceptionGroup as error:
        record = logging.LogRecord(
            "shop", 40, __file__, 1, "no", None, (type(error), error, error.__traceback__)
        )
    described = json.loads(logboom.JSONFormatter(fields=["exception"]).format(record))["exception"]
    keys = {*described, *described["frames"][0], *described["causes"][0], *described["group"][0]}
    (row,) = (line for line in section("JSONFormatter").splitlines() if line.startswith("| `exception`"))
    assert {key for key in keys if f"`{key}`" not in row} == set()


def test_every_argument_of_its_own_has_a_row() -> None:
    """`maxBytes` of the timed handler is easily overlooked."""
    for handler in HANDLERS:
        own = set(inspect.signature(handler).parameters) - {"options"}
        told = set(rows("FileHandler")) | set(rows(handler.__name__))
        assert own <= told, handler


def test_every_method_and_attribute_has_its_words() -> None:
    """A method that is only in the code is found by nobody who needs it."""
    own = {name for name in vars(JournalHandler) if not name.startswith("_")}
    here = section("Methods and attributes")
    differences = (REFERENCE / "differences.md").read_text(encoding="utf-8")
    assert {name for name in own if f".{name}" not in here and f"`{name}`" not in differences} == set()


def test_every_environment_variable_that_the_handlers_read_is_in_the_page() -> None:
    """A switch that is only in the code is found by nobody who needs it."""
    source = Path(inspect.getfile(Options)).parents[1]
    code = "".join(
        path.read_text(encoding="utf-8") for path in source.rglob("*.py") if path.name != "failpoints.py"
    )
    read = set(re.findall(r"environ\.get\(\s*\"(LOGBOOM_\w+)\"", code))
    assert set(rows("Environment")) >= read - {"LOGBOOM_FAILPOINT"}
