"""`logboom stop`: end the collector after it wrote everything.

Owns: asking it, and waiting until it is gone. Never knows: how it ends.

It is asked through its doorbell, which only the living collector of this spool hears: a process id that
it wrote down could be another program's by now.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from logboom import platform
from logboom.cli.places import one_spool
from logboom.cli.terminal import escape, plural
from logboom.errors import SpoolError
from logboom.journal.survey import survey
from logboom.spool import launch
from logboom.spool.directory import Spool, homes_in

__all__ = ["add", "run"]

_LOOK_EVERY: Final = 0.02


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("place", nargs="?", type=Path, metavar="FILE|SPOOL", help="a log file or its spool")
    parser.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="give up after this long (default: 10)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 when no collector runs any more, else 1."""
    spool = one_spool(arguments.place)
    # Its number is read before it is asked: one that has ended does not say it any more.
    pid = _pid(spool) if launch.collector_lives(spool, b"") else None
    others = [home for home in homes_in(spool)[1:] if launch.collector_lives(home, launch.STOP)]
    if not launch.collector_lives(spool, launch.STOP) and not others:
        if not platform.may_ring(spool / launch.DOORBELL):
            raise SpoolError(
                "permission denied",
                path=spool / launch.DOORBELL,
                hint="Stop it as the user whose programs log here, or as root",
            )
        print(f"{escape(spool)}: no collector runs")
        return 0
    called = "the collector" if pid is None else f"the collector (pid {pid})"
    deadline = time.monotonic() + arguments.timeout
    gone = [_wait_until_gone(home, None, deadline) for home in others]
    if not _wait_until_gone(spool, pid, deadline) or not all(gone):
        print(
            f"logboom: {escape(spool)}: {called} has not ended yet; "
            "see `logboom status`, or give it more time with --timeout",
            file=sys.stderr,
        )
        return 1
    print(f"{escape(spool)}: {called} has ended")
    living = sum(stream.alive for stream in survey(Spool(spool), {}))
    if living:
        print(
            f'{plural(living, "program")} still there: with collector="auto", the next record starts another'
        )
    return 0


def _wait_until_gone(spool: Path, pid: int | None, deadline: float) -> bool:
    """Until nobody listens, or somebody else does: a program that logs starts a new one at once."""
    while time.monotonic() < deadline:
        now = _pid(spool)
        if now is not None and pid is not None and now != pid:
            return True
        if not launch.collector_lives(spool, b"") and launch.start_is_free(spool):
            return True
        time.sleep(_LOOK_EVERY)
    return False


def _pid(spool: Path) -> int | None:
    """What the collector says its process id is: for people, and to tell it from the next one."""
    said = launch.read_status(spool).get("collector")
    return said.get("pid") if isinstance(said, dict) else None
