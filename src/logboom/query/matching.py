"""A query against records: three-valued, since what a format does not print is unknown and never false.

`TRUE`, `FALSE`, `UNKNOWN`; and `MAYBE` where only the class of a record was looked at and its text decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from logboom.logset.record import ABSENT, UNKNOWN, Kind, Missing, Record
from logboom.query.language import (
    And,
    Compare,
    Exists,
    Node,
    Not,
    Or,
    QueryError,
    Regex,
    Text,
    TimeBound,
    Value,
    level_number,
    walk,
)
from logboom.query.times import moment, span

__all__ = ["FALSE", "MAYBE", "TRUE", "Matcher", "Needle", "Window", "resolve"]

FALSE, UNKNOWN_YET, MAYBE, TRUE = 0, 1, 2, 3
_KIND_FIELDS: Final = frozenset(("level", "logger", "process", "program"))
_WORD: Final = re.compile(rb"[0-9A-Za-z_]+")
_WHOLE_WORD: Final = re.compile(r"\\b([0-9A-Za-z_]+)\\b")
_INTEGER: Final = re.compile(r"[1-9][0-9]{0,14}")


@dataclass(frozen=True)
class Window:
    """A record's time is in `[first, last)`."""

    first: float
    last: float


Resolved: TypeAlias = Node | Window
Judge: TypeAlias = Callable[[Record], int]


def resolve(
    node: Node, query: str, now: float, zone: tzinfo | None, marks: Callable[[str], float | None]
) -> Any:
    """The tree with moments in place of what was typed as a time.

    Raises:
        QueryError: something is no time.
    """
    if isinstance(node, TimeBound):
        try:
            return _window(node, now, zone, marks)
        except ValueError as error:
            raise QueryError(
                f"{error} (column {node.value.column})", query, node.value.column, node.value.length
            ) from None
    if isinstance(node, Compare) and node.field == "time":
        try:
            return _time_window(node, now, zone, marks)
        except ValueError as error:
            raise QueryError(
                f"{error} (column {node.value.column})", query, node.value.column, node.value.length
            ) from None
    if isinstance(node, Not):
        return Not(resolve(node.node, query, now, zone, marks))
    if isinstance(node, And):
        return And(tuple(resolve(one, query, now, zone, marks) for one in node.nodes))
    if isinstance(node, Or):
        return Or(tuple(resolve(one, query, now, zone, marks) for one in node.nodes))
    return node


def _window(node: TimeBound, now: float, zone: tzinfo | None, marks: Callable[[str], float | None]) -> Window:
    text = node.value.text
    if node.word == "last":
        return Window(moment("-" + text.lstrip("-"), now, zone, marks), float("inf"))
    if node.word == "since" and ".." in text:
        return Window(*span(text, now, zone, marks))
    when = moment(text, now, zone, marks)
    return Window(when, float("inf")) if node.word == "since" else Window(float("-inf"), when)


def _time_window(
    node: Compare, now: float, zone: tzinfo | None, marks: Callable[[str], float | None]
) -> Window:
    text = node.value.text
    if node.value.kind == "range":
        return Window(*span(f"{text}..{node.value.upper}", now, zone, marks))
    if node.value.kind in ("glob", "regex"):
        raise ValueError("A time is compared with times: time>=03:00, time:03:00..03:20")
    if node.op in (":", "="):
        first, last = span(text, now, zone, marks)
        return Window(first, last if last < now else first + 1)
    when = moment(text, now, zone, marks)
    just_after = when + 1e-6
    return {
        ">=": Window(when, float("inf")),
        ">": Window(just_after, float("inf")),
        "<": Window(float("-inf"), when),
        "<=": Window(float("-inf"), just_after),
    }[node.op]


