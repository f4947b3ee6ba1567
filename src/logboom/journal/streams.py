"""One stream for each process and output file, whatever the number of handlers that name it.

Owns: which writers of this process are open. Never knows: handlers, lines.

Two handlers of one process for one file must share a stream: its order is the process's order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from pathlib import Path

from logboom.journal.writer import JournalWriter

__all__ = ["join", "leave", "rest", "wake"]

_open: dict[Hashable, JournalWriter] = {}


def join(key: Hashable, user: int, make: Callable[[], JournalWriter]) -> JournalWriter:
    """The writer of `key`, made when there is none; `user` is counted until it leaves."""
    writer = _open.get(key) or make()
    while True:  # the last other user may leave in between: garbage is collected anywhere
        writer.users.add(user)
        known = _open.setdefault(key, writer)
        if known is writer:
            break
        writer = known
    if writer.pid != os.getpid():  # the parent's, whose handler is gone: nobody else would forget it
        writer.forget()
    writer.users.add(user)
    return writer


def leave(key: Hashable, user: int) -> None:
    """`user` needs the writer no more; the last one closes it."""
    writer = _open.get(key)
    if writer is None:
        return
    writer.users.discard(user)
    if not writer.users and writer.pid == os.getpid():
        _open.pop(key, None)
        writer.close()


def rest(directory: Path) -> None:
    """Say in all streams of this process in `directory` that nothing is on its way (see `layout.REST`)."""
    for writer in list(_open.values()):
        if writer.directory == directory and writer.pid == os.getpid():
            writer.rest()


def wake(directory: Path) -> None:
    """Take `rest` back."""
    for writer in list(_open.values()):
        if writer.directory == directory and writer.pid == os.getpid():
            writer.wake()
