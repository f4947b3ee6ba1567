"""`logboom tail`: the last records of log sets, and with `-f` those that come."""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final

from logboom.cli.asking import Shower, add_asking, asked, explain, read_asking, say_notes
from logboom.cli.terminal import escape, plural
from logboom.errors import LogboomError
from logboom.logset.follow import Follower
from logboom.logset.names import LogSet
from logboom.logset.reading import Reading
from logboom.logset.record import Record
from logboom.logset.snapshot import open_set
from logboom.query.asking import Asked

__all__ = ["add", "run"]

_LAST: Final = 10
_PAUSE: Final = 0.1
_PENDING_EVERY: Final = 1.0
_MANY: Final = 5_000


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_asking(parser)
    parser.add_argument(
        "-f", "--follow", action="store_true", help="show the records that come, until Ctrl-C"
    )
    parser.add_argument(
        "-n", "--lines", type=int, default=_LAST, metavar="N", help="begin with the last N (10)"
    )
    parser.add_argument("--json", action="store_true", help="each record as a JSON object")
    parser.add_argument("--fields", metavar="A,B", help="only these fields of each record")
    parser.add_argument(
        "--exec", metavar="CMD", help="run CMD in a shell for each record, which is on its stdin as JSON"
    )


def run(arguments: argparse.Namespace) -> int:
    """Returns 0, or 2 after trouble."""
    if arguments.query and not arguments.places and not arguments.fixed and Path(arguments.query).exists():
        arguments.query, arguments.places = "", [Path(arguments.query)]
    try:
        question = asked(arguments)
        zone = read_asking(arguments)["zone"]
    except (LogboomError, OSError) as error:
        return explain(error)
    names = [view.path.name for view in question.views]
    fields = arguments.fields.split(",") if arguments.fields else None
    tail = _Tail(question, Shower(names, as_json=arguments.json, fields=fields, zone=zone), arguments)
    try:
        tail.begin(arguments.lines)
        if arguments.follow:
            tail.follow()
    except (LogboomError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        return explain(error)
    finally:
        question.close()
        tail.close()
    return 0


class _Tail:
    def __init__(self, question: Asked, shower: Shower, arguments: argparse.Namespace) -> None:
        self._question = question
        self._shower = shower
        self._json = arguments.json
        self._command = arguments.exec
        self._shown: Counter[tuple[float, bytes]] = Counter()
        self._followers: list[Follower] = []
        self._reading = Reading(read_asking(arguments)["zone"], read_asking(arguments)["format"])

    def begin(self, lines: int) -> None:
        """The last records that are there."""
        if lines > 0:
            self._show(self._question.search.last_hits(lines))
        say_notes(self._question)
        for view in self._question.views:
            self._shown.update((record.time, record.text) for record in view.pending)

    def follow(self) -> None:
        """Show what comes until the reader of our output goes away."""
        views = self._question.views
        self._followers = [Follower(LogSet(view.path), view, self._reading) for view in views]
        looked = time.monotonic()
        while not _reader_is_gone():
            found = [record for follower in self._followers for record in follower.look()]
            fresh = [record for record in found if not self._was_pending(record)]
            now = time.monotonic()
            if not fresh and now - looked > _PENDING_EVERY:
                looked = now
                fresh = self._still_pending()
            if len(fresh) > _MANY:
                self._notice(f"{plural(len(fresh), 'record')} behind", len(fresh))
            lost = sum(follower.lost for follower in self._followers)
            if lost:
                for follower in self._followers:
                    follower.lost = 0
                self._notice(f"fell behind: {plural(lost, 'file')} rotated away before they were read", None)
            self._show(sorted(filter(self._question.matcher.judge, fresh), key=lambda one: one.key))
            if not fresh:
                time.sleep(_PAUSE)

    def close(self) -> None:
        for follower in self._followers:
            follower.close()

    def _was_pending(self, record: Record) -> bool:
        """Return True for a record that was shown while it was pending."""
        key = record.time, record.text
        if self._shown[key] > 0:
            self._shown[key] -= 1
            return True
        self._shown.pop(key, None)
        return False

    def _still_pending(self) -> list[Record]:
        """Records that wait for a collector that does not come."""
        found = []
        for number, view in enumerate(self._question.views):
            if view.spool is None:
                continue
            now = open_set(LogSet(view.path), number, self._reading)
            waiting = Counter((record.time, record.text) for record in now.pending)
            for record in now.pending:
                key = record.time, record.text
                if waiting[key] > self._shown[key]:
                    self._shown[key] += 1
                    found.append(record)
            now.close()
        return found

    def _notice(self, text: str, records: int | None) -> None:
        if self._json:
            print(json.dumps({"notice": text, "records": records}))
        else:
            print(f"-- logboom: {text} --")

    def _show(self, records: list[Record]) -> None:
        self._shower.show(records)
        if records:
            sys.stdout.flush()
        if self._command is not None:
            for record in records:
                self._run(record)

    def _run(self, record: Record) -> None:
        values = json.dumps(record.values() | {"text": record.text.decode("utf-8", "replace")}, default=str)
        done = subprocess.run(self._command, shell=True, input=values.encode() + b"\n", check=False)
        if done.returncode:
            print(f"logboom: {escape(self._command)}: exit status {done.returncode}", file=sys.stderr)


def _reader_is_gone() -> bool:
    """Return True if nobody can read our output any more."""
    poll = getattr(select, "poll", None)
    if poll is None:  # Windows: the next line that is written fails
        return False
    gone = getattr(select, "POLLERR", 0) | getattr(select, "POLLNVAL", 0)
    asked = poll()
    try:
        asked.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):
        return False
    return any(event & gone for _, event in asked.poll(0))
