"""Windows: locks, a doorbell, detached start, files that others may rename and delete while they are open.

Owns: every call that differs from POSIX. Never knows: the journal format.
Shown with a Windows Python under Wine (`make test-windows`).
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from logboom.platform import _windows_api as api
from logboom.platform._windows_api import host_name, in_use, lower_priority

__all__ = [
    "Doorbell",
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

_BELLS: Final = b"wfpsg"
_PID_AT: Final = 16
_SIZE: Final = 64
_LISTEN_FOR: Final = 2.0
_SAFE_LENGTH: Final = 160  # of a directory, so that the longest name in its spool stays below 260
_NO_JOB_BREAK: Final = 5  # ERROR_ACCESS_DENIED


def try_lock(fd: int) -> bool:
    """Take the exclusive lock of this open file without waiting; True when it is ours.

    It belongs to the open file; the system frees it when the process dies.
    """
    return api.lock(fd)


def unlock(fd: int) -> None:
    """Give the lock back."""
    api.unlock(fd)


def lock_is_free(fd: int) -> bool:
    """Whether nobody holds the lock, told by taking and returning it on our own open file."""
    if not api.lock(fd):
        return False
    api.unlock(fd)
    return True


def lock_as_writer(fd: int) -> bool:
    """As `try_lock`: who may read a file can lock it here, too."""
    return api.lock(fd)


def unlock_as_writer(fd: int) -> None:
    """Give it back."""
    api.unlock(fd)


def lock_holders(fd: int) -> list[int]:
    """The system does not say."""
    return []


def claim(path: str | Path) -> int | None:
    """A descriptor that one process at a time can have, and hand over; None when another has it."""
    return api.open_exclusive(str(path))


def hold_directory(path: str | Path) -> int | None:
    """Directories cannot be locked: -1."""
    return -1


def identity(status: os.stat_result) -> tuple[int, int]:
    """What tells one open file from another of the same directory, whatever its name.

    Wine forgets the volume of an open file that was renamed.
    """
    return 0, status.st_ino


def allocate(fd: int, size: int) -> None:
    """Give the file `size` zero bytes that are really there. Raises `OSError` when there is no room."""
    block = bytes(65536)
    for offset in range(0, size, len(block)):
        write_at(fd, block[: size - offset], offset)


def filesystem_of(path: str | Path) -> str:
    """The system's name of the file system (`NTFS`), `remote` for a network drive, or `""`."""
    return api.drive_kind(os.path.abspath(path))


def is_ours_alone(fd: int) -> bool:
    """Never: see `mapping_is_safe`."""
    return False


def append_only(fd: int) -> None:
    """Nothing: what is written, and never mapped, is opened so."""


def append(fd: int, data: bytes, end: int) -> int:
    """Append to a file that was opened with `O_APPEND`; returns how many bytes were written."""
    return os.write(fd, data)


appends_to_files_only = False


def out_of_the_way(fd: int) -> int:
    """`fd`: nobody closes descriptors that are not his own here."""
    return fd


def mapping_is_safe(kind: str) -> bool:
    """Never: a file with a mapping cannot be deleted or cut, by anybody."""
    return False


def is_network(kind: str) -> bool:
    """Whether locks and appends on this file system depend on another host."""
    return kind == "remote"


def real_path(path: str | Path) -> Path:
    r"""Absolute, spelled as on the disk, every link followed; what is missing is taken as it is written.

    As `\\?\` when names below it could be longer than Windows allows.
    """
    try:
        text = os.path.realpath(path)
    except OSError:  # Wine, beyond 260 characters
        text = os.path.abspath(path)
    if len(text) < _SAFE_LENGTH or text.startswith(("\\\\?\\", "\\\\.\\")):
        return Path(text)
    return Path("\\\\?\\UNC\\" + text[2:] if text.startswith("\\\\") else "\\\\?\\" + text)


def sync_file(fd: int) -> None:
    """Bytes and size on the disk on return. Raises `OSError`; a failed sync is final for the file."""
    os.fsync(fd)


def sync_directory(path: str | Path) -> None:
    """NTFS journals its names: nothing to do."""


def extend_open_flags() -> int:
    """Flags for every `os.open` of a file of ours."""
    return os.O_BINARY | os.O_NOINHERIT


