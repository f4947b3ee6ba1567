"""Directories on Windows: their files are opened so that they can be renamed and deleted meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from logboom.platform.failpoints import reach

assert sys.platform == "win32"

from logboom.platform import windows
from logboom.platform._files import BaseDirectory, plain
from logboom.platform._windows_api import (
    close_handle,
    open_directory,
    open_exclusive,
    open_shared,
    patiently,
    set_times,
)

__all__ = ["Directory", "copy_access", "copy_times", "may_follow", "resolve", "set_mode"]


class Directory(BaseDirectory):
    """See `BaseDirectory`. While it is open nobody can rename or delete the directory itself.

    Attributes:
        device, inode: of the directory.
        parent: nothing is known of it here.
    """

    holding = True  # a program that has a file open may keep others from renaming it
    parent: os.stat_result | None = None

    _handle = 0

    def __init__(
        self, path: Path, *, make: bool = True, follow: bool = True, within: Directory | None = None
    ) -> None:
        """Open `path`, and make it when it is missing.

        Args:
            make: make what is missing.
            follow: it may be a link.
            within: the open directory in which it is.
        """
        self.path = path
        self._within = within
        if make and within is None:
            path.mkdir(parents=True, exist_ok=True)
        own = within is not None or not follow
        if own:
            _refuse_reparse_point(path)
        self._status = path.stat()
        if own:  # a log's directory may be replaced while programs run
            self._handle = open_directory(str(path))
        self.device, self.inode = self._status.st_dev, self._status.st_ino

    @classmethod
    def made(
        cls, path: Path, mode: Callable[[os.stat_result], int], fresh: Collection[str] = ()
    ) -> Directory:
        """A new directory, or the one that is there."""
        path.mkdir(parents=True, exist_ok=True)
        return cls(path, make=False, follow=False)

    def at(self) -> int:
        """Directories have no descriptor here."""
        return -1

    def is_current(self) -> bool:
        """Whether the path still leads here. Never raises."""
        try:
            return os.path.samestat(self.path.stat(), self._status)
        except OSError:
            return False

    def status(self) -> os.stat_result:
        return self.path.stat()

    def stat(self, name: str) -> os.stat_result | None:
        try:
            return os.lstat(self.path / plain(name))
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        return os.listdir(self.path)

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        return self._regular(name, open_shared(str(self.path / plain(name)), flags))

    def rename(self, source: str, target: str) -> None:
        patiently(lambda: os.rename(self.path / plain(source), self.path / plain(target)))

    def replace(self, source: str, target: str) -> None:
        patiently(lambda: os.replace(self.path / plain(source), self.path / plain(target)))

    def rename_into(self, name: str, other: Directory, target: str) -> None:
        """Move a file to another directory, over what has the name there."""
        patiently(lambda: os.replace(self.path / plain(name), other.path / plain(target)))

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path / plain(name))

    def give(self, fd: int, mode: int) -> None:
        """Windows has access lists, which a file inherits from its directory."""

    def make_directory(self, name: str, mode: int) -> None:
        with contextlib.suppress(FileExistsError):
            (self.path / plain(name)).mkdir()

    def set_mode(self, mode: int) -> None:
        """Windows has access lists."""

    def move(self, source: str, target: str) -> None:
        """Give the file another name; `FileExistsError` when that is taken."""
        reach("effect")
        self.rename(source, target)

    def unlink(self, name: str) -> None:
        reach("effect")
        patiently(lambda: self.remove(name))

    def kept_by_another(self, name: str) -> bool:
        """Directories are never sticky here."""
        return False

    def links(self, name: str) -> int:
        """How many names the file of this name has; 0 when there is no such name."""
        status = self.stat(name)
        return 0 if status is None else max(status.st_nlink, 1)

    def sync(self) -> None:
        """NTFS journals its names: nothing to do."""

    def anchored(self, name: str) -> Path:
        """A path of a file here; the directory cannot be moved while it is open."""
        return self.path / plain(name)

    def acting_owner(self) -> tuple[int, int] | None:
        """A process keeps its account."""
        return None

    def is_anothers(self) -> bool:
        """There is no root here."""
        return False

    def disk_size(self) -> int:
        """Bytes of its disk."""
        return windows.disk_size(self.path)

    def filesystem(self) -> str:
        """The system's name of its file system (`NTFS`), `remote` for a network drive, or `""`."""
        return windows.filesystem_of(self.path)

    def close(self) -> None:
        handle, self._handle = self._handle, 0
        if handle:
            close_handle(handle)

    def __del__(self) -> None:
        self.close()

    # -- between processes ----------------------------------------------------------------------------

    def hold(self) -> int | None:
        """Directories cannot be locked: -1."""
        return -1

    def claim(self, name: str) -> int | None:
        """A descriptor that one process at a time can have, and hand over; None when another has it."""
        return open_exclusive(str(self.path / plain(name)))

    def open_or_make(self, name: str, access: int) -> int:
        """A file for those who share the directory, made when it is missing."""
        return self.open(name, access | os.O_CREAT)

    def _open_moved(self, name: str, flags: int) -> int:
        return self._regular(name, patiently(lambda: open_shared(str(self.path / plain(name)), flags)))

    def _regular(self, name: str, fd: int) -> int:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "Not a regular file", name)
        return fd


def _refuse_reparse_point(path: Path) -> None:
    try:
        attributes = os.lstat(path).st_file_attributes
    except FileNotFoundError:
        return
    if attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def may_follow(maker: int, owner: int, parent: int = -1) -> bool:
    """Whether a link counts: access lists are not looked at here."""
    return True


def resolve(path: Path) -> Path:
    """Where a file is: absolute, every link followed; what is missing is taken as it is written."""
    return windows.real_path(path)


def set_mode(fd: int, mode: int) -> None:
    """Windows has access lists, which a file inherits from its directory."""


def copy_access(fd: int, like: os.stat_result) -> None:
    """Windows has access lists, which a file inherits from its directory."""


def copy_times(fd: int, like: os.stat_result) -> None:
    """When another file was read and written last."""
    set_times(fd, like.st_atime_ns, like.st_mtime_ns)
