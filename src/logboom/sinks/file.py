"""The rotating file as a sink: each step's effect exactly once.

Owns: the order of steps (append, roll, truncate, delete, compress), the live file's life, back-off when
a rotation fails. Never knows: where lines come from, how steps are recorded.

A timed rotation happens with the first record of the next period, as in the standard library; an empty
live file is never rolled.
"""

from __future__ import annotations

import contextlib
import errno
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from logboom import platform, rotation
from logboom.clock import SYSTEM_CLOCK, Clock
from logboom.errors import SinkError
from logboom.failpoints import reach
from logboom.platform.files import Directory
from logboom.rotation import Move
from logboom.sinks import append, rollover
from logboom.sinks.base import Outcome, Step
from logboom.sinks.live import LiveFile, create_temporary, open_live, open_locked, remove_strays
from logboom.sinks.maintenance import Maintenance, list_archives
from logboom.sinks.period import Period
from logboom.target import Target

__all__ = ["FileSink"]

_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 300.0
_UNSYNCED: Final = 16


class FileSink:
    """One log set in one directory. Not thread-safe."""

    def __init__(
        self,
        target: Target,
        directory: Path,
        *,
        notes: Callable[[str], None],
        clock: Clock = SYSTEM_CLOCK,
        state: Path | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            target: what was asked for.
            directory: where the live file is; made when it is missing.
            notes: takes sentences for the collector's log.
            state: file that keeps the start of a timed rotation's period over a restart.
        """
        self._target = target
        self._path = directory
        self._notes = notes
        self._clock = clock
        self._period = Period(state)
        self._maintenance = Maintenance(notes)
        self._directory: Directory | None = None
        self._live: LiveFile | None = None
        self._prepared: LiveFile | None = None
        self._tidy = False
        self._forced = False
        self._rotations = 0
        self._roll_at = 0.0
        self._roll_wait = _FIRST_WAIT
        self._unrotated = ""
        self._syncing = False
        self._unsynced: list[LiveFile] = []

    def configure(self, target: Target) -> None:
        """Take newer settings for the same file."""
        if target.settings() != self._target.settings():
            self._roll_at, self._roll_wait = 0.0, _FIRST_WAIT
            self._maintenance.look_soon()
        self._target = target

    def plan(self, lines: Sequence[bytes], keys: Sequence[float], now: float) -> Step:
        """See `Sink.plan`."""
        with self._translated():
            live = self._current_live()
            self._remove_strays()
            status = live.status()
            data_at = status.st_size or len(append.adapted(b"", 0, self._target.encoding))
            rollover_at = self._rollover_at(keys[0], empty=status.st_size == 0)
            take = rotation.fitting(
                lines,
                keys,
                data_at,
                limit=rotation.size_limit(self._target.rotation),
                rollover_at=rollover_at,
                empty=status.st_size == 0,
            )
            if take == 0 or (self._forced and status.st_size):
                step = self._roll_step(live, status)
                if step is not None:
                    return step
                take = len(lines)
            return self._append_step(live, status.st_size, lines[:take])

    def rollover(self, now: float) -> Step | None:
        """A rollover that was asked for by hand; None when the live file is empty or must wait."""
        with self._translated():
            live = self._current_live()
            status = live.status()
            return self._roll_step(live, status) if status.st_size else None

    def truncate(self) -> Step:
        """The step that empties the live file, for mode `w`."""
        with self._translated():
            live = self._current_live()
            details = {"dev": live.device, "ino": live.inode, "size": live.status().st_size}
            return Step("truncate", details=details)

    def apply(self, step: Step) -> Outcome:
        """See `Sink.apply`."""
        with self._translated():
            live = self._live
            if step.kind != "append" or live is None or live.inode != step.details["ino"]:
                return self._carry_out(step)
            self._append(live, step.data)
            if live.status().st_nlink == 0:
                return self._recover_append(step)
            self._keep_period(step)
            return Outcome()

    def recover(self, step: Step) -> Outcome:
        """See `Sink.recover`."""
        with self._translated():
            return self._carry_out(step)

    def upkeep(self, now: float) -> Step | None:
        """See `Sink.upkeep`; a file that cannot be made is a note, and tried again."""
        try:
            with self._translated():
                directory = self._opened()
                if not self._target.delay or directory.stat(self._target.name) is not None:
                    self._current_live()
                self._remove_strays()
        except SinkError as error:
            self._say(str(error))
            return None
        return self._maintenance.next_step(directory, self._target, now, self._clock.monotonic())

    def sync(self) -> None:
        """See `Sink.sync`. After a failure the live file is not trusted: the next records go to a new one."""
        with self._translated():
            try:
                self._sync_files()
            except OSError:
                self._forced = True
                raise

    def status(self) -> dict[str, Any]:
        """Values for `logboom status`."""
        size = None
        with contextlib.suppress(OSError):
            size = None if self._live is None else self._live.status().st_size
        return {
            "path": str(self._path / self._target.name),
            "size": size,
            "rotations": self._rotations,
            "unrotated": self._unrotated,
            "compressing": self._maintenance.compressing,
        }

    def close(self) -> None:
        """See `Sink.close`."""
        self._maintenance.close()
        self._drop_prepared()
        for file in self._unsynced:
            file.close()
        self._unsynced.clear()
        if self._live is not None:
            self._live.close()
            self._live = None
        if self._directory is not None:
            self._directory.close()
            self._directory = None

    # The directory and the live file.

    def _opened(self) -> Directory:
        if self._directory is not None and self._directory.is_current():
            return self._directory
        if self._directory is not None:
            self._say(f"{self._path} was replaced or removed: carried on in a new one")
            self._maintenance.close()
            self._prepared = None
            self._directory.close()
        self._directory = Directory(self._path)
        return self._directory

    def _current_live(self) -> LiveFile:
        """The file that bears the name now; made again when somebody took it away."""
        directory = self._opened()
        live = self._live
        if live is not None:
            if live.is_at(directory.stat(self._target.name)):
                return live
            self._say(
                f"{self._target.name} was renamed, replaced or deleted by somebody: carried on with the name"
            )
        like = None if live is None else live.status()
        self._retire()
        self._live = open_live(directory, self._target, like)
        self._period.adopt(self._live.status())
        self._maintenance.look_soon()
        return self._live

    def _retire(self) -> None:
        """Let go of the live file; not before its bytes are on the disk, where that matters."""
        live, self._live = self._live, None
        if live is None:
            return
        if not self._syncing:
            live.close()
            return
        self._unsynced.append(live)
        if len(self._unsynced) > _UNSYNCED:
            platform.sync_file(self._unsynced[0].fd)
            self._unsynced.pop(0).close()

    def _remove_strays(self) -> None:
        if self._tidy or self._directory is None:
            return
        self._tidy = True
        keep = self._maintenance.temporaries
        remove_strays(self._directory, self._target.name, keep)

    # Appending.

    def _append_step(self, live: LiveFile, size: int, lines: Sequence[bytes]) -> Step:
        body = b"".join(lines)
        data = append.adapted(body, size, self._target.encoding) if size == 0 else body
        details: dict[str, Any] = {
            "dev": live.device,
            "ino": live.inode,
            "before": size,
            "length": len(data),
            "crc32": zlib.crc32(data),
        }
        if self._target.rotation.when is not None and self._period.start is not None:
            details["start"] = self._period.start
        return Step("append", len(lines), data, details)

    def _append(self, live: LiveFile, data: bytes) -> None:
        reach("append.before")
        reach("effect")
        append.write_all(live.fd, data)
        reach("append.after")

    def _recover_append(self, step: Step) -> Outcome:
        live = self._current_live()
        device, inode = step.details["dev"], step.details["ino"]
        if (live.device, live.inode) == (device, inode):
            return self._complete(live, step, gone=False)
        name = rollover.find_inode(self._opened(), device, inode)
        if name is None:
            return self._complete(live, step, gone=True)
        renamed = open_locked(self._opened(), name)
        try:
            return self._complete(renamed, step, gone=False)
        finally:
            renamed.close()

    def _complete(self, file: LiveFile, step: Step, *, gone: bool) -> Outcome:
        """Write what of the step's bytes the file lacks."""
        before, size = step.details["before"], file.status().st_size
        elsewhere = gone or size < before
        newline = append.newline_of(self._target.encoding)
        written = append.read_from(file.fd, 0 if elsewhere else before, len(step.data))
        found = append.locate(written, step.data, newline)
        if found.kept < len(step.data):
            missing = step.data[found.kept :]
            if not found.kept:
                missing = append.adapted(missing, size, self._target.encoding)
            self._append(file, newline + missing if found.fresh_line else missing)
        self._keep_period(step)
        again = step.count if elsewhere and found == append.Found(0) else 0
        reason = "is gone" if gone else "was truncated"
        note = f"{again} lines were written again: the file that they were for {reason}"
        return Outcome(damaged=int(found.damaged), rewritten=again, notes=(note,) if again else ())

    # Rolling.

    def _rollover_at(self, key: float, *, empty: bool) -> float | None:
        schedule = rotation.schedule_of(self._target.rotation)
        if schedule is None:
            return None
        start = self._period.start
        if start is None or (empty and key >= schedule.rollover_at(start)):
            start = self._period.start = key
        return schedule.rollover_at(start)

    def _roll_step(self, live: LiveFile, status: os.stat_result) -> Step | None:
        """None when the last failure was too short a time ago, or it fails at once."""
        if self._clock.monotonic() < self._roll_at:
            return None
        directory = self._opened()
        try:
            if live.device != directory.device:
                raise OSError(errno.EXDEV, "The file is mounted over its name")
            if self._prepared is None:
                self._prepared = create_temporary(directory, self._target, status)
            return Step("roll", details=self._roll_details(directory, live, self._prepared))
        except OSError as error:
            self._notes(self._roll_failed(error))
            return None

    def _roll_details(self, directory: Directory, live: LiveFile, fresh: LiveFile) -> dict[str, Any]:
        target, start = self._target, self._period.start
        schedule = rotation.schedule_of(target.rotation)
        stamp = None if schedule is None or start is None else schedule.stamp(start)
        archives = list_archives(directory, target)
        moves = rotation.chain(target.name, live.inode, archives, stamp)
        return {
            "dev": directory.device,
            "moves": [list(move) for move in moves],
            "temp": fresh.name,
            "temp_ino": fresh.inode,
            "delete": [list(one) for one in rotation.surplus(archives, moves, target.rotation.backup_count)],
            "start": start,
        }

    def _roll(self, step: Step) -> Outcome:
        directory, details = self._opened(), step.details
        notes = []
        try:
            whole = rollover.make_moves(directory, [Move(*move) for move in details["moves"]])
        except OSError as error:
            whole = False
            notes.append(self._roll_failed(error))
        placed = rollover.place(directory, details["temp"], details["temp_ino"], self._target.name)
        if whole and placed:
            self._rolled(details)
            failed = rollover.delete_files(directory, details["delete"])
            notes += [f"could not delete {one}" for one in failed]
        else:
            self._drop_prepared()
        self._maintenance.look_soon()
        return Outcome(notes=tuple(note for note in notes if note))

    def _rolled(self, details: dict[str, Any]) -> None:
        self._rotations += 1
        self._forced = False
        self._roll_at, self._roll_wait, self._unrotated = 0.0, _FIRST_WAIT, ""
        fresh, self._prepared = self._prepared, None
        self._retire()
        if fresh is None or fresh.inode != details["temp_ino"]:
            self._live = open_live(self._opened(), self._target, None)
        else:
            fresh.name, self._live = self._target.name, fresh
        if details["start"] is not None:
            self._period.keep(self._live.device, self._live.inode, details["start"])

    def _roll_failed(self, error: OSError) -> str:
        """Wait longer each time. Returns what to say: nothing when it was said before."""
        pinned = error.errno in rollover.PINNED
        self._roll_wait = _LONGEST_WAIT if pinned else min(self._roll_wait * 2, _LONGEST_WAIT)
        self._roll_at = self._clock.monotonic() + self._roll_wait
        hint = " (mount its directory into the container, not the file)" if pinned else ""
        text = f"{self._target.name} cannot be rotated, it grows on: {error.strerror or error}{hint}"
        said, self._unrotated = self._unrotated == text, text
        return "" if said else text

    def _drop_prepared(self) -> None:
        fresh, self._prepared = self._prepared, None
        if fresh is None:
            return
        fresh.close()
        if self._directory is not None:
            with contextlib.suppress(OSError):
                self._directory.unlink(fresh.name)

    # The rest.

    def _carry_out(self, step: Step) -> Outcome:
        """A step whose beginning is not known."""
        if step.kind == "append":
            return self._recover_append(step)
        if step.kind == "roll":
            return self._roll(step)
        if step.kind == "truncate":
            return self._truncate(step)
        return self._maintenance.apply(self._opened(), step)

    def _truncate(self, step: Step) -> Outcome:
        live, details = self._current_live(), step.details
        same = (live.device, live.inode) == (details["dev"], details["ino"])
        if same and details["size"] and live.status().st_size >= details["size"]:
            reach("effect")
            os.ftruncate(live.fd, 0)
        return Outcome()

    def _keep_period(self, step: Step) -> None:
        start = step.details.get("start")
        if start is not None:
            self._period.keep(step.details["dev"], step.details["ino"], start)

    def _sync_files(self) -> None:
        if not self._syncing:
            self._sync_archives()
        for file in self._unsynced:
            platform.sync_file(file.fd)
            file.close()
        self._unsynced.clear()
        if self._live is not None:
            platform.sync_file(self._live.fd)
        if self._directory is not None:
            self._directory.sync()
        self._syncing = True

    def _sync_archives(self) -> None:
        """Once: what was rolled before anybody asked for syncs."""
        if self._directory is None:
            return
        for archive in list_archives(self._directory, self._target):
            with contextlib.suppress(FileNotFoundError):
                fd = self._directory.open_append(archive.name)
                try:
                    platform.sync_file(fd)
                finally:
                    os.close(fd)

    def _say(self, text: str) -> None:
        self._notes(text)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SinkError(
                f"cannot write: {error.strerror or error}", path=self._path / self._target.name
            ) from error
