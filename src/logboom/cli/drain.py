"""`logboom drain`: write what is pending, now: by the collector, or here where that does not get on."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Final

from logboom import platform
from logboom.cli.arguments import seconds
from logboom.cli.health import collector_pid, hung, troubles_of
from logboom.cli.overview import overview
from logboom.cli.places import one_spool
from logboom.cli.terminal import escape, size
from logboom.journal.survey import committed_ends
from logboom.platform import clock
from logboom.producer.waiting import collect_here, wait_until_flushed
from logboom.spool.checkpoint import read_recorded
from logboom.spool.directory import Spool, homes_in
from logboom.spool.doorbell import GIVE_WAY, LEADER_LOCK, STOP, collector_lives, old_collector_lives

__all__ = ["add", "run"]

_PATIENCE: Final = 2.0
_ANSWERS_WITHIN: Final = 0.5


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("place", nargs="?", type=Path, metavar="FILE|SPOOL", help="a log file or its spool")
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="give up after this long (default: 60)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 when everything that was committed before is in the files, else 1."""
    spool = one_spool(arguments.place)
    values = overview(spool)
    if not values["pending_known"]:
        print(f"logboom: {escape(spool)}: {escape(values['trouble'])}", file=sys.stderr)
        return 1
    homes, deadline = homes_in(spool), clock.monotonic() + arguments.timeout
    if not all(collector_lives(home, b"") for home in homes):
        platform.drop_privileges(spool)
    read_only = not values["pending_bytes"] and platform.disk_room(spool)[2]
    done = read_only or all(list(map(_drain, homes, [deadline] * len(homes))))
    if done or _is_written(spool):
        print(f"{escape(spool)}: everything is written")
        return 0
    print(f"logboom: {_why(spool)}", file=sys.stderr)
    return 1


def _is_written(spool: Path) -> bool:
    """Nothing is pending, though nobody has said so (in time)."""
    values = overview(spool)
    return bool(values["pending_known"] and not values["pending_bytes"] and not values["refused"])


def _drain(spool: Path, deadline: float) -> bool:
    """Wait for the collector as long as it gets on; else lead instead of it, where that is safe."""
    if not collector_lives(spool, b""):
        collect_here(spool, deadline)  # where nothing is pending, too: it removes what ended programs left
    wanted = committed_ends(Spool(spool))
    before = _delivered(spool)
    asked_to_leave = False
    while True:
        if wait_until_flushed(spool, min(deadline, clock.monotonic() + _PATIENCE), wanted):
            return True
        if clock.monotonic() >= deadline:
            return False
        now = _delivered(spool)
        stuck = now == before and collector_lives(spool, b"")
        if stuck and not _take_over(spool) and not asked_to_leave:
            asked_to_leave = True
            # A collector of the first release knows only how to stop.
            collector_lives(spool, STOP if old_collector_lives(spool) else GIVE_WAY)
        before = now


def _take_over(spool: Path) -> bool:
    """Kill a collector that is stopped (SIGSTOP): it must not go on at any moment and lead beside us."""
    if not hung(spool, _ANSWERS_WITHIN):
        return False
    pid = collector_pid(spool)
    if pid is None or not platform.kill_stopped(pid, spool / LEADER_LOCK):
        return False
    print(
        f"logboom: {escape(spool)}: the collector (pid {pid}) was stopped (SIGSTOP): killed", file=sys.stderr
    )
    return True


def _delivered(spool: Path) -> dict[str, int]:
    with contextlib.suppress(OSError):
        return dict(read_recorded(spool).positions)
    return {}


def _why(spool: Path) -> str:
    values = overview(spool)
    troubles = [*troubles_of(values), *values["collector_log"][-1:]]
    about = f": {escape(troubles[0])}" if troubles else "; give it more time with --timeout"
    return f"{escape(spool)}: {size(values['pending_bytes'])} still wait{about}"
