"""`damaged/`: what could not be read, kept aside, within a bound.

It may be another user's, of whom nothing is known but that they share the spool: nothing here fails for that.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from logboom.platform.files import Directory
from logboom.spool.place import place, subdirectory

__all__ = ["DamagedPlace"]

_NAME: Final = "damaged"
_KEPT: Final = 10_000_000


class DamagedPlace:
    """The directory of one spool; made when something is put there.

    Attributes:
        path: the directory.
    """

    def __init__(self, spool: Path) -> None:
        self.path = spool / _NAME
        self._spool = spool

    def has(self, name: str) -> bool:
        """Return True if it was put there before, as far as this user may see it."""
        with contextlib.suppress(OSError):
            return self._directory(make=False).stat(name) is not None
        return False

    def put(self, name: str, data: bytes) -> Path:
        """Keep bytes, 10 MB of them in all, for their owner alone; where that fails, they are gone."""
        with contextlib.suppress(OSError):
            directory = self._with_room()
            fd = directory.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with open(fd, "wb") as file:
                file.write(data)
        return self.path / name

    def add(self, name: str, data: bytes, most: int) -> None:
        """Append bytes to a file of at most about `most`; where that fails, they are gone."""
        with contextlib.suppress(OSError):
            directory = self._directory(make=True)
            found = directory.stat(name)
            if found is None or found.st_size < most:
                directory.append(name, data, 0o600)

    def take(self, source: Directory, name: str, kept: str) -> bool:
        """Move a whole file here, within the same bound; False when it stays where it is."""
        with contextlib.suppress(OSError):
            source.rename_into(name, self._with_room(), kept)
            return True
        return False

    def _directory(self, *, make: bool) -> Directory:
        """Open to those who share the spool, so that each finds there what the others have met."""
        return subdirectory(place(self._spool), _NAME, make=make)

    def _with_room(self) -> Directory:
        """Raises `OSError` where there is none."""
        directory = self._directory(make=True)
        if sum(_allocated(status) for _, status in directory.files()) >= _KEPT:
            raise OSError("enough is kept")
        return directory


def _allocated(status: os.stat_result) -> int:
    """Bytes on the disk: a sparse file looks larger; a small one takes a block, or room in its directory."""
    used = int(getattr(status, "st_blocks", -(-status.st_size // 512))) * 512
    return max(used, min(status.st_size, 4096))
