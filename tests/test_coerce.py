"""Any object as JSON's types, within bounds."""

from __future__ import annotations

import datetime
import decimal
import enum
import pathlib
import uuid
from typing import Any

import msgspec
import pytest

from logboom.records.coerce import coerce, describe_exception


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Liar:
    def __repr__(self) -> Any:
        return 5


class Colour(enum.IntEnum):
    RED = 3


class Words(list[str]):
    pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, 2.5, None, True, "x"]}, {"a": [1, 2.5, None, True, "x"]}),
        ((1, 2), [1, 2]),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        (2**70, "1180591620717411303424"),
        (float("nan"), "nan"),
        ("lone \udc80", "lone \\udc80"),
        (Colour.RED, 3),
        (Words(["a"]), ["a"]),
        (decimal.Decimal("1.50"), "1.50"),
        (datetime.datetime(2026, 11, 22), "2026-11-22 00:00:00"),
        (pathlib.PurePosixPath("/x"), "/x"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"\xff", "b'\\xff'"),
        (Broken(), "<unprintable Broken: RuntimeError>"),
        (Liar(), "<unprintable Liar: TypeError>"),
        ({Broken(): 1}, {"<unprintable Broken: RuntimeError>": 1}),
    ],
)
def test_what_becomes_of_a_value(value: Any, expected: Any) -> None:
    """`extra` may hold anything, Django's request included."""
    assert coerce(value) == expected
    assert type(coerce(value)) is type(expected)
    msgspec.json.encode(coerce(value))


def test_a_value_that_holds_itself_ends() -> None:
    """A log call must come back."""
    endless: list[Any] = []
    endless.append(endless)
    assert b"<list of 1>" in msgspec.json.encode(coerce(endless))


def test_a_value_without_end_is_cut() -> None:
    """Memory is bounded on both sides."""
    assert len(coerce(list(range(100_000)))) <= 10_000
    assert len(coerce(type("Huge", (), {"__repr__": lambda self: "x" * 10**6})())) < 11_000
    wide: Any = [0]
    for _ in range(7):
        wide = [wide] * 10
    assert len(msgspec.json.encode(coerce(wide))) < 200_000


def test_an_exception_that_cannot_be_shown_is_described() -> None:
    """A broken `__str__` of an exception must not cost the record."""

    class BadError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    described = describe_exception((BadError, BadError(), None), "text")
    assert described["message"] == "<unprintable BadError: RuntimeError>"
    assert described["text"] == "text"


def test_a_chain_that_bites_its_tail_ends() -> None:
    """`__context__` may be set by hand, to anything."""
    first, second = ValueError("1"), KeyError("2")
    first.__context__, second.__context__ = second, first
    assert len(describe_exception((ValueError, first, None), None)["causes"]) <= 20
