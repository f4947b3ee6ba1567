"""Directories on Linux and macOS: their files are named by single components against a descriptor.

A move never overwrites. A network file system may report the failure of a call that took effect (its answer
was lost, or its repetition met its effect): after a failure, what is there decides what has happened.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from logboom.platform.failpoints import reach

assert sys.platform != "win32"

from logboom.platform import posix
from logboom.platform._files import NO_FILE, BaseDirectory, plain

__all__ = ["Directory", "copy_access", "copy_times", "may_follow", "resolve", "set_mode"]

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_PATH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_MOST_LINKS = 40
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.ENOTSUP})


class _Open:
    """A descriptor that is closed when nobody has this object any more: a signal handler may raise anywhere.

    Not when its number is another file's by then.
    """

    fd = -1
    identity = (0, 0)

    def __init__(self, path: str, flags: int, mode: int = 0o600, dir_fd: int | None = None) -> None:
        """As `os.open`."""
        self.fd = os.open(path, flags, mode, dir_fd=dir_fd)
        self.status = os.fstat(self.fd)
        self.identity = self.status.st_dev, self.status.st_ino

    def is_open(self) -> bool:
        """Whether the number is still that of what was opened."""
        try:
            found = os.fstat(self.fd)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self.identity

    def take(self) -> int:
        """The descriptor, which is the caller's from here on."""
        fd, self.fd = self.fd, -1
        return fd

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            if self.fd >= 0 and (self.is_open() or self.identity == (0, 0)):
                os.close(self.fd)


