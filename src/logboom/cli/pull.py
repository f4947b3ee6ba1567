"""`logboom pull`: a server for the lines that programs push over ZeroMQ.

Owns: its arguments. Never knows: sockets, files.
"""

from __future__ import annotations

import argparse

from logboom.errors import ConfigurationError

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """As of `python -m logboom.zeromq`, which must not be imported for this: it needs pyzmq."""
    parser.add_argument("--bind", default="tcp://127.0.0.1:5557", metavar="ADDRESS", help="where to listen")
    parser.add_argument("--file", default="django.log", metavar="FILE", help="the log file")
    parser.add_argument("--max-bytes", default="10 MB", metavar="SIZE", help="size before it is rolled")
    parser.add_argument("--backup-count", default=10, type=int, metavar="N", help="rotated files to keep")
    parser.add_argument("--newlines", default="escape", choices=("escape", "indent"), help="in a message")
    parser.add_argument("--spool", default=None, metavar="DIR", help="default: .logboom beside the file")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    try:
        from logboom.zeromq.command import run_with
    except ImportError as error:
        raise ConfigurationError(str(error)) from None
    return run_with(arguments)
