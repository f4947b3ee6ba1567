"""How a collector is put together, and the ways to be one: for good, for a moment, detached.

Where a function takes `spool`, it may be the home of a sink as well, which has a collector of its own.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from logboom import platform
from logboom.collector.cycle import Cycle
from logboom.collector.election import Leadership
from logboom.collector.pipe import Publish
from logboom.collector.service import LIMITED, NEWER, UNNEEDED, YIELDED, Service
from logboom.errors import ConfigurationError, SpoolError
from logboom.journal.layout import FORMAT
from logboom.journal.survey import undelivered_bytes
from logboom.journal.target import Asked, Server
from logboom.platform import clock
from logboom.platform.clock import SYSTEM_CLOCK
from logboom.sinks import kinds
from logboom.sinks.base import Sink
from logboom.sinks.file.sink import FileSink
from logboom.spool.allowed import allowed
from logboom.spool.checkpoint import read_recorded
from logboom.spool.directory import Spool, homes_in
from logboom.spool.doorbell import LEADER_LOCK, collector_lives
from logboom.spool.flushed import write_flushed
from logboom.spool.place import place, spool_of
from logboom.spool.status import LIMITS, Notebook, made_way, read_status, write_status, write_values

__all__ = ["collect", "drain", "make_cycle", "prune", "run_detached", "run_drain", "undelivered"]

_CANDIDACY = 1.0
_LET_LEAD = 1.0
_LONG_CANDIDACY = 60.0
_DRAIN_PAUSE = 0.002
_LONGEST_DRAIN = 60.0


def make_cycle(spool: Path, notebook: Notebook, publish: Publish | None = None) -> Cycle:
    """A collector's cycle over `spool`; the caller leads."""
    return Cycle(
        Spool(spool),
        lambda asked, note: _make_sink(spool, asked, note),
        SYSTEM_CLOCK,
        notebook.note,
        publish,
    )


def _make_sink(home: Path, asked: Asked, note: Callable[[str], None]) -> Sink:
    """The sink that a stream asks for, where the spool's owner has allowed it.

    Raises:
        ConfigurationError: the header names something that this spool may not write.
    """
    spool = spool_of(home)
    if isinstance(asked, Server):
        if asked.address not in allowed(spool):
            raise ConfigurationError(
                f"a journal asks for {asked.kind} to {asked.address!r}, which is not in {spool / 'allowed'}",
                hint="Configure the handler with this spool= as the spool's owner once",
            )
        return kinds.make(asked, note)
    target = asked
    name = target.name
    if name in ("", ".", "..", spool.name) or any(char in name for char in ("/", os.sep, "\0")):
        raise ConfigurationError(f"a journal asks for the file {name!r}, which is not a plain file name")
    directory = spool.parent
    if target.directory is not None and Path(target.directory) != directory:
        if target.directory not in allowed(spool):
            raise ConfigurationError(
                f"a journal asks for {target.directory!r}, which is not in {spool / 'allowed'}",
                hint="Configure a handler with this spool= as the spool's owner once",
            )
        directory = Path(target.directory)
    key = zlib.crc32(target.key.encode("utf-8", "surrogateescape"))
    target = msgspec.structs.replace(target, name=platform.spelled(directory, name))
    return FileSink(target, directory, notes=note, state=home / f"period.{key:08x}.json")


@functools.lru_cache(maxsize=16)
def _notebook(spool: Path) -> Notebook:
    """One for all attempts of this process, so that each does not say the same again."""
    return Notebook(spool)


def prune(spool: Path, room: int) -> None:
    """Lead for a moment and give up the oldest records for `room` bytes; nothing when another leads."""
    leadership = Leadership.seek(spool)
    if leadership is not None:
        try:
            cycle = make_cycle(spool, _notebook(spool))
            try:
                cycle.prune(room)
            finally:
                cycle.close()
        finally:
            leadership.release()


def undelivered(spool: Path) -> int:
    """Bytes on the disk of what is not delivered. Raises `OSError` when the checkpoint cannot be read."""
    positions: dict[str, int] = {}
    for home in homes_in(spool_of(spool)):
        for name, position in read_recorded(home).positions.items():
            positions[name] = min(position, positions.get(name, position))
    return undelivered_bytes(Spool(spool), positions)


def drain(spool: Path, deadline: float) -> bool:
    """Lead for a moment and write everything that waits.

    Args:
        deadline: on `clock.monotonic`.

    Returns:
        True when everything that was committed at the call is in the files; False when another process
        leads, or the time was over.
    """
    if not Spool(spool).exists():
        return True
    leadership = Leadership.seek(spool)
    if leadership is None:
        return False
    try:
        cycle = make_cycle(spool, _notebook(spool))
        cycle.hasty = True  # a caller waits for each step of it
        try:
            mark = cycle.flush_mark()
            while True:
                cycle.step(thorough=True)
                if cycle.is_flushed(mark):
                    if cycle.failing():
                        return False
                    _tell(spool, cycle, mark.began)
                    return True
                if clock.monotonic() >= deadline:
                    return False
                time.sleep(0.0 if cycle.backlog == 0 else _DRAIN_PAUSE)
        finally:
            cycle.close()
    finally:
        leadership.release()