class Matcher:
    """A resolved query, compiled.

    Attributes:
        window: no record outside `[first, last)` can match.
        needles: each a set of byte strings of which one must be in the text of a record that matches, with
            True where ASCII case does not count.
        value_needles: the same with the values of fields: where these stand in the text as they are.
        tokens: sets of whole words, in lower case, of which one must be in the text.
        value_tokens: the same with the values of fields: where these stand in quotes (JSON).
    """

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self.window = _bounds(tree)
        self.needles = _needles(tree, values=False)
        self.value_needles = _needles(tree, values=True)
        self.tokens = _tokens(tree, values=False)
        self.value_tokens = _tokens(tree, values=True)
        self._judge = _compile(tree)
        self._kinds: dict[int, tuple[Kind, int]] = {}
        self.uses_text = any(isinstance(one, (Text, Regex)) for one in walk(tree))

    def judge(self, record: Record) -> bool:
        """Return True if the record is a hit."""
        return self._judge(record) == TRUE

    def of_kind(self, kind: Kind) -> int:
        """What the class alone says; times apart, of which `window_decides` knows."""
        known = self._kinds.get(id(kind))
        if known is None:
            known = self._kinds[id(kind)] = kind, _of_kind(self.tree, kind, top=True)
        return known[1]


def _bounds(node: Any) -> tuple[float, float]:
    if isinstance(node, Window):
        return node.first, node.last
    if isinstance(node, And):
        both = [_bounds(one) for one in node.nodes]
        return max((one[0] for one in both), default=float("-inf")), min(
            (one[1] for one in both), default=float("inf")
        )
    if isinstance(node, Or) and node.nodes:
        both = [_bounds(one) for one in node.nodes]
        return min(one[0] for one in both), max(one[1] for one in both)
    return float("-inf"), float("inf")


# --- what must be in the text ---

Needle: TypeAlias = tuple[tuple[bytes, bool], ...]


def _needles(node: Any, *, values: bool) -> list[Needle]:
    """What must be in the text of every hit; with `values` also the values of fields."""
    if isinstance(node, Text):
        pieces = node.text.split("*") if node.glob else [node.text]
        encoded = [(_encoded(piece, node.exact_case), not node.exact_case) for piece in pieces if piece]
        return [(one,) for one in encoded]
    if isinstance(node, Regex):
        word = _WHOLE_WORD.fullmatch(node.source)
        return [] if word is None else [((_encoded(word[1], not node.flags), bool(node.flags)),)]
    if isinstance(node, Compare) and values:
        return [((piece.lower(), True),) for piece in _pieces(node)]
    if isinstance(node, And):
        return [needle for one in node.nodes for needle in _needles(one, values=values)]
    if isinstance(node, Or):
        parts = [_needles(one, values=values) for one in node.nodes]
        if parts and all(parts):
            best = [max(part, key=_weight) for part in parts]
            return [tuple(literal for needle in best for literal in needle)]
    return []


def _weight(needle: Needle) -> int:
    return min(len(literal) for literal, _ in needle)


def _encoded(text: str, exact: bool) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    return raw if exact else raw.lower()


def _pieces(node: Compare) -> list[bytes]:
    """Runs of ASCII letters and digits that a value has, and that no way of writing it changes."""
    value = node.value
    if node.op not in (":", "=") or node.field in _KIND_FIELDS or node.field == "time":
        return []
    if value.kind == "glob":
        return [piece.encode() for piece in re.findall(r"[0-9A-Za-z]{3,}", value.text)]
    if value.kind not in ("word", "phrase") or (value.kind == "word" and _number(value.text) is not None):
        return [value.text.encode()] if value.kind == "word" and _INTEGER.fullmatch(value.text) else []
    return [piece.encode() for piece in re.findall(r"[0-9A-Za-z]{3,}", value.text)]


def _tokens(node: Any, *, values: bool) -> list[tuple[bytes, ...]]:
    """Words that stand whole in the text of every hit: what is bounded on both sides.

    With `values` also the values of fields, which JSON has in quotes.
    """
    if isinstance(node, Text) and not node.glob:
        raw = node.text.encode("utf-8", "surrogateescape")
        found = list(_WORD.finditer(raw))
        return [(one[0].lower(),) for one in found if one.start() > 0 and one.end() < len(raw)]
    if isinstance(node, Regex):
        word = _WHOLE_WORD.fullmatch(node.source)
        return [] if word is None else [(word[1].lower().encode(),)]
    if isinstance(node, Compare) and values:
        pieces = _pieces(node)
        whole = node.value.kind != "glob" and pieces == [node.value.text.encode("utf-8", "replace")]
        return [(pieces[0].lower(),)] if whole else []
    if isinstance(node, And):
        return [token for one in node.nodes for token in _tokens(one, values=values)]
    if isinstance(node, Or):
        parts = [_tokens(one, values=values) for one in node.nodes]
        if parts and all(parts):
            return [tuple(token for part in parts for token in max(part, key=lambda one: len(one[0])))]
    return []


