"""One rollover: its plan as an intent, carrying it out, and patience when it fails.

Owns: the step `roll`, the new live file until it has its name, back-off. Never knows: batches, when a
rollover is due.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from typing import Any, Final

from logboom.journal.target import Target
from logboom.platform.clock import Clock
from logboom.platform.files import Directory
from logboom.sinks.base import Step
from logboom.sinks.file import rollover, rotation
from logboom.sinks.file.held import Held, carry_out_copy, copy_details
from logboom.sinks.file.live import LiveFile, create_temporary
from logboom.sinks.file.maintenance import list_archives
from logboom.sinks.file.rollover import ObstacleError
from logboom.sinks.file.rotation import Move

__all__ = ["Rolling"]

_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 300.0


class Rolling:
    """Rollovers of one set.

    Attributes:
        held: what other programs keep from being renamed.
        prepared: the new live file while it has a temporary name.
        waiting: there may be archives that wait for their number.
        unrotated: why the live file grows on unrotated; empty when it does not.
    """

    def __init__(self, notes: Callable[[str], None], clock: Clock) -> None:
        self._notes = notes
        self._clock = clock
        self._not_before = 0.0
        self._wait = _FIRST_WAIT
        self.held = Held(clock)
        self.prepared: LiveFile | None = None
        self.unrotated = ""
        self.waiting = True

    def try_soon(self) -> None:
        """Forget earlier failures."""
        self._not_before, self._wait = 0.0, _FIRST_WAIT

    def plan(self, directory: Directory, target: Target, live: LiveFile, start: float | None) -> Step | None:
        """The step; None when it fails, or the last failure was too short a time ago.

        Args:
            directory, target, live: of the set.
            start: when the live file's period began, in a timed rotation.
        """
        if self._clock.monotonic() < self._not_before:
            return None
        try:
            if live.device != directory.device:
                raise OSError(errno.EXDEV, "Another file system is mounted on the file")
            return Step("roll", details=self._details(directory, target, live, start))
        except OSError as error:
            self._failed(target.name, error)
        except Exception as error:
            self.give_up(target.name, error)
        return None

    def carry_out_copy(self, directory: Directory, live: LiveFile, details: dict[str, Any]) -> bool:
        """The same with a copy of a live file that is held; returns whether the live file is empty now."""
        try:
            if not carry_out_copy(directory, live, details):
                return False
        except OSError as error:
            if not self.held.blame(error, live.name):
                self._failed(live.name, error)
            return False
        self._succeeded(directory, details)
        return True

    def carry_out(self, directory: Directory, name: str, details: dict[str, Any]) -> bool:
        """Make the moves, place the new file, delete the surplus: what of it is not done yet.

        Returns whether the new file is the live one now.
        """
        try:
            whole = rollover.make_moves(directory, [Move(*move) for move in details["moves"]])
            if not whole:
                self._back_off()
        except OSError as error:
            whole = False
            if not self.held.blame(error, name):
                self._failed(name, error)
        fresh = Move(details["temp_ino"], details["temp"], name)
        if not (whole and rollover.place(directory, fresh)):
            self.take_prepared(-1)
            rollover.delete_files(directory, [(fresh.inode, fresh.source)])
            return False
        self._succeeded(directory, details)
        return True

    def _succeeded(self, directory: Directory, details: dict[str, Any]) -> None:
        self.try_soon()
        self.unrotated = ""
        self.waiting = self.waiting or self.held.archives
        for failed in rollover.delete_files(directory, details["delete"]):
            self._notes(f"could not delete {failed}")

    def settle(self, directory: Directory, target: Target) -> Step | None:
        """The step that gives archives their numbers when nothing holds them any more; usually None."""
        if not self.waiting:
            return None
        try:
            archives = list_archives(directory, target)
        except OSError:
            return None
        self.waiting = any(one.number < 0 for one in archives)
        return self.held.settle(rotation.names_of(target), archives)

    def take_prepared(self, inode: int) -> LiveFile | None:
        """The new live file, when it is still open here."""
        fresh, self.prepared = self.prepared, None
        if fresh is None or fresh.inode == inode:
            return fresh
        fresh.close()
        return None

    def discard(self, directory: Directory | None) -> None:
        """Give up the prepared file."""
        fresh, self.prepared = self.prepared, None
        if fresh is None:
            return
        fresh.close()
        if directory is not None:
            with contextlib.suppress(OSError):
                directory.unlink(fresh.name)

    def _details(
        self, directory: Directory, target: Target, live: LiveFile, start: float | None
    ) -> dict[str, Any]:
        schedule = rotation.schedule_of(target.rotation)
        names = rotation.names_of(target)
        stamp = None if schedule is None or start is None else schedule.stamp(start, names.date)
        # A move that was killed half-way left the live file a second name: the move is finished, not rolled.
        found = [one for one in list_archives(directory, target) if one.inode != live.inode]
        archives, unfinished = rotation.twins(found)
        moves = [*unfinished, *self.held.moves(target.name, names, live.inode, archives, stamp)]
        rollover.check_moves(directory, moves)
        delete = rotation.surplus(archives, moves, target.rotation.backup_count)
        if self.held.live:
            details = copy_details(directory, target, live)
            moves[-1] = Move(details["temp_ino"], details["temp"], moves[-1].target)
        else:
            if self.prepared is None:
                self.prepared = create_temporary(directory, target, live.status())
            details = {"temp": self.prepared.name, "temp_ino": self.prepared.inode}
        return {
            **details,
            "moves": [list(move) for move in moves],
            "delete": [list(one) for one in delete],
            "start": start,
        }

    def _back_off(self, least: float = 0.0) -> None:
        self._wait = min(max(self._wait * 2, least), _LONGEST_WAIT)
        self._not_before = self._clock.monotonic() + self._wait

    def give_up(self, name: str, error: Exception) -> None:
        """What was asked for cannot be carried out by any collector of this release."""
        self._failed(name, ObstacleError(0, f"{type(error).__name__}: {error}", "Change the settings"))

    def _failed(self, name: str, error: OSError) -> None:
        """Wait longer each time; say each reason once."""
        reason, advice = _explained(error)
        self._back_off(_LONGEST_WAIT if advice else 0.0)
        text = f"{name} cannot be rotated and grows on: {reason}" + (advice and f". {advice}")
        if text != self.unrotated:
            self._notes(text)
        self.unrotated = text


def _explained(error: OSError) -> tuple[str, str]:
    """The reason of a failure, and what a person has to do; empty where trying again may help."""
    if isinstance(error, rollover.ObstacleError):
        return str(error.strerror), error.advice
    pinned = error.errno in rollover.PINNED
    return os.strerror(error.errno or 0), "Mount its directory into the container, not the file" * pinned
