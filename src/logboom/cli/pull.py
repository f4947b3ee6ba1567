"""`logboom pull`: a server for the lines that programs push over ZeroMQ."""

from __future__ import annotations

import argparse

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of `LoggingServer`."""
    parser.add_argument("--bind", default="tcp://127.0.0.1:5557", metavar="ADDRESS", help="where to listen")
    parser.add_argument("--file", default="django.log", metavar="FILE", help="the log file")
    parser.add_argument("--max-bytes", default="10 MB", metavar="SIZE", help="size before it is rolled")
    parser.add_argument("--backup-count", default=10, type=int, metavar="N", help="rotated files to keep")
    parser.add_argument("--newlines", default="escape", choices=("escape", "indent"), help="in a message")
    parser.add_argument("--spool", default=None, metavar="DIR", help="default: .logboom beside the file")


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
    serve(server)
    return 0
