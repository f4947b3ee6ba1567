"""Files of one directory, named by single components against the directory's descriptor.

Links are never followed, and a move never overwrites. A network file system may report the failure of a call
that took effect (its answer was lost, or its repetition met its effect): after a failure, what
is there decides what has happened.
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

assert sys.platform != "win32"

__all__ = ["Directory", "copy_access", "copy_times", "set_mode"]

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.ENOTSUP})


class Directory:
    """An open directory; names in it are one component each.

    Every method raises `OSError` unless it says otherwise.
    """

    holding = False  # a program that has a file open keeps nobody from renaming it

    def __init__(self, path: Path) -> None:
        """Opens `path`, and makes it when it is missing."""
        self.path = path
        with contextlib.suppress(FileExistsError):
            if not path.is_dir():
                path.mkdir(parents=True)
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.device = os.fstat(self._fd).st_dev

    def is_current(self) -> bool:
        """Whether the path still leads here. Never raises."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._fd))
        except OSError:
            return False

    def stat(self, name: str) -> os.stat_result | None:
        """None when there is no such name; links are not followed."""
        try:
            return os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        """All names, in no order."""
        os.lseek(self._fd, 0, os.SEEK_SET)  # btrfs lists what there was when that was done last
        return os.listdir(self._fd)

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
        return os.open(
            name, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=self._fd
        )

    def move(self, source: str, target: str) -> None:
        """Give the file another name; `FileExistsError` when that is taken. A kill may leave both names."""
        reach("effect")
        moved = self.stat(source)
        if self._is_anothers(source):
            # A second name could be made, and the first one not be taken away.
            self._move_without_links(source, target, moved)
            return
        try:
            os.link(source, target, src_dir_fd=self._fd, dst_dir_fd=self._fd, follow_symlinks=False)
        except OSError as error:
            if not self._bears(target, moved):
                if error.errno not in _NO_HARD_LINKS:
                    raise
                self._move_without_links(source, target, moved)
                return
        self._end_move(source, target, moved)

    def kept_by_another(self, name: str) -> bool:
        """Whether only another user may rename or delete the file: its owner, in a sticky directory."""
        return os.geteuid() != 0 and self._is_anothers(name)

    def unlink(self, name: str) -> None:
        """A name that is gone already is fine."""
        reach("effect")
        try:
            os.unlink(name, dir_fd=self._fd)
        except FileNotFoundError:
            pass
        except OSError:
            if self.links(name) > 0:
                raise

    def links(self, name: str) -> int:
        """How many names the file of this name has; 0 when there is no such name.

        The file is opened for it, so that a network file system asks its server and not a cache.
        """
        try:
            fd = os.open(name, os.O_RDONLY | _FLAGS, dir_fd=self._fd)
        except FileNotFoundError:
            return 0
        except OSError:  # not ours to read, or no regular file
            status = self.stat(name)
            return 0 if status is None else status.st_nlink
        try:
            return os.fstat(fd).st_nlink
        finally:
            os.close(fd)

    def sync(self) -> None:
        """The names on the disk on return."""
        os.fsync(self._fd)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # its making was interrupted
            self.close()

    def _open(self, name: str, flags: int) -> int:
        fd = os.open(name, flags | _FLAGS, dir_fd=self._fd)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "Not a regular file", name)
        return fd

    def _is_anothers(self, name: str) -> bool:
        """Whether the directory is sticky, and neither it nor the file is ours."""
        own = os.fstat(self._fd)
        if not own.st_mode & stat.S_ISVTX:
            return False
        status = self.stat(name)
        return status is not None and os.geteuid() not in (own.st_uid, status.st_uid)

    def _bears(self, name: str, status: os.stat_result | None) -> bool:
        """Return True if the file with this status has the name."""
        found = self.stat(name)
        return status is not None and found is not None and os.path.samestat(status, found)

    def _end_move(self, source: str, target: str, moved: os.stat_result | None) -> None:
        """Take the old name away; where that is refused, the new one, so that the file keeps one name."""
        try:
            self.unlink(source)
        except OSError:
            with contextlib.suppress(OSError):
                if self._bears(source, moved) and self._bears(target, moved) and self.links(source) > 1:
                    os.unlink(target, dir_fd=self._fd)
            raise

    def _move_without_links(self, source: str, target: str, moved: os.stat_result | None) -> None:
        if self._bears(target, moved):
            self._end_move(source, target, moved)
            return
        if self.stat(target) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        try:
            os.rename(source, target, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except OSError:
            if not self._bears(target, moved) or self.links(source) > 0:
                raise


def set_mode(fd: int, mode: int) -> None:
    """Permission bits, whatever the umask."""
    os.fchmod(fd, mode & 0o777)


def copy_access(fd: int, like: os.stat_result) -> None:
    """Permission bits of another file and, where that is permitted, its owner and group."""
    mine = os.fstat(fd)
    for owner, group in ((like.st_uid, like.st_gid), (-1, like.st_gid)):
        if (mine.st_uid, mine.st_gid) == (like.st_uid, like.st_gid):
            break
        with contextlib.suppress(PermissionError):
            os.fchown(fd, owner, group)
            break
    set_mode(fd, stat.S_IMODE(like.st_mode))


def copy_times(fd: int, like: os.stat_result) -> None:
    """When another file was read and written last."""
    os.utime(fd, ns=(like.st_atime_ns, like.st_mtime_ns))
