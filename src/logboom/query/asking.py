"""A question to log sets: open them, understand the query, check its fields; then search."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

from logboom.errors import LogboomError
from logboom.logset.formats import Format
from logboom.logset.names import LogSet, sets_at
from logboom.logset.reading import Block, Gap, LogFile, Reading
from logboom.logset.record import Record
from logboom.logset.snapshot import SetView, open_set
from logboom.query.language import EVERYTHING, And, Node, Text, check, fields_of, parse
from logboom.query.matching import Matcher, Window, resolve
from logboom.query.search import Search
from logboom.query.times import moment

__all__ = ["MARK_LOGGER", "Asked", "ask", "marks_of"]

MARK_LOGGER: Final = "logboom.mark"
_MARK: Final = re.compile(r"logboom\.mark\b[^\w]*(.*)")
_USUAL: Final = frozenset(("time", "level", "logger", "process", "program", "exc"))


class Asked:
    """Open sets and a query over them.

    Attributes:
        views: the open sets.
        search: the query on them.
        notes: what was guessed or could not be read, in sentences.
    """

    def __init__(
        self, views: list[SetView], query: str, node: Node, matcher: Matcher, names: set[str]
    ) -> None:
        self.views = views
        self.query = query
        self.node = node
        self.matcher = matcher
        self.names = names
        self.search = Search(views, matcher)

    @property
    def files(self) -> list[LogFile]:
        return [file for view in self.views for file in view.files]

    @property
    def notes(self) -> list[str]:
        notes = [note for view in self.views for note in view.notes]
        guessed: dict[str, list[str]] = {}
        for file in self.files:
            if file.guess is not None:
                guessed.setdefault(file.guess.name, []).append(file.file.name)
            if file.file.trouble:
                notes.append(f"{file.file.name}: {file.file.trouble}")
        for name, files in guessed.items():
            shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
            notes.append(f"{shown}: no facts for some or all of it; read as {name}")
        return notes

    def check_unseen(self) -> None:
        """Say that a field is unknown, once no record has been found with it.

        Raises:
            QueryError: no record of the sets has one of the fields.
        """
        asked = fields_of(self.node) - _USUAL
        unseen = {name for name in asked if not self._is_known(name) and not self._is_written(name)}
        if unseen:
            met = {field for file in self.files for kind in file.kinds for field in kind.layout.fields}
            check(self.node, self.query, lambda field: field not in unseen, self.names | met | _USUAL)

    def _is_known(self, name: str) -> bool:
        return any(
            name in layout.fields
            for file in self.files
            for layout in [kind.layout for kind in file.kinds] + ([file.guess] if file.guess else [])
        )

    def _is_written(self, name: str) -> bool:
        key = b'"' + name.rpartition(".")[2].encode() + b'"'
        return any(
            key in file.file.read(start, length) for file in self.files for start, length in file.file.spans()
        )

    def close(self) -> None:
        for view in self.views:
            view.close()


def ask(
    query: str,
    places: Sequence[Path],
    *,
    fixed: bool = False,
    since: str | None = None,
    until: str | None = None,
    zone: tzinfo | None = None,
    format: Format | None = None,
    now: float | None = None,
    pending: bool = True,
) -> Asked:
    """Open the sets at `places` and prepare the query.

    Args:
        fixed: the query is text to be found as it is.
        since, until: more bounds, as in the language.
        zone: of times without one.
        format: of foreign text, instead of what is recognised.

    Raises:
        QueryError: the query cannot be understood, or asks for what no record has.
        LogboomError: there is no log at a place.
        OSError: a file cannot be read.
    """
    now = time.time() if now is None else now
    node: Node = (Text(query) if query else EVERYTHING) if fixed else parse(query)
    views = open_sets(places, Reading(zone, format), pending=pending)
    try:
        names, anything, levels = _fields(views)
        if not fixed:
            check(
                node, query, lambda name: anything or name in names or name in _USUAL, names | _USUAL, levels
            )
        bounds = [
            _bound(word, text, now, zone, views)
            for word, text in (("since", since), ("until", until))
            if text
        ]
        if fixed and query:
            node = Text(query)
        tree = resolve(node, query, now, zone, lambda name: find_mark(views, name))
        matcher = Matcher(And((tree, *bounds)) if bounds else tree)
        return Asked(views, query, node, matcher, names)
    except BaseException:
        for view in views:
            view.close()
        raise


def open_sets(places: Iterable[Path], reading: Reading, *, pending: bool = True) -> list[SetView]:
    """The sets at `places`, each once. Raises as `ask`."""
    found: dict[LogSet, None] = {}
    for place in places:
        for one in sets_at(place):
            found[one] = None
    views: list[SetView] = []
    try:
        for one in found:
            views.append(open_set(one, len(views), reading, pending=pending))
    except BaseException:
        for view in views:
            view.close()
        raise
    return views


def _bound(word: str, text: str, now: float, zone: tzinfo | None, views: list[SetView]) -> Any:
    try:
        when = moment(text, now, zone, lambda name: find_mark(views, name))
    except ValueError as error:
        raise LogboomError(f"--{word}: {error}") from None
    return Window(when, float("inf")) if word == "since" else Window(float("-inf"), when)


def _fields(views: list[SetView]) -> tuple[set[str], bool, set[str]]:
    """Names of the fields that records have, if there may be others, and names of levels."""
    names: set[str] = set()
    levels: set[str] = set()
    anything = False
    for view in views:
        for file in view.files:
            for kind in file.kinds:
                names |= kind.layout.fields
                anything = anything or kind.layout.open
                if kind.level_name:
                    levels.add(kind.level_name)
            for block in file.blocks:
                if isinstance(block, Gap):
                    format, kinds = _sampled(file, block)
                    names |= format.fields if format is not None else set()
                    anything = anything or (format is not None and format.open)
                    levels |= kinds
            _meet_fields(file)
        for record in view.pending:
            names |= record.kind.layout.fields
            anything = anything or record.kind.layout.open
            if record.kind.level_name:
                levels.add(record.kind.level_name)
    return names, anything, levels


def _sampled(file: LogFile, gap: Gap) -> tuple[Format | None, set[str]]:
    """The format of a gap, and levels of its first records."""
    from logboom.logset.formats import recognise

    length = 1 << 16 if gap.end is None else min(1 << 16, gap.end - gap.start)
    text = file.file.read(gap.start, length)
    if not text:
        return None, set()
    format = recognise(text, file.reading.format)
    if format.open:
        for line in text.split(b"\n")[:200]:
            format.extract(line, file_kind(format))
    return format, set()


def file_kind(format: Format) -> Any:
    from logboom.logset.record import Kind

    return Kind(format)


def _meet_fields(file: LogFile) -> None:
    """Let the layouts of JSON meet the fields of a few records, to propose from."""
    blocks = [block for block in file.blocks if isinstance(block, Block)]
    if blocks and any(kind.layout.open for kind in file.kinds):
        loaded = file.load(blocks[-1])
        if loaded is not None:
            for place in range(max(0, len(loaded) - 50), len(loaded)):
                _ = loaded.record(place).fields


def marks_of(views: list[SetView]) -> list[tuple[float, str]]:
    """Time and name of every mark in the sets, the oldest first."""
    found = []
    for record in Search(views, Matcher(Text(MARK_LOGGER, False))).hits():
        name = mark_name(record)
        if name is not None:
            found.append((record.time, name))
    return found


def mark_name(record: Record) -> str | None:
    """The name of the mark that a record is; None where it is none."""
    logger = record.get("logger")
    if isinstance(logger, str) and logger != MARK_LOGGER:
        return None
    message = record.get("message")
    if logger == MARK_LOGGER and isinstance(message, str):
        return message
    match = _MARK.search(record.text.decode("utf-8", "replace"))
    return match[1].strip() if match is not None and match[1].strip() else None


def find_mark(views: list[SetView], name: str) -> float | None:
    """When the newest mark of that name was made."""
    times = [when for when, found in marks_of(views) if found == name]
    return times[-1] if times else None
