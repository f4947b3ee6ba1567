"""The command `logboom`: the list of commands, what becomes of an error, exit statuses.

Exit statuses: 0 as asked; 1 not so, and the output says why; 2 wrong arguments. Commands that search have
grep's: 0 hits, 1 none, 2 trouble.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

from logboom import __version__
from logboom.cli.terminal import escape
from logboom.errors import LogboomError

__all__ = ["COMMANDS", "main", "make_parser"]

# Each is a module here, which is imported when its command is used.
COMMANDS: Final = {
    "collect": "be the collector of a spool, in the foreground",
    "status": "who logs, who collects, what waits",
    "drain": "write what waits, now",
    "stop": "end the collector after it wrote everything",
    "search": "find records in log sets, live, rotated and compressed",
    "tail": "show the last records of log sets, and follow them",
    "cat": "print a log set as one stream, whatever its compression",
    "mark": "put a mark into log sets, such as a deploy, or list the marks",
    "web": "show log sets in the browser, live and back in time (needs logboom[web])",
    "sql": "query records with SQL (needs logboom[sql])",
    "export": "write records as Parquet, JSON Lines or CSV",
    "index": "index backups for fast searches",
    "completion": "print the completion script of a shell",
    "inspect": "show or export what a journal segment holds",
    "pull": "write what programs push over ZeroMQ to a rotating file",
    "demo": "kill logging processes and count what arrived",
}


class _Parser(argparse.ArgumentParser):
    """One whose options may stand between what is named, as in `search QUERY -c FILE`."""

    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._inside or any(action.nargs == argparse.PARSER for action in self._actions):
            return super().parse_known_args(args, namespace)
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


def make_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands; with `only`, one that knows the arguments of that command alone."""
    parser = _Parser(
        prog="logboom",
        description="Many Python processes, one rotating log set: nothing lost, nothing twice.",
    )
    parser.add_argument("--version", action="version", version=f"logboom {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, help_text in COMMANDS.items():
        sentence = f"{help_text[0].upper()}{help_text[1:]}."
        command = commands.add_parser(name, help=help_text, description=sentence)
        if only is None or name == only:
            module = importlib.import_module(f"logboom.cli.{name}")
            module.add(command)
            command.set_defaults(run=module.run, make_parser=make_parser, commands=list(COMMANDS))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status.

    Args:
        argv: the arguments; None takes those of the process.
    """
    _show_everything()
    words = sys.argv[1:] if argv is None else list(argv)
    parser = make_parser(words[0] if words[:1] and words[0] in COMMANDS else "")
    arguments = parser.parse_args(words)
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
