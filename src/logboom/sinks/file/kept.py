"""A small file in which a sink keeps a value over a restart."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from logboom.platform.files import Directory

__all__ = ["Kept"]

_LARGEST: Final = 4096
_T = TypeVar("_T")


class Kept:
    """One file. Failing costs what is in it, and nothing else: no method raises.

    Args:
        path: the file; nothing is opened before it is used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def exists(self) -> bool:
        with contextlib.suppress(OSError):
            return self._directory().stat(self._path.name) is not None
        return False

    def read(self, kind: type[_T]) -> _T | None:
        """The value; None when there is none of this kind."""
        try:
            return msgspec.json.decode(self._directory().read(self._path.name, _LARGEST), type=kind)
        except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError):
            return None

    def write(self, value: object) -> bool:
        """Replace it; False when that failed."""
        try:
            directory = self._directory()
            directory.write(self._path.name, msgspec.json.encode(value), directory.shared)
        except OSError:
            return False
        return True

    def _directory(self) -> Directory:
        return Directory(self._path.parent, make=False, follow=False)
