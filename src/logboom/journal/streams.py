"""One stream for each process and output file, whatever the number of handlers that name it.

Owns: which writers of this process are open. Never knows: handlers, lines.

Two handlers of one process for one file must share a stream: its order is the process's order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable

from logboom.journal.writer import JournalWriter

__all__ = ["join", "leave"]

_open: dict[Hashable, JournalWriter] = {}


def join(key: Hashable, user: int, make: Callable[[], JournalWriter]) -> JournalWriter:
    """The writer of `key`, made when there is none; `user` is counted until it leaves."""
    writer = _open.get(key)
    if writer is None:
        writer = _open.setdefault(key, make())
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
