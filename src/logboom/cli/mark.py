"""`logboom mark`: put a mark into log sets, such as "deploy 41", or list the marks there are."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Final

from logboom.cli.asking import Shower, explain
from logboom.cli.terminal import escape
from logboom.errors import LogboomError
from logboom.journal.target import Target
from logboom.logset.names import LogSet, sets_at
from logboom.logset.reading import Reading
from logboom.logset.snapshot import SetView, open_set, spool_of
from logboom.platform import clock
from logboom.producer.options import parse_options
from logboom.producer.producer import Producer
from logboom.query.asking import MARK_LOGGER, marks_of
from logboom.query.language import EVERYTHING
from logboom.query.matching import Matcher
from logboom.query.search import Search
from logboom.records.formatters import JSONFormatter
from logboom.spool.checkpoint import read_recorded

__all__ = ["add", "put_mark", "run"]

_WAIT: Final = 5.0
_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help='such as "deploy 41"; without it, marks are listed'
    )
    parser.add_argument(
        "places", nargs="*", type=Path, metavar="FILE|DIR", help="log files; default: this directory"
    )


def run(arguments: argparse.Namespace) -> int:
    """Returns 0; 1 when a mark is not in the log yet, or none is there to list; 2 after trouble."""
    name, places = arguments.name, arguments.places
    if name is not None and not places and Path(name).exists():
        places, name = [Path(name)], None
    try:
        sets = [one for place in places or [Path.cwd()] for one in sets_at(place)]
        if name is None:
            return _list(sets)
        return _put(name, sets, named=bool(places))
    except (LogboomError, OSError) as error:
        return explain(error)


def _list(sets: list[LogSet]) -> int:
    views = [open_set(one, number) for number, one in enumerate(sets)]
    found = marks_of(views)
    shower = Shower([])
    for when, name in found:
        print(f"{shower.time(when)}  {escape(name)}")
    return 0 if found else 1


def _put(name: str, sets: list[LogSet], *, named: bool) -> int:
    with_spool = [one for one in sets if spool_of(one.path) is not None and _target(one.path) is not None]
    if not with_spool or (named and len(with_spool) < len(sets)):
        other = next((one.path for one in sets if one not in with_spool), Path.cwd())
        raise LogboomError(
            f"no program logs to {other} through logboom", hint="A mark is a record of its own"
        )
    written = True
    for one in with_spool:
        written = put_mark(name, one.path) and written
        print(f"marked {escape(one.path)}: {escape(name)}" + ("" if written else " (still pending)"))
    return 0 if written else 1


def put_mark(name: str, live: Path) -> bool:
    """Log a mark to a set, as one of its programs would; returns False when it is still pending.

    Raises:
        LogboomError: no program logs there through logboom.
    """
    spool, target = spool_of(live), _target(live)
    if spool is None or target is None:
        raise LogboomError(f"no program logs to {live} through logboom")
    # The target that is in force, and not a newer one: a mark changes no settings.
    producer = Producer(target, parse_options({}), spool)
    record = logging.LogRecord(MARK_LOGGER, logging.INFO, __file__, 0, name, None, None)
    producer.append(record, JSONFormatter() if _is_json(live) else logging.Formatter(_FORMAT))
    return bool(producer.wait(clock.monotonic() + _WAIT))


def _target(live: Path) -> Target | None:
    spool = spool_of(live)
    if spool is None:
        return None
    files = (one for one in read_recorded(spool).targets.values() if isinstance(one, Target))
    return next((one for one in files if one.name == live.name), None)


def _is_json(live: Path) -> bool:
    view: SetView = open_set(LogSet(live), 0, Reading(), pending=False)
    try:
        last = Search([view], Matcher(EVERYTHING)).last_hits(1)
        return bool(last) and last[0].kind.layout.open
    finally:
        view.close()
