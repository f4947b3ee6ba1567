"""What an open directory offers on every system, made of the few calls that differ."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from logboom.platform.failpoints import reach

__all__ = ["NO_FILE", "BaseDirectory", "plain"]

# There is none, or what bears the name is a link, a pipe, a device, or has a second name.
NO_FILE: Final = frozenset({errno.ENOENT, errno.ELOOP, errno.EINVAL, errno.EMLINK})


def plain(name: str) -> str:
    """A name of one component; `OSError` for anything else, wherever it was read."""
    if name in ("", ".", "..") or "/" in name or os.sep in name or "\0" in name:
        raise OSError(errno.EINVAL, "Not a plain file name", name)
    return name


class BaseDirectory:
    """An open directory. Names in it are one component each; none that is a link is ever followed.

    Files are regular, have no name elsewhere, and are opened without waiting. Every method raises
    `OSError` unless it says otherwise.
    """

    path: Path

    # -- what each system does in its own way --------------------------------------------------------

    def status(self) -> os.stat_result:
        """Of the directory itself."""
        raise NotImplementedError

    def stat(self, name: str) -> os.stat_result | None:
        """None when there is no such name; links are not followed."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """All names, in no order."""
        raise NotImplementedError

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        """A regular file without a name elsewhere; `flags` as of `os.open`."""
        raise NotImplementedError

    def rename(self, source: str, target: str) -> None:
        """Give a file a name that is free."""
        raise NotImplementedError

    def replace(self, source: str, target: str) -> None:
        """Put a file in another's place, at once for everybody."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Delete a file; a name that is gone already is fine."""
        raise NotImplementedError

    def make_directory(self, name: str, mode: int) -> None:
        """A directory with these bits, given to this one's owner; one that is there stays as it is."""
        raise NotImplementedError

    def give(self, fd: int, mode: int) -> None:
        """Set a new file's permission bits, and give it to the owner and group of this directory."""
        raise NotImplementedError

    # -- made of those --------------------------------------------------------------------------------

    @property
    def mode(self) -> int:
        """Permission bits of the directory."""
        return stat.S_IMODE(self.status().st_mode)

    @property
    def shared(self) -> int:
        """The bits of files here for those who may read or write the directory."""
        return 0o600 | self.mode & 0o060

    @property
    def lockable(self) -> int:
        """The bits of files whose lock counts: who may not write the directory may not open them."""
        return 0o660 if self.mode & 0o020 else 0o600

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Name and status of every regular file."""
        for name in self.names():
            status = self.stat(name)
            if status is not None and stat.S_ISREG(status.st_mode):
                yield name, status

    def read(self, name: str, most: int) -> bytes:
        """A whole file of at most `most` bytes; `EFBIG` when it is larger."""
        fd = self.open(name, os.O_RDONLY)
        try:
            size = os.fstat(fd).st_size
            if size > most:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), name)
            blocks: list[bytes] = []
            left = most + 1
            while left and (block := os.read(fd, min(left, size + 1))):
                blocks.append(block)
                left -= len(block)
            if not left:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), name)
            return b"".join(blocks)
        finally:
            os.close(fd)

    def read_end(self, name: str, most: int) -> bytes:
        """The last `most` bytes of a file, or all that there are."""
        fd = self.open(name, os.O_RDONLY)
        try:
            os.lseek(fd, max(0, os.fstat(fd).st_size - most), os.SEEK_SET)
            return os.read(fd, most)
        finally:
            os.close(fd)

    def afresh(self, name: str, access: int, mode: int) -> int:
        """A new file in the place of what lies there, and its descriptor.

        What another user's process left when it was killed can be deleted by who shares the directory,
        but not given other bits or another group.
        """
        self.remove(name)
        fd = self.open(name, access | os.O_CREAT | os.O_EXCL)
        try:
            self.give(fd, mode)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def write(self, name: str, data: bytes, mode: int, *, shared: bool = False) -> None:
        """Put a whole file in the place of `name`; after an error, what was there still is.

        Args:
            shared: others may write the same name at the same moment.
        """
        temporary = f".{name}.{os.urandom(4).hex()}.tmp" if shared else f".{name}.tmp"
        try:
            fd = self.afresh(temporary, os.O_WRONLY, mode)
            try:
                whole = os.write(fd, data) == len(data)
            finally:
                os.close(fd)
            if not whole:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
            self.replace(temporary, name)
        except BaseException:
            with contextlib.suppress(OSError):
                self.remove(temporary)
            raise

    def append(self, name: str, data: bytes, mode: int) -> int:
        """One write at the end of a file, which is made when there is none; how many bytes were written."""
        try:
            fd = self.open(name, os.O_WRONLY | os.O_APPEND)
        except OSError as error:
            if error.errno not in NO_FILE:
                raise
            fd = self.afresh(name, os.O_WRONLY | os.O_APPEND, mode)
        try:
            return os.write(fd, data)
        finally:
            os.close(fd)

    def unlink(self, name: str) -> None:
        """As `remove`, for the files of a log set."""
        reach("effect")
        self.remove(name)

    # -- the files of a log set -----------------------------------------------------------------------

    def open_append(self, name: str) -> int:
        """An existing regular file, for reading and for appending at its end."""
        return self._open_moved(name, os.O_RDWR | os.O_APPEND)

    def open_read(self, name: str) -> int:
        """An existing regular file, for reading."""
        return self._open_moved(name, os.O_RDONLY)

    def create(self, name: str) -> int:
        """A new file, for reading and for appending; `FileExistsError` when the name is taken."""
        reach("effect")
        return self.open(name, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL)

    def _open_moved(self, name: str, flags: int) -> int:
        """As `open`; where only this user can have made a second name elsewhere, the file may have one."""
        raise NotImplementedError