class Directory(BaseDirectory):
    """See `BaseDirectory`. Its descriptor is compared with what was opened before each use: a daemon that
    closes all descriptors gives the number to something else.

    Attributes:
        device, inode: of the directory.
        parent: status of the directory that it was found in, with `follow=False`.
    """

    holding = False  # a program that has a file open keeps nobody from renaming it
    parent: os.stat_result | None = None

    def __init__(
        self, path: Path, *, make: bool = True, follow: bool = True, within: Directory | None = None
    ) -> None:
        """Open `path`, and make it when it is missing.

        Links on the way to it are followed where root made them, or this user, or the owner of what they lead
        to.

        Args:
            make: make what is missing.
            follow: the last component may be such a link, too.
            within: the open directory in which it is; there it is looked up by its name.
        """
        self.path = path
        self._within = within
        self._follow = follow
        self._open = self._find(make)
        self.device, self.inode = self._open.identity

    @classmethod
    def made(
        cls, path: Path, mode: Callable[[os.stat_result], int], fresh: Collection[str] = ()
    ) -> Directory:
        """A new directory that belongs to whom its parent does; one that is there stays as it is.

        Args:
            mode: its bits, from the status of the parent.
            fresh: names that another process may have put there at once.
        """
        at = _walk(_split(path.parent), make=True)
        _make_directory(at.fd, path.name, mode(os.fstat(at.fd)), fresh)
        return cls(path, make=False, follow=False)

    def _find(self, make: bool) -> _Open:
        if self._within is not None:
            return _open_in(self._within.at(), self.path.name)
        found = _open_directory(self.path, make, self._follow)
        if not self._follow:
            self.parent = os.stat("..", dir_fd=found.fd)
        return found

    def at(self) -> int:
        """Its descriptor, good for the next call."""
        if not self._open.is_open():  # the number is another file's by now
            found = self._find(make=False)
            if found.identity != (self.device, self.inode):
                raise FileNotFoundError(errno.ENOENT, "The directory was replaced", str(self.path))
            self._open = found
        return self._open.fd

    def is_current(self) -> bool:
        """Whether the path still leads here. Never raises."""
        try:
            if self._within is None:
                found: os.stat_result | None = os.stat(self.path, follow_symlinks=self._follow)
            else:
                found = self._within.stat(self.path.name) if self._within.is_current() else None
        except OSError:
            return False
        return found is not None and (found.st_dev, found.st_ino) == (self.device, self.inode)

    def status(self) -> os.stat_result:
        return os.fstat(self.at())

    def stat(self, name: str) -> os.stat_result | None:
        try:
            return os.stat(plain(name), dir_fd=self.at(), follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        os.lseek(self.at(), 0, os.SEEK_SET)  # btrfs lists what there was when that was done last
        return os.listdir(self.at())

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        return self._open_file(name, flags, mode, trusted=not flags & (os.O_WRONLY | os.O_RDWR))

    def rename(self, source: str, target: str) -> None:
        os.rename(plain(source), plain(target), src_dir_fd=self.at(), dst_dir_fd=self.at())

    def replace(self, source: str, target: str) -> None:
        os.replace(plain(source), plain(target), src_dir_fd=self.at(), dst_dir_fd=self.at())

    def rename_into(self, name: str, other: Directory, target: str) -> None:
        """Move a file to another directory, over what has the name there."""
        os.rename(plain(name), plain(target), src_dir_fd=self.at(), dst_dir_fd=other.at())

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(plain(name), dir_fd=self.at())

    def give(self, fd: int, mode: int) -> None:
        posix.give_as(fd, mode, self.status())

    def make_directory(self, name: str, mode: int) -> None:
        _make_directory(self.at(), name, mode)

    def set_mode(self, mode: int) -> None:
        """Of the directory itself."""
        os.fchmod(self.at(), mode)

    def sync(self) -> None:
        """The names on the disk on return."""
        os.fsync(self.at())

    def acting_owner(self) -> tuple[int, int] | None:
        """User and group as whom root collects in this spool, opened with `follow=False`; None for root's."""
        return None if self.parent is None else posix.acting_owner(self.parent, self.status())

    def is_anothers(self) -> bool:
        """Whether we are root, and it belongs to a user whom root must not serve with its own rights.

        Where anybody may write, nobody's rights are any others.
        """
        own = self.status()
        return os.geteuid() == 0 and own.st_uid != 0 and not own.st_mode & stat.S_IWOTH

    def disk_size(self) -> int:
        """Bytes of its file system."""
        status = os.statvfs(self.at())
        return status.f_blocks * status.f_frsize

    def filesystem(self) -> str:
        """The kernel's name of its file system (`ext4`, `nfs4`), or `""` when unknown."""
        return posix.filesystem_name(self.device)

    # -- between processes ----------------------------------------------------------------------------

    def hold(self) -> int | None:
        """A descriptor that locks the directory itself, whatever becomes of the files in it.

        None when another open file has the lock; -1 where directories cannot be locked.
        """
        return posix.hold_directory(".", dir_fd=self.at())

    def claim(self, name: str) -> int | None:
        """A descriptor that one process at a time can have, and hand over; None when another has it."""
        return posix.locked_or_closed(self.open_or_make(name, os.O_RDWR))

    def open_or_make(self, name: str, access: int) -> int:
        """A file for those who share the directory, made when it is missing."""
        while True:
            try:
                return self.open(name, access)
            except OSError as error:
                if error.errno not in NO_FILE:
                    raise
            self.remove(name)  # nothing, or no file of ours
            with contextlib.suppress(FileExistsError):
                fd = self.open(name, access | os.O_CREAT | os.O_EXCL)
                with contextlib.suppress(OSError):
                    self.give(fd, self.lockable)
                return fd

    # -- the files of a log set -----------------------------------------------------------------------

    def _open_moved(self, name: str, flags: int) -> int:
        return self._open_file(name, flags, trusted=True)

    def _open_file(self, name: str, flags: int, mode: int = 0o600, *, trusted: bool) -> int:
        """A regular file that has no name elsewhere.

        Who may write here could make a second name of a file that we may write and they may not. Two names
        here are fine: a move that was killed leaves them.

        Args:
            trusted: a name elsewhere counts where only this user, or root, can have made it.
        """
        if not flags & os.O_EXCL:  # a device may do something when it is opened
            _check_regular(os.stat(plain(name), dir_fd=self.at(), follow_symlinks=False), name)
        found = _Open(plain(name), flags | _FLAGS, mode, self.at())
        _check_regular(found.status, name)
        if found.status.st_nlink > 1 and not (trusted and self._is_private()):
            here = [
                one for one in map(self.stat, self.names()) if one and os.path.samestat(one, found.status)
            ]
            if len(here) < os.fstat(found.fd).st_nlink:
                raise OSError(errno.EMLINK, "The file has another name elsewhere (a hard link)", name)
        return found.take()

    def _is_private(self) -> bool:
        """Whether only this user, or root, can have put a name here."""
        own = self.status()
        return own.st_uid in (0, os.geteuid()) and not own.st_mode & 0o022

    def move(self, source: str, target: str) -> None:
        """Give the file another name; `FileExistsError` when that is taken. A kill may leave both names."""
        reach("effect")
        moved = self.stat(source)
        if self._is_anothers(source):
            # A second name could be made, and the first one not be taken away.
            self._move_without_links(source, target, moved)
            return
        try:
            os.link(
                plain(source),
                plain(target),
                src_dir_fd=self.at(),
                dst_dir_fd=self.at(),
                follow_symlinks=False,
            )
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
        reach("effect")
        try:
            self.remove(name)
        except OSError:
            if self.links(name) > 0:
                raise

    def links(self, name: str) -> int:
        """How many names the file of this name has; 0 when there is no such name.

        The file is opened for it, so that a network file system asks its server and not a cache.
        """
        try:
            found = _Open(plain(name), os.O_RDONLY | _FLAGS, dir_fd=self.at())
        except FileNotFoundError:
            return 0
        except OSError:  # not ours to read, or no regular file
            status = self.stat(name)
            return 0 if status is None else status.st_nlink
        return found.status.st_nlink

    def anchored(self, name: str) -> Path:
        """A path of a file here that stays in this directory, whatever becomes of the way to it."""
        at = Path(f"/proc/self/fd/{self.at()}")
        return (at if at.exists() else self.path) / plain(name)

    def close(self) -> None:
        """Harmless when called again; what is used after it is opened again."""
        found, self._open = self._open, _Closed()
        del found

    def _is_anothers(self, name: str) -> bool:
        """Whether the directory is sticky, and neither it nor the file is ours."""
        own = self.status()
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
                    os.unlink(plain(target), dir_fd=self.at())
            raise

    def _move_without_links(self, source: str, target: str, moved: os.stat_result | None) -> None:
        if self._bears(target, moved):
            self._end_move(source, target, moved)
            return
        if self.stat(target) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        try:
            os.rename(plain(source), plain(target), src_dir_fd=self.at(), dst_dir_fd=self.at())
        except OSError:
            if not self._bears(target, moved) or self.links(source) > 0:
                raise


class _Closed(_Open):
    def __init__(self) -> None: ...


def _check_regular(status: os.stat_result, name: str) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", name)


def _open_in(at: int, name: str) -> _Open:
    """A directory in an open one."""
    return _Open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)


