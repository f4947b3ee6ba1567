"""Files of one directory on Windows, opened so that they can be renamed and deleted while they are open.

Owns: opening with sharing, moves that never overwrite, patience with files in use. Never knows: what the
files are for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from logboom.platform.failpoints import reach

assert sys.platform == "win32"

from logboom.platform._windows_api import open_shared, patiently, set_times

__all__ = ["Directory", "copy_access", "copy_times", "set_mode"]


class Directory:
    """A directory; names in it are one component each.

    Every method raises `OSError` unless it says otherwise.
    """

    holding = True  # a program that has a file open may keep others from renaming it

    def __init__(self, path: Path) -> None:
        """Uses `path`, and makes it when it is missing."""
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._status = path.stat()
        self.device = self._status.st_dev

    def is_current(self) -> bool:
        """Whether the path still leads here. Never raises."""
        try:
            return os.path.samestat(self.path.stat(), self._status)
        except OSError:
            return False

    def stat(self, name: str) -> os.stat_result | None:
        """None when there is no such name; links are not followed."""
        try:
            return os.lstat(self.path / name)
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        """All names, in no order."""
        return os.listdir(self.path)

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Name and status of every regular file."""
        for name in self.names():
            status = self.stat(name)
            if status is not None and stat.S_ISREG(status.st_mode):
                yield name, status

    def open_append(self, name: str) -> int:
        """An existing regular file, for reading and for appending at its end."""
        return self._open(name, os.O_RDWR | os.O_APPEND)

    def open_read(self, name: str) -> int:
        """An existing regular file, for reading."""
        return self._open(name, os.O_RDONLY)

    def create(self, name: str) -> int:
        """A new file, for reading and for appending; `FileExistsError` when the name is taken."""
        reach("effect")
        return self._open(name, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL)

    def move(self, source: str, target: str) -> None:
        """Give the file another name; `FileExistsError` when that is taken."""
        reach("effect")
        patiently(lambda: os.rename(self.path / source, self.path / target))

    def kept_by_another(self, name: str) -> bool:
        """Directories are never sticky here."""
        return False

    def unlink(self, name: str) -> None:
        """A name that is gone already is fine."""
        reach("effect")
        with contextlib.suppress(FileNotFoundError):
            patiently(lambda: os.unlink(self.path / name))

    def links(self, name: str) -> int:
        """How many names the file of this name has; 0 when there is no such name."""
        status = self.stat(name)
        return 0 if status is None else max(status.st_nlink, 1)

    def sync(self) -> None:
        """NTFS journals its names: nothing to do."""

    def close(self) -> None:
        """Nothing is held."""

    def _open(self, name: str, flags: int) -> int:
        path = str(self.path / name)
        fd = patiently(lambda: open_shared(path, flags))
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "Not a regular file", path)
        return fd


def set_mode(fd: int, mode: int) -> None:
    """Windows has access lists, which a file inherits from its directory."""


def copy_access(fd: int, like: os.stat_result) -> None:
    """Windows has access lists, which a file inherits from its directory."""


def copy_times(fd: int, like: os.stat_result) -> None:
    """When another file was read and written last."""
    set_times(fd, like.st_atime_ns, like.st_mtime_ns)
