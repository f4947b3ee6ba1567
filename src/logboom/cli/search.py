"""`logboom search`: the records of log sets that a query asks for.

The exit status is grep's: 0 for hits, 1 for none, 2 after trouble.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from logboom.cli.asking import Shower, add_asking, asked, explain, read_asking, say_notes
from logboom.errors import LogboomError
from logboom.query.asking import Asked
from logboom.query.context import with_context

__all__ = ["add", "run"]

_ON_A_TERMINAL: Final = 200


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_asking(parser)
    parser.add_argument("-n", "--last", type=int, metavar="N", help="only the last N hits (a terminal: 200)")
    parser.add_argument("-C", "--context", type=int, default=0, metavar="N", help="N records around each hit")
    parser.add_argument("--same-process", action="store_true", help="context of the hit's own process only")
    parser.add_argument("-c", "--count", action="store_true", help="only how many hits there are")
    parser.add_argument("--json", action="store_true", help="each hit as a JSON object")
    parser.add_argument("--fields", metavar="A,B", help="only these fields of each hit")
    parser.add_argument(
        "--stats", action="store_true", help="levels, loggers, programs, patterns, a histogram"
    )
    parser.add_argument(
        "--patterns", action="store_true", help="the patterns of the hits, and how many have each"
    )
    parser.add_argument("--count-by", metavar="FIELD", help="how many hits have each value of a field")
    parser.add_argument(
        "--new-since", metavar="TIME", help="patterns that appeared, vanished or changed since TIME"
    )
    parser.add_argument("--compare", nargs=2, metavar=("A..B", "C..D"), help="the same between two windows")


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 when there is a hit, 1 when there is none, 2 after trouble."""
    _query_or_place(arguments)
    try:
        question = asked(arguments)
    except (LogboomError, OSError) as error:
        return explain(error)
    try:
        found = _answer(arguments, question)
        if not found:
            question.check_unseen()
        sys.stdout.flush()
        say_notes(question)
    except BrokenPipeError:
        raise
    except (LogboomError, OSError) as error:
        return explain(error)
    finally:
        question.close()
    return 0 if found else 1


def _query_or_place(arguments: argparse.Namespace) -> None:
    """`logboom search app.log`: one word that is a file and no more is meant as a place."""
    query = arguments.query
    if query and not arguments.places and not arguments.fixed and Path(query).exists():
        arguments.query, arguments.places = "", [Path(query)]


def _answer(arguments: argparse.Namespace, question: Asked) -> int:
    search = question.search
    if arguments.count:
        count = search.count()
        print(count)
        return count
    special = arguments.stats or arguments.patterns or arguments.count_by
    if special or arguments.new_since or arguments.compare:
        from logboom.cli.figures import show

        return show(arguments, question)
    fields = arguments.fields.split(",") if arguments.fields else None
    zone = read_asking(arguments)["zone"]
    names = [view.path.name for view in question.views]
    shower = Shower(names, as_json=arguments.json, fields=fields, zone=zone)
    last = arguments.last
    if last is None and sys.stdout.isatty():
        last = _ON_A_TERMINAL
    hits = search.hits() if last is None else iter(search.last_hits(last))
    if arguments.context > 0:
        groups = with_context(question, hits, arguments.context, same_process=arguments.same_process)
        count = 0
        for number, group in enumerate(groups):
            if number:
                print("--")
            count += shower.show(group)
        return count
    return shower.show(hits)
