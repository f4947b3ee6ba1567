"""The ZeroMQ designs by name: `PUSHHandler` and `LoggingServer`, `PUBLogger` and `SUBLogger`.

Only `PUBLogger`, `SUBLogger`, and a `PUSHHandler` for `inproc://` or a socket of yours need pyzmq
(`pip install logboom[zmq]`). Each name is imported when it is used.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logboom.contrib.lines import default_formatter as default_formatter
    from logboom.contrib.pub import PUBLogger as PUBLogger
    from logboom.contrib.push import PUSHHandler as PUSHHandler
    from logboom.contrib.sub import SUBLogger as SUBLogger
    from logboom.contrib.sub import run_sub_logger as run_sub_logger
    from logboom.receivers.zeromq import LoggingServer as LoggingServer
    from logboom.receivers.zeromq import get_logger as get_logger

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

_HOMES = {
    "LoggingServer": "logboom.receivers.zeromq",
    "PUBLogger": "logboom.contrib.pub",
    "PUSHHandler": "logboom.contrib.push",
    "SUBLogger": "logboom.contrib.sub",
    "default_formatter": "logboom.contrib.lines",
    "get_logger": "logboom.receivers.zeromq",
    "run_sub_logger": "logboom.contrib.sub",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


def main(argv: list[str] | None = None) -> int:
    """Run a `LoggingServer` until SIGTERM or Ctrl-C; see `python -m logboom.zeromq --help`."""
    import argparse

    from logboom.cli import pull

    parser = argparse.ArgumentParser(
        prog="python -m logboom.zeromq",
        description="Write what programs push over ZeroMQ to a rotating file.",
    )
    pull.add(parser)
    try:
        return pull.run(parser.parse_args(argv))
    except (OSError, ValueError) as error:
        print(f"logboom: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
