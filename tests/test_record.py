"""Plans: which way a record takes, and that nothing is lost or changed on any of them."""

from __future__ import annotations

import codecs
import enum
import logging
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from logboom.journal.layout import Context, encode_line
from logboom.records.formatters import JSONFormatter
from logboom.records.plan import Plan, UnencodableError, Zone, finished_plan, plan_for, zone_at
from logboom.records.rendering import renderer_for

OPTIONS: Any = {"encoding": "utf-8", "errors": "backslashreplace", "terminator": "\n", "controls": "indent"}
VERBOSE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def record(message: object = "paid %s", args: Any = (7,), **changes: Any) -> logging.LogRecord:
    made = logging.LogRecord("app", 20, "/srv/app/views.py", 12, message, args, None, "view")
    vars(made).update(changes)
    return made


def context(plan: Plan) -> Context:
    return plan.context(3, zone_at(time.time()))


def written(plan: Plan, made: logging.LogRecord) -> str:
    row = msgspec.json.decode(plan.encoder(3)(made))
    return renderer_for(plan.context(3, zone_at(made.created)))([row])[0].decode()


class Shout(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return super().format(record) + "!"


class Duck:
    """Not even a `logging.Formatter`: the `logging` module asks for `format` alone."""

    def format(self, record: logging.LogRecord) -> str:
        return f"duck {record.getMessage()}"


def with_attribute(name: str, value: object) -> logging.Formatter:
    formatter = logging.Formatter(VERBOSE)
    setattr(formatter, name, value)
    return formatter


@pytest.mark.parametrize(
    ("formatter", "renderer", "columns"),
    [
        (None, "text", ("message",)),
        (logging.Formatter(VERBOSE), "text", ("msecs", "levelname", "message")),
        (logging.Formatter("{asctime} {message}", "%H:%M", "{"), "text", ("message",)),
        (logging.Formatter(VERBOSE, "%A"), "text", ("asctime", "levelname", "message")),
        (with_attribute("converter", lambda t: time.gmtime(t)), "text", ("asctime", "levelname", "message")),
        (with_attribute("formatTime", lambda record, datefmt: "now"), "message", ("text",)),
        (with_attribute("note", "an attribute of the user's own"), "text", ("msecs", "levelname", "message")),
        (logging.Formatter("{args[0]}", style="{"), "message", ("text",)),
        (logging.Formatter("%(msg)s"), "message", ("text",)),
        (Shout(), "message", ("text",)),
        (Duck(), "message", ("text",)),
        (JSONFormatter(fields=["message"]), "json", ("message",)),
    ],
)
def test_the_way_of_a_formatter(formatter: Any, renderer: str, columns: tuple[str, ...]) -> None:
    """The fast way is for what is exactly the standard library's; all else runs in the producer."""
    plan = plan_for(formatter, **OPTIONS)
    assert (context(plan).renderer, context(plan).columns) == (renderer, columns)
    made = record(created=1.5)
    assert written(plan, made) == (formatter or logging.Formatter()).format(made) + "\n"


def test_a_replaced_method_of_the_standard_class_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs patch `logging.Formatter` itself; the collector does not know about that."""
    monkeypatch.setattr(logging.Formatter, "formatException", lambda self, info: "no details")
    assert context(plan_for(logging.Formatter(), **OPTIONS)).renderer == "message"


class Level(enum.IntEnum):
    LOUD = 33


class Word(str):
    __slots__ = ()


class Shown:
    name = "Ann"


@pytest.mark.parametrize(
    "made",
    [
        record("lone \udc80", ()),
        record(name="lone \udc80"),
        record(levelname=Word("INFO")),
        record(levelname={"a": 1}),
        record(levelname=None),
        record(levelno=Level.LOUD),
        record(created=5),
        record(created=1e12),
        record(msecs=Decimal("1")),
        record(relativeCreated=float("inf")),
        record(name=7),
    ],
    ids=range(11),
)
def test_what_json_would_change_is_refused_and_finished(made: logging.LogRecord) -> None:
    """A value that does not come back as it went must not travel; its own formatter renders it at once."""
    formatter = logging.Formatter(VERBOSE + " %(relativeCreated)s")
    with pytest.raises((UnencodableError, UnicodeError)):
        plan_for(formatter, **OPTIONS).encoder(3)(made)
    finished = finished_plan(formatter, **OPTIONS)
    expected = (formatter.format(made) + "\n").encode("utf-8", "backslashreplace")
    row = msgspec.json.decode(finished.encoder(3)(made))
    assert renderer_for(context(finished))([row]) == [expected]
    assert type(row[0]) is float and type(row[2]) is int and type(row[3]) is str


def test_a_time_that_is_none_gives_the_merge_one() -> None:
    """The merge needs a time from every record, the formatter does not."""
    before = time.time()
    row = msgspec.json.decode(
        finished_plan(logging.Formatter("%(message)s"), **OPTIONS).encoder(1)(record(created=None))
    )
    assert before <= row[0] <= time.time()


@pytest.mark.parametrize("plan", [plan_for, finished_plan])
def test_what_the_record_raises_goes_up(plan: Callable[..., Plan]) -> None:
    """Wrong arguments are a matter for `Handler.handleError`, as always."""
    with pytest.raises(TypeError):
        plan(logging.Formatter(VERBOSE), **OPTIONS).encoder(3)(record("%d", ("x",)))


def test_a_missing_extra_is_the_formatters_error() -> None:
    """The standard library's ValueError for an unknown field must not be lost on the way."""
    formatter = logging.Formatter("%(request_id)s %(message)s")
    with pytest.raises(UnencodableError):
        plan_for(formatter, **OPTIONS).encoder(3)(record())
    with pytest.raises(ValueError, match="request_id"):
        finished_plan(formatter, **OPTIONS).encoder(3)(record())
    assert written(plan_for(formatter, **OPTIONS), record(request_id=None)) == "None paid 7\n"


@pytest.mark.parametrize(
    ("formatter", "made"),
    [
        (logging.Formatter(VERBOSE), record("a\nb")),
        (Shout(VERBOSE), record("a\nb %s")),
        (logging.Formatter(VERBOSE, "%A"), record("a\nb %s")),
    ],
)
def test_a_message_stays_on_its_line_whichever_way(
    formatter: logging.Formatter, made: logging.LogRecord
) -> None:
    """The escape rule holds for formatters that run in the producer as well."""
    made.args = () if "%" not in str(made.msg) else (1,)
    for controls, between in (("escape", "a\\nb"), ("indent", "a\n b"), ("raw", "a\nb")):
        for making in (plan_for, finished_plan):
            assert between in written(making(formatter, **OPTIONS | {"controls": controls}), made)


class Timed(logging.Formatter):
    """The kind of subclass that is most common: all but the time is the standard library's."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return "\x1b[2mnow\x1b[0m"


class Named:
    name = "eve\nINFO forged"

    def __str__(self) -> str:
        return self.name


@pytest.mark.parametrize("kind", [logging.Formatter, Timed, Shout])
@pytest.mark.parametrize("layout", ["%(user)s %(message)s", "%(asctime)s %(message)s %(user)s\n  own"])
@pytest.mark.parametrize("user", ["eve\nINFO forged", "eve\nINFO forged\ud800", Named(), ["a", Named()][1:]])
@pytest.mark.parametrize("making", [plan_for, finished_plan])
def test_no_value_forges_a_line_whichever_way(
    kind: type[logging.Formatter], layout: str, user: object, making: Callable[..., Plan]
) -> None:
    """A lone surrogate, or a value that is no text, must not switch the rule off."""
    made = record("paid\nINFO forged", (), user=user)
    try:
        text = written(making(kind(layout), **OPTIONS), made)
    except UnencodableError:
        return
    assert all(line.startswith(" ") for line in text.splitlines()[1:])
    text = written(finished_plan(kind(layout), **OPTIONS | {"controls": "escape"}), made)
    assert text.count("\n") == 1 + (kind is not Shout and layout.count("\n"))
    assert kind is not Timed or "asctime" not in layout or "\x1b[2mnow" in text


@pytest.mark.parametrize(
    ("layout", "style"),
    [
        ("\x1b[1m%(level)d %(ratio)5.1f %(user)6s|%(msg)s", "%"),
        ("{level:03d}\n{user!s:>6}|{args[0].name}", "{"),
        ("$level\n${user} $ratio", "$"),
    ],
)
def test_a_value_of_any_type_is_formatted_as_ever(layout: str, style: Any) -> None:
    """Numbers in their conversions, attributes and items, widths."""
    formatter = logging.Formatter(layout, style=style)
    made = record("%s", (Word("x"),), user=Word("ann"), level=Level.LOUD, ratio=Decimal("2.5"))
    made.args = (Shown(),)
    expected = formatter.format(made).replace("\na", "\n a") + "\n"
    assert written(finished_plan(formatter, **OPTIONS), made) == expected


@pytest.mark.parametrize(
    ("layout", "style"), [("a\n%(code)3c", "%"), ("a\n{code:c}", "{"), ("a\n{code}", "{")]
)
def test_a_number_is_no_newline(layout: str, style: Any) -> None:
    """A conversion to the character of that number must not make a line either."""
    formatter = logging.Formatter(layout, style=style)
    made = record("x", (), code=10)
    text = written(finished_plan(formatter, **OPTIONS | {"controls": "escape"}), made)
    assert text.count("\n") == 2 and "\n " in text


def test_a_conversion_that_only_the_value_knows_does_not_cost_the_record() -> None:
    """`%c` takes a text of one character, of whatever class."""
    made = record("x", (), letter=Word("a"))
    assert written(finished_plan(logging.Formatter("%(letter)c\n"), **OPTIONS), made) == "a\n\n"


@pytest.fixture
def own_codec() -> Iterator[None]:
    def find(name: str) -> codecs.CodecInfo | None:
        return codecs.lookup("latin-1") if name == "applatin" else None

    codecs.register(find)
    codecs.register_error("ours", lambda error: ("<?>", getattr(error, "end")))  # noqa: B009
    yield
    codecs.unregister(find)


@pytest.mark.parametrize("formatter", [None, logging.Formatter(VERBOSE), Shout(), JSONFormatter()])
@pytest.mark.parametrize(
    "changes",
    [{"encoding": "applatin"}, {"encoding": "latin-1", "errors": "ours"}, {"terminator": "\udcff\n"}],
)
def test_what_only_this_process_knows_is_done_here(
    formatter: logging.Formatter | None, changes: dict[str, str], own_codec: None
) -> None:
    """No collector has the codecs and error handlers that a program registers."""
    plan = plan_for(formatter, **OPTIONS | changes)
    row = msgspec.json.decode(plan.encoder(3)(record("é €", ())))
    told = plan.context(3, zone_at(0))
    assert told.renderer == "bytes" and (told.encoding, told.terminator) != ("applatin", "\udcff\n")
    assert encode_line(told)
    line = renderer_for(told)([row])[0]
    lacks = {"ours": b"<?>", "backslashreplace": rb"\u20ac" if changes.get("encoding") else "€".encode()}
    if type(formatter) is not JSONFormatter:
        assert lacks[changes.get("errors", "backslashreplace")] in line
    assert line.endswith(b"\\udcff\n" if "terminator" in changes else b"\n")


@pytest.mark.parametrize(
    "formatter",
    [
        logging.Formatter("\ud800 %(message)s"),
        logging.Formatter(Word("%(message)s")),
        logging.Formatter("%(asctime)s %(message)s", Word("%H")),
    ],
)
def test_a_format_that_cannot_travel_stays_here(formatter: logging.Formatter) -> None:
    """Else not one record could name a context."""
    plan = plan_for(formatter, **OPTIONS)
    made = record()
    assert encode_line(context(plan)) and plan.fresh()
    assert written(plan, made) == f"{formatter.format(made)}\n".encode("utf-8", "backslashreplace").decode()


class Counting(logging.Formatter):
    """It counts, and colours in the usual way: by changing the record."""

    runs = 0

    def format(self, record: logging.LogRecord) -> str:
        self.runs += 1
        record.levelname = f"<b>{record.levelname}</b>"
        return super().format(record)


@pytest.mark.parametrize(
    "made",
    [
        record("file %s", ("x\udcff",)),
        record(name="n\udcff"),
        record(levelno=Level.LOUD),
        record(created=7),
        record(created=1e12),
        record(name=7),
    ],
    ids=range(6),
)
@pytest.mark.parametrize("errors", ["backslashreplace", "surrogateescape", "strict"])
def test_a_formatter_runs_once_for_a_record(made: logging.LogRecord, errors: str) -> None:
    """Only the text's way changes when it cannot be encoded as usual."""
    formatter = Counting("%(levelname)s %(message)s")
    made.levelname = "INFO"
    plan = plan_for(formatter, **OPTIONS | {"errors": errors})
    row = msgspec.json.decode(plan.encoder(3)(made))
    line = renderer_for(context(plan))([row])
    assert formatter.runs == 1
    handler = errors if errors != "strict" else "backslashreplace"
    assert line == [f"<b>INFO</b> {made.getMessage()}\n".encode("utf-8", handler)]
    assert type(row[0]) is float and type(row[2]) is int and type(row[3]) is str


def test_the_record_is_left_as_the_standard_formatter_leaves_it() -> None:
    """Handlers after ours rely on `message` and the cached traceback."""
    made = record()
    try:
        raise KeyError("x")
    except KeyError:
        made.exc_info = sys.exc_info()
    plan_for(None, **OPTIONS).encoder(3)(made)
    assert made.message == "paid 7"
    assert made.exc_text is not None and made.exc_text.endswith("KeyError: 'x'")


def test_a_record_factorys_own_message_is_used() -> None:
    """`setLogRecordFactory` is a common way to other message styles."""

    class Braces(logging.LogRecord):
        def getMessage(self) -> str:
            return str(self.msg).format(*(self.args or ()))

    made = Braces("app", 20, "/x.py", 1, "paid {}", (7,), None)
    assert written(plan_for(None, **OPTIONS), made) == "paid 7\n"


def change_style(formatter: logging.Formatter) -> None:
    formatter._style._fmt = "other %(message)s"


def change_datefmt(formatter: logging.Formatter) -> None:
    formatter.datefmt = "%H"


def change_converter(formatter: logging.Formatter) -> None:
    formatter.converter = time.gmtime


def change_defaults(formatter: logging.Formatter) -> None:
    assert formatter._style._defaults is not None
    formatter._style._defaults["where"] = "there"


def change_method(formatter: logging.Formatter) -> None:
    formatter.format = lambda record: "other"  # type: ignore[method-assign]


@pytest.fixture
def class_converter() -> Iterator[None]:
    before = logging.Formatter.converter
    yield
    logging.Formatter.converter = before


@pytest.mark.parametrize(
    "change", [change_style, change_datefmt, change_converter, change_defaults, change_method]
)
def test_a_plan_knows_when_its_formatter_changed(change: Callable[[logging.Formatter], None]) -> None:
    """People change formatters in place; the next record must follow."""
    formatter = logging.Formatter("%(asctime)s %(where)s", defaults={"where": "here"})
    plan = plan_for(formatter, **OPTIONS)
    assert plan.fresh()
    change(formatter)
    assert not plan.fresh()
    made = record(created=5e8)
    assert written(plan_for(formatter, **OPTIONS), made) == formatter.format(made) + "\n"


def test_a_plan_knows_when_the_class_changed(class_converter: None) -> None:
    """`logging.Formatter.converter = time.gmtime` is the documented way to UTC for all."""
    plan = plan_for(logging.Formatter(VERBOSE), **OPTIONS)
    assert plan.zoned and plan.fresh()
    logging.Formatter.converter = time.gmtime
    assert not plan.fresh()
    assert not plan_for(logging.Formatter(VERBOSE), **OPTIONS).zoned


def test_the_zone_stands_in_the_context_only_where_it_matters() -> None:
    """A zone that nobody prints would make contexts change for nothing."""
    plan = plan_for(logging.Formatter(VERBOSE), **OPTIONS)
    made = plan.context(3, Zone(3600, "CET"))
    assert (made.context, made.offset, made.zone) == (3, 3600, "CET")
    assert plan_for(None, **OPTIONS).context(3, Zone(3600, "CET")).offset == 0


def test_a_line_is_one_json_line() -> None:
    """The journal's commit rule stands on it: one newline at the end, no zero byte."""
    line = plan_for(None, **OPTIONS).encoder(3)(record("a\nb\x00c", ()))
    assert line.count(b"\n") == 1 and line.endswith(b"\n") and b"\0" not in line
    assert msgspec.json.decode(line)[1:] == [3, 20, "app", "a\nb\x00c"]


def test_a_subclass_of_our_own_formatter_runs_in_the_producer() -> None:
    """The collector knows `JSONFormatter` alone, not what a subclass makes of it."""

    class Mine(JSONFormatter):
        def format(self, record: logging.LogRecord) -> str:
            return "mine"

    assert written(plan_for(Mine(), **OPTIONS), record()) == "mine\n"
