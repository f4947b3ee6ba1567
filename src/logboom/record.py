"""Which attributes of a `LogRecord` travel, and as which line.

Owns: the choice between rendering in the collector and in the producer, the producer's line encoders,
the zone. Never knows: files, the journal's segments, how the collector renders.

A formatter that is exactly the standard library's travels as its format string, and the records as
columns; the collector renders them. Any other formatter runs here, and its text travels.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from operator import attrgetter, index
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeGuard

from logboom import template
from logboom.encoding import below, encode_surely, escape, has_controls
from logboom.guard import guard
from logboom.journal.layout import Context
from logboom.rowcode import LAST, SCALARS, Column, Encoder, UnencodableError, encode, make_encoder

__all__ = ["Plan", "UnencodableError", "Wire", "Zone", "finished_plan", "plan_for", "stamp_of", "zone_at"]


class Zone(NamedTuple):
    """The local zone at a moment: seconds east of UTC, and its name there."""

    offset: int
    name: str


# "GMT" or "UTC", as the platform says for `%Z` of `time.gmtime`.
UTC: Final = Zone(0, time.gmtime(0).tm_zone)


def zone_at(created: float) -> Zone:
    """The zone of this process (`TZ`) at `created`."""
    local = time.localtime(created)
    return Zone(local.tm_gmtoff, local.tm_zone)


# How text becomes bytes in the file: encoding, errors, terminator, raw.
Codec: TypeAlias = tuple[str, str, str, bool]


class Wire(NamedTuple):
    """What a formatter that the collector knows says about itself.

    Attributes:
        renderer, columns, options: as in `layout.Context`.
        make: the encoder for a context's number.
    """

    renderer: str
    columns: tuple[str, ...]
    options: dict[str, Any]
    make: Callable[[int], Encoder]
    zoned: bool = False


class Formatting(Protocol):
    """All that is asked of a formatter."""

    def format(self, record: logging.LogRecord) -> str: ...


class Plan:
    """How the records of one handler become lines.

    Attributes:
        zoned: the rendering depends on the local zone: a new context is due when `zone_at` changes.
    """

    __slots__ = ("_codec", "_look", "_seen", "_wire", "zoned")

    def __init__(self, wire: Wire, codec: Codec, look: Callable[[], object] | None = None) -> None:
        self.zoned = wire.zoned
        self._wire = wire
        self._codec = codec
        self._look = look
        self._seen = None if look is None else _copied(look())

    def fresh(self) -> bool:
        """False when the formatter's attributes changed since the plan was made."""
        return self._look is None or self._look() == self._seen

    def context(self, number: int, zone: Zone) -> Context:
        """The control line that the records of `encoder(number)` refer to."""
        wire, (encoding, errors, terminator, raw) = self._wire, self._codec
        offset, name = zone if self.zoned else UTC
        return Context(
            number, wire.renderer, wire.columns, offset, name, encoding, errors, terminator, raw, wire.options
        )

    def encoder(self, number: int) -> Encoder:
        """`LogRecord` -> its whole line. It raises where the line could not carry the record exactly."""
        return self._wire.make(number)


def _copied(state: object) -> object:
    """Dictionaries in `state` as they are now, two levels deep (`defaults` of a style)."""
    if isinstance(state, dict):
        return {key: dict(value) if type(value) is dict else value for key, value in state.items()}
    return tuple(map(_copied, state)) if isinstance(state, tuple) else state


# --- a formatter that is exactly the standard library's ---

_METHODS: Final = ("format", "formatException", "formatMessage", "formatStack", "formatTime", "usesTime")
_COMPOSING: Final = ("format", "formatMessage", "usesTime")
_STATE: Final = attrgetter("converter", "default_msec_format", "default_time_format", *_METHODS)
_STYLE_METHODS: Final = attrgetter("format", "_format", "usesTime")
_STYLES: Final[dict[type, str]] = {
    logging.PercentStyle: "%",
    logging.StrFormatStyle: "{",
    logging.StringTemplateStyle: "$",
}
_HEAD: Final = frozenset(("created", "levelno", "name"))
_LOGGING_FILE: Final = logging.LogRecord.__init__.__code__.co_filename


