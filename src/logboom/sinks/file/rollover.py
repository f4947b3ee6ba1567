"""Renames that are finished once, however often they are begun.

Owns: carrying out a list of `(inode, from, to)` moves, placing the new live file, deleting by inode and
name. Never knows: which names are right, what the files hold.

A move is done when its inode bears the new name; a source that is another inode by now is left alone;
a name that somebody took meanwhile is never overwritten: the moves that depend on it are left out, and
the next rollover sees the newcomer.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from typing import Any, Final

from logboom.platform.failpoints import reach
from logboom.platform.files import Directory
from logboom.sinks.file.rotation import Move

__all__ = ["PINNED", "ObstacleError", "check_moves", "delete_files", "find_inode", "make_moves", "place"]

# What the rename of a file says that a container's mount pins to its name.
PINNED: Final = frozenset({errno.EBUSY, errno.EXDEV})


class ObstacleError(OSError):
    """Moves that cannot be made before a person does something.

    Attributes:
        advice: what.
    """

    def __init__(self, number: int, reason: str, advice: str) -> None:
        super().__init__(number, reason)
        self.advice = advice


def find_inode(directory: Directory, device: int, inode: int, likely: Iterable[str] = ()) -> str | None:
    """The name that the file bears now; `likely` names are looked at before the whole directory."""
    for name in likely:
        status = directory.stat(name)
        if status is not None and (status.st_ino, status.st_dev) == (inode, device):
            return name
    for name, status in directory.files():
        if (status.st_ino, status.st_dev) == (inode, device):
            return name
    return None


def check_moves(directory: Directory, moves: Sequence[Move]) -> None:
    """Find out before the first of `moves` whether they can be made: half of them would leave a gap.

    Raises:
        ObstacleError: one cannot.
    """
    vacated: set[str] = set()
    for move in moves:
        if directory.kept_by_another(move.source):
            raise ObstacleError(
                errno.EPERM,
                f"{move.source} is another user's, and the directory is sticky",
                "Take the sticky bit away (chmod -t), or log to a directory without it",
            )
        there = None if move.target in vacated else directory.stat(move.target)
        if there is not None and there.st_ino != move.inode:
            raise ObstacleError(
                errno.EEXIST, f"{move.target} is in the way, and no backup of the set", "Move it elsewhere"
            )
        vacated.add(move.source)


def make_moves(directory: Directory, moves: Sequence[Move]) -> bool:
    """Make each move that is not made yet; False when one met a newcomer and the rest was left out.

    Raises:
        OSError: a rename failed; those before it are made.
    """
    for move in moves:
        reach("roll.move")
        if not _make_move(directory, move):
            return False
    return True


def _make_move(directory: Directory, move: Move) -> bool:
    source, target = directory.stat(move.source), directory.stat(move.target)
    is_source = source is not None and source.st_ino == move.inode
    if target is not None and target.st_ino == move.inode:
        if is_source:
            directory.unlink(move.source)
        return True
    if not is_source:
        return True
    try:
        directory.move(move.source, move.target)
    except FileExistsError:
        return False
    except FileNotFoundError:
        return True
    return True


def place(directory: Directory, fresh: Move) -> bool:
    """Give the new live file its name; False when somebody's file has it. Raises `OSError`."""
    reach("roll.place")
    _make_move(directory, fresh)
    found = directory.stat(fresh.target)
    return found is not None and found.st_ino == fresh.inode


def delete_files(directory: Directory, files: Iterable[Sequence[Any]]) -> list[str]:
    """Delete each `(inode, name)` that is still so; returns what could not be deleted, and why."""
    failed = []
    for inode, name in files:
        reach("delete")
        try:
            status = directory.stat(name)
            if status is not None and status.st_ino == inode:
                directory.unlink(name)
        except OSError as error:
            failed.append(f"{name}: {error.strerror or error}")
    return failed
