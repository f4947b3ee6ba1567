"""`JSONFormatter`: every field, any value, the same bytes everywhere."""

from __future__ import annotations

import datetime
import io
import json
import logging
import logging.config
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logboom.errors import ConfigurationError
from logboom.records.formatters import JSONFormatter
from logboom.records.jsonl import FIELDS
from logboom.records.plan import finished_plan, plan_for, zone_at
from logboom.records.rendering import render_notice, renderer_for

OPTIONS: Any = {"encoding": "utf-8", "errors": "backslashreplace", "terminator": "\n", "controls": "indent"}


def record(message: object = "paid %s", args: Any = (7,), **changes: Any) -> logging.LogRecord:
    made = logging.LogRecord("app", 20, "/srv/app/views.py", 12, message, args, None, "view")
    vars(made).update(changes)
    return made


def collected(formatter: logging.Formatter, made: logging.LogRecord, **changes: Any) -> bytes:
    plan = plan_for(formatter, **OPTIONS | changes)
    try:
        line = plan.encoder(1)(made)
    except (TypeError, ValueError):
        plan = finished_plan(formatter, **OPTIONS | changes)
        line = plan.encoder(1)(made)
    return renderer_for(plan.context(1, zone_at(0)))([msgspec.json.decode(line)])[0]


def failure(raiser: Callable[[], object]) -> Any:
    try:
        raiser()
    except BaseException:
        return sys.exc_info()


def chained() -> None:
    try:
        int("x")
    except ValueError as error:
        raise ExceptionGroup("both", [KeyError("k"), OSError("o")]) from error


VALUES = st.recursive(
    st.one_of(
        st.text(), st.floats(), st.integers(), st.none(), st.booleans(), st.binary(), st.builds(object)
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.one_of(st.text(), st.integers()), inner)),
    max_leaves=6,
)


@given(
    st.text(),
    st.floats(0, 4e9),
    VALUES,
    st.sampled_from([None, lambda: 1 / 0, chained]),
    st.sampled_from([None, "S"]),
)
def test_the_collector_and_a_standard_handler_write_the_same(
    message: str, created: float, value: Any, raiser: Any, stack: str | None
) -> None:
    """Moving a handler to logboom must not change what a log pipeline reads."""
    made = record("%s", (message,), created=created, user=value, stack_info=stack)
    made.exc_info = raiser and failure(raiser)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    handler.emit(made)
    written = collected(JSONFormatter(), made)
    assert stream.getvalue() == written.decode()
    assert len(written.decode().splitlines()) == 1
    json.loads(written)


def test_every_field_is_there() -> None:
    """The reference promises them by name."""
    made = record(created=1763805600.25, taskName="Task-1", user="ann", stack_info="Stack")
    made.exc_info = failure(lambda: 1 / 0)
    line = json.loads(collected(JSONFormatter(), made))
    assert list(line) == list(FIELDS)
    assert line["timestamp"] == "2025-11-22T10:00:00.250000Z" and line["created"] == 1763805600.25
    assert (line["message"], line["template"]) == ("paid 7", "paid %s")
    assert (line["extra"], line["stack"]) == ({"user": "ann"}, "Stack")


@given(st.floats(0, 4e9))
@example(1763805600.9999998)
def test_a_timestamp_is_the_nearest_microsecond(created: float) -> None:
    """Rounding up over a second must carry."""
    line = json.loads(JSONFormatter(fields=["timestamp"]).format(record(created=created)))
    found = datetime.datetime.fromisoformat(line["timestamp"]).timestamp()
    assert abs(found - created) < 1.1e-6


@pytest.mark.parametrize("created", [1e300, -1e300, float("nan"), None, 5, "x"])
def test_a_time_that_is_none_does_not_cost_the_record(created: Any) -> None:
    """A broken clock or a careless factory must not silence a log."""
    made = record(created=created)
    assert json.loads(collected(JSONFormatter(), made))["message"] == "paid 7"


def test_an_exception_is_data() -> None:
    """A search for a type, a frame or a cause must not have to parse a traceback."""
    made = record()
    made.exc_info = failure(chained)
    exception = json.loads(collected(JSONFormatter(), made))["exception"]
    assert (exception["type"], exception["module"]) == ("ExceptionGroup", "builtins")
    assert exception["frames"][-1]["function"] == "chained"
    assert [(cause["type"], cause["relation"]) for cause in exception["causes"]] == [("ValueError", "cause")]
    assert [member["type"] for member in exception["group"]] == ["KeyError", "OSError"]
    assert exception["text"] == made.exc_text and "Traceback" in exception["text"]


@pytest.mark.parametrize("exc_info", [(None, None, None), None])
def test_an_exception_that_is_only_text_or_none_survives(exc_info: Any) -> None:
    """`logger.exception` outside an `except`, and records that a queue prepared."""
    made = record(exc_info=exc_info, exc_text="text")
    assert json.loads(collected(JSONFormatter(), made))["exception"]["text"] == "text"


def test_fields_are_chosen_and_named() -> None:
    """Pipelines expect their own names, such as `@timestamp`."""
    formatter = JSONFormatter(fields={"message": "msg", "timestamp": "@timestamp"}, timestamp="epoch")
    assert collected(formatter, record(created=1.5)) == b'{"@timestamp":1.5,"msg":"paid 7"}\n'
    assert formatter.format(record(created=1.5)) == '{"@timestamp":1.5,"msg":"paid 7"}'


