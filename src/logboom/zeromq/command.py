"""The arguments of a `LoggingServer` on a command line.

Owns: their names and defaults, what happens to errors. Never knows: how the server works.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from logboom.zeromq.server import DEFAULT_BIND, DEFAULT_FILE, LoggingServer, serve

__all__ = ["add_arguments", "run", "run_with"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `LoggingServer`."""
    parser.add_argument("--bind", default=DEFAULT_BIND, metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--file", default=DEFAULT_FILE, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--max-bytes", default="10 MB", metavar="SIZE", help="default: 10 MB")
    parser.add_argument("--backup-count", default=10, type=int, metavar="N", help="default: 10")
    parser.add_argument("--newlines", default="escape", choices=("escape", "indent"))
    parser.add_argument("--spool", default=None, metavar="DIR", help="default: .logboom beside the file")


def run_with(arguments: argparse.Namespace | Any) -> int:
    """Serve as `add_arguments` was told; returns the exit status."""
    server = LoggingServer(
        arguments.bind,
        arguments.file,
        arguments.max_bytes,
        arguments.backup_count,
        newlines=arguments.newlines,
        spool=arguments.spool,
    )
    serve(server)
    return 0


def run(argv: list[str] | None = None) -> int:
    """`python -m logboom.zeromq`."""
    parser = argparse.ArgumentParser(
        prog="python -m logboom.zeromq",
        description="Write what programs push over ZeroMQ to a rotating file.",
    )
    add_arguments(parser)
    try:
        return run_with(parser.parse_args(argv))
    except (OSError, ValueError) as error:
        print(f"logboom: {error}", file=sys.stderr)
        return 1