def _make_directory(at: int, name: str, mode: int, fresh: Collection[str] = ()) -> None:
    try:
        os.mkdir(plain(name), mode, dir_fd=at)
    except FileExistsError:
        return
    made = _open_in(at, name)
    # Who may write here may have moved what root made away, and put another directory of root's here.
    is_new = all(one in fresh or one.endswith(".tmp") for one in os.listdir(made.fd))
    if made.status.st_uid == os.geteuid() and is_new:
        posix.give_as(made.fd, mode, os.fstat(at))


def _open_directory(path: Path, make: bool, follow: bool) -> _Open:
    """As a path is usually opened where no link is on it, which the kernel says; else one after the other."""
    text = os.path.abspath(path)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        found = _Open(text, flags)
        if _path_of(found.fd) == text:
            return found
    except FileNotFoundError:
        if not make:
            raise
    at = _walk(_split(path if follow else path.parent), make)
    return _Open("." if follow else path.name, flags, dir_fd=at.fd)


def _path_of(fd: int) -> str:
    """Where the kernel has an open directory; empty where it does not say."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


def _split(path: Path) -> list[str]:
    return [part for part in os.path.abspath(path).split("/") if part]


def _walk(parts: list[str], make: bool = False, start: _Open | None = None, links: int = 0) -> _Open:
    """The directory that `parts` lead to, one step at a time: no link is followed that may not be."""
    at = start or _Open("/", _PATH)
    for part in parts:
        at = _step(at, part, make, links)
    return at


def _step(at: _Open, part: str, make: bool, links: int) -> _Open:
    for _ in range(2):
        try:
            return _Open(part, _PATH | os.O_NOFOLLOW, dir_fd=at.fd)
        except FileNotFoundError:
            if not make:
                raise
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=at.fd)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            return _follow(at, part, make, links)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), part)


def _follow(at: _Open, part: str, make: bool, links: int) -> _Open:
    """The directory that the link `part` leads to."""
    link = os.stat(part, dir_fd=at.fd, follow_symlinks=False)
    if not stat.S_ISLNK(link.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), part)
    if links >= _MOST_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), part)
    target = os.readlink(part, dir_fd=at.fd)
    if not os.path.samestat(link, os.stat(part, dir_fd=at.fd, follow_symlinks=False)):
        raise OSError(errno.ELOOP, "The link was replaced", part)
    start = None if target.startswith("/") else at
    found = _walk([one for one in target.split("/") if one not in ("", ".")], make, start, links + 1)
    if not may_follow(link.st_uid, os.fstat(found.fd).st_uid, os.fstat(at.fd).st_uid):
        raise PermissionError(errno.EACCES, f"A link that user {link.st_uid} made", part)
    return found


def may_follow(maker: int, owner: int, parent: int = -1) -> bool:
    """Whether a link counts: root's, ours, of the owner of what it leads to.

    For other users than root also of the owner of the directory in which it is (`parent`), who could put
    anything else there.
    """
    return maker in (0, os.geteuid(), owner) or (maker == parent and os.geteuid() != 0)


def resolve(path: Path) -> Path:
    """Where a file is: absolute, with the links at its name and on the way followed that may be.

    What is missing is taken as it is written. Raises `PermissionError` for a link that may not be followed.
    """
    for _ in range(_MOST_LINKS):
        path = Path(os.path.abspath(path))
        try:
            at = _walk(_split(path.parent))
            link = os.stat(path.name, dir_fd=at.fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            break
        if not stat.S_ISLNK(link.st_mode):
            break
        target = os.readlink(path.name, dir_fd=at.fd)
        try:
            owner = os.stat(path.name, dir_fd=at.fd).st_uid
        except OSError:
            owner = -1  # it leads nowhere yet
        if not may_follow(link.st_uid, owner):
            raise PermissionError(errno.EACCES, f"A link that user {link.st_uid} made", str(path))
        path = Path(os.path.realpath(path.parent)) / target
    else:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return Path(os.path.realpath(path.parent)) / path.name


def set_mode(fd: int, mode: int) -> None:
    """Permission bits, whatever the umask."""
    os.fchmod(fd, mode & 0o666)


def copy_access(fd: int, like: os.stat_result) -> None:
    """Permission bits of another file and, where that is permitted, its owner and group."""
    mine = os.fstat(fd)
    for owner, group in ((like.st_uid, like.st_gid), (-1, like.st_gid)):
        if (mine.st_uid, mine.st_gid) == (like.st_uid, like.st_gid):
            break
        with contextlib.suppress(PermissionError):
            os.fchown(fd, owner, group)
            break
    set_mode(fd, like.st_mode)


def copy_times(fd: int, like: os.stat_result) -> None:
    """When another file was read and written last."""
    os.utime(fd, ns=(like.st_atime_ns, like.st_mtime_ns))
