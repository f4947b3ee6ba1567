"""`logboom pull`: a server for the lines that programs push over ZeroMQ."""

from __future__ import annotations

import argparse

from logboom.errors import ConfigurationError
from logboom.receivers.arguments import add_arguments

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    try:
        from logboom.zeromq.command import run_with
    except ImportError as error:
        raise ConfigurationError(str(error)) from None
    return run_with(arguments)