def _untouched(functions: tuple[Any, ...]) -> bool:
    """Whether methods are the standard library's own: nobody replaced one in the class."""
    codes = [getattr(function, "__code__", None) for function in functions]
    return all(code is not None and code.co_filename == _LOGGING_FILE for code in codes)


def _is_standard(formatter: object) -> TypeGuard[logging.Formatter]:
    if type(formatter) is not logging.Formatter or not _untouched(_STATE(logging.Formatter)[3:]):
        return False
    return not vars(formatter).keys() & set(_METHODS) and _has_standard_style(formatter)


def _has_standard_style(formatter: logging.Formatter) -> bool:
    style: Any = getattr(formatter, "_style", None)
    if type(style) not in _STYLES or not _untouched(_STYLE_METHODS(type(style))):
        return False
    changed = vars(style).keys() - {"_fmt", "_defaults", "_tpl"}
    stale = isinstance(style, logging.StringTemplateStyle) and style._tpl.template != style._fmt
    return not changed and not stale and isinstance(style._fmt, str)


def _composes(formatter: object) -> TypeGuard[logging.Formatter]:
    """Whether it puts its text together as the standard formatter does, whatever the parts are."""
    kind = type(formatter)
    if not isinstance(formatter, logging.Formatter) or vars(formatter).keys() & set(_COMPOSING):
        return False
    return _untouched(tuple(getattr(kind, name) for name in _COMPOSING)) and _has_standard_style(formatter)


def _look_at(formatter: logging.Formatter) -> Callable[[], object]:
    """Everything that the rendering of a standard formatter depends on."""
    own, style = vars(formatter), formatter._style
    style_own, style_class = vars(style), type(style)
    return lambda: (own, style_own, _STATE(logging.Formatter), _STYLE_METHODS(style_class))


def _time_options(formatter: logging.Formatter) -> dict[str, Any] | None:
    """How the collector makes `asctime`, or None when only this process can."""
    if formatter.converter not in (time.localtime, time.gmtime):
        return None
    datefmt = formatter.datefmt or formatter.default_time_format
    msecs = None if formatter.datefmt else formatter.default_msec_format or None
    if type(datefmt) is not str or not template.safe_datefmt(datefmt) or type(msecs) not in (str, type(None)):
        return None
    try:
        time.strftime(datefmt, time.gmtime(0))
        if msecs is not None:
            msecs % ("", 1.0)
    except (ValueError, TypeError):
        return None
    return {"time": datefmt, "msecs": msecs}


def _columns(parts: tuple[template.Part, ...], style: str, defaults: dict[str, Any]) -> list[Column] | None:
    """A column for each field, or None when a conversion cannot work or a default cannot travel."""
    columns: dict[str, Column] = {}
    for part in parts:
        types = part.types(style)
        if part.field in columns and (before := columns[part.field].types) is not None:
            types = before if types is None else types & before
        if part.field == "levelname" and types is None:
            types = frozenset((str,))
        if part.field:
            columns[part.field] = Column(part.field, types)
        if part.field in defaults and part.field not in ("message", "asctime"):
            columns[part.field] = columns[part.field]._replace(default=defaults[part.field])
            if type(defaults[part.field]) not in SCALARS:
                return None
    return list(columns.values()) if all(column.works() for column in columns.values()) else None


