"""`logboom drain`: write what waits, now.

Owns: asking for it, and saying whether it was done. Never knows: how it is written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from logboom import platform
from logboom.cli.overview import overview
from logboom.cli.places import one_spool
from logboom.cli.terminal import escape, size
from logboom.platform import clock
from logboom.spool import launch
from logboom.spool.directory import homes_in

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("place", nargs="?", type=Path, metavar="FILE|SPOOL", help="a log file or its spool")
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="give up after this long (default: 60)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 when everything that was committed before is in the files, else 1."""
    spool = one_spool(arguments.place)
    homes, deadline = homes_in(spool), clock.monotonic() + arguments.timeout
    if not all(launch.collector_lives(home, b"") for home in homes):
        platform.drop_privileges(spool)
    written = [launch.wait_until_flushed(home, deadline) for home in homes]
    if all(written):
        print(f"{escape(spool)}: everything is written")
        return 0
    print(f"logboom: {_why(spool)}", file=sys.stderr)
    return 1


def _why(spool: Path) -> str:
    values = overview(spool)
    troubles = [sink["trouble"] for sink in values["sinks"].values() if sink.get("trouble")]
    troubles += [*values["refused"].values(), *values["collector_log"][-1:]]
    about = f": {escape(troubles[0])}" if troubles else "; give it more time with --timeout"
    return f"{escape(spool)}: {size(values['pending_bytes'])} still wait{about}"
