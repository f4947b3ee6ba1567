"""One stream for each process and output file, whatever the number of handlers that name it.

Owns: which writers of this process are open. Never knows: handlers, lines.

Two handlers of one process for one file must share a stream: its order is the process's order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path

from logboom.journal.writer import JournalWriter
from logboom.platform.process import this_process

__all__ = ["join", "leave", "rest", "wake"]


def join(key: Hashable, user: int, make: Callable[[], JournalWriter]) -> JournalWriter:
    """The writer of `key`, made when there is none; `user` is counted until it leaves."""
    writers = this_process.writers
    writer: JournalWriter = writers.get(key) or make()
    while True:  # the last other user may leave in between: garbage is collected anywhere
        writer.users.add(user)
        known: JournalWriter = writers.setdefault(key, writer)
        if known is writer:
            break
        writer = known
    if not writer.mark[0]:  # the parent's, whose handler is gone: nobody else would forget it
        writer.forget()
    writer.users.add(user)
    return writer


def leave(key: Hashable, user: int) -> None:
    """`user` needs the writer no more; the last one closes it."""
    writer = this_process.writers.get(key)
    if writer is None:
        return
    writer.users.discard(user)
    if not writer.users and writer.mark[0]:
        this_process.writers.pop(key, None)
        writer.close()


def rest(directory: Path) -> None:
    """Say in all streams of this process in `directory` that nothing is on its way (see `layout.REST`)."""
    for writer in list(this_process.writers.values()):
        if writer.directory == directory and writer.mark[0]:
            writer.rest()


def wake(directory: Path) -> None:
    """Take `rest` back."""
    for writer in list(this_process.writers.values()):
        if writer.directory == directory and writer.mark[0]:
            writer.wake()
