"""`logboom cat`: a log set as one stream, the oldest file first, whatever its compression."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from logboom.cli.asking import escape_line, explain
from logboom.errors import LogboomError
from logboom.logset.reading import Reading
from logboom.query.asking import open_sets

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("places", nargs="+", type=Path, metavar="FILE|DIR", help="log files or directories")


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 when everything was written, 2 after trouble."""
    status = 0
    try:
        views = open_sets(arguments.places, Reading(), pending=False)
    except (LogboomError, OSError) as error:
        return explain(error)
    to_terminal = sys.stdout.isatty()
    sys.stdout.flush()
    for view in views:
        for one in view.files:
            for start, length in one.file.spans():
                data = one.file.read(start, length)
                if to_terminal:
                    text = data.decode("utf-8", "replace")
                    sys.stdout.write("\n".join(map(escape_line, text.split("\n"))))
                else:
                    sys.stdout.buffer.write(data)
            if one.file.trouble:
                status = explain(LogboomError(f"{one.file.name}: {one.file.trouble}"))
        view.close()
    sys.stdout.flush()
    return status
