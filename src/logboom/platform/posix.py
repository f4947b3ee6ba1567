"""Linux and macOS: locks, allocation, a doorbell, detached start, durable syncs.

Owns: every call that differs from Windows. Never knows: the journal format.
macOS is handled (`fcntl.F_FULLFSYNC`, no `posix_fallocate`) and typed; it is not tested.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import contextlib
import errno
import fcntl
import itertools
import os
import resource
import signal
import stat
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from logboom.platform._posix_bell import BellFile as Doorbell
from logboom.platform._posix_bell import bell_pid, ring_fifo, unheard
from logboom.platform._posix_bell import ring_bell as ring
from logboom.platform._posix_processes import (
    detach,
    disk_room,
    hard_limits,
    holds,
    is_gone,
    kill_stopped,
    limit_behind,
    process_state,
    reap_orphans,
    shed_limits,
)

__all__ = [
    "Doorbell",
    "acting_owner",
    "allocate",
    "append",
    "append_only",
    "appends_to_files_only",
    "bell_pid",
    "claim",
    "detach",
    "disk_room",
    "disk_size",
    "drop_privileges",
    "extend_open_flags",
    "filesystem_of",
    "give_like",
    "hard_limits",
    "hold_directory",
    "holds",
    "host_name",
    "identity",
    "in_use",
    "is_gone",
    "is_network",
    "is_ours_alone",
    "kill_stopped",
    "limit_behind",
    "limit_processor_time",
    "lock_as_writer",
    "lock_holders",
    "lock_is_free",
    "lower_priority",
    "mapping_is_safe",
    "may_ring",
    "name_process",
    "next_data",
    "open_file",
    "open_for_reading",
    "others_may_read",
    "out_of_the_way",
    "own_interpreters",
    "process_state",
    "read_at",
    "real_path",
    "reap_orphans",
    "rename",
    "replace",
    "ring",
    "ring_fifo",
    "shed_limits",
    "spawn_detached",
    "spelled",
    "sync_directory",
    "sync_file",
    "try_lock",
    "unheard",
    "unlink",
    "unlock",
    "unlock_as_writer",
    "write_at",
]

_ZEROS = bytes(64 * 1024)
_RANGE = struct.Struct("hhqqi4x")  # `struct flock`: type, whence, start, length, process
# Shown by `tests/faults/test_filesystems.py`: after an allocation no store fails, whatever becomes of the
# disk. Not so on XFS: with shared extents (`cp -a`) on a full disk, or shut down, a store is a SIGBUS.
_MAPPABLE = frozenset({"ext4", "tmpfs"})
_HIGHEST = 4096  # the kernel's table of descriptors is as long as the highest number
_NETWORK = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "ceph",
        "glusterfs",
        "lustre",
        "afs",
        "fuse.sshfs",
        "fuse.s3fs",
        "fuse.gcsfuse",
        "fuse.rclone",
        "fuse.glusterfs",
        "fuse.ceph",
        "beegfs",
        "gpfs",
        "vboxsf",
        "virtiofs",
    }
)
_numbers = itertools.count()
_BUSY = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})


def try_lock(fd: int) -> bool:
    """Take the exclusive lock of this open file without waiting; True when it is ours.

    It belongs to the open file, so a forked child shares it, and a mapping keeps it after `fd` is closed.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True


