"""A `LoggingServer` on a command line."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from logboom.receivers.arguments import add_arguments
from logboom.zeromq.server import LoggingServer, serve

__all__ = ["run", "run_with"]


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
    path = os.path.abspath(arguments.file)
    serve(server, lambda address: _say(f"listening on {address}, writing to {path}"))
    return 0


def _say(sentence: str) -> None:
    print(f"logboom: {sentence}", file=sys.stderr, flush=True)


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
