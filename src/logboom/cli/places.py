"""Which spool a person means: found from a log file, a spool or the working directory."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from logboom import platform
from logboom.errors import SpoolError
from logboom.journal.survey import survey
from logboom.journal.target import Target
from logboom.spool.checkpoint import read_recorded
from logboom.spool.directory import Spool, spool_for

__all__ = ["is_spool", "one_spool", "spools_here", "spools_of"]

_GLOBS = (".logboom", ".logboom-*", "*/.logboom", "*/.logboom-*")


def is_spool(path: Path) -> bool:
    """Whether `path` is a directory in which a handler made its journal.

    Raises:
        PermissionError: this user may not know.
    """
    try:
        return stat.S_ISDIR(os.lstat(path / "journal").st_mode)
    except PermissionError:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)) from None
    except OSError:
        return False


def spools_of(place: Path) -> list[Path]:
    """The spools of a log file, of a spool, or of a directory with log files.

    Raises:
        SpoolError: there is none; the text says what to do.
    """
    path = platform.real_path(place)
    if is_spool(path):
        return [path]
    if path.is_dir():
        found = spools_here(path)
    else:
        found = [spool for spool in (spool_for(path, None),) if is_spool(spool)] or _elsewhere(path)
    if not found:
        raise SpoolError(
            "no spool belongs to this", path=path, hint="Log a record first; with spool=, name that directory"
        )
    return found


def _elsewhere(log: Path) -> list[Path]:
    """The spools of a log file whose handler has `spool=`, if they are near it or the working directory."""
    places = {log.parent, log.parent.parent, Path.cwd(), Path.cwd().parent}
    near = {path.parent for place in places for path in place.glob("*/journal") if path.is_dir()}
    return [spool for spool in sorted(near) if log in _logs_of(spool)]


def _logs_of(spool: Path) -> set[Path]:
    """The log files that a spool is known to be for."""
    with contextlib.suppress(OSError):
        headers = [stream.header for stream in survey(Spool(spool), {})]
        sinks = [asked for header in headers if header is not None for asked in header.sinks]
        sinks += read_recorded(spool).targets.values()
        return {asked.path(spool) for asked in sinks if isinstance(asked, Target)}
    return set()


def spools_here(directory: Path) -> list[Path]:
    """The spools in a directory and in the directories in it, by name."""
    found = {path for pattern in _GLOBS for path in directory.glob(pattern) if is_spool(path)}
    return sorted(path.resolve() for path in found)


def one_spool(place: Path | None) -> Path:
    """The one spool that is meant; None means the one in the working directory.

    Raises:
        SpoolError: there is none, or more than one.
    """
    found = spools_of(place) if place is not None else spools_here(Path.cwd())
    if not found:
        raise SpoolError("no spool is in this directory or in one below it", path=Path.cwd(), hint=NAME_ONE)
    if len(found) > 1:
        raise SpoolError(f"{len(found)} spools: {', '.join(map(str, found))}", hint=NAME_ONE)
    return found[0]


NAME_ONE = "Name the log file, or the spool"
