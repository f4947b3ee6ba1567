"""The arguments of `logboom pull`, `python -m logboom.zeromq` and `manage.py logboom_pull`."""

from __future__ import annotations

import argparse

from logboom.errors import ConfigurationError
from logboom.journal.target import parse_size

__all__ = ["DEFAULT_BIND", "DEFAULT_FILE", "add_arguments"]

DEFAULT_BIND = "tcp://127.0.0.1:5557"
DEFAULT_FILE = "django.log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `LoggingServer`."""
    parser.add_argument(
        "--bind", default=DEFAULT_BIND, metavar="ADDRESS", help="where to listen (default: %(default)s)"
    )
    parser.add_argument(
        "--file", default=DEFAULT_FILE, metavar="FILE", help="the log file (default: %(default)s)"
    )
    parser.add_argument(
        "--max-bytes",
        default="10 MB",
        type=_size,
        metavar="SIZE",
        help="size before it is rolled (default: 10 MB)",
    )
    parser.add_argument(
        "--backup-count", default=10, type=_count, metavar="N", help="rotated files to keep (default: 10)"
    )
    parser.add_argument("--newlines", default="escape", choices=("escape", "indent"), help="in a message")
    parser.add_argument("--spool", default=None, metavar="DIR", help="default: .logboom beside the file")


def _size(text: str) -> int:
    try:
        return parse_size(int(text) if text.isdecimal() else text, "--max-bytes")
    except ConfigurationError:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no size; use bytes, or a string like "10 MB"'
        ) from None


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return int(text)