def unlock(fd: int) -> None:
    """Give the lock back. Never call it in a forked child: it would free the parent's."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def lock_is_free(fd: int) -> bool:
    """Whether nobody holds the lock, told by taking and returning it on our own open file."""
    if not try_lock(fd):
        return False
    unlock(fd)
    return True


def lock_as_writer(fd: int) -> bool:
    """Take the lock of an open file that only those can hold who may write it; False when one of them does.

    Whoever may read a file can hold its `flock`, and a shared lock of a range: neither keeps this one back.
    The `flock` is taken as well where it is free, for earlier releases, and counts where its holder is seen
    to write the file.
    """
    if hasattr(fcntl, "F_OFD_SETLK"):
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _RANGE.pack(fcntl.F_WRLCK, 0, 0, 0, 0))
        except OSError as error:
            if error.errno not in _BUSY:
                raise
            found = _RANGE.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _RANGE.pack(fcntl.F_WRLCK, 0, 0, 0, 0)))
            if found[0] == fcntl.F_WRLCK:
                return False
    return try_lock(fd) or (os.path.exists("/proc/locks") and not _is_written_by(fd, lock_holders(fd)))


def unlock_as_writer(fd: int) -> None:
    """Give it back, for every process that shares the open file."""
    unlock(fd)
    if hasattr(fcntl, "F_OFD_SETLK"):
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _RANGE.pack(fcntl.F_UNLCK, 0, 0, 0, 0))


def lock_holders(fd: int) -> list[int]:
    """Process ids that hold a `flock` of this file, as far as the system says."""
    status = os.fstat(fd)
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    found = []
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text("ascii", "replace").splitlines():
            fields = line.split()
            if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == wanted:
                found.append(int(fields[4]))
    return found


def _is_written_by(fd: int, pids: list[int]) -> bool:
    """Whether one of these processes has the file open for writing, as far as this user may see it."""
    ours = os.fstat(fd)
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            for number in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    if not os.path.samestat(os.stat(f"/proc/{pid}/fd/{number}"), ours):
                        continue
                    about = Path(f"/proc/{pid}/fdinfo/{number}").read_text("ascii", "replace")
                    flags = int(about.split("flags:")[1].split()[0], 8)
                    if flags & os.O_ACCMODE != os.O_RDONLY:
                        return True
    return False


def claim(path: str | Path) -> int | None:
    """A descriptor that one process at a time can have, and hand over; None when another has it."""
    fd = open_file(path, os.O_RDWR | os.O_CREAT, 0o660)
    with contextlib.suppress(OSError):
        give_like(fd, os.stat(Path(path).parent).st_mode & 0o666, Path(path).parent)
    return locked_or_closed(fd)


def hold_directory(path: str | Path, dir_fd: int | None = None) -> int | None:
    """A descriptor that locks the directory itself, whatever becomes of the files in it.

    None when another open file has the lock; -1 where directories cannot be locked.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
        return locked_or_closed(fd)
    except OSError:
        return -1


def locked_or_closed(fd: int) -> int | None:
    """`fd` with its lock taken; else, or when anything is raised, it is closed: nobody else could free it."""
    try:
        locked = try_lock(fd)
    except BaseException:  # a signal handler of the application's as well
        os.close(fd)
        raise
    if not locked:
        os.close(fd)
    return fd if locked else None


def identity(status: os.stat_result) -> tuple[int, int]:
    """What tells one open file from another, whatever its name."""
    return status.st_dev, status.st_ino


def in_use(error: OSError) -> bool:
    """Whether a file could not be renamed or deleted because it is open: never, here."""
    return False


def allocate(fd: int, size: int) -> None:
    """Give the file `size` zero bytes that are really there.

    Raises:
        OSError: no room (`ENOSPC`, `EDQUOT`), or a file system that cannot promise it.
    """
    if sys.platform != "darwin":
        os.posix_fallocate(fd, 0, size)
    # On Linux for speed: stores to a mapping of pages that are in memory cost half of those that are not.
    for offset in range(0, size, len(_ZEROS)):
        os.pwrite(fd, _ZEROS[: size - offset], offset)


def filesystem_of(path: str | Path) -> str:
    """The kernel's name of the file system that holds `path` (`ext4`, `nfs4`), or `""` when unknown."""
    return filesystem_name(os.stat(path).st_dev)