def open_file(path: str | Path, flags: int, mode: int = 0o600) -> int:
    """As `os.open`; others may rename and delete the file meanwhile. Rights come from its directory."""
    return api.open_shared(str(path), flags)


def open_for_reading(path: str | Path) -> int:
    """Follows no symlink, keeps nobody from renaming or deleting the file."""
    return api.open_shared(str(path), os.O_RDONLY)


def next_data(fd: int, offset: int) -> int | None:
    """The first offset from `offset` on that may hold data: reading a hole is left to the system."""
    return offset


def read_at(fd: int, size: int, offset: int) -> bytes:
    """At most `size` bytes from `offset` on; fewer at the end of the file. Moves the position."""
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, size)


def write_at(fd: int, data: bytes, offset: int) -> int:
    """Write `data` from `offset` on; returns how many bytes were written. Moves the position."""
    os.lseek(fd, offset, os.SEEK_SET)
    return os.write(fd, data)


def rename(source: str | Path, target: str | Path) -> None:
    """Give a file a name that is free, with patience while it is in use. Raises `OSError`."""
    api.patiently(lambda: os.rename(source, target))


def replace(source: str | Path, target: str | Path) -> None:
    """Put a file in another's place, with patience while that is in use. Raises `OSError`."""
    api.patiently(lambda: os.replace(source, target))


def unlink(path: str | Path) -> None:
    """Remove a name; one that is gone already is fine. Raises `OSError`."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def spelled(directory: Path, name: str) -> str:
    """The name as the directory has it, if there is a file that it names; else the name."""
    wanted = os.path.normcase(name)
    try:
        return next((found for found in os.listdir(directory) if os.path.normcase(found) == wanted), name)
    except OSError:
        return name


def give_like(fd: int, mode: int, directory: str | Path) -> None:
    """Windows has access lists, which a file inherits from its directory."""


def drop_privileges(directory: str | Path) -> None:
    """A process keeps its account."""


def limit_processor_time(seconds: float) -> None:
    """There is no such limit here."""


def others_may_read(path: str | Path) -> bool:
    """Modes say nothing here: a file in a user's own directories is that user's."""
    return False


def own_interpreters() -> list[str]:
    """What may be this process's interpreter, the likeliest first; a name can be empty.

    The `python.exe` of a virtual environment is a launcher that would stay as a second process.
    """
    return [getattr(sys, "_base_executable", ""), sys.executable]


class _Unattended(subprocess.Popen[bytes]):
    """A process that nobody waits for."""

    def __del__(self) -> None: ...


def spawn_detached(argv: Sequence[str], environment: dict[str, str], keep: int) -> int:
    """Start a program without a console, outside our job where that is allowed, in a root directory.

    Args:
        argv: absolute program and arguments.
        environment: its whole environment.
        keep: a descriptor of `claim`; the program holds it until it ends.

    Returns:
        The program's process id.
    """
    flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    try:
        process = _start(argv, environment, flags | subprocess.CREATE_BREAKAWAY_FROM_JOB)
    except OSError as error:
        if error.winerror != _NO_JOB_BREAK:
            raise
        process = _start(argv, environment, flags)
    with contextlib.suppress(OSError):
        api.hand_over(keep, process.pid)
    return process.pid


def _start(argv: Sequence[str], environment: dict[str, str], flags: int) -> _Unattended:
    nothing = subprocess.DEVNULL
    root = os.environ.get("SYSTEMDRIVE", "C:") + "\\"
    return _Unattended(
        list(argv),
        env=environment,
        cwd=root,
        stdin=nothing,
        stdout=nothing,
        stderr=nothing,
        creationflags=flags,
    )


def ring(path: str | Path, message: bytes) -> bool:
    """Ring the doorbell at `path`; False when nobody listens there."""
    try:
        fd = open_file(path, os.O_RDWR)
    except OSError:
        return False
    try:
        if api.lock(fd, shared=True):
            return False  # closing gives it back
        for bell in message:
            if bell in _BELLS:
                write_at(fd, b"!", _BELLS.index(bell))
        if message:
            api.set_event(_event_name(fd))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def ring_fifo(path: str | Path, message: bytes) -> bool:
    """Ring the doorbell of a collector of the first release, which was a file here, too."""
    return ring(path, message)


def unheard(path: str | Path) -> bytes:
    """The messages that the listener has not taken yet. Raises `OSError`."""
    fd = open_for_reading(path)
    try:
        return _rung(fd)
    finally:
        os.close(fd)


def bell_pid(path: str | Path) -> int | None:
    """The listener's process id, as it wrote it down; None when it did not."""
    try:
        fd = open_for_reading(path)
    except OSError:
        return None
    try:
        return int(read_at(fd, _SIZE - _PID_AT, _PID_AT))
    except (OSError, ValueError):
        return None
    finally:
        os.close(fd)


