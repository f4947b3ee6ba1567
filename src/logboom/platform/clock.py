"""Time, as a value that tests can set; and time that no test can stop.

Owns: `Clock`, the system's clock, the clocks of all waiting. Never knows: records, files.

An application's tests may stop the clock: freezegun puts its own functions in the place of `time`'s in every
module that has them. `created` is to be theirs then, but a wait for another process would never end. So who
waits takes `monotonic` and `perf_counter` from here.
"""

from __future__ import annotations

import importlib.machinery
import time
import types
from collections.abc import Callable
from typing import Protocol, cast

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock", "monotonic", "perf_counter"]


class Clock(Protocol):
    """Where the collector and the decisions get the time from."""

    def wall(self) -> float:
        """Seconds since the epoch (UTC); may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


def _genuine(name: str) -> Callable[[], float]:
    """A function of `time`, from a second copy of that module where it is replaced already."""
    module: types.ModuleType | None = time
    if not isinstance(getattr(time, name), types.BuiltinFunctionType):
        importer = importlib.machinery.BuiltinImporter
        spec = importer.find_spec("time")
        module = None if spec is None else importer.create_module(spec)
    return cast(Callable[[], float], getattr(module or time, name))


class _Genuine:
    """Attributes of a class, since those of modules are found and replaced."""

    monotonic = staticmethod(_genuine("monotonic"))
    perf_counter = staticmethod(_genuine("perf_counter"))


def monotonic() -> float:
    """For deadlines within one process."""
    return _Genuine.monotonic()


def perf_counter() -> float:
    """For what two processes compare: the same in all of them, and finer on Windows."""
    return _Genuine.perf_counter()


class SystemClock:
    """The operating system's clocks."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        # Positions are compared with what other processes asked for.
        return _Genuine.perf_counter()


SYSTEM_CLOCK: Clock = SystemClock()
