"""The doorbell of a spool: what a program or a command says to the collector, and if one is there at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

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

_T = TypeVar("_T")
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
    return bool(_at(spool, BELL, platform.ring, message)) or old_collector_lives(spool, message)


def listener_lives(spool: Path) -> bool:
    """As `collector_lives`, for a collector of this release only; it is not rung."""
    return bool(_at(spool, BELL, platform.ring, b""))


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


def _at(spool: Path, name: str, call: Callable[..., _T], *arguments: object) -> _T | None:
    """What `call` says of a file of the spool; None where the spool cannot be entered."""
    try:
        own = place(spool)  # open as long as it is used
    except OSError:
        return None
    return call(own.anchored(name), *arguments)


def old_collector_lives(spool: Path, message: bytes = b"") -> bool:
    """As `collector_lives`, for a collector of the first release only."""
    return bool(_at(spool, OLD_BELL, platform.ring_fifo, message))


def listener_pid(spool: Path) -> int | None:
    """The process id that the listening collector wrote down, as its own PID namespace has it."""
    return _at(spool, BELL, platform.bell_pid) if listener_lives(spool) else None


def answers(spool: Path, timeout: float) -> bool | None:
    """Ring, and wait for the collector to notice: False when it does not within `timeout` seconds.

    None when that cannot be known: no collector of this release listens, or the doorbell may not be rung.
    """
    if not _at(spool, BELL, platform.ring, WAKE):
        return None
    deadline = time.monotonic() + timeout
    try:
        while WAKE in (_at(spool, BELL, platform.unheard) or b""):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_EVERY)
    except OSError:
        return None
    return True