def filesystem_name(device: int) -> str:
    """The kernel's name of the file system on a device; `""` when unknown."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    kind = ""
    # Not the builtin `open`: it is gone when a `__del__` logs while the interpreter ends.
    with (
        contextlib.suppress(OSError),
        Path("/proc/self/mountinfo").open(encoding="utf-8", errors="replace") as mounts,
    ):
        for line in mounts:
            fields, _, tail = line.partition(" - ")
            if fields.split(" ", 3)[2] == wanted:
                kind = tail.split(" ", 1)[0]
    return kind


def mapping_is_safe(kind: str) -> bool:
    """Whether an allocation on this file system promises that a store to the mapping cannot fail."""
    return kind in _MAPPABLE


def is_ours_alone(fd: int) -> bool:
    """Return True if no other user but root can cut the file: its mapping would be a SIGBUS."""
    status = os.fstat(fd)
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def append_only(fd: int) -> None:
    """Make each write to this open file append."""
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)


def append(fd: int, data: bytes, end: int) -> int:
    """Append to a file that was opened with `O_APPEND`; returns how many bytes were written.

    Args:
        end: its size, as far as is known. Linux appends whatever is said here.

    Raises:
        OSError: nothing was written; on Linux also when `fd` is another's socket or pipe by now.
    """
    return os.pwrite(fd, data, end) if sys.platform == "linux" else os.write(fd, data)


appends_to_files_only = sys.platform == "linux"


def out_of_the_way(fd: int) -> int:
    """The same open file under a high number, which is not taken again soon when a daemoniser closes it.

    Returns `fd` itself where there is no higher one.
    """
    highest = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], _HIGHEST)
    if highest <= 64:
        return fd
    first = highest // 2 + next(_numbers) % (highest // 4)
    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, first)
    except OSError:
        return fd
    os.close(fd)
    return moved


def is_network(kind: str) -> bool:
    """Whether locks and appends on this file system depend on another host."""
    return kind in _NETWORK


def sync_file(fd: int) -> None:
    """Bytes and size on the disk on return. Raises `OSError`; a failed sync is final for the file."""
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)


def sync_directory(path: str | Path) -> None:
    """The names in a directory on the disk on return."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def extend_open_flags() -> int:
    """Flags for every `os.open` of ours: not inherited by children, never through a symlink."""
    return os.O_CLOEXEC | os.O_NOFOLLOW


def open_file(path: str | Path, flags: int, mode: int = 0o600) -> int:
    """As `os.open`, with `extend_open_flags`; others may rename and delete the file meanwhile."""
    return os.open(path, flags | extend_open_flags(), mode)


def open_for_reading(path: str | Path) -> int:
    """Follows no symlink, does not block on a FIFO, keeps nobody from renaming or deleting the file."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | extend_open_flags())


def next_data(fd: int, offset: int) -> int | None:
    """The first offset from `offset` on that is not in a hole of a sparse file; None at its end.

    Moves the position of the open file.
    """
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:
        return None if error.errno == errno.ENXIO else offset


def read_at(fd: int, size: int, offset: int) -> bytes:
    """At most `size` bytes from `offset` on; fewer at the end of the file."""
    return os.pread(fd, size, offset)


def write_at(fd: int, data: bytes, offset: int) -> int:
    """Write `data` from `offset` on; returns how many bytes were written."""
    return os.pwrite(fd, data, offset)


def lower_priority() -> None:
    """Run only when nothing else wants to."""
    with contextlib.suppress(OSError):
        os.nice(19)


def rename(source: str | Path, target: str | Path) -> None:
    """Give a file a name that is free. Raises `OSError`."""
    _move(os.rename, source, target)


def replace(source: str | Path, target: str | Path) -> None:
    """Put a file in another's place, at once for everybody. Raises `OSError`."""
    _move(os.replace, source, target)


def _move(move: Callable[..., None], source: str | Path, target: str | Path) -> None:
    """A network file system may report the failure of a move that took effect: what is there decides."""
    moved = os.lstat(source)
    try:
        move(source, target)
    except OSError:
        with contextlib.suppress(OSError):
            if os.path.samestat(moved, os.lstat(target)) and not os.path.lexists(source):
                return
        raise


