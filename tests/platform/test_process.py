"""How a process notices that it was forked, and what it has once."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable

import pytest

from logboom.platform.process import Mark, PidMark, this_process

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
FORKS = {"fork": os.fork, "fork in C": lambda: ctypes.PyDLL(None).fork()} if hasattr(os, "fork") else {}


def _in_child(fork: Callable[[], int], check: Callable[[], bool]) -> bool:
    pid = fork()
    if pid == 0:
        passed = False
        try:
            passed = check()
        finally:
            os._exit(0 if passed else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("make", [this_process.mark, PidMark])
@pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS)
def test_a_mark_holds_in_its_own_process_alone(fork: Callable[[], int], make: Callable[[], Mark]) -> None:
    """A child that takes itself for its parent writes over the parent's records."""
    mark = make()

    def check() -> bool:
        own = this_process.mark()
        return not mark[0] and bool(own[0]) and _in_child(fork, lambda: not own[0] and not mark[0])

    assert mark[0]
    assert _in_child(fork, check)
    assert mark[0]


@pytest.mark.skipif(sys.platform != "linux", reason="MADV_WIPEONFORK is Linux's")
def test_linux_has_the_mark_that_tells_every_fork() -> None:
    """A process id does not tell the fork of a PID 1 into a new namespace."""
    assert not isinstance(this_process.mark(), PidMark)


def test_a_cleared_mark_stays_cleared() -> None:
    """What Python's hook does where the kernel wipes no page."""
    mark = PidMark()
    mark.clear()
    assert not mark[0]


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS)
def test_all_threads_of_a_child_get_one_mark(fork: Callable[[], int]) -> None:
    """Locks are kept by mark: two of them would let two threads in."""

    def check() -> bool:
        gate, found = threading.Barrier(8), set[Mark]()

        def look() -> None:
            gate.wait(10)
            found.add(this_process.mark())

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(found) == 1

    assert _in_child(fork, check)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_what_a_child_inherits_is_told_once() -> None:
    """One hook for everything that belongs to a process."""

    class Inherited:
        told = 0

        def forget(self) -> None:
            self.told += 1

    one = Inherited()
    this_process.inherited.add(one)
    this_process.exit_deadline = 1.0
    assert _in_child(os.fork, lambda: one.told == 1 and this_process.exit_deadline is None)
    assert one.told == 0 and this_process.exit_deadline == 1.0
    this_process.reset()
    assert this_process.exit_deadline is None
