"""The collector of a log set, seen from outside.

Owns: its pid, from the status file; waiting until a set is complete; ending it.
Never knows: how it works.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from logboom.demo.oracle import Mark, Score, count, read_notes

__all__ = ["SPOOL", "collector_pid", "kill_collector", "settled", "stop_collector"]

SPOOL = ".logboom"
_POLL = 0.1
_T = TypeVar("_T")


def collector_pid(live: Path) -> int | None:
    """The pid that the status file names, or None when nobody collects."""
    try:
        status = json.loads((live.parent / SPOOL / "status.json").read_bytes())
        pid = status["collector"]["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) and pid > 1 else None


def kill_collector(live: Path, already: set[int], deadline: float) -> bool:
    """SIGKILL a collector that was not killed before (`already` gets its pid).

    Args:
        deadline: on the monotonic clock, in seconds.

    Returns:
        False when no other collector was seen in time.
    """
    pid = _wait_for(lambda: _fresh(collector_pid(live), already), deadline)
    if pid is None:
        return False
    already.add(pid)
    try:
        # On Windows any signal but the console's two is a TerminateProcess.
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    except OSError:
        return False
    return True


def settled(live: Path, notes: Path, seconds: float) -> Score:
    """The count when nothing is missing any more, or after `seconds`, and the collector has ended."""
    noted = read_notes(notes)
    _wait_for(lambda: _complete(live, noted), time.monotonic() + seconds)
    stop_collector(live)
    return count(live, noted)


def stop_collector(live: Path) -> None:
    """End the collector of a set after it wrote everything; harmless when there is none."""
    spool = live.parent / SPOOL
    if spool.is_dir():
        command = [sys.executable, "-P", "-m", "logboom", "stop", str(spool)]
        with contextlib.suppress(subprocess.TimeoutExpired):  # then it leaves by itself
            subprocess.run(command, check=False, timeout=30, capture_output=True)


def _complete(live: Path, noted: set[Mark]) -> bool | None:
    try:
        return count(live, noted).missing == 0 or None
    except FileNotFoundError:  # renamed between the listing and the reading
        return None


def _fresh(pid: int | None, already: set[int]) -> int | None:
    return None if pid in already else pid


def _wait_for(probe: Callable[[], _T | None], deadline: float) -> _T | None:
    while (value := probe()) is None and time.monotonic() < deadline:
        time.sleep(_POLL)
    return value
