"""The command `logboom`: the list of commands, what becomes of an error, exit statuses.

Exit statuses: 0 as asked; 1 not so, and the output says why; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Final

from logboom import __version__
from logboom.cli import collect, demo, drain, inspect, pull, status, stop
from logboom.cli.terminal import escape
from logboom.errors import LogboomError

__all__ = ["COMMANDS", "main", "make_parser"]

COMMANDS: Final = {
    "collect": (collect.add, collect.run, "be the collector of a spool, in the foreground"),
    "status": (status.add, status.run, "who logs, who collects, what waits"),
    "drain": (drain.add, drain.run, "write what waits, now"),
    "stop": (stop.add, stop.run, "end the collector after it wrote everything"),
    "inspect": (inspect.add, inspect.run, "show or export what a journal segment holds"),
    "pull": (pull.add, pull.run, "write what programs push over ZeroMQ to a rotating file"),
    "demo": (demo.add, demo.run, "kill logging processes and count what arrived"),
}


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="logboom",
        description="Many Python processes, one rotating log set: nothing lost, nothing twice.",
    )
    parser.add_argument("--version", action="version", version=f"logboom {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (add, run, help_text) in COMMANDS.items():
        sentence = f"{help_text[0].upper()}{help_text[1:]}."
        command = commands.add_parser(name, help=help_text, description=sentence)
        add(command)
        command.set_defaults(run=run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status.

    Args:
        argv: the arguments; None takes those of the process.
    """
    _show_everything()
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    try:
        result: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `logboom ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except LogboomError as error:
        print(f"logboom: {escape(error)}", file=sys.stderr)
        return 1
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        print(f"logboom: {escape(where)}{escape(error.strerror or error)}", file=sys.stderr)
        return 1
    return result


def _show_everything() -> None:
    """A console of an old code page shows what it has no letter for as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
