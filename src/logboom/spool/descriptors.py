"""Open segments, never more than a few: the least recently used is closed first."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from logboom.platform.files import Directory

__all__ = ["Descriptors"]

_MOST: Final = 128
_SCARCE: Final = frozenset({errno.EMFILE, errno.ENFILE})


class Descriptors:
    """Read descriptors by name. A descriptor is good until the next `get` of another name.

    Args:
        directory: where the names are, or what returns that.
        most: how many may be open at once.
    """

    def __init__(self, directory: Path | Callable[[], Directory], most: int = _MOST) -> None:
        self._open: dict[str, int] = {}
        self._directory: Callable[[], Directory] = (
            functools.partial(Directory, directory) if isinstance(directory, Path) else directory
        )
        self._most = max(1, most)

    def get(self, name: str) -> int:
        """A descriptor for `name`.

        Raises:
            FileNotFoundError: there is no such file, or it is no regular one.
            OSError: it cannot be opened.
        """
        fd = self._open.pop(name, -1)
        if fd < 0:
            while len(self._open) >= self._most:
                self._close_oldest()
            fd = self._open_patiently(name)
        self._open[name] = fd
        return fd

    def drop(self, name: str) -> None:
        """Close the descriptor for `name`, if it is open."""
        fd = self._open.pop(name, -1)
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        while self._open:
            self._close_oldest()

    def __len__(self) -> int:
        return len(self._open)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # its making was interrupted
            self.close()

    def _open_patiently(self, name: str) -> int:
        while True:
            try:
                return self._directory().open(name, os.O_RDONLY)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.EINVAL):
                    raise FileNotFoundError(errno.ENOENT, "not a regular file", name) from None
                if error.errno not in _SCARCE or not self._open:
                    raise
                self._most = max(1, len(self._open) * 3 // 4)
                while len(self._open) >= self._most:
                    self._close_oldest()

    def _close_oldest(self) -> None:
        os.close(self._open.pop(next(iter(self._open))))
