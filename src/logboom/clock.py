"""Time, as a value that tests can set.

Owns: `Clock` and the system's clock. Never knows: records, files.
"""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock"]


class Clock(Protocol):
    """Where the collector and the decisions get the time from."""

    def wall(self) -> float:
        """Seconds since the epoch (UTC); may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The operating system's clocks."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        # Positions are compared with what other processes asked for: this clock is the same in all of them.
        return time.perf_counter()


SYSTEM_CLOCK: Clock = SystemClock()
