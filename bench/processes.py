"""What other processes cost: CPU time and memory, from `/proc`; who descends from whom.

Owns: reading `/proc`, adopting orphans. Never knows: what the processes do.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Final

__all__ = ["adopt_orphans", "cpu_seconds", "descendants", "end", "memory", "peak_rss", "writer_of"]

_PR_SET_CHILD_SUBREAPER: Final = 36
_PROC: Final = Path("/proc")


def adopt_orphans() -> None:
    """Make this process the parent of what its children leave behind: a detached collector is found."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _parents() -> dict[int, int]:
    parents = {}
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            stat = (entry / "stat").read_bytes()
        except OSError:
            continue
        parents[int(entry.name)] = int(stat.rpartition(b")")[2].split()[1])
    return parents


def descendants(pid: int) -> set[int]:
    """Every process under `pid`, itself excluded."""
    parents = _parents()
    found: set[int] = set()
    new = {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of `pid` so far, ended threads included; 0.0 when it is gone.

    The process's CPU clock (Linux numbers it by the pid) has nanoseconds where `/proc/<pid>/stat` has
    hundredths of a second.
    """
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def _kilobytes(path: Path, key: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)


def memory(pid: int) -> tuple[float, float]:
    """`(RSS, PSS)` of `pid` in MB (10**6 bytes); zeros when it is gone."""
    rollup = _PROC / str(pid) / "smaps_rollup"
    return _kilobytes(rollup, "Rss:") * 1024 / 1e6, _kilobytes(rollup, "Pss:") * 1024 / 1e6


def writer_of(pids: set[int]) -> set[int]:
    """`pids` that live; at least one.

    Raises:
        RuntimeError: none does: what it costs cannot be told, and is not nothing.
    """
    living = {pid for pid in pids if memory(pid)[0] > 0}
    if not living:
        raise RuntimeError("no process that writes for all was found")
    return living


def peak_rss(pid: int) -> float:
    """The largest RSS that `pid` ever had, in MB (10**6 bytes)."""
    return _kilobytes(_PROC / str(pid) / "status", "VmHWM:") * 1024 / 1e6


def end(pids: set[int], timeout: float = 10.0) -> None:
    """SIGTERM, then SIGKILL for those of our own `pids` that have not gone after `timeout` seconds."""
    for pid in pids:
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    for pid in pids:
        while not _reaped(pid) and time.monotonic() < deadline:
            time.sleep(0.005)
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return not (_PROC / str(pid)).exists()
