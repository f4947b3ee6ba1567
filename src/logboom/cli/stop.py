"""`logboom stop`: end the collector after it wrote everything.

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
from logboom.cli.arguments import seconds
from logboom.cli.health import collector_pid, hung, may_not_ring, troubles_of
from logboom.cli.overview import overview
from logboom.cli.places import one_spool
from logboom.cli.terminal import escape, plural, size
from logboom.errors import SpoolError
from logboom.producer.starting import start_is_free
from logboom.spool.directory import homes_in
from logboom.spool.doorbell import BELL, LEADER_LOCK, STOP, collector_lives

__all__ = ["add", "run"]

_LOOK_EVERY: Final = 0.02
_ANSWERS_WITHIN: Final = 0.5


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("place", nargs="?", type=Path, metavar="FILE|SPOOL", help="a log file or its spool")
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="give up after this long (default: 10)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 when no collector runs any more and the one that did has written all, else 1."""
    spool = one_spool(arguments.place)
    asked = time.time()
    # Its number is read before it is asked: one that has ended does not say it any more.
    pid = collector_pid(spool) if collector_lives(spool, b"") else None
    others = [home for home in homes_in(spool)[1:] if collector_lives(home, STOP)]
    if not collector_lives(spool, STOP) and not others:
        if may_not_ring(spool):
            raise SpoolError(
                "permission denied",
                path=spool / BELL,
                hint="Stop it as the user whose programs log here, or as root",
            )
        print(f"{escape(spool)}: no collector runs")
        _pending(spool, asked)
        return 0
    called = "the collector" if pid is None else f"the collector (pid {pid})"
    deadline = time.monotonic() + arguments.timeout
    gone = [_wait_until_gone(home, None, deadline) for home in others]
    if not _wait_until_gone(spool, pid, deadline) or not all(gone):
        why = hung(spool, _ANSWERS_WITHIN)
        help_text = "see `logboom status`, or give it more time with --timeout"
        if why:
            help_text = "`logboom drain` kills a stopped one, which loses nothing, and writes what is pending"
        print(
            f"logboom: {escape(spool)}: {called} {why or 'has not ended yet'}; {help_text}", file=sys.stderr
        )
        return 1
    print(f"{escape(spool)}: {called} has ended")
    living = sum(producer["alive"] for producer in overview(spool)["producers"])
    if living:
        print(
            f'{plural(living, "program")} still there: with collector="auto", the next record starts another'
        )
    return _pending(spool, asked)


def _pending(spool: Path, asked: float) -> int:
    """1 and a line on stderr when records from before it was asked are pending, or that cannot be known."""
    values = overview(spool)
    if values["pending_known"] and not (values["pending_bytes"] and time.time() - values["lag"] < asked):
        return 0
    troubles = [*troubles_of(values), *values["collector_log"][-1:]]
    about = f": {escape(troubles[0])}" if troubles else "; `logboom drain` writes them"
    amount = size(values["pending_bytes"]) if values["pending_known"] else "records may be"
    print(f"logboom: {escape(spool)}: {amount} pending{about}", file=sys.stderr)
    return 1


def _wait_until_gone(spool: Path, pid: int | None, deadline: float) -> bool:
    """Until nobody listens, or somebody else does: a program that logs starts a new one at once."""
    here = pid is not None and platform.holds(pid, spool / LEADER_LOCK)
    while time.monotonic() < deadline:
        now = collector_pid(spool)
        if now is not None and pid is not None and now != pid:
            return True
        # Until the process has ended it may keep the file system busy, though it does not listen any more.
        ended = pid is None or not here or platform.is_gone(pid)
        if not collector_lives(spool, b"") and start_is_free(spool) and ended:
            return True
        time.sleep(_LOOK_EVERY)
    return False
