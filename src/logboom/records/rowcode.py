"""The function that turns a `LogRecord` into a line, generated once for each plan.

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
    """A record whose values JSON cannot carry exactly; its own formatter must render it at once.

    Attributes:
        record: what is left to render: no code of a value that has run runs again for it.
    """

    def __init__(self, reason: str, record: LogRecord | None = None) -> None:
        super().__init__(reason)
        self.record = record


class _Read(LogRecord):
    """A record whose message has been made."""

    def getMessage(self) -> str:
        return self.message


def _unencodable(record: LogRecord, message: str, reason: object) -> UnencodableError:
    twin = object.__new__(_Read)
    twin.__dict__ = record.__dict__ | {"message": message}
    return UnencodableError(str(reason), twin)


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
            raise UnencodableError(f"{column.field} is {kind.__name__}")


def _tests(columns: list[tuple[int, Column]]) -> list[str]:
    """Conditions of which one is true when a value is not of its usual type."""
    tests = []
    for index, column in columns:
        usual = column.usual()
        if not column.checked:
            continue
        optional = f"v{index} is not None and " if column.field == "taskName" and column.types is None else ""
        tests.append(f"{optional}type(v{index}) is not {usual.__name__}")
        if usual is float:
            tests.append(f"not -1e300 < v{index} < 1e300")
    return tests


def make_encoder(
    number: int, columns: tuple[Column, ...], tail: Tail, mend: Callable[[Any], Any] | None = None
) -> Encoder:
    """The encoder of the context `number`.

    It sets `record.message` as the standard formatter does. It raises `UnencodableError` for a record that
    the row cannot carry exactly, and anything else only where the record's own code or the formatter's
    does. What can refuse a record without running its code comes first, the message last. `tail` makes the
    two values that follow the columns of a record with a traceback or a stack; `mend` makes a row encodable.
    """
    numbered = list(enumerate((*_HEAD, *columns)))
    first = [(i, column) for i, column in numbered if column.compute is None and column.field != "message"]
    given = tuple(column for _, column in first)
    names: dict[str, Any] = {"encode": encode, "tail": tail, "FIRST": FIRST, "LAST": LAST, "number": number}
    names |= {"UnencodableError": UnencodableError, "verify": lambda *values: _verify(given, values)}
    names |= {"unencodable": _unencodable, "mend": mend}
    computed = [(i, column) for i, column in numbered if column.compute is not None]
    message = next((f"v{i}" for i, column in numbered if column.field == "message"), "message")
    row = f"created, number, {', '.join(f'v{i}' for i, _ in numbered)}"
    lines = [
        "def encoder(record):",
        "    try:",
        "        created = record.created",
        *(f"        v{i} = {_source(i, column, names)}" for i, column in first),
        "        if type(created) is not float or not FIRST <= created < LAST:",
        "            raise UnencodableError('created')",
        f"        if {' or '.join(_tests(first))}:",
        f"            verify({', '.join(f'v{i}' for i, _ in first)})",
        "    except Exception as error:",
        "        raise UnencodableError(str(error)) from None",
        f"    record.message = {message} = record.getMessage()",
        *(f"    v{i} = {_source(i, column, names)}" for i, column in computed),
        f"    if {' or '.join([f'type({message}) is not str', *_tests(computed)])}:",
        f"        raise unencodable(record, {message}, 'message')",
        "    if record.exc_info or record.exc_text or record.stack_info:",
        "        try:",
        f"            row = ({row}, *tail(record))",
        "        except UnencodableError as error:",
        f"            raise unencodable(record, {message}, error) from None",
        "    else:",
        f"        row = ({row})",
        "    try:",
        "        return encode(row) + b'\\n'",
        "    except Exception as error:",
        "        if mend is not None:",
        "            return encode(mend(row)) + b'\\n'",
        f"        raise unencodable(record, {message}, error) from None",
    ]
    exec(compile("\n".join(lines), "<logboom encoder>", "exec"), names)
    encoder: Encoder = names["encoder"]
    return encoder
