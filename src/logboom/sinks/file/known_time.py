"""Wall time to judge ages by, which is known over a restart.

Owns: the small file that keeps what is known of the clock. Never knows: files of the set, ages.

A collector lives for as long as it is needed, often for seconds. So a clock that is ahead has to be
judged against what an earlier collector saw, and the time for which it lasts is counted through.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import msgspec

from logboom import platform
from logboom.sinks.file.rotation import Belief, SteadyTime

__all__ = ["KnownTime"]

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_DRIFT: Final = 5.0


class _State(msgspec.Struct, frozen=True):
    boot: str
    belief: Belief


class KnownTime:
    """Wall time that does not believe a clock ahead of what is known before that has lasted.

    The first clock of all is believed; after a restart of the machine, when it has lasted.
    """

    def __init__(self, path: Path | None) -> None:
        """`path`: the file that keeps what is known, or None to begin with nothing."""
        self._path = path
        self._boot = _boot()
        self._kept = self._load()
        self._steady = SteadyTime(belief=self._kept)
        self._first = path is None or not path.exists()

    def now(self, wall: float, monotonic: float) -> float:
        """Wall time to judge ages by; long ago while the clock is not known."""
        if self._first:  # nothing speaks against this clock, and who asks for `max_age` waits for it
            self._first, self._steady.belief = False, Belief(wall - monotonic)
        moment = self._steady.now(wall, monotonic)
        if _differ(self._steady.belief, self._kept):
            self._keep(self._steady.belief)
        return moment

    def _keep(self, belief: Belief) -> None:
        """A failure costs patience after a restart and nothing else."""
        self._kept = belief
        if self._path is None:
            return
        fresh = self._path.with_name(self._path.name + ".new")
        with contextlib.suppress(OSError):
            fresh.write_bytes(msgspec.json.encode(_State(self._boot, belief)))
            platform.replace(fresh, self._path)

    def _load(self) -> Belief:
        """What was known in this run of the machine: monotonic time begins anew with the next."""
        if self._path is None:
            return Belief()
        try:
            state = msgspec.json.decode(self._path.read_bytes(), type=_State)
        except (OSError, msgspec.MsgspecError):
            return Belief()
        return state.belief if state.boot == self._boot else Belief()


def _boot() -> str:
    """Which run of the machine this is; empty where the system does not say."""
    try:
        return _BOOT.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def _differ(belief: Belief, kept: Belief) -> bool:
    """Whether it is worth a write: a clock that is kept right drifts all the time."""
    pairs = zip(belief, kept, strict=True)
    return any(abs(one - other) >= _DRIFT if one and other else one != other for one, other in pairs)
