"""The calls of `kernel32` that Python does not offer.

Owns: their signatures, files that can be renamed and deleted while they are open, byte-range locks, named
events, handles for another process. Never knows: what any of it is for.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
import errno
import msvcrt
import os
import stat
import time
from collections.abc import Callable
from ctypes import wintypes
from typing import Any, Final, TypeVar

__all__ = [
    "Event",
    "close_handle",
    "disk_total",
    "drive_kind",
    "hand_over",
    "host_name",
    "in_use",
    "lock",
    "lower_priority",
    "open_directory",
    "open_exclusive",
    "open_shared",
    "patiently",
    "set_event",
    "set_times",
    "unlock",
]

_T = TypeVar("_T")
_READ, _WRITE = 0x80000000, 0x40000000
_SHARE_ALL: Final = 0x7
_CREATE_NEW, _CREATE_ALWAYS, _OPEN_EXISTING, _OPEN_ALWAYS, _TRUNCATE = 1, 2, 3, 4, 5
_NORMAL: Final = 0x80
_SHARE_BUT_DELETE: Final = 0x3
_READ_ATTRIBUTES: Final = 0x80
_BACKUP_SEMANTICS: Final = 0x02000000
_OPEN_REPARSE_POINT: Final = 0x00200000
_INVALID: Final = ctypes.c_void_p(-1).value
_LOCK_NOW, _LOCK_EXCLUSIVE = 0x1, 0x2
_LOCKED: Final = frozenset({33, 997})  # ERROR_LOCK_VIOLATION, ERROR_IO_PENDING
_SHARING_VIOLATION: Final = 32
# Besides: ERROR_ACCESS_DENIED (a file that waits for its deletion), LOCK_VIOLATION, USER_MAPPED_FILE.
_IN_USE: Final = frozenset({5, _SHARING_VIOLATION, 33, 1224})
_TRIES: Final = 20
_PAUSE: Final = 0.01
# Far behind any file's end: a locked byte cannot be read by others.
_LOCK_AT: Final = 1 << 62
_EVENT_MODIFY: Final = 0x2
_DUPLICATE_HANDLES: Final = 0x40
_SAME_ACCESS: Final = 0x2
_IDLE_PRIORITY: Final = 0x40
_DNS_HOST_NAME: Final = 1
_REMOTE: Final = 4
_EPOCH: Final = 116_444_736_000_000_000  # 1970 in units of 100 ns since 1601


class _Overlapped(ctypes.Structure):
    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    )


_kernel = ctypes.WinDLL("kernel32", use_last_error=True)


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(_kernel, name)
    function.restype, function.argtypes = result, arguments
    return function


_D, _H, _P = wintypes.DWORD, wintypes.HANDLE, ctypes.c_void_p
_B, _S = wintypes.BOOL, wintypes.LPCWSTR
_create_file = _function("CreateFileW", _H, _S, _D, _D, _P, _D, _D, _H)
_lock_file = _function("LockFileEx", _B, _H, _D, _D, _D, _D, _P)
_unlock_file = _function("UnlockFileEx", _B, _H, _D, _D, _D, _P)
_close_handle = _function("CloseHandle", _B, _H)
_create_event = _function("CreateEventW", _H, _P, _B, _B, _S)
_open_event = _function("OpenEventW", _H, _D, _B, _S)
_signal_event = _function("SetEvent", _B, _H)
_wait = _function("WaitForSingleObject", _D, _H, _D)
_open_process = _function("OpenProcess", _H, _D, _B, _D)
_this_process = _function("GetCurrentProcess", _H)
_set_priority = _function("SetPriorityClass", _B, _H, _D)
_duplicate = _function("DuplicateHandle", _B, _H, _H, _H, _P, _D, _B, _D)
_volume_of = _function("GetVolumePathNameW", _B, _S, wintypes.LPWSTR, _D)
_set_file_time = _function("SetFileTime", _B, _H, _P, _P, _P)
_drive_type = _function("GetDriveTypeW", wintypes.UINT, _S)
_volume = _function("GetVolumeInformationW", _B, _S, _P, _D, _P, _P, _P, wintypes.LPWSTR, _D)
_free_space = _function("GetDiskFreeSpaceExW", _B, _S, _P, _P, _P)
_computer_name = _function("GetComputerNameExW", _B, ctypes.c_int, wintypes.LPWSTR, _P)


def _error(path: str = "") -> OSError:
    code = ctypes.get_last_error()
    return OSError(None, ctypes.FormatError(code), path or None, code)


def lower_priority() -> None:
    """Run only when nothing else wants to."""
    _set_priority(_this_process(), _IDLE_PRIORITY)


def in_use(error: OSError) -> bool:
    """Whether a file could not be renamed, deleted or opened because another process has it open."""
    return error.winerror in _IN_USE


def patiently(action: Callable[[], _T]) -> _T:
    """Try again for a moment while a file is in use: scanners and indexers let go soon. Raises `OSError`."""
    for _ in range(_TRIES):
        try:
            return action()
        except OSError as error:
            if not in_use(error):
                raise
        time.sleep(_PAUSE)
    return action()


# Files.


def open_shared(path: str, flags: int) -> int:
    """As `os.open` in binary mode, not inherited; others may rename and delete the file meanwhile.

    Raises:
        OSError: also for a symlink (`ELOOP`).
    """
    return _opened(path, flags, _SHARE_ALL)


def open_exclusive(path: str) -> int | None:
    """A file that nobody else can open as long as this descriptor, or a duplicate, is open anywhere.

    None when another has it. Unlike a lock it passes to another process with the handle.
    """
    try:
        return _opened(path, os.O_RDWR | os.O_CREAT, 0)
    except OSError as error:
        if error.winerror == _SHARING_VIOLATION:
            return None
        raise


def open_directory(path: str) -> int:
    """A handle of a directory that nobody can rename or delete while it is open; not of a link.

    Raises `OSError`.
    """
    flags = _BACKUP_SEMANTICS | _OPEN_REPARSE_POINT
    handle = _create_file(path, _READ_ATTRIBUTES, _SHARE_BUT_DELETE, None, _OPEN_EXISTING, flags, None)
    if handle == _INVALID:
        raise _error(path)
    return int(handle)


def close_handle(handle: int) -> None:
    """Give a handle back."""
    _close_handle(handle)


def _opened(path: str, flags: int, share: int) -> int:
    """A reparse point is opened itself, and refused: looked at before, it could be put there after."""
    attributes = _NORMAL | _OPEN_REPARSE_POINT
    handle = _create_file(path, _access(flags), share, None, _disposition(flags), attributes, None)
    if handle == _INVALID:
        raise _error(path)
    fd = msvcrt.open_osfhandle(handle, flags & os.O_APPEND | os.O_BINARY | os.O_NOINHERIT)
    if os.fstat(fd).st_file_attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT:
        os.close(fd)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return fd


def _access(flags: int) -> int:
    if flags & os.O_RDWR:
        return _READ | _WRITE
    return _WRITE if flags & os.O_WRONLY else _READ


def _disposition(flags: int) -> int:
    if flags & os.O_CREAT:
        if flags & os.O_EXCL:
            return _CREATE_NEW
        return _CREATE_ALWAYS if flags & os.O_TRUNC else _OPEN_ALWAYS
    return _TRUNCATE if flags & os.O_TRUNC else _OPEN_EXISTING


def set_times(fd: int, accessed: int, written: int) -> None:
    """Nanoseconds since 1970, which later writes through `fd` leave alone. Raises `OSError`."""
    times = [wintypes.FILETIME(*_halves(one // 100 + _EPOCH)) for one in (accessed, written)]
    if not _set_file_time(msvcrt.get_osfhandle(fd), None, *(ctypes.byref(one) for one in times)):
        raise _error()


def _halves(number: int) -> tuple[int, int]:
    return number & 0xFFFFFFFF, number >> 32


# Locks.


def lock(fd: int, *, shared: bool = False) -> bool:
    """Lock one byte far behind the end without waiting; False when another open file has it.

    The system frees it when the descriptor is closed or the process dies.
    """
    flags = _LOCK_NOW if shared else _LOCK_NOW | _LOCK_EXCLUSIVE
    if _lock_file(msvcrt.get_osfhandle(fd), flags, 0, 1, 0, ctypes.byref(_lock_place())):
        return True
    if ctypes.get_last_error() in _LOCKED:
        return False
    raise _error()


def unlock(fd: int) -> None:
    """Give it back. Raises `OSError` when it is not ours."""
    if not _unlock_file(msvcrt.get_osfhandle(fd), 0, 1, 0, ctypes.byref(_lock_place())):
        raise _error()


def _lock_place() -> _Overlapped:
    low, high = _halves(_LOCK_AT)
    return _Overlapped(offset=low, offset_high=high)


# Events.


class Event:
    """A named event that wakes one waiter, once for each time that it was set."""

    def __init__(self, name: str) -> None:
        """Never raises: without an event, `wait` sleeps its time out."""
        self._handle = _create_event(None, False, False, name)

    def wait(self, timeout: float) -> None:
        """Until it is set, at most `timeout` seconds."""
        if self._handle:
            _wait(self._handle, max(0, round(timeout * 1000)))
        else:
            time.sleep(max(0.0, timeout))

    def close(self) -> None:
        handle, self._handle = self._handle, None
        if handle:
            _close_handle(handle)


def set_event(name: str) -> None:
    """Wake who waits for it; nothing when there is none, or it belongs to another user."""
    handle = _open_event(_EVENT_MODIFY, False, name)
    if handle:
        _signal_event(handle)
        _close_handle(handle)


# Processes and the machine.


def hand_over(fd: int, pid: int) -> None:
    """Give another process a duplicate of `fd`, which it holds until it ends. Raises `OSError`."""
    process = _open_process(_DUPLICATE_HANDLES, False, pid)
    if not process:
        raise _error()
    try:
        here = _this_process()
        duplicate = wintypes.HANDLE()
        handle = msvcrt.get_osfhandle(fd)
        if not _duplicate(here, handle, process, ctypes.byref(duplicate), 0, False, _SAME_ACCESS):
            raise _error()
    finally:
        _close_handle(process)


def drive_kind(path: str) -> str:
    """`NTFS`, `ReFS` and so on, `remote` for a network drive or share, `""` when unknown."""
    root = ctypes.create_unicode_buffer(len(path) + 300)
    if not _volume_of(path, root, len(root)):
        return ""
    if _drive_type(root.value) == _REMOTE:
        return "remote"
    name = ctypes.create_unicode_buffer(64)
    return name.value if _volume(root.value, None, 0, None, None, None, name, len(name)) else ""


def disk_total(path: str) -> int:
    """Bytes of the disk that holds `path`. Raises `OSError`."""
    total = ctypes.c_uint64()
    if not _free_space(path, None, ctypes.byref(total), None):
        raise _error(path)
    return total.value


def host_name() -> str:
    """The DNS name of this machine, without its domain."""
    name, size = ctypes.create_unicode_buffer(256), wintypes.DWORD(256)
    return name.value if _computer_name(_DNS_HOST_NAME, name, ctypes.byref(size)) else ""
