"""The live file: opened or made, locked, with the right mode, under its name or a temporary one.

Owns: the descriptor, its lock, its access rights. Never knows: rotation, what is written.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import zlib

from logboom import platform
from logboom.errors import SinkError
from logboom.journal.target import Target
from logboom.platform.files import Directory, copy_access, set_mode
from logboom.platform.process import this_process

__all__ = ["LiveFile", "create_temporary", "open_live", "open_locked", "remove_strays", "temporary_name"]


class LiveFile:
    """An open output file that is to be locked; `name` is where it was opened."""

    fd = -1

    def __init__(self, fd: int, name: str) -> None:
        self._mark = this_process.mark()
        self.fd = fd
        self.name = name
        status = os.fstat(fd)
        self.device = status.st_dev
        self.inode = status.st_ino
        this_process.inherited.add(self)

    def is_at(self, status: os.stat_result | None) -> bool:
        """Whether a name with this status is this file."""
        return status is not None and (status.st_ino, status.st_dev) == (self.inode, self.device)

    def status(self) -> os.stat_result:
        return os.fstat(self.fd)

    def close(self) -> None:
        if self.fd < 0:
            return
        if self._mark[0]:
            # A child that was forked meanwhile has the same open file, and would keep the lock.
            with contextlib.suppress(OSError):
                platform.unlock(self.fd)
        fd, self.fd = self.fd, -1
        os.close(fd)

    def forget(self) -> None:
        """In a forked child: its copy of the descriptor would hold the lock when its parent is dead."""
        self.close()

    def __del__(self) -> None:
        # Where an application's process collects, a signal handler of its own may raise anywhere.
        self.close()


def temporary_name(name: str) -> str:
    """A name beside the live file that no reader takes for a log; short, as the live one may be long."""
    return f".{_digest(name)}.{secrets.token_hex(8)}.logboom"


def remove_strays(directory: Directory, name: str) -> None:
    """Delete temporary files that a killed process left; an early release gave them the whole name."""
    pattern = re.compile(rf"\.({_digest(name)}|{re.escape(name)})\.[0-9a-f]{{16}}\.logboom")
    for found in directory.names():
        if pattern.fullmatch(found):
            directory.unlink(found)


def _digest(name: str) -> str:
    return f"{zlib.crc32(os.fsencode(name)):08x}"


def create_temporary(directory: Directory, target: Target, like: os.stat_result | None) -> LiveFile:
    """A new empty, locked file under a temporary name, with the access rights it will live with.

    Args:
        like: status of the file that it replaces, or None.
    """
    name = temporary_name(target.name)
    file = LiveFile(directory.create(name), name)
    try:
        _give_access(file.fd, directory, target, like)
        _lock(file.fd, directory, name)
    except (OSError, SinkError):
        file.close()
        directory.unlink(name)
        raise
    return file


def open_live(directory: Directory, target: Target, like: os.stat_result | None) -> LiveFile:
    """The file that bears the target's name, made when there is none.

    Raises:
        OSError: it cannot be opened.
        SinkError: another process writes it.
    """
    while True:
        try:
            return open_locked(directory, target.name)
        except FileNotFoundError:
            pass
        fresh = create_temporary(directory, target, like)
        try:
            directory.move(fresh.name, target.name)
        except FileExistsError:
            fresh.close()
            directory.unlink(fresh.name)
            continue
        except OSError:
            fresh.close()
            directory.unlink(fresh.name)
            raise
        fresh.name = target.name
        return fresh


def open_locked(directory: Directory, name: str) -> LiveFile:
    """An existing file, locked. Raises as `open_live`."""
    file = LiveFile(directory.open_append(name), name)
    try:
        _lock(file.fd, directory, name)
    except (OSError, SinkError):
        file.close()
        raise
    return file


def _lock(fd: int, directory: Directory, name: str) -> None:
    if not platform.try_lock(fd):
        raise SinkError(
            "another process writes this file",
            path=directory.path / name,
            hint="Its records wait in the journal; `logboom status` shows the collector",
        )


def _give_access(fd: int, directory: Directory, target: Target, like: os.stat_result | None) -> None:
    mode = (target.umask_mode if target.file_mode is None else target.file_mode) & 0o777
    if like is not None:
        copy_access(fd, like)
    else:
        platform.give_like(fd, mode, directory.path)
    if target.file_mode is not None:
        set_mode(fd, mode)
