"""Formatters for people to name in a configuration.

The same bytes come out whether the collector renders a record or `JSONFormatter.format` does, under any
handler of the standard library.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from logboom.errors import ConfigurationError
from logboom.records.coerce import coerce, describe_exception
from logboom.records.composing import exception_text
from logboom.records.jsonl import FIELDS, json_line
from logboom.records.plan import JSONText, Wire, stamp_of
from logboom.records.rowcode import Column, Encoder, UnencodableError, make_encoder

__all__ = ["JSONFormatter"]

_PLAIN: Final = logging.LogRecord("", 0, "", 0, "", None, None)
_STANDARD: Final = vars(_PLAIN).keys() | {"asctime", "message", "taskName"}
# A record without extras has its own attributes and `message`, which the encoder has set.
_USUAL: Final = [*vars(_PLAIN), "message"]
_HEAD: Final = ("created", "levelno", "name")
_TAILS: Final = ("exception", "stack")

# What JSON writes as an escape, and lone surrogates: neither can be in a field's name.
_ESCAPED: Final = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')

_decode = msgspec.json.Decoder().decode


def _extra(record: logging.LogRecord) -> dict[str, Any] | None:
    """All attributes that are not the standard library's, as JSON values; None when there is none."""
    attributes = record.__dict__
    if [*attributes] == _USUAL:
        return None
    return {str(k): coerce(v) for k, v in list(attributes.items()) if k not in _STANDARD} or None


def _template(record: logging.LogRecord) -> str | None:
    """The message before its arguments, where it has any: what its records have in common."""
    return record.msg if record.args and type(record.msg) is str else None


_COMPUTED: Final = {"extra": _extra, "msg": _template}


def _mended(row: tuple[Any, ...]) -> list[Any]:
    return [coerce(value) for value in row]


def _column(source: str) -> Column:
    if source in _COMPUTED:
        return Column(source, compute=_COMPUTED[source], checked=False)
    return Column(source, default=None) if source == "taskName" else Column(source)


def _is_name(name: object) -> bool:
    """Whether a field of a line may be called that: text that needs no escape."""
    return isinstance(name, str) and _ESCAPED.search(name) is None


def _selection(fields: Iterable[str] | Mapping[str, str] | None) -> dict[str, str]:
    """Field -> name in the line, in the order of the line.

    Raises:
        ConfigurationError: there is no such field, or nothing is left.
    """
    chosen = fields if isinstance(fields, Mapping) else {field: field for field in fields or FIELDS}
    unknown = [field for field in chosen if field not in FIELDS]
    twice = len({repr(name) for name in chosen.values()}) < len(chosen)
    if unknown or not chosen or twice or not all(map(_is_name, chosen.values())):
        raise ConfigurationError(
            f"fields={fields!r} of JSONFormatter",
            hint=f"Choose some of {', '.join(FIELDS)}; each name once, without quotes and backslashes in it",
        )
    inner = [field for field in chosen if field not in ("timestamp", *_TAILS)]
    order = [field for field in ("timestamp", *inner, *_TAILS) if field in chosen]
    return {field: chosen[field] for field in order}


class JSONFormatter(JSONText, logging.Formatter):
    """One JSON object a record: every field of it, `extra`, and exceptions as data.

    Args:
        timestamp: `iso` (UTC, microseconds) or `epoch` (seconds).
        fields: the fields of a line, or a mapping from them to other names; None takes all.
            `timestamp` comes first and `exception` and `stack` last; a value of None is left out.
        fmt, datefmt, style, validate, defaults: only for `logging.config`, which passes them; there is
            no format string.

    Raises:
        ConfigurationError: an option cannot work.
    """

    def __init__(
        self,
        fmt: None = None,
        datefmt: None = None,
        style: str = "%",
        validate: bool = True,
        *,
        defaults: None = None,
        timestamp: Literal["iso", "epoch"] = "iso",
        fields: Iterable[str] | Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        if fmt is not None or datefmt is not None or defaults is not None:
            raise ConfigurationError(
                "JSONFormatter takes no format string", hint="Use fields= and timestamp="
            )
        if timestamp not in ("iso", "epoch"):
            raise ConfigurationError(f"timestamp={timestamp!r}", hint='Use "iso" or "epoch"')
        names = _selection(fields)
        sources = dict.fromkeys(FIELDS[field] for field in names if field not in _TAILS)
        self._columns = tuple(_column(source) for source in sources if source not in _HEAD)
        self._names = tuple(column.field for column in self._columns)
        self._options: dict[str, Any] = {"fields": names, "timestamp": timestamp}
        self._line = json_line(self._names, self._options)
        self._encode = self._encoder(0)

    def wire(self) -> Wire:
        """How its records travel to a collector, which renders them."""
        return Wire("json", self._names, self._options, self._encoder)

    def usesTime(self) -> bool:
        return False

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON, without a newline."""
        try:
            row = _decode(self._encode(record))
        except UnencodableError as error:
            row = self._coerced(error.record or record)
        return self._line(row).decode()

    def _encoder(self, number: int) -> Encoder:
        return make_encoder(number, self._columns, self._tail, _mended)

    def _tail(self, record: logging.LogRecord) -> tuple[Any, Any]:
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        exception = None
        text = exception_text(record)
        if record.exc_info or text:
            exception = describe_exception(record.exc_info, text)
        return exception, self.formatStack(record.stack_info) if record.stack_info else None

    def _coerced(self, record: logging.LogRecord) -> list[Any]:
        """The row of a record with values that JSON does not know."""
        record.message = record.getMessage()
        head = [stamp_of(record.created), 0, coerce(record.levelno), coerce(record.name)]
        values = [
            column.compute(record) if column.compute else getattr(record, column.field, None)
            for column in self._columns
        ]
        tail = self._tail(record)
        return [*head, *map(coerce, values), *(map(coerce, tail) if any(tail) else ())]