def _with_asctime(
    formatter: logging.Formatter, columns: list[Column], options: dict[str, Any]
) -> tuple[list[Column], bool]:
    """`asctime` replaced by what the collector needs for it, or computed here; and whether it is zoned."""
    names = [column.field for column in columns]
    if "asctime" not in names:
        return columns, False
    timing = _time_options(formatter)
    if timing is None:

        def asctime(record: logging.LogRecord) -> str:
            record.asctime = formatter.formatTime(record, formatter.datefmt)
            return record.asctime

        own = Column("asctime", frozenset((str,)), compute=asctime)
        return [own if column.field == "asctime" else column for column in columns], False
    options |= timing
    columns = [column for column in columns if column.field != "asctime"]
    if timing["msecs"] is not None:
        numbers = frozenset((int, float))
        before = next((column for column in columns if column.field == "msecs"), Column("msecs", numbers))
        types = numbers if before.types is None else before.types & numbers
        columns = [column for column in columns if column.field != "msecs"]
        columns.insert(0, before._replace(types=types))
    return columns, formatter.converter is time.localtime


def _standard_tail(formatter: logging.Formatter) -> Callable[[logging.LogRecord], tuple[Any, Any]]:
    def tail(record: logging.LogRecord) -> tuple[Any, Any]:
        if record.exc_info and not record.exc_text:
            record.exc_text = formatter.formatException(record.exc_info)
        texts = (record.exc_text or None, record.stack_info or None)
        if not all(text is None or type(text) is str for text in texts):
            raise UnencodableError("exc_text or stack_info is no text")
        return texts

    return tail


def _standard_wire(formatter: logging.Formatter) -> Wire | None:
    style = formatter._style
    letter = _STYLES[type(style)]
    parts = template.parse(style._fmt, letter)
    defaults = getattr(style, "_defaults", None) or {}
    columns = None if parts is None else _columns(parts, letter, defaults)
    if columns is None:
        return None
    options: dict[str, Any] = {"format": style._fmt, "style": letter}
    columns, zoned = _with_asctime(formatter, columns, options)
    kept = tuple(column for column in columns if column.field not in _HEAD)
    tail = _standard_tail(formatter)
    names = tuple(column.field for column in kept)
    return Wire("text", names, options, lambda number: make_encoder(number, kept, tail), zoned)


class _OneLine:
    """A value of any kind, for a format string: whatever text is made of it is on one line."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __str__(self) -> str:
        return escape(str(self._value))

    def __repr__(self) -> str:
        return escape(repr(self._value))

    def __format__(self, spec: str) -> str:
        return escape(format(self._value, spec))

    def __int__(self) -> int:
        return int(self._value)

    def __index__(self) -> int:
        return index(self._value)

    def __float__(self) -> float:
        return float(self._value)

    def __getitem__(self, key: Any) -> Any:
        return _one_line(self._value[key])

    def __getattr__(self, name: str) -> Any:
        return _one_line(getattr(self._value, name))


def _one_line(value: Any) -> Any:
    if type(value) is str:
        return escape(value)
    return value if type(value) in SCALARS else _OneLine(value)


def _composed(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """`formatter.format(record)` as the collector would render it, of whatever types the values are."""
    record.message = record.getMessage()
    if formatter.usesTime():
        record.asctime = formatter.formatTime(record, formatter.datefmt)
    text = _composed_head(formatter, record)
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    if record.exc_text:
        text = below(text, record.exc_text)
    return below(text, formatter.formatStack(record.stack_info)) if record.stack_info else text


def _own_time(formatter: logging.Formatter, record: logging.LogRecord) -> str | None:
    """`asctime` where its control characters are the formatter's own."""
    if not formatter.usesTime():
        return None
    timing = _time_options(formatter) if _is_standard(formatter) else {"time": record.asctime}
    return timing["time"] if timing else None


