"""`logboom pull`: a server for the lines that programs push over ZeroMQ."""

from __future__ import annotations

import argparse
import os
import sys

from logboom.receivers.arguments import add_arguments

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    from logboom.receivers.zeromq import LoggingServer, serve

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
