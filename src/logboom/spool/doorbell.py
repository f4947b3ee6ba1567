"""The doorbell of a spool: what a program or a command says to the collector, and if one is there at all."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from logboom import platform

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
    "listener_pid",
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
    return platform.ring(spool / BELL, message) or old_collector_lives(spool, message)


def old_collector_lives(spool: Path, message: bytes = b"") -> bool:
    """As `collector_lives`, for a collector of the first release only."""
    return platform.ring_fifo(spool / OLD_BELL, message)


def listener_pid(spool: Path) -> int | None:
    """The process id that the listening collector wrote down, as its own PID namespace has it."""
    return platform.bell_pid(spool / BELL) if platform.ring(spool / BELL, b"") else None


def answers(spool: Path, timeout: float) -> bool | None:
    """Ring, and wait for the collector to notice: False when it does not within `timeout` seconds.

    None when that cannot be known: no collector of this release listens, or the doorbell may not be rung.
    """
    if not platform.ring(spool / BELL, WAKE):
        return None
    deadline = time.monotonic() + timeout
    try:
        while WAKE in platform.unheard(spool / BELL):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_EVERY)
    except OSError:
        return None
    return True