def _composed_head(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The control characters of the format string stay, and then each value is escaped by itself."""
    style, timed = formatter._style, _own_time(formatter, record)
    if not has_controls(template.literals(style._fmt, _STYLES[type(style)]) + str(timed or "")):
        return escape(formatter.formatMessage(record))
    twin = logging.makeLogRecord({})
    values = (getattr(style, "_defaults", None) or {}) | record.__dict__
    twin.__dict__ = {key: _one_line(value) for key, value in values.items()}
    if timed is not None:
        twin.asctime = record.asctime
    try:
        return formatter.formatMessage(twin)
    except Exception:  # a conversion that only the values themselves know
        return escape(formatter.formatMessage(record))


# --- any other formatter: it runs here ---


def stamp_of(created: Any) -> float:
    """`created` as the merge needs it; now, where the record says nothing that is a time."""
    return created if type(created) is float and math.isfinite(created) else time.time()


def _head(record: logging.LogRecord, number: int) -> tuple[float, int, int, str]:
    """The first values of a row, for any record at all."""
    level = record.levelno if isinstance(record.levelno, int) else 0
    name = str(record.name).encode("utf-8", "backslashreplace").decode("utf-8")
    return stamp_of(record.created), number, min(max(int(level), -(2**31)), 2**31), name


def _text_of(formatter: Formatting, record: logging.LogRecord, raw: bool) -> str:
    """What the formatter makes of the record, with the escape rule applied."""
    if raw:
        return formatter.format(record)
    if _composes(formatter):
        return _composed(formatter, record)
    before = dict(record.__dict__)
    return guard(formatter.format(record), record, before)


def _bytes_of(text: str, codec: Codec) -> str:
    """The final bytes of `text`, each as the character of that code point."""
    encoding, errors, terminator, _ = codec
    return encode_surely(text + terminator, encoding, errors).decode("latin-1")


def _message_wire(formatter: Formatting, codec: Codec) -> Wire:
    """Text that is finished but for its encoding; text that JSON cannot carry travels as its bytes.

    All that its encoder raises comes from the formatter, which runs once for a record.
    """

    def make(number: int) -> Encoder:
        def encoder(record: logging.LogRecord) -> bytes:
            text = _text_of(formatter, record, codec[-1])
            created, level, name = record.created, record.levelno, record.name
            usual = type(level) is int and type(name) is str and type(text) is str
            if usual and type(created) is float and -LAST < created < LAST:
                try:
                    return encode((created, number, level, name, text)) + b"\n"
                except UnicodeError:
                    pass
            return encode((*_head(record, number), None, _bytes_of(text, codec))) + b"\n"

        return encoder

    return Wire("message", ("text",), {}, make)


def _finished_wire(formatter: Formatting, codec: Codec) -> Wire:
    def make(number: int) -> Encoder:
        def encoder(record: logging.LogRecord) -> bytes:
            data = _bytes_of(_text_of(formatter, record, codec[-1]), codec)
            return encode((*_head(record, number), data)) + b"\n"

        return encoder

    return Wire("bytes", ("text",), {}, make)


def _own_wire(formatter: object) -> Wire | None:
    """What a formatter of logboom says about itself; a subclass that does not say it anew says nothing."""
    wire = vars(type(formatter)).get("wire")
    if wire is None or "format" in getattr(formatter, "__dict__", ()):
        return None
    answer = wire(formatter)
    return answer if isinstance(answer, Wire) else None


def plan_for(
    formatter: logging.Formatter | None, *, encoding: str, errors: str, terminator: str, raw: bool
) -> Plan:
    """The fastest exact way for this formatter; None means the `logging` module's default formatter."""
    if formatter is None:
        formatter = logging._defaultFormatter  # type: ignore[attr-defined]
    codec = (encoding, errors, terminator, raw)
    if _is_standard(formatter):
        wire = _standard_wire(formatter) or _message_wire(formatter, codec)
        return Plan(wire, codec, _look_at(formatter))
    return Plan(_own_wire(formatter) or _message_wire(formatter, codec), codec)


def finished_plan(
    formatter: logging.Formatter | None, *, encoding: str, errors: str, terminator: str, raw: bool
) -> Plan:
    """The way for a record that `plan_for`'s encoder refused: everything is done here, to the final bytes.

    What its encoder raises is what the formatter raised: a matter for `handleError`.
    """
    if formatter is None:
        formatter = logging._defaultFormatter  # type: ignore[attr-defined]
    codec = (encoding, errors, terminator, raw)
    return Plan(_finished_wire(formatter, codec), codec)
