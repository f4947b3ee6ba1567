"""`logboom export`: the records of a query as Parquet, JSON Lines or CSV."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from logboom.cli.asking import add_asking, asked, explain, say_notes
from logboom.cli.terminal import plural
from logboom.errors import LogboomError
from logboom.query.table import write_csv, write_jsonl, write_parquet

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_asking(parser)
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--parquet", action="store_true", help="a Parquet file; needs -o")
    form.add_argument("--jsonl", action="store_true", help="JSON Lines")
    form.add_argument("--csv", action="store_true", help="CSV")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to; default: stdout")


def run(arguments: argparse.Namespace) -> int:
    """Returns 0, or 2 after trouble."""
    if arguments.query and not arguments.places and not arguments.fixed and Path(arguments.query).exists():
        arguments.query, arguments.places = "", [Path(arguments.query)]
    if arguments.parquet and arguments.output is None:
        return explain(LogboomError("--parquet needs a file", hint="Add -o logs.parquet"))
    try:
        question = asked(arguments)
    except (LogboomError, OSError) as error:
        return explain(error)
    try:
        names = [view.path.name for view in question.views]
        hits = question.search.hits()
        if arguments.parquet:
            count = write_parquet(hits, names, arguments.output)
        else:
            write = write_jsonl if arguments.jsonl else write_csv
            if arguments.output is None:
                count = write(hits, names, sys.stdout)
            else:
                with arguments.output.open("w", encoding="utf-8", newline="") as file:
                    count = write(hits, names, file)
        sys.stdout.flush()
        if arguments.output is not None:
            print(f"{plural(count, 'record')} in {arguments.output}", file=sys.stderr)
        say_notes(question)
    except BrokenPipeError:
        raise
    except (LogboomError, OSError) as error:
        return explain(error)
    finally:
        question.close()
    return 0
