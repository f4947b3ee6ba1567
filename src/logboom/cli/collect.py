"""`logboom collect`: the collector in the foreground.

Owns: what a supervisor sees of it. Never knows: how it collects.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from logboom import platform
from logboom.cli.places import is_spool, one_spool
from logboom.cli.terminal import escape
from logboom.collector import assembly
from logboom.collector.service import STOPPED, UNNEEDED
from logboom.spool.directory import Spool

__all__ = ["add", "run"]

_GOOD = frozenset({STOPPED, UNNEEDED})


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "spool", type=Path, metavar="SPOOL", help="the spool (or the log file, or its directory)"
    )
    parser.add_argument(
        "--stay", action="store_true", help="stay when nobody logs, and make the spool when it is missing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 when nobody logs any more or it was stopped, and all is written; else 1."""
    spool = _spool(arguments.spool, make=arguments.stay)
    platform.drop_privileges(spool)
    platform.name_process("logboom")
    said: list[bool] = []

    def started() -> None:
        if not said:
            said.append(True)
            print(f"logboom: collecting {escape(spool)} (pid {os.getpid()})", file=sys.stderr, flush=True)

    reason = assembly.collect(spool, stay=arguments.stay, started=started)
    print(f"logboom: {escape(reason)}", file=sys.stderr, flush=True)
    return 0 if reason in _GOOD else 1


def _spool(place: Path, *, make: bool) -> Path:
    if make and not place.exists():
        return Spool.create(place).path
    path = platform.real_path(place)
    if path.is_dir() and not is_spool(path) and not any(path.iterdir()):
        return path  # as a supervisor makes it, for `spool=`
    return one_spool(path)
