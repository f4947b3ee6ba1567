"""Which files are one log set, and in which order they were written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from logboom.errors import LogboomError

__all__ = ["LogSet", "Named", "backup_of", "codec_of", "files_of", "log_files", "sets_at"]

_BACKUP: Final = re.compile(
    r"(?:[.-](?P<stamp>\d{4}-\d\d-\d\d(?:_\d\d(?:-\d\d){0,2})?|\d{8}))?"
    r"(?:\.(?:(?P<number>\d{1,9})|0\.(?P<waiting>[1-9]\d{0,8})))?(?P<packed>\.gz|\.zst)?"
)
_SPLIT: Final = re.compile(
    r"(?P<live>.+?)(?=[.-]\d{4}-\d\d-\d\d|-\d{8}(?:\.|$)|\.\d{8}(?:\.|$)|\.\d{1,9}(?:\.gz|\.zst)?$|\.0\.\d+(?:\.gz|\.zst)?$|\.gz$|\.zst$)"
)
_CODECS: Final = {".gz": "gzip", ".zst": "zstd"}
_LOG: Final = re.compile(r".*(?:\.log|\.jsonl|\.ndjson|\.json|log|messages|\.out|\.err)", re.IGNORECASE)


class Named(NamedTuple):
    """A file of a set, by its name.

    Attributes:
        order: sorts the files of a set, the oldest first.
    """

    order: tuple[int, str, int]
    name: str


class LogSet(NamedTuple):
    """A live file's path, and if it is the whole set that is meant or this one file."""

    path: Path
    alone: bool = False


def codec_of(name: str) -> str | None:
    """`gzip`, `zstd`, or None for a plain file, by the end of its name."""
    return _CODECS.get(os.path.splitext(name)[1])


def backup_of(live: str, name: str) -> Named | None:
    """`name` as a file of the set of `live`; None when it is none. The live file is the newest."""
    if name == live:
        return Named((1, "", 0), name)
    if not name.startswith(live):
        return None
    match = _BACKUP.fullmatch(name, len(live))
    if match is None or match.end() == len(live):
        return None
    stamp, number = match["stamp"], match["number"]
    if stamp is not None:
        return Named((0, stamp.replace("-", "") if len(stamp) == 8 else stamp, int(number or 0)), name)
    place = int(match["waiting"] or 0) if match["waiting"] else -int(number or 0)
    if number is None and match["waiting"] is None:
        place = 0  # `app.log.gz`
    return Named((0, "", place), name)


def files_of(live: str, names: Iterable[str]) -> list[str]:
    """The files of a set among `names`, the oldest first, the live one last."""
    found = [one for name in names if (one := backup_of(live, name)) is not None]
    return [one.name for one in sorted(found)]


def log_files(log: Path) -> list[Path]:
    """The files of a rotated set, oldest first: numbered, dated and compressed names, the live file last."""
    try:
        names = os.listdir(log.parent)
    except FileNotFoundError:
        return []
    return [path for name in files_of(log.name, names) if (path := log.parent / name).is_file()]


def sets_at(place: Path) -> list[LogSet]:
    """The sets that a path means: of a live file, of a directory with log files, or one backup alone.

    Raises:
        LogboomError: there is none.
    """
    if place.is_dir():
        found = _sets_in(place)
        if not found:
            raise LogboomError(f"no log file is in {place}", hint="Name a log file")
        return found
    if log_files(place):
        split = _SPLIT.match(place.name)
        alone = place.is_file() and split is not None and backup_of(split["live"], place.name) is not None
        return [LogSet(place, alone)]
    raise LogboomError(f"{place} does not exist", hint="Name a log file, or a directory with log files")


def _sets_in(directory: Path) -> list[LogSet]:
    lives = set()
    for name in os.listdir(directory):
        if name.startswith(".") or name.endswith((".lock", ".pid", "~", ".swp")):
            continue
        split = _SPLIT.match(name)
        live = name if split is None else split["live"]
        if _LOG.fullmatch(live) and (directory / name).is_file():
            lives.add(live)
    return [LogSet(directory / live) for live in sorted(lives)]
