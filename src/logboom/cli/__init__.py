"""The command `logboom`.

Owns: the list of commands, what becomes of an error, exit statuses. Never knows: what a command does.

Exit statuses: 0 as asked; 1 not so, and the output says why; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from logboom import __version__
from logboom.cli.terminal import escape
from logboom.errors import LogboomError

__all__ = ["COMMANDS", "main", "make_parser"]

COMMANDS: Final = {
    "collect": "be the collector of a spool, in the foreground",
    "status": "who logs, who collects, what waits",
    "drain": "write what waits, now",
    "stop": "end the collector after it wrote everything",
    "inspect": "show or export what a journal segment holds",
    "demo": "kill logging processes and count what arrived",
}


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="logboom",
        description="Many Python processes, one rotating log set: nothing lost, nothing twice.",
    )
    parser.add_argument("--version", action="version", version=f"logboom {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, help_text in COMMANDS.items():
        module = importlib.import_module(f"logboom.cli.{name}")
        command = commands.add_parser(
            name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}."
        )
        module.add(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status.

    Args:
        argv: the arguments; None takes those of the process.
    """
    arguments = make_parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
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
    return status
