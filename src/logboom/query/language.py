r"""The query language: text -> a tree, or an error that shows the column and what to type instead.

    query = or
    or    = and {"OR" and}
    and   = not {["AND"] not}                      a space is AND; words only in capitals
    not   = ("NOT" | "-") not | atom               "-" only at the start of a token
    atom  = "(" or ")" | field op values | value
    op    = ":" | "=" | "!=" | ">" | ">=" | "<" | "<="
    value = word | "phrase" | re:/regex/i | gl*b | a..b | *
    values = value | "(" value {("OR" | "," | " ") value} ")"

Parsing needs no log: which fields and levels exist is checked by `check`, once that is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from dataclasses import field as made
from typing import Final, TypeAlias

from logboom.errors import LogboomError

__all__ = [
    "ALIASES",
    "EVERYTHING",
    "LEVELS",
    "TIME_WORDS",
    "And",
    "Compare",
    "Exists",
    "Node",
    "Not",
    "Or",
    "QueryError",
    "Regex",
    "Text",
    "TimeBound",
    "Value",
    "check",
    "fields_of",
    "level_number",
    "parse",
    "walk",
]

LEVELS: Final = {
    "notset": 0,
    "trace": 5,
    "debug": 10,
    "info": 20,
    "notice": 25,
    "warn": 30,
    "warning": 30,
    "err": 40,
    "error": 40,
    "crit": 50,
    "critical": 50,
    "fatal": 50,
    "alert": 55,
    "emerg": 60,
}
# Other names of a field that people type.
ALIASES: Final = {
    "pid": "process",
    "msg": "message",
    "name": "logger",
    "levelname": "level",
    "severity": "level",
    "funcName": "func",
    "processName": "process_name",
    "threadName": "thread_name",
    "taskName": "task_name",
    "exception": "exc",
    "timestamp": "time",
}
TIME_WORDS: Final = frozenset(("last", "since", "until", "mark"))
_OPERATORS: Final = ("!=", ">=", "<=", ":", "=", ">", "<")
_FIELD: Final = re.compile(r"(?P<field>[A-Za-z_@][\w.@-]*)(?P<op>!=|>=|<=|:|=|>|<)")
_WORD: Final = re.compile(r'[^\s()"]+')
_REGEX: Final = re.compile(r"re:/((?:[^/\\\n]|\\.)*)/([a-z]*)")
_SPACE: Final = re.compile(r"\s*")
_LOGQL: Final = re.compile(r'\{\s*(\w+)\s*=~?\s*"([^"]*)"[^}]*\}(?:\s*\|[=~]\s*["`]([^"`]*)["`])?')
_DEEPEST: Final = 100


class QueryError(LogboomError):
    """A query that cannot be understood.

    Attributes:
        column: place of the trouble, from 1.
        length: how many characters are meant.
        query: the whole query.
    """

    def __init__(self, message: str, query: str, column: int, length: int = 1) -> None:
        super().__init__(message)
        self.query, self.column, self.length = query, column, max(length, 1)

    def picture(self) -> str:
        """The query with the place underlined, in two lines."""
        shown = "".join(char if char.isprintable() else "?" for char in self.query)
        length = max(1, min(self.length, len(shown) - self.column + 1))
        return f"  {shown}\n  {' ' * (self.column - 1)}{'^' * length}"


@dataclass(frozen=True)
class Value:
    """What a field is compared with.

    Attributes:
        text: as typed, without quotes; a regular expression's source.
        kind: `word`, `phrase`, `glob`, `regex`, `range`.
        upper: the second end of a range.
        flags: of a regular expression.
        column, length: where it stands.
    """

    text: str
    kind: str = "word"
    upper: str = ""
    flags: str = ""
    column: int = made(default=1, compare=False)
    length: int = made(default=1, compare=False)


@dataclass(frozen=True)
class Text:
    """The record as written contains this (with `*` between the pieces of a glob)."""

    text: str
    glob: bool = False
    column: int = made(default=1, compare=False)

    @property
    def exact_case(self) -> bool:
        return any(char.isupper() for char in self.text)


@dataclass(frozen=True)
class Regex:
    """The record as written matches somewhere."""

    source: str
    flags: str = ""
    column: int = made(default=1, compare=False)


@dataclass(frozen=True)
class Compare:
    """A field against one value; `!=` is `Not` around `=`."""

    field: str
    op: str
    value: Value
    column: int = made(default=1, compare=False)


@dataclass(frozen=True)
class Exists:
    """The record has the field."""

    field: str
    column: int = made(default=1, compare=False)


@dataclass(frozen=True)
class TimeBound:
    """`last:`, `since:`, `until:` with what was typed; `query.times` makes moments of it."""

    word: str
    value: Value
    column: int = made(default=1, compare=False)


@dataclass(frozen=True)
class Not:
    node: Node


@dataclass(frozen=True)
class And:
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    nodes: tuple[Node, ...]


Node: TypeAlias = Text | Regex | Compare | Exists | TimeBound | Not | And | Or
EVERYTHING: Final = And(())


def parse(query: str) -> Node:
    """The tree of a query; an empty one takes every record.

    Raises:
        QueryError: it cannot be understood.
    """
    _refuse_other_languages(query)
    return _Parser(query).parse()


def _refuse_other_languages(query: str) -> None:
    match = _LOGQL.match(query.strip())
    if match is not None:
        attempt = f"{match[1]}:{_quoted(match[2])}" + (f" {_quoted(match[3])}" if match[3] else "")
        raise QueryError(f"This looks like LogQL. Try: {attempt}", query, 1, len(query))


def _quoted(text: str) -> str:
    plain = re.fullmatch(r"[\w.*/-]+", text) is not None
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Parser:
    def __init__(self, query: str) -> None:
        self.query = query
        self.place = 0
        self.open: list[int] = []

    def parse(self) -> Node:
        self._skip()
        if self.place == len(self.query):
            return EVERYTHING
        node = self._or()
        if self.place < len(self.query):
            raise self._error('")" closes nothing; to search for it, put the text in quotes', self.place)
        return node

    # One method a rule of the grammar.

    def _or(self) -> Node:
        nodes = [self._and()]
        while (at := self._take_word("OR")) is not None:
            self._need("OR", at)
            nodes.append(self._and())
        return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))

    def _and(self) -> Node:
        nodes = [self._not()]
        while True:
            at = self._take_word("AND")
            if at is not None:
                self._need("AND", at)
            elif self._at_end() or self._peek_word("OR"):
                break
            nodes.append(self._not())
        return nodes[0] if len(nodes) == 1 else And(tuple(nodes))

    def _not(self) -> Node:
        turns = 0
        while True:
            at = self._take_word("NOT")
            if at is not None:
                self._need("NOT", at)
                turns += 1
            elif re.match(r"-[^\s\-)]", self.query[self.place : self.place + 2]):
                self.place += 1
                turns += 1
            else:
                break
        node = self._atom()
        return Not(node) if turns % 2 else node

    def _atom(self) -> Node:
        start = self.place
        if self._at_end():
            raise self._error("Something to search for is missing here", start)
        if self.query[start] == "(":
            return self._brackets()
        for word in ("OR", "AND"):
            if self._peek_word(word):
                raise self._error(
                    f'Nothing before "{word}" (column {start + 1}); to search for the word, type "{word}"',
                    start,
                    len(word),
                )
        if _REGEX.match(self.query, start):
            value = self._value()
            return Regex(value.text, value.flags, start + 1)
        match = _FIELD.match(self.query, start)
        if match is not None and match["field"] != "re":
            self.place = match.end()
            return self._field(match["field"], match["op"], start)
        value = self._value()
        if value.kind == "glob" and not value.text.strip("*"):
            return EVERYTHING
        return Text(value.text, value.kind == "glob", start + 1)

    def _brackets(self) -> Node:
        start = self.place
        if len(self.open) > _DEEPEST:
            raise self._error("Too many brackets in brackets", start)
        self.open.append(start)
        self.place += 1
        self._skip()
        if self.query[self.place : self.place + 1] == ")":
            raise self._error('Nothing between "(" and ")"; to search for them, use quotes', start, 2)
        node = self._or() if self.place < len(self.query) else None
        if node is None or self.query[self.place : self.place + 1] != ")":
            raise self._error(f'"(" at column {start + 1} is not closed', start)
        self.place += 1
        self.open.pop()
        self._skip()
        return node

    def _field(self, name: str, op: str, start: int) -> Node:
        """What stands behind `name` and its operator."""
        here = self.query[self.place : self.place + 1]
        if not here or here.isspace() or here == ")":
            text = self.query[start:].strip()
            raise self._error(
                f'Nothing after "{name}{op}" (column {start + 1}). '
                f"To search for the text, put it in quotes: {_in_quotes(text)}",
                start,
                len(name) + len(op),
            )
        values = self._values() if here == "(" else [self._value()]
        self._skip()
        alias = ALIASES.get(name, name)
        if name in TIME_WORDS:
            if len(values) > 1 or op != ":":
                raise self._error(f"Write {name}:TIME, with one time", start, self.place - start)
            return self._time(name, values[0], start)
        nodes = [self._one(alias, op.replace("!=", "="), value, start) for value in values]
        node: Node = nodes[0] if len(nodes) == 1 else Or(tuple(nodes))
        return Not(node) if op == "!=" else node

    def _one(self, name: str, op: str, value: Value, start: int) -> Node:
        if value.kind == "glob" and not value.text.strip("*") and op in (":", "="):
            return Exists(name, start + 1)
        if value.kind in ("regex", "range", "glob") and op not in (":", "="):
            raise self._error(
                f"{op} compares with one value; write {name}:{self._typed(value)}",
                value.column - 1,
                value.length,
            )
        return Compare(name, op, value, start + 1)

    def _typed(self, value: Value) -> str:
        return self.query[value.column - 1 : value.column - 1 + value.length]

    def _time(self, name: str, value: Value, start: int) -> Node:
        if name == "mark":
            value = Value("mark:" + value.text, "word", column=value.column, length=value.length)
            name = "since"
        if value.kind == "range":
            value = Value(f"{value.text}..{value.upper}", column=value.column, length=value.length)
        if value.kind == "regex":
            raise self._error(f"{name}: takes a time, no regular expression", start, self.place - start)
        return TimeBound(name, value, start + 1)

    def _values(self) -> list[Value]:
        """A list in brackets behind an operator."""
        start = self.place
        self.place += 1
        values: list[Value] = []
        while True:
            self._skip()
            if self.place >= len(self.query):
                raise self._error(f'"(" at column {start + 1} is not closed', start)
            char = self.query[self.place]
            if char == ")":
                self.place += 1
                break
            if char == ",":
                self.place += 1
                continue
            if values and (at := self._take_word("OR")) is not None:
                if self.query[self.place : self.place + 1] in ("", ")"):
                    raise self._error(f'Nothing after "OR" (column {at + 1})', at, 2)
                continue
            values.append(self._value(listed=True))
        if not values:
            raise self._error('Nothing between "(" and ")"', start, 2)
        return values

    def _value(self, *, listed: bool = False) -> Value:
        start = self.place
        if self.query[start] == '"':
            return self._phrase()
        match = _REGEX.match(self.query, start)
        if match is not None:
            return self._regex(match)
        if self.query.startswith("re:/", start):
            raise self._error('The regular expression has no closing "/"', start, len(self.query) - start)
        match = _WORD.match(self.query, start)
        if match is None:
            raise self._error(
                "A value is missing here; to search for brackets or quotes, put the text in quotes", start
            )
        text = match[0]
        if listed:
            text = text.split(",", 1)[0]
        if not text:
            raise self._error("A value is missing here", start)
        self.place = start + len(text)
        following = self.query[self.place : self.place + 1]
        if following == "(" or following == '"':
            end = re.compile(r"\s|$").search(self.query, self.place)
            whole = self.query[start : len(self.query) if end is None else end.start()]
            raise self._error(
                f"{'A bracket' if following == '(' else 'A quote'} inside a word (column {self.place + 1}). "
                f"To search for the text, put it in quotes: {_in_quotes(whole)}",
                self.place,
            )
        self._skip()
        kind, upper = "word", ""
        lower, dots, end_text = text.partition("..")
        if dots and lower and end_text and not lower.endswith(".") and not end_text.startswith("."):
            kind, text, upper = "range", lower, end_text
        elif "*" in text:
            kind = "glob"
        return Value(
            text, kind, upper, column=start + 1, length=len(match[0]) if kind == "range" else len(text)
        )

    def _phrase(self) -> Value:
        start = self.place
        place, out = start + 1, []
        while True:
            if place >= len(self.query):
                raise self._error(f"The quote at column {start + 1} is not closed", start)
            char = self.query[place]
            if char == '"':
                break
            if char == "\\" and self.query[place + 1 : place + 2] in ('"', "\\"):
                place += 1
                char = self.query[place]
            out.append(char)
            place += 1
        if not out:
            raise self._error("Nothing between the quotes", start, 2)
        self.place = place + 1
        self._skip()
        return Value("".join(out), "phrase", column=start + 1, length=place + 1 - start)

    def _regex(self, match: re.Match[str]) -> Value:
        start = match.start()
        source, flags = match[1].replace("\\/", "/"), match[2]
        unknown = set(flags) - set("ims")
        if unknown:
            raise self._error(
                f'No flag "{min(unknown)}" of a regular expression; there are i, m and s',
                match.start(2),
                len(flags),
            )
        if not source:
            raise self._error("The regular expression is empty", start, match.end() - start)
        try:
            re.compile(source)
        except (re.error, OverflowError, RecursionError) as error:
            place = getattr(error, "pos", None) or 0
            raise self._error(
                f"In the regular expression: {getattr(error, 'msg', error)}", start + 4 + place
            ) from None
        self.place = match.end()
        if self.place < len(self.query) and not re.match(r"[\s(),]", self.query[self.place]):
            raise self._error(
                'Write a space behind the regular expression, and \\/ for a "/" in it', self.place
            )
        self._skip()
        return Value(source, "regex", flags=flags, column=start + 1, length=match.end() - start)

    # Places and words.

    def _skip(self) -> None:
        match = _SPACE.match(self.query, self.place)
        assert match is not None
        self.place = match.end()

    def _at_end(self) -> bool:
        return self.place >= len(self.query) or self.query[self.place] == ")"

    def _peek_word(self, word: str) -> bool:
        match = _WORD.match(self.query, self.place)
        return match is not None and match[0] == word

    def _take_word(self, word: str) -> int | None:
        """Pass over `word`; where it stood."""
        if not self._peek_word(word):
            return None
        at = self.place
        self.place += len(word)
        self._skip()
        return at

    def _need(self, word: str, at: int) -> None:
        if self._at_end():
            more = (
                f'; "(" at column {self.open[-1] + 1} is not closed'
                if (self.open and self.place >= len(self.query))
                else ""
            )
            raise self._error(
                f'Nothing after "{word}" (column {at + 1}){more}; to search for the word, type "{word}" '
                "in quotes",
                at,
                len(word),
            )

    def _error(self, message: str, place: int, length: int = 1) -> QueryError:
        return QueryError(message, self.query, place + 1, length)


def _in_quotes(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    if isinstance(node, Not):
        yield from walk(node.node)
    elif isinstance(node, And | Or):
        for one in node.nodes:
            yield from walk(one)


def fields_of(node: Node) -> set[str]:
    """Names of all fields that a query asks for."""
    return {one.field for one in walk(node) if isinstance(one, Compare | Exists)}


def check(
    node: Node, query: str, known: Callable[[str], bool], names: Collection[str], levels: Collection[str] = ()
) -> None:
    """Check the fields and levels of a parsed query against what records have.

    Args:
        known: tells if some record can have a field of that name.
        names: the fields to propose from.
        levels: names of levels that the records have besides the usual ones.

    Raises:
        QueryError: a field or a level is unknown; the text proposes another, or quotes.
    """
    for one in walk(node):
        if isinstance(one, Compare | Exists) and not known(one.field):
            raise _unknown_field(query, one.column, names)
        if isinstance(one, Compare) and one.field == "level":
            _check_level(one.value, query, {level.lower() for level in levels})


def _unknown_field(query: str, column: int, names: Collection[str]) -> QueryError:
    match = _FIELD.match(query, column - 1)
    name = match["field"] if match is not None else query[column - 1 :].split(":")[0]
    import difflib

    near = difflib.get_close_matches(name, [*names, *ALIASES], 1, 0.7)
    end = re.compile(r"[\s)]|$").search(query, match.end() if match is not None else column)
    text = query[column - 1 : len(query) if end is None else end.start()]
    if match is not None and query[match.end() :].startswith("//"):
        near = []
    proposal = f"Did you mean {near[0]}? Or put" if near else "Put"
    there = "" if near or not names else f" Fields here: {', '.join(sorted(names)[:20])}."
    return QueryError(
        f'No record has a field "{name}" (column {column}). '
        f"{proposal} the text in quotes to search for it: {_in_quotes(text)}.{there}",
        query,
        column,
        len(name),
    )


def _check_level(value: Value, query: str, levels: set[str]) -> None:
    if value.kind in ("glob", "regex"):
        return
    for text in filter(None, (value.text, value.upper)):
        if level_number(text) is None and text.lower() not in levels:
            import difflib

            near = difflib.get_close_matches(text.lower(), [*LEVELS, *levels], 1, 0.5)
            proposal = f"Did you mean {near[0]}?" if near else f"Use a number, or one of {', '.join(_USUAL)}."
            raise QueryError(
                f'No level "{text}" (column {value.column}). {proposal}', query, value.column, value.length
            )


_USUAL: Final = ("debug", "info", "warning", "error", "critical")


def level_number(text: str) -> int | None:
    """The number of a level's name, in any case, or of digits."""
    known = LEVELS.get(text.lower())
    if known is not None:
        return known
    match = re.fullmatch(r"(?:Level )?(\d{1,9})", text, re.ASCII)
    return int(match[1]) if match is not None else None