# --- one record ---


def _compile(node: Any) -> Judge:
    if isinstance(node, And):
        return _all([_compile(one) for one in sorted(node.nodes, key=_cost)])
    if isinstance(node, Or):
        return _any([_compile(one) for one in node.nodes])
    if isinstance(node, Not):
        inner = _compile(node.node)
        return lambda record: _NOT[inner(record)]
    if isinstance(node, Window):
        first, last = node.first, node.last
        return lambda record: TRUE if first <= record.time < last else FALSE
    if isinstance(node, Text):
        return _text(node)
    if isinstance(node, Regex):
        pattern = re.compile(node.source, _flags(node.flags))
        return lambda record: (
            TRUE if pattern.search(record.text.decode("utf-8", "surrogateescape")) else FALSE
        )
    if isinstance(node, Exists):
        name = node.field
        return lambda record: _exists(record.get(name))
    if isinstance(node, Compare):
        return _compare(node)
    raise TypeError(node)


def _cost(node: Any) -> int:
    if isinstance(node, Window):
        return 0
    if isinstance(node, Compare) and node.field in _KIND_FIELDS:
        return 1
    return 2 if isinstance(node, Text) else 3


_NOT: Final = (TRUE, UNKNOWN_YET, MAYBE, FALSE)


def _all(judges: list[Judge]) -> Judge:
    def judge(record: Record) -> int:
        result = TRUE
        for one in judges:
            found = one(record)
            if found == FALSE:
                return FALSE
            if found < result:
                result = found
        return result

    return judge


def _any(judges: list[Judge]) -> Judge:
    def judge(record: Record) -> int:
        result = FALSE
        for one in judges:
            found = one(record)
            if found == TRUE:
                return TRUE
            if found > result:
                result = found
        return result

    return judge


def _text(node: Text) -> Judge:
    if node.glob:
        source = b".*".join(re.escape(_encoded(piece, True)) for piece in node.text.split("*"))
        pattern = re.compile(source, 0 if node.exact_case else re.IGNORECASE)
        return lambda record: TRUE if pattern.search(record.text) else FALSE
    needle = _encoded(node.text, node.exact_case)
    if node.exact_case:
        return lambda record: TRUE if needle in record.text else FALSE
    return lambda record: TRUE if needle in record.text.lower() else FALSE


