"""`logboom index`: make the indexes of backups now."""

from __future__ import annotations

import argparse
from pathlib import Path

from logboom.cli.asking import explain
from logboom.cli.terminal import escape, plural
from logboom.errors import LogboomError
from logboom.logset.names import codec_of, log_files, sets_at
from logboom.logset.sealing import index_backup, is_indexed
from logboom.platform.files import Directory

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "places", nargs="*", type=Path, metavar="FILE|DIR", help="log files; default: this directory"
    )


def run(arguments: argparse.Namespace) -> int:
    """Returns 0, or 2 after trouble."""
    made = there = without = 0
    try:
        for place in arguments.places or [Path.cwd()]:
            for one in sets_at(place):
                directory = Directory(one.path.parent)
                for path in log_files(one.path):
                    if path == one.path and not one.alone:
                        continue
                    status = path.stat()
                    if codec_of(path.name) is not None or is_indexed(directory, status.st_ino):
                        there += 1
                    elif index_backup(directory, path.name):
                        made += 1
                        print(f"indexed {escape(path)}")
                    else:
                        without += 1
                directory.close()
    except (LogboomError, OSError) as error:
        return explain(error)
    print(f"{plural(made, 'backup')} indexed, {there:,} as they are")
    return 0