def _tell(spool: Path, cycle: Cycle, began: float) -> None:
    """Many may wait for what one of them wrote: else each leads in turn, and some never come to it.

    A failure is not published: another process may have the right to write what this one has not.
    """
    write_flushed(spool, cycle.progress())
    if cycle.hears_fifo:  # programs of the first release look elsewhere
        write_status(spool, read_status(spool) | {"flushed": began, "failing": []})


def collect(spool: Path, *, stay: bool = False, started: Callable[[], None] = lambda: None) -> str:
    """Be the collector of `spool` in this process until stopped; returns why it left.

    Args:
        stay: do not leave for want of producers (under a supervisor).
        started: called once producers find this collector; may be called again.

    Raises:
        SpoolError: there is no such spool, or another collector leads it.
    """
    if not _exists(spool):
        raise SpoolError(
            "there is no such spool", path=spool, hint="Log a record first, or check the path"
        ) from None
    notebook = Notebook(spool)
    gc.disable()  # nothing here makes cycles; collections would only stall the loop
    with _live_feed(spool, notebook) as publish:
        return _collect(spool, notebook, stay, started, publish)


def _name_holder(spool: Path, notebook: Notebook) -> None:
    """Say who holds the lock, when that is no collector that listens: nothing is written until it ends."""
    if collector_lives(spool, b""):
        return
    with contextlib.suppress(OSError):
        fd = place(spool).open(LEADER_LOCK, os.O_RDWR)
        try:
            holders = platform.lock_holders(fd)
        finally:
            os.close(fd)
        directory = place(spool).hold()
        if directory is not None and directory >= 0:
            os.close(directory)
        held = "the spool directory" if directory is None and not holders else LEADER_LOCK
        who = ", ".join(f"process {pid}" for pid in holders) or "another process"
        notebook.note(f"{who} holds the lock of {held} and does not collect: records wait until it lets go")


def _exists(spool: Path) -> bool:
    """Raises `SpoolError` for a spool that is not to be trusted."""
    try:
        return place(spool) is not None
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _live_feed(spool: Path, notebook: Notebook) -> Iterator[Publish | None]:
    """What shows written lines to listeners, where the environment asks for it."""
    wanted = os.environ.get("LOGBOOM_FEED", "")
    feed = None
    if wanted not in ("", "0"):
        try:
            from logboom.collector.feed import open_feed

            feed = open_feed(spool, wanted, notebook.note)
        except ImportError as error:
            notebook.note(f"no live feed: {error}")
    try:
        yield None if feed is None else feed.publish
    finally:
        if feed is not None:
            feed.close()


def _collect(
    spool: Path, notebook: Notebook, stay: bool, started: Callable[[], None], publish: Publish | None
) -> str:
    candidacy = _CANDIDACY
    while True:
        leadership = Leadership.seek(spool, time.monotonic() + candidacy)
        if leadership is None:
            _name_holder(spool, notebook)
            raise SpoolError("another collector has this spool", path=spool, hint="See `logboom status`")
        if made_way(spool) >= FORMAT:
            leadership.release()
            return NEWER
        service = Service(
            spool, leadership, lambda: make_cycle(spool, notebook, publish), SYSTEM_CLOCK, notebook, stay=stay
        )
        reason = service.run(started)
        if reason == LIMITED:
            reason = _record_limit(spool, service.limit)
        if reason != UNNEEDED:
            notebook.note(f"left: {reason}")
        if reason == YIELDED and stay:
            time.sleep(_LET_LEAD)
            candidacy = _LONG_CANDIDACY
            continue
        if reason != UNNEEDED or not _anything_came(spool, service.seen):
            return reason


def _record_limit(spool: Path, name: str) -> str:
    """Starters with the same limit shall start no other one; returns why this one leaves."""
    limit = platform.hard_limits().get(name, 0)
    write_values(spool, LIMITS, {"limits": {name: limit}, "time": time.time()})
    return f"{LIMITED} (ulimit, {name} {limit})"


def _anything_came(spool: Path, seen: set[tuple[str, int]]) -> bool:
    """Return True if a program logged between the last look and the release of the lock; it may be gone."""
    listing = Spool(spool).segments()
    return any((producer, number) not in seen for producer, numbers in listing.items() for number in numbers)


class _CloseOnce:
    """Gives the lock `starting.lock` back, however often it is called."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __call__(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def run_drain(spool: str, say: int) -> None:
    """What a child of root's program runs, which must not collect itself; says `1` when all is written."""
    path = Path(spool)
    with contextlib.suppress(OSError):
        platform.drop_privileges(spool_of(path))
        platform.name_process("logboom")
        if drain(path, clock.monotonic() + _LONGEST_DRAIN):
            os.write(say, b"1")


def run_detached(spool: str, keep: int) -> None:
    """What a detached collector runs; `keep` is the descriptor of the lock `starting.lock`, held."""
    path, give_back = Path(spool), _CloseOnce(keep)
    try:
        platform.drop_privileges(spool_of(path))
        platform.name_process("logboom")
        for _ in range(2):  # a program that found `starting.lock` held has relied on this one: see once more
            with contextlib.suppress(SpoolError):
                collect(path, started=give_back)
                return
            give_back()
    except (OSError, MemoryError) as error:
        limit = platform.limit_behind(error)
        if limit:
            _notebook(path).note(f"left: {_record_limit(path, limit)}")
