"""What the commands that read logs have in common: their arguments, opening, showing records."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final

from logboom.cli.terminal import Paint, escape
from logboom.errors import LogboomError
from logboom.logset.formats import load_format
from logboom.logset.record import Missing, Record
from logboom.query.asking import Asked, ask
from logboom.query.language import ALIASES, QueryError
from logboom.query.times import zone_named

__all__ = ["Shower", "add_asking", "asked", "explain", "places_of", "read_asking", "say_notes"]

_COLOURS: Final = ((50, "bright_red"), (40, "red"), (30, "yellow"), (20, ""), (0, "dim"))


def add_asking(parser: argparse.ArgumentParser, *, query: str | None = "?") -> None:
    """The arguments of a command that asks a query of logs."""
    if query is not None:
        parser.add_argument("query", nargs=query, default="", metavar="QUERY", help="what to search for")
    parser.add_argument(
        "places",
        nargs="*",
        type=Path,
        metavar="FILE|DIR",
        help="log files or directories; default: this directory",
    )
    parser.add_argument("-F", "--fixed", action="store_true", help="QUERY is text, to be found as it is")
    parser.add_argument("--since", metavar="TIME", help="only records from TIME on (03:00, -2h, mark:NAME)")
    parser.add_argument("--until", metavar="TIME", help="only records before TIME")
    parser.add_argument("--tz", metavar="ZONE", help="zone of times without one, and of times shown")
    parser.add_argument("--format", type=Path, metavar="FILE", help="a format for foreign logs (TOML)")


def places_of(arguments: argparse.Namespace) -> list[Path]:
    return arguments.places or [Path.cwd()]


def read_asking(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `query.asking.ask` besides query and places. Raises `LogboomError`."""
    try:
        zone = None if arguments.tz is None else zone_named(arguments.tz)
    except ValueError as error:
        raise LogboomError(f"--tz: {error}") from None
    return {
        "fixed": arguments.fixed,
        "since": arguments.since,
        "until": arguments.until,
        "zone": zone,
        "format": None if arguments.format is None else load_format(arguments.format),
    }


def asked(arguments: argparse.Namespace, query: str | None = None) -> Asked:
    """Open what the arguments name. Raises `LogboomError`, `OSError`."""
    text = arguments.query if query is None else query
    return ask(text, places_of(arguments), **read_asking(arguments))


def explain(error: Exception) -> int:
    """Say on stderr what is wrong; returns the exit status, 2 as grep's."""
    if isinstance(error, QueryError):
        print(f"logboom: {escape(error)}", file=sys.stderr)
        print("\n".join(escape(line) for line in error.picture().split("\n")), file=sys.stderr)
    elif isinstance(error, OSError):
        where = "" if error.filename is None else f"{error.filename}: "
        print(f"logboom: {escape(where)}{escape(error.strerror or error)}", file=sys.stderr)
    else:
        print(f"logboom: {escape(error)}", file=sys.stderr)
    return 2


def say_notes(question: Asked) -> None:
    """What was guessed, or could not be read, on stderr."""
    for note in question.notes:
        print(f"logboom: {escape(note)}", file=sys.stderr)


class Shower:
    """Writes records to stdout.

    Args:
        names: of the sets, by number.
        fields: which to show; None shows a record as it is written.
        zone: of times shown; None for this machine's.
    """

    def __init__(
        self,
        names: list[str],
        *,
        as_json: bool = False,
        fields: list[str] | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        self._names = names
        self._json = as_json
        self._fields = fields
        self._zone = zone
        self._paint = Paint(sys.stdout)
        self._several = len(names) > 1
        self._out = sys.stdout

    def show(self, records: Iterable[Record]) -> int:
        """Write the records; returns how many."""
        count = 0
        for record in records:
            self._out.write(self.line(record) + "\n")
            count += 1
        return count

    def line(self, record: Record) -> str:
        """A record as text, one line or several; harmless to a terminal."""
        if self._json:
            return self._object(record)
        if self._fields is not None:
            return "\t".join(escape(_plain(self.value(record, name))) for name in self._fields)
        text = record.text.decode("utf-8", "replace")
        text = "\n".join(map(escape_line, text.split("\n")))
        prefix = f"{escape(self._names[record.set])}: " if self._several else ""
        return prefix + self._painted(record, text)

    def value(self, record: Record, name: str) -> Any:
        name = ALIASES.get(name, name)
        if name == "time":
            return self.time(record.time)
        if name == "set":
            return self._names[record.set]
        if name == "text":
            return record.text.decode("utf-8", "replace")
        if name == "level":
            return record.kind.level_name or record.get("level")
        return record.get(name)

    def time(self, moment: float) -> str:
        shown = datetime.fromtimestamp(moment, self._zone or UTC)
        if self._zone is None:
            shown = shown.astimezone()
        return shown.isoformat(timespec="microseconds")

    def _object(self, record: Record) -> str:
        if self._fields is not None:
            values = {name: self.value(record, name) for name in self._fields}
            values = {name: value for name, value in values.items() if not isinstance(value, Missing)}
        else:
            values = record.values()
            values["time"] = datetime.fromtimestamp(record.time, self._zone or UTC).isoformat(
                timespec="microseconds"
            )
            if self._several:
                values["set"] = self._names[record.set]
            values["text"] = record.text.decode("utf-8", "replace")
        return json.dumps(values, ensure_ascii=False, default=str).translate(_UNSAFE)

    def _painted(self, record: Record, text: str) -> str:
        if not self._paint.on or record.kind.level is None:
            return text
        style = next(style for level, style in _COLOURS if record.kind.level >= level or level == 0)
        if not style:
            return text
        head, newline, rest = text.partition("\n")
        return self._paint(style, head) + newline + (self._paint("dim", rest) if rest else "")


_UNSAFE: Final = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}


def escape_line(line: str) -> str:
    """One line, harmless to a terminal; tabs stay."""
    if line.isprintable():
        return line
    return "\t".join(map(escape, line.split("\t")))


def _plain(value: Any) -> str:
    if isinstance(value, Missing):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
