"""What records have in common: their text with numbers, ids and quoted strings masked.

The same text has the same pattern, whenever and wherever.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from logboom.logset.record import Missing, Record

__all__ = ["Change", "Pattern", "Patterns", "changes", "mask", "message_of"]

_MASKED: Final = re.compile(
    r"""
      (?P<str> "(?:[^"\\\n]|\\.)*" | (?<!\w)'(?:[^'\\\n]|\\.)*'(?!\w) )
    | (?P<time> \b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b
              | \b\d\d:\d\d:\d\d(?:[.,]\d+)?\b )
    | (?P<ip> \b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)? )
    | (?P<id> \b0[xX][0-9a-fA-F]+\b
            | \b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b
            | \b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{8,}\b
            | \b(?=\w*\d\w*\d)(?=\w*[A-Za-z])\w{12,}\b )
    | (?P<n> (?<![A-Za-z_])[-+]?\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)? )
    """,
    re.VERBOSE,
)
_LONGEST: Final = 300


def mask(text: str) -> str:
    """`text` with `<n>`, `<id>`, `<ip>`, `<time>`, `<str>` in place of what differs from record to record."""
    return _MASKED.sub(lambda match: f"<{match.lastgroup}>", text[: 4 * _LONGEST])[:_LONGEST]


def message_of(record: Record) -> str:
    """What a record says, without its head and its traceback, as far as they can be told apart."""
    message = record.get("message")
    if isinstance(message, str):
        return message.split("\n", 1)[0]
    return record.text.split(b"\n", 1)[0].decode("utf-8", "replace")


class Pattern:
    """Records that say the same.

    Attributes:
        level, logger, text: what they have in common.
        records: how many.
        first, last: their times.
        example: the first of them.
    """

    __slots__ = ("example", "first", "last", "level", "logger", "records", "text")

    def __init__(self, key: tuple[str, str, str], record: Record) -> None:
        self.level, self.logger, self.text = key
        self.records = 0
        self.first = self.last = record.time
        self.example = record

    @property
    def key(self) -> tuple[str, str, str]:
        return self.level, self.logger, self.text

    def add(self, record: Record) -> None:
        self.records += 1
        self.last = max(self.last, record.time)
        if record.key < self.example.key:
            self.example, self.first = record, record.time


class Patterns:
    """The patterns of records."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.found: dict[tuple[str, str, str], Pattern] = {}
        self._masked: dict[str, str] = {}
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        key = self.key_of(record)
        pattern = self.found.get(key)
        if pattern is None:
            pattern = self.found[key] = Pattern(key, record)
        pattern.add(record)

    def key_of(self, record: Record) -> tuple[str, str, str]:
        kind = record.kind
        template = record.get("template") if kind.layout.open else None
        if isinstance(template, str):
            text = template[:_LONGEST]
        else:
            message = message_of(record)
            text = self._masked.get(message, "")
            if not text:
                if len(self._masked) > 10_000:
                    self._masked.clear()
                text = self._masked[message] = mask(message)
        exception = record.get("exc")
        if not isinstance(exception, Missing):
            text = f"{text} [{exception}]"
        logger = record.get("logger")
        level = kind.level_name or record.get("level")
        return (
            level if isinstance(level, str) else "",
            logger if isinstance(logger, str) else "",
            text,
        )

    def top(self) -> list[Pattern]:
        """All of them, the most frequent first; of equals by their text."""
        return sorted(self.found.values(), key=lambda one: (-one.records, one.key))


class Change(NamedTuple):
    """What became of a pattern between two windows.

    Attributes:
        what: `new`, `gone`, `more`, `less`.
        pattern: with its records of both windows.
        before, after: how many records it had in each.
        score: how sure the change is: a difference of square roots, of the same spread for all rates.
    """

    what: str
    pattern: Pattern
    before: int
    after: int
    score: float


def changes(
    before: Patterns, after: Patterns, seconds_before: float, seconds_after: float
) -> Iterator[Change]:
    """Patterns that appeared, vanished, or changed their rate, the largest change first.

    Of a pattern that is in both, a change counts when its rate is at least doubled or halved and chance does
    not explain it (three standard deviations).
    """
    ratio = seconds_after / seconds_before if seconds_before > 0 and seconds_after > 0 else 1.0
    found: list[Change] = []
    for key in {**before.found, **after.found}:
        one, other = before.found.get(key), after.found.get(key)
        had, has = one.records if one else 0, other.records if other else 0
        expected = had * ratio
        score = 2 * abs(math.sqrt(has) - math.sqrt(expected)) / math.sqrt(1 + ratio)
        if other is None:
            assert one is not None
            found.append(Change("gone", one, had, 0, score))
        elif one is None:
            found.append(Change("new", other, 0, has, score))
        elif score >= 3 and (has >= 2 * expected or 2 * has <= expected):
            found.append(Change("more" if has > expected else "less", other, had, has, score))
    order = {"new": 0, "more": 1, "less": 2, "gone": 3}
    return iter(sorted(found, key=lambda one: (-one.score, order[one.what], one.pattern.key)))
