"""The doorbell of a spool: what a program or a command says to the collector, and if one is there at all."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from logboom import platform
from logboom.spool.place import place

__all__ = [
    "BELL",
    "FLUSH",
    "GIVE_WAY",
    "LEADER_LOCK",
    "OLD_BELL",
    "PRUNE",
    "STOP",
    "WAKE",
    "answers",
    "collector_lives",
    "last_listened",
    "listener_lives",
    "listener_pid",
    "may_ring",
    "old_collector_lives",
]

BELL: Final = "bell"
OLD_BELL: Final = "doorbell"  # of the first release: a FIFO
LEADER_LOCK: Final = "collector.lock"
WAKE: Final = b"w"
FLUSH: Final = b"f"
STOP: Final = b"s"
PRUNE: Final = b"p"
GIVE_WAY: Final = b"g"  # let another lead for a while
_LOOK_EVERY: Final = 0.005


def collector_lives(spool: Path, message: bytes = WAKE) -> bool:
    """Ring the spool's doorbell with `message`; False when no collector listens there."""
    bell = _anchored(spool, BELL)
    return (bell is not None and platform.ring(bell, message)) or old_collector_lives(spool, message)


def listener_lives(spool: Path) -> bool:
    """As `collector_lives`, for a collector of this release only; it is not rung."""
    bell = _anchored(spool, BELL)
    return bell is not None and platform.ring(bell, b"")


def may_ring(spool: Path) -> bool:
    """Return False for a user without the right to say anything to the collector."""
    try:
        own = place(spool)
        return platform.may_ring(own.anchored(BELL)) and platform.may_ring(own.anchored(OLD_BELL))
    except PermissionError:
        return False
    except OSError:
        return True


def last_listened(spool: Path) -> tuple[int, int] | None:
    """Changes when a collector begins to listen."""
    try:
        found = place(spool).stat(BELL)
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_mtime_ns)


def _anchored(spool: Path, name: str) -> Path | None:
    try:
        return place(spool).anchored(name)
    except OSError:
        return None


def old_collector_lives(spool: Path, message: bytes = b"") -> bool:
    """As `collector_lives`, for a collector of the first release only."""
    bell = _anchored(spool, OLD_BELL)
    return bell is not None and platform.ring_fifo(bell, message)


def listener_pid(spool: Path) -> int | None:
    """The process id that the listening collector wrote down, as its own PID namespace has it."""
    bell = _anchored(spool, BELL)
    return platform.bell_pid(bell) if bell is not None and platform.ring(bell, b"") else None


def answers(spool: Path, timeout: float) -> bool | None:
    """Ring, and wait for the collector to notice: False when it does not within `timeout` seconds.

    None when that cannot be known: no collector of this release listens, or the doorbell may not be rung.
    """
    bell = _anchored(spool, BELL)
    if bell is None or not platform.ring(bell, WAKE):
        return None
    deadline = time.monotonic() + timeout
    try:
        while WAKE in platform.unheard(bell):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_EVERY)
    except OSError:
        return None
    return True
