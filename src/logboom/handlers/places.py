"""Where a log file and its journal may be, looked at when a handler is made.

Owns: which names are no regular files, the live file's making and its mode, what a journal's place must be
like. Never knows: handlers, the journal's files.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from logboom import platform
from logboom.errors import ConfigurationError
from logboom.platform.files import Directory, resolve

__all__ = ["check_spool", "follow", "is_special", "make_live_file"]

_STREAMS: Final = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/")


def is_special(path: str) -> bool:
    """A device, FIFO or socket, or a stream of this process: written directly, never rotated."""
    if path.startswith(_STREAMS):
        return True
    try:
        kind = os.stat(path).st_mode
    except OSError:
        return False
    if stat.S_ISDIR(kind):
        raise ConfigurationError("the log file is a directory", path=path, hint="Name a file in it")
    return not stat.S_ISREG(kind)


def make_live_file(path: Path, file_mode: int | None, delay: bool) -> int:
    """Make the directory and, unless `delay`, the file; returns the mode that the umask gives files.

    Raises:
        OSError: as `open` would: no permission, a read-only file system.
    """
    umask = _umask()
    try:
        directory = Directory(path.parent)
        mode = 0o666 & ~umask | _shared(directory.mode, umask)
        if not delay:
            try:
                fd = directory.open(path.name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, mode)
            except FileExistsError:
                fd = directory.open_append(path.name)  # the error that a plain handler would give
            else:
                directory.give(fd, (mode if file_mode is None else file_mode) & 0o666)
            os.close(fd)
    except OSError as error:
        error.filename = str(path)
        raise
    return mode


def follow(path: str) -> Path:
    """Where the log file is: links to it are followed here, once.

    Raises:
        ConfigurationError: another user made one, to a file that is not that user's own.
    """
    try:
        return resolve(Path(path))
    except PermissionError as error:
        reason = error.strerror or ""
        if not reason.startswith("A link"):
            raise
        raise ConfigurationError(
            f"a{reason[1:]} is not followed",
            path=path,
            hint="Name the file itself, or remove the link",
        ) from None


def _shared(directory: int, umask: int) -> int:
    """Who may write the directory shares the set, so whichever of them collects must be able to append.

    Not where anybody may write, or nobody may rename what is another's, nor against a umask that keeps the
    group out.
    """
    private = directory & (stat.S_ISVTX | stat.S_IWOTH) or umask & stat.S_IRGRP
    return 0 if private else directory & stat.S_IWGRP


def check_spool(path: Path, spool: Path) -> None:
    """Whether the journal of `path` can be in `spool`.

    Raises:
        ConfigurationError: on a network mount its locks and appends would depend on another host; where this
            user may not write there is no journal; two private journals cannot share a file.
    """
    if spool.is_symlink():
        raise ConfigurationError(
            f"{spool.name} is a link, which is not followed",
            path=spool,
            hint="Remove it, or name the directory that it leads to with spool=",
        )
    place = spool
    while not _exists(place):
        place = place.parent
    kind = platform.filesystem_of(place)
    if platform.is_network(kind):
        raise ConfigurationError(
            f"the journal would be on a network mount ({kind})",
            path=place,
            hint="Name a directory on a local disk with spool=; the log file itself may stay where it is",
        )
    inside = place / "journal"
    if place.is_dir() and not _may_write(inside if place == spool and _exists(inside) else place):
        raise ConfigurationError(
            "this user may not write where the journal is",
            path=place,
            hint="Name a directory of its own with spool=, or give its group the directory",
        )
    if spool.parent == path.parent and spool.name.startswith(".logboom-") and _is_anothers(path):
        raise ConfigurationError(
            "another user's file, where everybody has a private journal",
            path=path,
            hint="Use a directory that belongs to both users' group, or another name",
        )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _may_write(directory: Path) -> bool:
    as_it_acts = os.access in os.supports_effective_ids
    return os.access(directory, os.W_OK | os.X_OK, effective_ids=as_it_acts)


def _is_anothers(path: Path) -> bool:
    try:
        return path.stat().st_uid != getattr(os, "geteuid", int)()
    except OSError:
        return False


def _umask() -> int:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except (OSError, ValueError):
        pass
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
