"""The function that turns a `LogRecord` into a line, generated once for each plan.

Owns: the generated source and the type checks in it. Never knows: formatters, contexts, files.

The source is made of field names from a fixed set and of numbered placeholders; no text of the user's
is ever in it. An attribute outside the set is read through a constant in the function's namespace.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from logging import LogRecord
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from logboom.records.template import FLOAT_FIELDS, INT_FIELDS, STANDARD_FIELDS, TEXT_FIELDS

__all__ = ["FIRST", "LAST", "SCALARS", "Column", "Encoder", "UnencodableError", "encode", "make_encoder"]

Encoder: TypeAlias = Callable[[LogRecord], bytes]
Tail: TypeAlias = Callable[[LogRecord], tuple[Any, Any]]

# The range of `created` in which every platform's `localtime` works; NaN and infinities are outside.
FIRST: Final = 0.0
LAST: Final = 250_000_000_000.0

SCALARS: Final = frozenset((str, int, float, bool, type(None)))
_MISSING: Final = object()

encode: Final = msgspec.json.Encoder().encode


class UnencodableError(TypeError):
    """A record whose values JSON cannot carry exactly; its own formatter must render it at once."""


class Column(NamedTuple):
    """A value that follows the first four of a record.

    Attributes:
        field: the attribute's name.
        types: the exact types it may have; None for every scalar.
        default: its value where the record has none.
        compute: makes the value from the record, instead of an attribute.
        checked: its type is looked at; a value that is made of JSON's own types need not be.
    """

    field: str
    types: frozenset[type] | None = None
    default: Any = _MISSING
    compute: Callable[[LogRecord], Any] | None = None
    checked: bool = True

    def usual(self) -> type:
        """The type that it nearly always has, tested first."""
        if self.field in FLOAT_FIELDS:
            return float
        number = self.types is not None and str not in self.types and self.field not in TEXT_FIELDS
        return int if number or self.field in INT_FIELDS else str

    def works(self) -> bool:
        """Whether its usual type is one that it may have."""
        return self.types is None or self.usual() in self.types


_HEAD: Final = (Column("levelno", frozenset((int,))), Column("name", frozenset((str,))))


def _source(index: int, column: Column, names: dict[str, Any]) -> str:
    """The expression that reads a column, with what it needs put in `names`."""
    if column.compute is not None:
        names[f"compute{index}"] = column.compute
        return f"compute{index}(record)"
    if column.field == "message":
        return "message"
    if column.field in STANDARD_FIELDS and column.default is _MISSING:
        return f"record.{column.field}"
    names[f"key{index}"] = column.field
    if column.default is _MISSING:
        return f"record.__dict__[key{index}]"
    names[f"default{index}"] = column.default
    return f"record.__dict__.get(key{index}, default{index})"


def _verify(columns: tuple[Column, ...], values: tuple[Any, ...]) -> None:
    for column, value in zip(columns, values, strict=True):
        kind = type(value)
        if not column.checked:
            continue
        if kind not in (column.types or SCALARS) or (kind is float and not math.isfinite(value)):
            raise UnencodableError(f"{column.field} is {kind.__name__}: {value!r:.100}")


def _tests(columns: tuple[Column, ...]) -> list[str]:
    """Conditions of which one is true when a value is not of its usual type."""
    tests = []
    for index, column in enumerate(columns):
        usual = column.usual()
        if not column.checked:
            continue
        optional = f"v{index} is not None and " if column.field == "taskName" and column.types is None else ""
        tests.append(f"{optional}type(v{index}) is not {usual.__name__}")
        if usual is float:
            tests.append(f"not -1e300 < v{index} < 1e300")
    return tests


def make_encoder(number: int, columns: tuple[Column, ...], tail: Tail) -> Encoder:
    """The encoder of the context `number`.

    It sets `record.message` as the standard formatter does, and raises `UnencodableError` (or what the
    record's own code raises) for a record that the row cannot carry exactly. `tail` makes the two
    values that follow the columns of a record with a traceback or a stack.
    """
    checked = (*_HEAD, *columns)
    names: dict[str, Any] = {"encode": encode, "tail": tail, "FIRST": FIRST, "LAST": LAST, "number": number}
    names |= {"UnencodableError": UnencodableError, "verify": lambda *values: _verify(checked, values)}
    values = [f"v{index}" for index in range(len(checked))]
    reads = [f"    v{i} = {_source(i, column, names)}" for i, column in enumerate(checked)]
    row = f"created, number, {', '.join(values)}"
    lines = [
        "def encoder(record):",
        "    record.message = message = record.getMessage()",
        "    created = record.created",
        *reads,
        "    if type(created) is not float or not FIRST <= created < LAST:",
        "        raise UnencodableError('created')",
        f"    if {' or '.join(_tests(checked))}:",
        f"        verify({', '.join(values)})",
        "    if record.exc_info or record.exc_text or record.stack_info:",
        f"        return encode(({row}, *tail(record))) + b'\\n'",
        f"    return encode(({row})) + b'\\n'",
    ]
    exec(compile("\n".join(lines), "<logboom encoder>", "exec"), names)
    encoder: Encoder = names["encoder"]
    return encoder
