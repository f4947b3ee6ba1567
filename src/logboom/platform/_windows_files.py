"""Files of one directory on Windows, opened so that they can be renamed and deleted while they are open.

Owns: `CreateFileW` with sharing, moves that never overwrite. Never knows: what the files are for.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import msvcrt
import os
import stat
import sys
from collections.abc import Callable, Iterator
from ctypes import wintypes
from pathlib import Path

from logboom.failpoints import reach

assert sys.platform == "win32"

__all__ = ["Directory", "copy_access", "in_forked_child", "set_mode"]

_GENERIC_READ, _GENERIC_WRITE = 0x80000000, 0x40000000
_SHARE_ALL = 0x7
_CREATE_NEW, _OPEN_EXISTING = 1, 3
_NORMAL, _OPEN_REPARSE_POINT = 0x80, 0x00200000
_INVALID = ctypes.c_void_p(-1).value

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_create_file = _kernel.CreateFileW
_create_file.restype = wintypes.HANDLE
_create_file.argtypes = [
    wintypes.LPCWSTR,
    wintypes.DWORD,
    wintypes.DWORD,
    ctypes.c_void_p,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.HANDLE,
]


def _open(path: str, access: int, disposition: int) -> int:
    handle = _create_file(path, access, _SHARE_ALL, None, disposition, _NORMAL | _OPEN_REPARSE_POINT, None)
    if handle == _INVALID:
        code = ctypes.get_last_error()
        raise OSError(None, ctypes.FormatError(code), path, code)
    append = os.O_APPEND if access & _GENERIC_WRITE else 0
    fd = msvcrt.open_osfhandle(handle, append | os.O_BINARY | os.O_NOINHERIT)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "Not a regular file", path)
    return fd


class Directory:
    """A directory; names in it are one component each.

    Every method raises `OSError` unless it says otherwise.
    """

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
        return [one.name for one in self.path.iterdir()]

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Name and status of every regular file."""
        for name in self.names():
            status = self.stat(name)
            if status is not None and stat.S_ISREG(status.st_mode):
                yield name, status

    def open_append(self, name: str) -> int:
        """An existing regular file, for reading and for appending at its end."""
        return _open(str(self.path / name), _GENERIC_READ | _GENERIC_WRITE, _OPEN_EXISTING)

    def open_read(self, name: str) -> int:
        """An existing regular file, for reading."""
        return _open(str(self.path / name), _GENERIC_READ, _OPEN_EXISTING)

    def create(self, name: str) -> int:
        """A new file, for reading and for appending; `FileExistsError` when the name is taken."""
        reach("effect")
        return _open(str(self.path / name), _GENERIC_READ | _GENERIC_WRITE, _CREATE_NEW)

    def move(self, source: str, target: str) -> None:
        """Give the file another name; `FileExistsError` when that is taken."""
        reach("effect")
        (self.path / source).rename(self.path / target)

    def unlink(self, name: str) -> None:
        """A name that is gone already is fine."""
        reach("effect")
        with contextlib.suppress(FileNotFoundError):
            (self.path / name).unlink()

    def sync(self) -> None:
        """NTFS journals its names: nothing to do."""

    def close(self) -> None:
        """Nothing is held."""


def set_mode(fd: int, mode: int) -> None:
    """Windows has access lists, which a file inherits from its directory."""


def copy_access(fd: int, like: os.stat_result) -> None:
    """Windows has access lists, which a file inherits from its directory."""


def in_forked_child(call: Callable[[], None]) -> None:
    """There is no fork."""
