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
from logboom.collector.service import NEWER, UNNEEDED, Service
from logboom.errors import ConfigurationError, SpoolError
from logboom.journal.layout import FORMAT
from logboom.journal.survey import undelivered_bytes
from logboom.journal.target import Asked, Server
from logboom.platform import clock
from logboom.platform.clock import SYSTEM_CLOCK
from logboom.sinks import kinds
from logboom.sinks.base import Sink
from logboom.sinks.file.sink import FileSink
from logboom.spool import launch
from logboom.spool.allowed import allowed
from logboom.spool.checkpoint import read_recorded
from logboom.spool.directory import Spool, homes_in, spool_of
from logboom.spool.status import Notebook, write_status

__all__ = ["collect", "drain", "make_cycle", "prune", "run_detached", "undelivered"]

_CANDIDACY = 1.0
_DRAIN_PAUSE = 0.002


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
    if not spool.is_dir():
        return True
    leadership = Leadership.seek(spool)
    if leadership is None:
        return False
    try:
        cycle = make_cycle(spool, _notebook(spool))
        cycle.hasty = True  # somebody waits for each step of it
        try:
            mark = cycle.flush_mark()
            while True:
                cycle.step(thorough=True)
                if cycle.is_flushed(mark):
                    if cycle.failing():
                        return False
                    _tell(spool, mark.began)
                    return True
                if clock.monotonic() >= deadline:
                    return False
                time.sleep(0.0 if cycle.backlog == 0 else _DRAIN_PAUSE)
        finally:
            cycle.close()
    finally:
        leadership.release()


def _tell(spool: Path, flushed: float) -> None:
    """Many may wait for what one of them wrote: else each leads in turn, and some never come to it.

    Of a failure nobody is told: another one may have the right to write what this one has not.
    """
    write_status(spool, launch.read_status(spool) | {"flushed": flushed, "failing": []})


def collect(spool: Path, *, stay: bool = False, started: Callable[[], None] = lambda: None) -> str:
    """Be the collector of `spool` in this process until stopped; returns why it left.

    Args:
        stay: do not leave for want of producers (under a supervisor).
        started: called once producers find this collector; may be called again.

    Raises:
        SpoolError: there is no such spool, or another collector leads it.
    """
    if not spool.is_dir():
        raise SpoolError("there is no such spool", path=spool, hint="Log a record first, or check the path")
    notebook = Notebook(spool)
    gc.disable()  # nothing here makes cycles; collections would only stall the loop
    with _live_feed(spool, notebook) as publish:
        return _collect(spool, notebook, stay, started, publish)


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
    while True:
        leadership = Leadership.seek(spool, time.monotonic() + _CANDIDACY)
        if leadership is None:
            raise SpoolError("another collector has this spool", path=spool, hint="See `logboom status`")
        if launch.made_way(spool) >= FORMAT:
            leadership.release()
            return NEWER
        service = Service(
            spool, leadership, lambda: make_cycle(spool, notebook, publish), SYSTEM_CLOCK, notebook, stay=stay
        )
        reason = service.run(started)
        if reason != UNNEEDED:
            notebook.note(f"left: {reason}")
        if reason != UNNEEDED or not _anything_came(spool, service.seen):
            return reason


def _anything_came(spool: Path, seen: set[tuple[str, int]]) -> bool:
    """Whether somebody logged between the last look and the lock's release: he may be gone already."""
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


def run_detached(spool: str, keep: int) -> None:
    """What a detached collector runs; `keep` is the descriptor of the lock `starting.lock`, held."""
    path, give_back = Path(spool), _CloseOnce(keep)
    with contextlib.suppress(OSError):
        platform.drop_privileges(path)
        platform.name_process("logboom")
        for _ in range(2):  # a program that found `starting.lock` held has relied on this one: see once more
            with contextlib.suppress(SpoolError):
                collect(path, started=give_back)
                return
            give_back()