@pytest.mark.parametrize(
    "options",
    [
        {"fields": ["nonsense"]},
        {"fields": {}},
        {"fields": {"message": "x", "logger": "x"}},
        {"fields": {"message": 'a"'}},
        {"fields": {"message": "a\\"}},
        {"fields": {"message": "a\n"}},
        {"fields": {"message": "a\ud800"}},
        {"fields": {"message": 5}},
        {"fields": {"message": ["x"]}},
        {"timestamp": "local"},
        {"fmt": "%(message)s"},
        {"datefmt": "%H"},
    ],
)
def test_an_option_that_cannot_work_is_refused_at_once(options: Any) -> None:
    """A configuration error must not wait for the first record."""
    with pytest.raises(ConfigurationError):
        JSONFormatter(**options)


@pytest.mark.parametrize("how", ["()", "class"])
def test_it_can_be_named_in_a_dictionary(how: str) -> None:
    """Django's LOGGING uses either spelling."""
    configuration: Any = {
        "version": 1,
        "formatters": {"json": {how: "logboom.records.formatters.JSONFormatter"}},
        "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "json"}},
    }
    logging.config.dictConfig(configuration)
    handler = logging.getHandlerByName("h") if sys.version_info >= (3, 12) else logging._handlers["h"]
    assert handler is not None and type(handler.formatter) is JSONFormatter


def test_a_codec_without_the_character_gets_json_escapes() -> None:
    """The line stays JSON in any encoding."""
    line = collected(JSONFormatter(fields=["message"]), record("é\U0001f600\u2028", ()), encoding="ascii")
    assert line == b'{"message":"\\u00e9\\ud83d\\ude00\\u2028"}\n'


def test_line_separators_that_json_allows_are_escaped() -> None:
    """Many readers take U+2028 or U+0085 for the end of a line."""
    line = collected(JSONFormatter(fields=["message"]), record("a\u2028b\x85c\x7f", ()))
    assert line == b'{"message":"a\\u2028b\\u0085c\\u007f"}\n'


def test_lone_surrogates_do_not_cost_the_record() -> None:
    """They come from file names that are no text."""
    made = record("lone \udc80", (), name="n\udc80", user={"k\udc80": "v\udc80"})
    line = json.loads(collected(JSONFormatter(), made))
    assert (line["message"], line["logger"]) == ("lone \\udc80", "n\\udc80")
    assert line["extra"] == {"user": {"k\\udc80": "v\\udc80"}}


def test_a_row_that_is_not_as_its_context_says_is_still_json() -> None:
    """A reader of JSON Lines must be able to go on."""
    plan = plan_for(JSONFormatter(), **OPTIONS)
    good = msgspec.json.decode(plan.encoder(1)(record()))
    lines = renderer_for(plan.context(1, zone_at(0)))([good, [1.0], good])
    assert [("logboom_error" in json.loads(line)) for line in lines] == [False, True, False]


def test_logbooms_own_records_are_json_too() -> None:
    """A log reader parses every line in the same way."""
    plan = plan_for(JSONFormatter(fields=["message", "level", "extra"]), **OPTIONS)
    line = render_notice(plan.context(1, zone_at(0)), 1.5, 30, "logboom", "12 dropped")
    assert line == b'{"message":"12 dropped","level":"WARNING"}\n'


@pytest.mark.parametrize("lost", ["relativeCreated", "processName"])
def test_an_extra_is_there_whatever_a_filter_took_away(lost: str) -> None:
    """Some filters remove what they find useless, and the number of attributes is then as without extras."""
    made = record(user="ann")
    vars(made).pop(lost)
    line = json.loads(JSONFormatter(fields=["message", "extra"]).format(made))
    assert line == {"message": "paid 7", "extra": {"user": "ann"}}


class Tagged(JSONFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return super().format(record)[:-1] + ',"tag":"\u00fc\U0001f600"}'


@pytest.mark.parametrize("kind", [JSONFormatter, Tagged])
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "utf-8", "utf-16"])
@pytest.mark.parametrize("controls", ["escape", "indent", "raw"])
@pytest.mark.parametrize("making", [plan_for, finished_plan])
@pytest.mark.parametrize("errors", ["strict", "replace"])
def test_a_line_is_json_in_every_encoding(
    kind: type[JSONFormatter], encoding: str, controls: str, making: Any, errors: str
) -> None:
    """Whether the collector encodes it or the producer, which does it for a subclass and a lone surrogate."""
    plan = making(
        kind(fields=["message"]), **OPTIONS | {"encoding": encoding, "errors": errors, "controls": controls}
    )
    made = record("caf\u00e9 \u20ac \U0001f600\u0081", ())
    line = renderer_for(plan.context(1, zone_at(0)))([msgspec.json.decode(plan.encoder(1)(made))])[0]
    decoded = json.loads(line.decode(encoding))
    assert decoded["message"] == "caf\u00e9 \u20ac \U0001f600\u0081"
    assert kind is JSONFormatter or decoded["tag"] == "\u00fc\U0001f600"
