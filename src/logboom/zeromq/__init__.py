"""The ZeroMQ designs by name: `PUSHHandler` and `LoggingServer`, `PUBLogger` and `SUBLogger`.

Owns: the public names. Never knows: how any of them works.

Needs pyzmq: `pip install logboom[zmq]`.
"""

from __future__ import annotations

from logboom.zeromq.lines import default_formatter
from logboom.zeromq.pub import PUBLogger
from logboom.zeromq.push import PUSHHandler
from logboom.zeromq.server import LoggingServer, get_logger
from logboom.zeromq.sub import SUBLogger, run_sub_logger

__all__ = [
    "LoggingServer",
    "PUBLogger",
    "PUSHHandler",
    "SUBLogger",
    "default_formatter",
    "get_logger",
    "main",
    "run_sub_logger",
]


def main(argv: list[str] | None = None) -> int:
    """Run a `LoggingServer` until SIGTERM or Ctrl-C; see `python -m logboom.zeromq --help`."""
    from logboom.zeromq.command import run

    return run(argv)