def _flags(letters: str) -> int:
    return sum({"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}[letter] for letter in set(letters))


def _exists(value: Any) -> int:
    if value is UNKNOWN:
        return UNKNOWN_YET
    return FALSE if value is ABSENT else TRUE


def _compare(node: Compare) -> Judge:
    test = _test(node.field, node.op, node.value)
    name = node.field

    def judge(record: Record) -> int:
        value = record.get(name)
        if value is UNKNOWN:
            return UNKNOWN_YET
        if value is ABSENT:
            return FALSE
        return TRUE if test(value, record.kind) else FALSE

    return judge


Test: TypeAlias = Callable[[Any, Kind], bool]


def _test(name: str, op: str, value: Value) -> Test:
    if name == "level" and value.kind not in ("glob", "regex"):
        return _level_test(op, value)
    if value.kind == "regex":
        pattern = re.compile(value.text, _flags(value.flags))
        return lambda actual, kind: any(
            pattern.search(text) is not None for text in _texts(name, actual, kind)
        )
    if value.kind == "glob":
        fold = op == ":"
        glob = _glob(value.text, fold)
        return lambda actual, kind: any(glob.match(text) is not None for text in _texts(name, actual, kind))
    if value.kind == "range":
        low, high = _order(">=", value.text), _order("<=", value.upper)
        return lambda actual, kind: low(actual) and high(actual)
    if op in (":", "="):
        return _equal(name, op, value)
    order = _order(op, value.text)
    return lambda actual, kind: order(actual)


def _equal(name: str, op: str, value: Value) -> Test:
    wanted, number = value.text, None if value.kind == "phrase" else _number(value.text)
    folded = wanted.lower()

    def test(actual: Any, kind: Kind) -> bool:
        if number is not None and isinstance(actual, (int, float)) and not isinstance(actual, bool):
            return bool(actual == number)
        for text in _texts(name, actual, kind):
            if text == wanted or (op == ":" and text.lower() == folded):
                return True
        return False

    return test


def _texts(name: str, actual: Any, kind: Kind) -> Iterable[str]:
    if isinstance(actual, str):
        yield actual
        if name == "exc" and "." in actual:
            yield actual.rpartition(".")[2]
    elif actual is True or actual is False:
        yield "true" if actual else "false"
    elif name == "level":
        yield kind.level_name or str(actual)
    elif isinstance(actual, list):
        for one in actual:
            yield from _texts("", one, kind)
    elif isinstance(actual, dict):
        yield msgspec.json.encode(actual).decode()
    elif not isinstance(actual, Missing):
        yield str(actual)


@lru_cache(maxsize=1024)
def _glob(text: str, fold: bool) -> re.Pattern[str]:
    pieces = [re.escape(piece) for piece in text.split("*")]
    return re.compile("(?s:" + ".*".join(pieces) + r")\Z", re.IGNORECASE if fold else 0)


def _number(text: Any) -> float | int | None:
    if isinstance(text, bool):
        return None
    if isinstance(text, (int, float)):
        return text
    if not isinstance(text, str):
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


_ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _order(op: str, wanted: str) -> Callable[[Any], bool]:
    test, number = _ORDER[op], _number(wanted)

    def ordered(actual: Any) -> bool:
        if isinstance(actual, list):
            return any(ordered(one) for one in actual)
        if number is not None:
            value = _number(actual)
            return value is not None and bool(test(value, number))
        return isinstance(actual, str) and bool(test(actual, wanted))

    return ordered


def _level_test(op: str, value: Value) -> Test:
    wanted, upper = level_number(value.text), level_number(value.upper) if value.upper else None
    names = {value.text.lower()}

    def test(actual: Any, kind: Kind) -> bool:
        level = actual if isinstance(actual, int) else level_number(str(actual))
        if op in (":", "="):
            if upper is None and (kind.level_name or "").lower() in names:
                return True
            if wanted is None or level is None:
                return False
            return wanted <= level <= upper if upper is not None else level == wanted
        return level is not None and wanted is not None and bool(_ORDER[op](level, wanted))

    return test


# --- a class of records ---


def _of_kind(node: Any, kind: Kind, *, top: bool = False) -> int:
    if isinstance(node, And):
        found = [_of_kind(one, kind, top=top) for one in node.nodes]
        if FALSE in found:
            return FALSE
        if MAYBE in found:
            return MAYBE
        return UNKNOWN_YET if UNKNOWN_YET in found else TRUE
    if isinstance(node, Or):
        found = [_of_kind(one, kind) for one in node.nodes]
        if TRUE in found:
            return TRUE
        if MAYBE in found:
            return MAYBE
        return UNKNOWN_YET if UNKNOWN_YET in found else FALSE
    if isinstance(node, Not):
        return _NOT[_of_kind(node.node, kind)]
    if isinstance(node, Window):
        return TRUE if top else MAYBE  # a window at the top is what the search's bounds are
    if isinstance(node, (Compare, Exists)):
        value = kind.get(node.field) if node.field in _KIND_FIELDS else UNKNOWN
        if value is UNKNOWN:
            layout = kind.layout
            printed = layout.open or node.field in layout.fields or node.field in ("time", "exc")
            return MAYBE if printed else UNKNOWN_YET
        if isinstance(node, Exists):
            return TRUE
        return TRUE if _cached_test(node)(value, kind) else FALSE
    return MAYBE


@lru_cache(maxsize=256)
def _cached_test(node: Compare) -> Test:
    return _test(node.field, node.op, node.value)
