"""`damaged/`: what could not be read, kept aside.

Owns: the directory, its bound, whose it is. Never knows: what is put there.

It may be another user's, of whom nothing is known but that he shares the spool: nothing here fails for that.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from logboom import platform

__all__ = ["DamagedPlace"]

_KEPT: Final = 10_000_000


class DamagedPlace:
    """The directory of one spool; made when something is put there.

    Attributes:
        path: the directory.
    """

    def __init__(self, spool: Path) -> None:
        self.path = spool / "damaged"

    def has(self, name: str) -> bool:
        """Whether it was put there before, as far as one may see it."""
        with contextlib.suppress(OSError):
            return (self.path / name).exists()
        return False

    def put(self, name: str, data: bytes) -> Path:
        """Keep bytes, 10 MB of them in all, for their owner alone; where that fails, they are gone."""
        place = self.path / name
        with contextlib.suppress(OSError):
            if self._has_room():
                fd = platform.open_file(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                with open(fd, "wb") as file:
                    file.write(data)
        return place

    def take(self, file: Path, name: str) -> bool:
        """Move a whole file here, within the same bound; False when it stays where it is."""
        with contextlib.suppress(OSError):
            if self._has_room():
                platform.rename(file, self.path / name)
                return True
        return False

    def _has_room(self) -> bool:
        """Raises `OSError` where there is no such place."""
        self._make()
        with os.scandir(self.path) as entries:
            return sum(map(_allocated, entries)) < _KEPT

    def _make(self) -> None:
        """Open to those who share the spool, so that each finds there what the others have met."""
        mode = 0o700 | stat.S_IMODE(self.path.parent.stat().st_mode) & 0o2070
        try:
            self.path.mkdir(mode)
        except FileExistsError:
            return
        with contextlib.suppress(PermissionError):  # Windows opens no directory
            fd = platform.open_file(self.path, os.O_RDONLY)
            try:
                platform.give_like(fd, mode, self.path.parent)
            finally:
                os.close(fd)


def _allocated(entry: os.DirEntry[str]) -> int:
    """Bytes on the disk: a sparse file looks larger; a small one takes a block, or room in its directory."""
    status = entry.stat(follow_symlinks=False)
    used = int(getattr(status, "st_blocks", -(-status.st_size // 512))) * 512
    return max(used, min(status.st_size, 4096))
