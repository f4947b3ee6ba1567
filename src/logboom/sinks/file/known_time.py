"""Wall time to judge ages by, which is known over a restart.

A collector lives for as long as it is needed, often for seconds. So a clock that is ahead has to be
judged against what an earlier collector saw, and the time for which it lasts is counted through.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from logboom.sinks.file.kept import Kept
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
        self._file = None if path is None else Kept(path)
        self._boot = _boot()
        self._kept = self._load()
        self._steady = SteadyTime(belief=self._kept)
        self._first = self._file is None or not self._file.exists()

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
        if self._file is not None:
            self._file.write(_State(self._boot, belief))

    def _load(self) -> Belief:
        """What was known in this run of the machine: monotonic time begins anew with the next."""
        state = None if self._file is None else self._file.read(_State)
        return state.belief if state is not None and state.boot == self._boot else Belief()


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
