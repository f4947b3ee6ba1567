"""`logboom sql`: SQL over the records of a query, in the table `logs`."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from typing import Any

from logboom.cli.asking import add_asking, asked, escape_line, explain, say_notes
from logboom.cli.terminal import escape
from logboom.errors import LogboomError
from logboom.query.table import open_table

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "sql", metavar="SELECT", help='such as "select level, count(*) from logs group by level"'
    )
    add_asking(parser, query=None)
    parser.add_argument(
        "--query", default="", metavar="QUERY", help="only the hits of this query are in the table"
    )
    parser.add_argument("--json", action="store_true", help="each row as a JSON object")
    parser.add_argument("--csv", action="store_true", help="the rows as CSV")


def run(arguments: argparse.Namespace) -> int:
    """Returns 0, or 2 after trouble."""
    try:
        question = asked(arguments)
    except (LogboomError, OSError) as error:
        return explain(error)
    try:
        names = [view.path.name for view in question.views]
        with open_table(question.search.hits(), names) as connection:
            try:
                answer = connection.execute(arguments.sql)
                columns = [one[0] for one in answer.description or ()]
                _show(columns, answer, arguments)
            except BrokenPipeError:
                raise
            except Exception as error:  # each kind of a bad statement has a class of its own
                print(f"logboom: {escape_lines(str(error))}", file=sys.stderr)
                return 2
        say_notes(question)
    except BrokenPipeError:
        raise
    except (LogboomError, OSError) as error:
        return explain(error)
    finally:
        question.close()
    return 0


def escape_lines(text: str) -> str:
    return "\n".join(map(escape_line, text.split("\n")))


def _show(columns: list[str], answer: Any, arguments: argparse.Namespace) -> None:
    if arguments.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        while rows := answer.fetchmany(1000):
            writer.writerows(rows)
        return
    if arguments.json:
        while rows := answer.fetchmany(1000):
            for row in rows:
                print(json.dumps(dict(zip(columns, row, strict=True)), default=str))
        return
    first = answer.fetchmany(1000)
    shown = [[_cell(value) for value in row] for row in first]
    widths = [max([len(name), *(len(row[place]) for row in shown)]) for place, name in enumerate(columns)]
    print("  ".join(escape(name).ljust(width) for name, width in zip(columns, widths, strict=True)).rstrip())
    print("  ".join("-" * width for width in widths))
    while shown:
        for row in shown:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        shown = [[_cell(value) for value in row] for row in answer.fetchmany(1000)]


def _cell(value: Any) -> str:
    return "" if value is None else escape(value)
