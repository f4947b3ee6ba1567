"""The end of a program, and forks.

Owns: the hooks (`atexit`, `multiprocessing`'s finalizers, `os.register_at_fork`) and the list of live
producers. Never knows: records, formats, how a collector works.
"""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from collections.abc import Hashable
from typing import Protocol

from logboom.platform import clock

__all__ = ["budget", "ending", "flush", "register", "register_process", "unregister"]


class Flushable(Protocol):
    """What this module needs of a producer."""

    @property
    def close_timeout(self) -> float: ...

    def wait(self, deadline: float) -> bool: ...

    def forget(self) -> None: ...


_producers: weakref.WeakSet[Flushable] = weakref.WeakSet()
_kept: dict[Hashable, Flushable] = {}  # nobody else has them: their handlers may be dropped without `close`
_exit_deadline: float | None = None
_registered_pid = 0


def register(producer: Flushable, stream: Hashable = None) -> None:
    """A producer that the end of this program waits for.

    Args:
        stream: what it speaks for, when it is to be waited for though nobody else has it.
    """
    _producers.add(producer)
    if stream is not None:
        _kept[stream] = producer


def unregister(producer: Flushable) -> None:
    """It has nothing more to wait for."""
    _producers.discard(producer)
    for stream in [stream for stream, kept in _kept.items() if kept is producer]:
        del _kept[stream]


def register_process() -> None:
    """Called at the first record of each process, children included.

    Children of `multiprocessing` by fork or forkserver run no `atexit` (3.11, 3.12), and 3.13 clears
    it; their own finalizers are run.
    """
    global _registered_pid, _exit_deadline
    if _registered_pid == os.getpid():
        return
    _registered_pid = os.getpid()
    _exit_deadline = None
    atexit.register(_finish)
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _finish, exitpriority=-100)


def _finish() -> None:
    """One wait for all producers, within the longest `close_timeout` of them, however often it is called."""
    global _exit_deadline
    producers = list(_producers)
    if not producers:
        return
    if _exit_deadline is None:
        _exit_deadline = clock.monotonic() + max(producer.close_timeout for producer in producers)
    kept = list(_kept.values())
    others = [producer for producer in producers if producer not in kept]
    # A signal handler may log meanwhile; where none did, the second wait is for nothing.
    for producer in [*kept, *others, *others]:
        producer.wait(_exit_deadline)


def budget(deadline: float) -> float:
    """`deadline`, or the end of the program's one `close_timeout` when that is sooner."""
    return deadline if _exit_deadline is None else min(deadline, _exit_deadline)


def ending() -> bool:
    """Whether the program waits for its producers for the last time."""
    return _exit_deadline is not None


def flush(timeout: float = 5.0) -> bool:
    """Wait until all that this process logged is in the files.

    Args:
        timeout: seconds to wait at most.

    Returns:
        True when it is; False when the time was over first. Never raises.
    """
    deadline = clock.monotonic() + timeout
    waits = [producer.wait(deadline) for producer in list(_producers)]
    return all(waits)


def _after_fork_in_child() -> None:
    global _exit_deadline
    _exit_deadline = None
    for producer in list(_producers):
        producer.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
