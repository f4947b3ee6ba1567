"""Waiting until records are in the files: by asking the collector, or by collecting here."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from logboom.errors import LogboomError
from logboom.journal.survey import committed_ends
from logboom.platform import clock
from logboom.platform.process import this_process
from logboom.producer.starting import drain_as_owner, leader_is_locked
from logboom.spool.directory import Spool
from logboom.spool.doorbell import FLUSH, PRUNE, collector_lives, old_collector_lives
from logboom.spool.flushed import Flushed, FlushedWatch
from logboom.spool.place import collects_here
from logboom.spool.status import read_status

__all__ = ["collect_here", "import_collector", "make_room", "wait_until_flushed"]

_RING_AGAIN_AFTER: Final = 0.05
_RING_AT_LEAST_EVERY: Final = 0.4


def import_collector() -> Any:
    """Return `logboom.collector.assembly`, or None where it cannot be imported (pip is replacing it)."""
    if not this_process.may_import:
        return None
    thread = threading.get_ident()
    this_process.importing.add(thread)
    try:
        return importlib.import_module("logboom.collector.assembly")
    except ImportError:
        return None
    finally:
        this_process.importing.discard(thread)


def collect_here(spool: Path, deadline: float) -> bool:
    """Become the collector for a moment and write what waits in `spool`.

    Args:
        deadline: on `clock.monotonic`.

    Returns:
        True when everything that was committed at the call is in the files. False while the interpreter
        ends: nothing can be imported then, and the records wait safely.
    """
    if sys.is_finalizing():
        return False
    if leader_is_locked(spool):
        return False
    try:
        if not collects_here(spool):
            return drain_as_owner(spool, deadline)
    except OSError:
        return False
    drain = getattr(import_collector(), "drain", None)  # None as well when we interrupt this very import
    if drain is None:
        return False
    try:
        return bool(drain(spool, deadline))
    except (OSError, LogboomError):  # a full disk, another user's files: the collector's log says it
        return False


def make_room(spool: Path, room: int) -> None:
    """Have the oldest records given up for `room` bytes: by the collector, or here."""
    if not collector_lives(spool, PRUNE):
        with contextlib.suppress(OSError, LogboomError):
            assembly = import_collector()
            if assembly is not None:
                assembly.prune(spool, room)


def wait_until_flushed(
    spool: Path,
    deadline: float,
    wanted: Mapping[str, int] | None = None,
    targets: Collection[str] | None = None,
) -> bool:
    """Wait until what was committed in `spool` is in the files.

    A living collector is asked to hold nothing back; without one this process collects by itself.

    Args:
        deadline: on `clock.monotonic`, in seconds.
        wanted: for each stream to wait for, the packed position up to which; None for all that is committed.
        targets: keys of targets; a stream of any other that cannot be written is left out. None for all.
    """
    asked = clock.perf_counter()
    journals = Spool(spool)
    try:
        left = dict(committed_ends(journals) if wanted is None else wanted)
    except OSError:
        return False
    watch = FlushedWatch(spool)
    _strike(left, watch.news())
    rung_at, again, pause = float("-inf"), _RING_AGAIN_AFTER, 0.001
    while left:
        now = clock.monotonic()
        if now - rung_at >= again:
            _strike_vanished(left, journals)
            if collector_lives(spool, FLUSH):
                rung_at, again = now, min(again * 2, _RING_AT_LEAST_EVERY)
                if old_collector_lives(spool) and _flushed_by_old(spool, asked):
                    return not _failing_by_old(spool, targets)
            elif collect_here(spool, deadline):
                return True
        flushed = watch.news()
        if flushed is not None:
            _strike(left, flushed)
            skipped = [flushed.skipped[name] for name in left if name in flushed.skipped]
            if left and len(skipped) == len(left):
                return targets is not None and not any(key in targets or not key for key in skipped)
        if not left:
            return True
        if clock.monotonic() + pause >= deadline:  # not `now`: collecting here has used up the time
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.04)
    return True


def _strike(left: dict[str, int], flushed: Flushed | None) -> None:
    """Take out the streams that are delivered as far as is wanted."""
    if flushed is not None:
        for name in [name for name, end in left.items() if flushed.through.get(name, -1) >= end]:
            del left[name]


def _strike_vanished(left: dict[str, int], journals: Spool) -> None:
    """Take out streams without a segment: a collector removes the last one when all is delivered."""
    with contextlib.suppress(OSError):
        there = journals.segments()
        for name in [name for name in left if name not in there]:
            del left[name]


def _flushed_by_old(spool: Path, asked: float) -> bool:
    """A collector of the first release says up to when it has flushed, and nothing of streams."""
    flushed = read_status(spool).get("flushed")
    return isinstance(flushed, float) and asked <= flushed <= clock.perf_counter()


def _failing_by_old(spool: Path, targets: Collection[str] | None) -> bool:
    failing = read_status(spool).get("failing", [])
    return bool(failing) if targets is None else any(target in failing for target in targets)
