"""Which attributes of a `LogRecord` travel, and as which line.

Owns: the choice between rendering in the collector and in the producer, the producer's line encoders,
the zone. Never knows: files, the journal's segments, how the collector renders.

A formatter that is exactly the standard library's travels as its format string, and the records as
columns; the collector renders them. Any other formatter runs here, and its text travels.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from logboom.journal.layout import Context, encode_line
from logboom.records import template
from logboom.records.composing import (
    STYLES,
    composed,
    composes,
    is_standard,
    look_at,
    time_options,
    width_of,
)
from logboom.records.encoding import encode_surely, json_text, known_everywhere
from logboom.records.guard import guard
from logboom.records.rowcode import LAST, SCALARS, Column, Encoder, UnencodableError, encode, make_encoder

__all__ = [
    "JSONText",
    "Plan",
    "UnencodableError",
    "Wire",
    "Zone",
    "finished_plan",
    "plan_for",
    "stamp_of",
    "zone_at",
]


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


class JSONText:
    """Marks a formatter whose text is JSON: what an encoding lacks is escaped in JSON's own way."""


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

_HEAD: Final = frozenset(("created", "levelno", "name"))


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
    timing = time_options(formatter)
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
    letter = STYLES[type(style)]
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


# --- any other formatter: it runs here ---


_genuine_time: Final = time.time


def stamp_of(created: Any) -> float:
    """`created` as the merge needs it; now, where the record says nothing that is a time."""
    if type(created) is float and math.isfinite(created):
        return created
    if isinstance(created, (int, float)):  # a whole second, or a number of another library's
        with contextlib.suppress(OverflowError):
            if math.isfinite(value := float(created)):
                return value
    now = time.time()
    return now if type(now) is float else _genuine_time()  # a test has put something else in its place


def _head(record: logging.LogRecord, number: int) -> tuple[float, int, int, str]:
    """The first values of a row, for any record at all."""
    level = record.levelno if isinstance(record.levelno, int) else 0
    name = str(record.name).encode("utf-8", "backslashreplace").decode("utf-8")
    return stamp_of(getattr(record, "created", None)), number, min(max(int(level), -(2**31)), 2**31), name


def _text_of(formatter: Formatting, record: logging.LogRecord, codec: Codec) -> str:
    """What the formatter makes of the record, with the escape rule applied."""
    if codec[-1]:
        text = formatter.format(record)
    elif composes(formatter):
        return composed(formatter, record)
    else:
        before = dict(record.__dict__)
        text = guard(formatter.format(record), record, before)
    return json_text(text, codec[0]) if isinstance(formatter, JSONText) else text


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
            text = _text_of(formatter, record, codec)
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
            data = _bytes_of(_text_of(formatter, record, codec), codec)
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


def _travels(plan: Plan, codec: Codec) -> bool:
    """Whether a collector can be told how to render, and knows all that it is told of."""
    try:
        encode_line(plan.context(0, UTC))
    except (UnicodeError, TypeError, ValueError):
        return False
    return known_everywhere(*codec[:2])


def _told(codec: Codec) -> Codec:
    """What the collector is told where the bytes are made here: how to write its own notices."""
    encoding, errors, terminator, raw = codec
    if not known_everywhere(encoding, errors):
        encoding, errors = "utf-8", "backslashreplace"
    return encoding, errors, terminator if _is_unicode(terminator) else "\n", raw


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can carry it: it has no lone surrogate."""
    return text == "\n" or text == text.encode("utf-8", "replace").decode()


def _bounded(formatter: logging.Formatter) -> logging.Formatter:
    """`formatter`, or a plain one where it pads without bounds: it was changed since the handler took it."""
    if width_of(formatter) <= template.WIDEST:
        return formatter
    return logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")


def plan_for(
    formatter: logging.Formatter | None, *, encoding: str, errors: str, terminator: str, raw: bool
) -> Plan:
    """The fastest exact way for this formatter; None means the `logging` module's default formatter."""
    if formatter is None:
        formatter = logging._defaultFormatter  # type: ignore[attr-defined]
    codec = (encoding, errors, terminator, raw)
    look = look_at(formatter) if is_standard(formatter) else None
    formatter = _bounded(formatter)
    wire = _own_wire(formatter) if look is None else _standard_wire(formatter)
    plan = Plan(wire or _message_wire(formatter, codec), codec, look)
    return plan if _travels(plan, codec) else _finished(formatter, codec, look)


def finished_plan(
    formatter: logging.Formatter | None, *, encoding: str, errors: str, terminator: str, raw: bool
) -> Plan:
    """The way for a record that `plan_for`'s encoder refused: everything is done here, to the final bytes.

    What its encoder raises is what the formatter raised: a matter for `handleError`.
    """
    if formatter is None:
        formatter = logging._defaultFormatter  # type: ignore[attr-defined]
    return _finished(_bounded(formatter), (encoding, errors, terminator, raw), None)


def _finished(formatter: logging.Formatter, codec: Codec, look: Callable[[], object] | None) -> Plan:
    return Plan(_finished_wire(formatter, codec), _told(codec), look)