def unlink(path: str | Path) -> None:
    """Remove a name; one that is gone already, or gone although a failure is reported, is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)
            raise


def real_path(path: str | Path) -> Path:
    """Absolute, every symlink followed; what is missing is taken as it is written."""
    return Path(os.path.realpath(path))


def spelled(directory: Path, name: str) -> str:
    """The name as the directory has it: every spelling is another file here."""
    return name


def give_like(fd: int, mode: int, directory: str | Path) -> None:
    """Set a new file's permission bits, and give it to whom its directory belongs.

    The group follows the directory where that is permitted; the owner only when we are root.
    """
    give_as(fd, mode, os.stat(directory))


def give_as(fd: int, mode: int, parent: os.stat_result) -> None:
    """As `give_like`, for a directory of this status."""
    os.fchmod(fd, mode)
    mine = os.fstat(fd)
    owner = parent.st_uid if os.geteuid() == 0 else -1
    if (owner not in (-1, mine.st_uid)) or parent.st_gid != mine.st_gid:
        with contextlib.suppress(OSError):
            os.fchown(fd, owner, parent.st_gid)


def acting_owner(parent: os.stat_result, spool: os.stat_result) -> tuple[int, int] | None:
    """User and group as whom root collects in a spool; None where everything is root's own.

    The owner of the directory that it is in, who may replace it; where that is root, or anybody may write it,
    the spool's own.
    """
    for status in (parent, spool):
        if status.st_uid != 0 and not (status is parent and status.st_mode & stat.S_IWOTH):
            return status.st_uid, status.st_gid
    return None


def drop_privileges(directory: str | Path) -> None:
    """When we are root, become for good as whom root collects in the spool `directory`; else nothing.

    Raises:
        OSError: it is a link, or root may not become others here.
    """
    if os.geteuid() != 0:
        return
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        owner = acting_owner(os.stat("..", dir_fd=fd), os.fstat(fd))
    finally:
        os.close(fd)
    if owner is None:
        return
    try:
        os.setgroups([owner[1]])
        os.setgid(owner[1])
        os.setuid(owner[0])
    except OSError as error:
        if error.errno != errno.EINVAL:  # a user that this namespace has no number for: nobody can become it
            raise


def limit_processor_time(seconds: float) -> None:
    """Let the kernel end this process after that much more processor time; infinite for no limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = hard if seconds == float("inf") else int(sum(os.times()[:2]) + seconds) + 2
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def others_may_read(path: str | Path) -> bool:
    """Return True if the mode lets others than the owner read or write a file. Raises `OSError`."""
    return bool(os.stat(path).st_mode & 0o077)


def own_interpreters() -> list[str]:
    """What may be this process's interpreter, the likeliest first; a name can be empty."""
    return [sys.executable, getattr(sys, "_base_executable", "")]


def spawn_detached(argv: Sequence[str], environment: dict[str, str], keep: int) -> int:
    """Start a program in its own session with default signals and `/dev/null` on 0 to 2.

    Args:
        argv: absolute program and arguments.
        environment: its whole environment.
        keep: a descriptor that it inherits under the same number.

    Returns:
        The child's process id; it forks at once and ends, so reap it later without waiting.
    """
    os.set_inheritable(keep, True)
    try:
        return os.posix_spawn(
            argv[0],
            list(argv),
            environment,
            file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)],
            setpgroup=0,
            setsigmask=(),
            setsigdef=sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}),
        )
    finally:
        os.set_inheritable(keep, False)


def may_ring(path: str | Path) -> bool:
    """Whether this user is allowed to ring: `ring` says of a bell of others that nobody listens."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW))
    except PermissionError:
        return False
    except OSError:
        return True
    return True


def host_name() -> str:
    """This host's name."""
    return os.uname().nodename


def disk_size(path: str | Path) -> int:
    """Bytes of the file system that holds `path`."""
    status = os.statvfs(path)
    return status.f_blocks * status.f_frsize


def name_process(name: str) -> None:
    """The name that `ps -o comm` and `top` show, where the system lets a process choose it."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(name)
