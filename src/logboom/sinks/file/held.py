"""Rollovers while another program keeps a file of the set from being renamed, as Windows lets it.

Owns: which files are held for how long, the archive name that waits for its number, the roll that copies
the live file and empties it, putting the numbers right later. Never knows: batches, when a rollover is due.

An archive that is held keeps its number; what is rolled meanwhile is called `app.log.0.1`, `app.log.0.2`,
..., of which the highest is the newest. A live file that is held keeps its name: its content is copied to the
new archive, and it is emptied. On POSIX no file is ever held.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Final

from logboom import platform
from logboom.journal.names import Names
from logboom.journal.target import Target
from logboom.platform.clock import Clock
from logboom.platform.failpoints import reach
from logboom.platform.files import Directory
from logboom.sinks.base import Step
from logboom.sinks.file import append, rollover, rotation
from logboom.sinks.file.live import LiveFile, create_temporary
from logboom.sinks.file.rotation import Archive, Move

__all__ = ["Held", "carry_out_copy", "copy_details"]

_BELIEVED_FOR: Final = 2.0
_LONGEST_WAIT: Final = 30.0


class Held:
    """What is known of files that others hold, and when to try again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._live_until = 0.0
        self._archives_until = 0.0
        self._settle_at = 0.0
        self._wait = _BELIEVED_FOR

    @property
    def live(self) -> bool:
        """Whether the live file was found held a moment ago."""
        return self._clock.monotonic() < self._live_until

    @property
    def archives(self) -> bool:
        """Whether an archive was found held a moment ago."""
        return self._clock.monotonic() < self._archives_until

    def blame(self, error: OSError, live: str) -> bool:
        """Learn from a rename that failed; whether there is another way to roll, now."""
        if not platform.in_use(error) or (self.live and self.archives):
            return False
        until = self._clock.monotonic() + _BELIEVED_FOR
        if os.path.basename(str(error.filename)) == live:
            known, self._live_until = self.live, until
        else:
            known, self._archives_until = self.archives, until
        return not known

    def moves(
        self, name: str, names: Names, inode: int, archives: list[Archive], stamp: str | None
    ) -> list[Move]:
        """The renames of a rollover that need no archive to be renamed that is held."""
        if stamp is None and self.archives:
            return [Move(inode, name, rotation.waiting_name(names, archives))]
        return rotation.chain(name, names, inode, archives, stamp)

    def settle(self, names: Names, archives: list[Archive]) -> Step | None:
        """The step that gives archives that wait their numbers; None when there are none, or not yet."""
        now = self._clock.monotonic()
        if now < self._settle_at or all(one.number >= 0 for one in archives):
            return None
        self._settle_at = now + self._wait
        self._wait = min(self._wait * 2, _LONGEST_WAIT)
        moves = rotation.settled(names, archives)
        return Step("settle", details={"moves": [list(move) for move in moves]})

    def settled(self, directory: Directory, details: dict[str, Any]) -> None:
        """Make the moves of `settle`; what is still held waits on."""
        with contextlib.suppress(OSError):
            if rollover.make_moves(directory, [Move(*move) for move in details["moves"]]):
                self._wait, self._settle_at = _BELIEVED_FOR, 0.0
                self._archives_until = 0.0


def copy_details(directory: Directory, target: Target, live: LiveFile) -> dict[str, Any]:
    """Copy the live file beside it, on the disk on return. Raises `OSError`."""
    copy = create_temporary(directory, target, live.status())
    try:
        size = live.status().st_size
        append.copy(live.fd, 0, copy.fd, size)
        platform.sync_file(copy.fd)
    except OSError:
        copy.close()
        directory.unlink(copy.name)
        raise
    copy.close()
    return {"temp": copy.name, "temp_ino": copy.inode, "ino": live.inode, "copied": size}


def carry_out_copy(directory: Directory, live: LiveFile, details: dict[str, Any]) -> bool:
    """Give the copy its name, then empty the live file: what of it is not done yet.

    Returns whether both is done; if not, the copy is gone again.

    Raises:
        OSError: a rename failed, or the file could not be emptied.
    """
    moves = [Move(*move) for move in details["moves"]]
    names = [details["temp"], moves[-1].target]
    try:
        rollover.make_moves(directory, moves)
        found = directory.stat(moves[-1].target)
        if found is not None and found.st_ino == details["temp_ino"]:
            reach("roll.copied")
            _empty(directory, moves[-1].target, live, details)
            return True
    except OSError:
        if _is_emptied(live, details):  # a failure was reported, and the copy is all that there is
            return True
        _remove(directory, details, names)
        raise
    _remove(directory, details, names)
    return False


def _is_emptied(live: LiveFile, details: dict[str, Any]) -> bool:
    """Return True if the live file is shorter than what was copied of it."""
    return live.inode == details["ino"] and live.status().st_size < int(details["copied"])


def _empty(directory: Directory, archive: str, live: LiveFile, details: dict[str, Any]) -> None:
    """Empty the live file; what a foreign program appended since goes to the archive before."""
    if live.inode != details["ino"] or not details["copied"] or _is_emptied(live, details):
        return
    fd = directory.open_append(archive)
    try:
        append.copy(live.fd, os.fstat(fd).st_size, fd)
    finally:
        os.close(fd)
    reach("effect")
    os.ftruncate(live.fd, 0)


def _remove(directory: Directory, details: dict[str, Any], names: list[str]) -> None:
    rollover.delete_files(directory, [(details["temp_ino"], name) for name in names])
