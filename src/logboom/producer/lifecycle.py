"""The end of a program: its hooks, and one wait for all of its producers."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Hashable
from typing import Protocol

from logboom.platform import clock
from logboom.platform.process import this_process

__all__ = ["budget", "ending", "flush", "register", "register_process", "unregister"]


class Flushable(Protocol):
    """What this module needs of a producer."""

    @property
    def close_timeout(self) -> float: ...

    def wait(self, deadline: float) -> bool: ...

    def forget(self) -> None: ...


def register(producer: Flushable, stream: Hashable = None) -> None:
    """A producer that the end of this program waits for.

    Args:
        stream: what it speaks for, when it is to be waited for though nobody else has it.
    """
    this_process.producers.add(producer)
    this_process.inherited.add(producer)
    if stream is not None:
        this_process.kept[stream] = producer


def unregister(producer: Flushable) -> None:
    """It has nothing more to wait for."""
    this_process.producers.discard(producer)
    for stream in [stream for stream, kept in this_process.kept.items() if kept is producer]:
        del this_process.kept[stream]


def register_process() -> None:
    """Called at the first record of each process, children included.

    Children of `multiprocessing` by fork or forkserver run no `atexit` (3.11, 3.12), and 3.13 clears
    it; their own finalizers are run.
    """
    mark = this_process.mark()
    if this_process.registered is mark:
        return
    this_process.registered = mark
    this_process.exit_deadline = None
    atexit.register(_finish)
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _finish, exitpriority=-100)


def _finish() -> None:
    """One wait for all producers, within the longest `close_timeout` of them, however often it is called."""
    producers = list(this_process.producers)
    if not producers:
        return
    deadline = this_process.exit_deadline
    if deadline is None:
        deadline = clock.monotonic() + max(producer.close_timeout for producer in producers)
        this_process.exit_deadline = deadline
    kept = list(this_process.kept.values())
    others = [producer for producer in producers if producer not in kept]
    # A signal handler may log meanwhile; where none did, the second wait is for nothing.
    for producer in [*kept, *others, *others]:
        producer.wait(deadline)


def budget(deadline: float) -> float:
    """`deadline`, or the end of the program's one `close_timeout` when that is sooner."""
    end = this_process.exit_deadline
    return deadline if end is None else min(deadline, end)


def ending() -> bool:
    """Whether the program waits for its producers for the last time."""
    return this_process.exit_deadline is not None


def flush(timeout: float = 5.0) -> bool:
    """Wait until all that this process logged is in the files.

    Args:
        timeout: seconds to wait at most.

    Returns:
        True when it is; False when the time was over first. Never raises.
    """
    deadline = clock.monotonic() + timeout
    waits = [producer.wait(deadline) for producer in list(this_process.producers)]
    return all(waits)
