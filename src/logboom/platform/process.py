"""The state that a process has once, and how a forked child notices that it is another process."""

from __future__ import annotations

import mmap
import os
import sys
import threading
import weakref
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final, Protocol

__all__ = ["Inherited", "Mark", "PidMark", "Process", "this_process"]

_MADV_WIPEONFORK: Final = 18  # Linux 4.14; `mmap` has no name for it


class Mark(Protocol):
    """`mark[0]` is 1 in the process that made it, and 0 in every process that was forked from that one."""

    def __getitem__(self, index: int, /) -> int: ...


class Inherited(Protocol):
    """What a forked child must not go on with."""

    def forget(self) -> None:
        """In a forked child: drop what is the parent's. Takes no lock, logs nothing, never raises."""


class PidMark:
    """A mark for systems without `MADV_WIPEONFORK`: the process id, and a fork hook that clears it."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._forked = False

    def __getitem__(self, index: int, /) -> int:
        return int(self._pid == os.getpid() and not self._forked)

    def clear(self) -> None:
        self._forked = True


if sys.platform == "linux":

    def _wiped_page() -> mmap.mmap | None:
        """A page that the kernel gives to every forked child empty; None where it does not."""
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if not _takes_advice(page, _MADV_WIPEONFORK) or _takes_advice(page, -1):
            return None  # an old kernel; an emulator that agrees to everything and does nothing
        page[0] = 1
        return page

    def _takes_advice(page: mmap.mmap, advice: int) -> bool:
        try:
            page.madvise(advice)
        except (OSError, ValueError):
            return False
        return True

    def _new_mark() -> Mark:
        return _wiped_page() or PidMark()

elif sys.platform == "win32":

    def _new_mark() -> Mark:
        return b"\1"  # nothing forks

else:

    def _new_mark() -> Mark:
        return PidMark()


class Process:
    """One object for the whole process: `this_process`.

    The process id does not tell every fork: the child of a container's PID 1 in a new PID namespace is a 1 as
    well. Nor does Python's hook: uWSGI forks in C. So each object that belongs to one process keeps
    the `mark()` it was made under and looks at it before it writes.

    Attributes:
        inherited: told of each fork that Python makes.
        producers: the end of the program waits for them.
        kept: those of them that nothing else holds, by what they stand for.
        exit_deadline: until when it waits, once it does.
        registered: the mark of the process that has registered its exit hooks.
        left: what dropped handlers left on its way, by spool.
        watches: weak references that must live until their object is dropped.
        writers: open streams.
        helpers: children that start a collector and have not been waited for.
        importing: threads that import the collector.
        may_import: False where a thread that was importing it was lost in a fork: it holds the import's lock.
        handing_over: descriptors of `starting.lock`, on their way to a collector.
        warned: texts that were written to stderr.
    """

    def __init__(self) -> None:
        self._mark = _new_mark()
        self._successors: dict[Mark, Mark] = {}
        self.inherited: weakref.WeakSet[Inherited] = weakref.WeakSet()
        self.reset()

    def reset(self) -> None:
        """Be as in a program that has just begun. For tests."""
        self.producers: weakref.WeakSet[Any] = weakref.WeakSet()
        self.kept: dict[Hashable, Any] = {}
        self.exit_deadline: float | None = None
        self.registered: Mark | None = None
        self.left: dict[Path, Any] = {}
        self.watches: set[weakref.ref[object]] = set()
        self.writers: dict[Hashable, Any] = {}
        self.helpers: list[int] = []
        self.importing: set[int] = set()
        self.may_import = True
        self.handing_over: set[int] = set()
        self.warned: set[str] = set()

    def mark(self) -> Mark:
        """The mark of this process; the same one for all its threads."""
        mark = self._mark
        if not mark[0]:
            mark = self._mark = self._successors.setdefault(mark, _new_mark())
        return mark

    def forget_helpers(self) -> None:
        """In a forked child: the helpers are the parent's, and so is the right to start a collector."""
        self.helpers.clear()
        while self.handing_over:
            os.close(self.handing_over.pop())
        self.may_import = self.may_import and not self.importing - {threading.get_ident()}
        self.importing.clear()

    def _after_fork_in_child(self) -> None:
        if isinstance(self._mark, PidMark):
            self._mark.clear()
        self._successors = {}
        self.mark()
        self.exit_deadline = None
        self.forget_helpers()
        for each in list(self.inherited):
            each.forget()


this_process: Final = Process()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=this_process._after_fork_in_child)