def _rung(fd: int) -> bytes:
    found = read_at(fd, len(_BELLS), 0)
    return bytes(bell for bell, flag in zip(_BELLS, found, strict=False) if flag)


def process_state(pid: int) -> str:
    """Nothing is known here of why another process cannot go on."""
    return ""


def holds(pid: int, path: str | Path) -> bool:
    """Not known here: False."""
    return False


def is_gone(pid: int) -> bool:
    """Not known here: the locks that a process has given back say enough."""
    return True


def kill_stopped(pid: int, path: str | Path) -> bool:
    """Never: there is no stopped process here that could be recognised."""
    return False


def reap_orphans(name: str) -> None:
    """A process leaves nothing behind when it ends."""


def detach(keep: int, *, fork: bool) -> int:
    """A process was started apart already; the handle to keep is none of its descriptors: -1."""
    os.chdir(os.path.abspath(os.sep))
    return -1


def shed_limits() -> None:
    """A process inherits none."""


def hard_limits() -> dict[str, int]:
    """None."""
    return {}


def limit_behind(error: BaseException | None) -> str:
    """An error comes from no limit of this process."""
    return ""


def disk_room(path: str | Path) -> tuple[int, int, bool]:
    """Bytes that this user can still write on a drive; files are not counted (-1)."""
    return shutil.disk_usage(path).free, -1, False


def may_ring(path: str | Path) -> bool:
    """Whether this user is allowed to ring: `ring` says of a bell of others that nobody listens."""
    try:
        os.close(open_file(path, os.O_RDWR))
    except PermissionError as error:
        return in_use(error)
    except OSError:
        return True
    return True


class Doorbell:
    """The listening side: a file that it keeps locked, a byte for each kind of message, and an event.

    Whoever may write the spool may ring. The event only spares the listener the rest of its wait: one of
    another account cannot be opened, and then the message is seen when the wait is over.
    """

    def __init__(self, path: str | Path, mode: int) -> None:
        """Raises `OSError` when another listens."""
        self.path = Path(path)
        self._fd = open_file(self.path, os.O_RDWR | os.O_CREAT, mode)
        deadline = time.monotonic() + _LISTEN_FOR
        while not try_lock(self._fd):  # who rings takes it for an instant
            if time.monotonic() >= deadline:
                os.close(self._fd)
                raise OSError(13, "another collector listens", str(path))
            time.sleep(0.001)
        self._old: Doorbell | None = None
        write_at(self._fd, bytes(_PID_AT) + b"%-*d\n" % (_SIZE - _PID_AT - 1, os.getpid()), 0)
        self._event = api.Event(_event_name(self._fd))

    def hear_fifo(self, path: str | Path, mode: int, *, wanted: bool) -> None:
        """Listen at the doorbell of the first release as well, or do no longer. Raises `OSError`.

        What is rung there is heard when a wait is over.
        """
        if wanted and self._old is None:
            self._old = Doorbell(path, mode)
        elif not wanted:
            old, self._old = self._old, None
            if old is not None:
                old.close()
            with contextlib.suppress(OSError):
                os.unlink(path)

    def wait(self, timeout: float) -> bytes:
        """What was rung within `timeout` seconds; empty when nothing was."""
        self._event.wait(timeout)
        return self._take() + (b"" if self._old is None else self._old._take())

    def _take(self) -> bytes:
        said = _rung(self._fd)
        # Cleared before anybody obeys: what is rung from now on is heard next time.
        for bell in said:
            write_at(self._fd, b"\0", _BELLS.index(bell))
        return said

    def close(self) -> None:
        if self._old is not None:
            self._old.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._event.close()


def _event_name(fd: int) -> str:
    status = os.fstat(fd)
    return f"Global\\logboom-{status.st_dev:x}-{status.st_ino:x}"


def disk_size(path: str | Path) -> int:
    """Bytes of the file system that holds `path`."""
    return api.disk_total(str(path))


def name_process(name: str) -> None:
    """A process has the name of its program."""
