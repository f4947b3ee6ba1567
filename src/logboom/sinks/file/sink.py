"""The rotating file as a sink: each step's effect exactly once.

Owns: the order of steps (append, roll, truncate, delete, compress), the live file's life, back-off when
a rotation fails. Never knows: where lines come from, how steps are recorded.

A timed rotation happens with the first record of the next period, as in the standard library; an empty
live file is never rolled.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom import platform
from logboom.errors import SinkError
from logboom.journal.target import Target
from logboom.logset.facts import moved
from logboom.platform.clock import SYSTEM_CLOCK, Clock
from logboom.platform.failpoints import reach
from logboom.platform.files import Directory
from logboom.sinks.base import Batch, Outcome, Sink, Step
from logboom.sinks.file import append, rollover, rotation
from logboom.sinks.file.facts import FactsKeeper
from logboom.sinks.file.live import LiveFile, open_live, open_locked, remove_strays
from logboom.sinks.file.maintenance import Maintenance, list_archives
from logboom.sinks.file.period import Period
from logboom.sinks.file.rolling import Rolling

__all__ = ["FileSink"]

_UNSYNCED: Final = 16


class FileSink(Sink):
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
            state: file that keeps the start of a timed rotation's period over a restart; beside it is
                what is known of the clock.
        """
        self._target = target
        self._path = directory
        self._notes = notes
        self._clock = clock
        self._period = Period(state)
        self._maintenance = Maintenance(notes, None if state is None else state.with_name("clock.json"))
        self._rolling = Rolling(notes, clock)
        self._facts = FactsKeeper(directory, target.name, notes)
        self._directory: Directory | None = None
        self._live: LiveFile | None = None
        self._tidy = False
        self._trouble = ""
        self._forced = False
        self._rotations = 0
        self._syncing = False
        self._renamed = False
        self._unsynced: list[LiveFile] = []

    def configure(self, target: Target) -> None:
        """Take newer settings for the same file, which keeps its spelling."""
        target = msgspec.structs.replace(target, name=self._target.name)
        if target.settings() != self._target.settings():
            self._rolling.try_soon()
            self._maintenance.look_soon()
        self._target = target

    def plan(self, batch: Batch, now: float) -> Step:
        """See `Sink.plan`."""
        lines, keys = batch.lines, batch.times
        with self._translated():
            live = self._current_live()
            self._remove_strays()
            status = live.status()
            try:
                take = self._fitting(lines, keys, status.st_size)
                if take == 0 or (self._forced and status.st_size):
                    if step := self._roll_step(live):
                        return step
                    take = len(lines)
            except (OSError, SinkError):
                raise
            except Exception as error:  # a setting that cannot be carried out costs rollovers, and no record
                self._rolling.give_up(self._target.name, error)
                take = len(lines)
            return self._append_step(live, status.st_size, batch, take)

    def _fitting(self, lines: Sequence[bytes], keys: Sequence[float], size: int) -> int:
        """How many of the lines go to the live file of this size."""
        return rotation.fitting(
            lines,
            keys,
            size or len(append.adapted(b"", 0, self._target.encoding)),
            limit=rotation.size_limit(self._target.rotation),
            rollover_at=self._rollover_at(keys[0], empty=size == 0),
            empty=size == 0,
        )

    def rollover(self, now: float) -> Step | None:
        """A rollover that was asked for by hand; None when the live file is empty or must wait.

        Without a backup to keep, the standard library opens the file again: that empties it in mode `w`.
        """
        with self._translated():
            live = self._current_live()
            if rotation.keeps_none(self._target.rotation):
                return self.truncate() if self._target.mode == "w" else None
            self._rolling.try_soon()
            return self._roll_step(live) if live.status().st_size else None

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
            self._facts.keep(live, step.beside, step.details["facts"])
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
            self._trouble = ""
            if not (self._rolls() or self._maintenance.compressing):
                return None
            if settle := self._rolling.settle(directory, self._target):
                return settle
            return self._maintenance.next_step(directory, self._target, now, self._clock.monotonic())
        except Exception as error:
            self._say_once(str(error))
            return None

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
            "unrotated": self._rolling.unrotated,
            "compressing": self._maintenance.compressing,
        }

    def close(self) -> None:
        """See `Sink.close`."""
        self._maintenance.close()
        self._facts.close()
        self._rolling.discard(self._directory)
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
            self._notes(f"{self._path} was replaced or removed: carried on in a new one")
            self._maintenance.close()
            self._rolling.discard(None)
            self._directory.close()
        directory = Directory(self._path)
        if directory.is_anothers():
            directory.close()
            raise SinkError(
                "root does not write in another user's directory",
                path=self._path,
                hint="Have the spool belong to that user: name another spool=, or let logboom make it anew",
            )
        self._directory = directory
        return directory

    def _current_live(self) -> LiveFile:
        """The file that bears the name now; made again when somebody took it away."""
        directory = self._opened()
        live = self._live
        if live is not None:
            if live.is_at(directory.stat(self._target.name)):
                return live
            self._notes(
                f"{self._target.name} was renamed, replaced or deleted by somebody: carried on with the name"
            )
        like = None if live is None else live.status()
        self._retire()
        self._live = open_live(directory, self._target, like)
        self._renamed = True
        self._period.adopt(self._live.status(), self._clock.wall())
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
        remove_strays(self._directory, self._target.name)

    # Appending.

    def _append_step(self, live: LiveFile, size: int, batch: Batch, take: int) -> Step:
        body = b"".join(batch.lines[:take])
        data = append.adapted(body, size, self._target.encoding) if size == 0 else body
        details: dict[str, Any] = {
            "dev": live.device,
            "ino": live.inode,
            "before": size,
            "length": len(data),
        }
        if self._target.rotation.when is not None and self._period.start is not None:
            details["start"] = self._period.start
        beside, details["facts"] = self._facts.describe(batch, take, live, size, data)
        return Step("append", take, data, details, beside)

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
        before = append.Region(live.fd, step.details["before"], live.status().st_size)
        if name is None or before[: len(step.data)] == step.data:  # a restored copy has another inode
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
        found = append.find_appended(file.fd, before, step.data, newline, same=not elsewhere)
        if found.kept < len(step.data):
            missing = step.data[found.kept :]
            if not found.kept:
                missing = append.adapted(missing, size, self._target.encoding)
            self._append(file, newline + missing if found.fresh_line else missing)
        self._recover_facts(file, step, size if elsewhere else before, elsewhere=elsewhere)
        self._keep_period(step)
        again = step.count if elsewhere and not found.kept else 0
        reason = "is gone" if gone else "was truncated"
        note = f"{again} lines were written again: the file that they were for {reason}"
        return Outcome(damaged=int(found.damaged), rewritten=again, notes=(note,) if again else ())

    def _recover_facts(self, file: LiveFile, step: Step, start: int, *, elsewhere: bool) -> None:
        """Keep the facts of an append, for where its bytes are by now; of broken ones there are none."""
        if not step.beside:
            return
        place = append.Region(file.fd, start, file.status().st_size).find(step.data)
        if place < 0:
            return
        shift = start + place - step.details["before"]
        at = None if elsewhere else step.details["facts"]
        self._facts.keep(file, moved(step.beside, shift) if shift else step.beside, at)

    # Rolling.

    def _rollover_at(self, key: float, *, empty: bool) -> float | None:
        schedule = rotation.schedule_of(self._target.rotation)
        if schedule is None:
            return None
        start = self._period.start
        if start is None or (empty and key >= schedule.rollover_at(start)) or schedule.is_ahead(start, key):
            start = self._period.start = key
        return schedule.rollover_at(start)

    def _rolls(self) -> bool:
        """Whether archives are made: by themselves, or by a rollover that was asked for."""
        return self._rotations > 0 or rotation.rotates(self._target.rotation)

    def _roll_step(self, live: LiveFile) -> Step | None:
        return self._rolling.plan(self._opened(), self._target, live, self._period.start)

    def _roll(self, step: Step) -> Outcome:
        directory, details = self._opened(), step.details
        self._maintenance.look_soon()
        self._renamed = True
        if "copied" in details:
            return self._roll_by_copy(directory, details)
        if not self._rolling.carry_out(directory, self._target.name, details):
            return Outcome()
        self._rotations += 1
        self._forced = False
        self._retire()
        fresh = self._rolling.take_prepared(details["temp_ino"])
        if fresh is None:
            fresh = open_live(directory, self._target, None)
        fresh.name, self._live = self._target.name, fresh
        if details["start"] is not None:
            self._period.keep(fresh.device, fresh.inode, details["start"])
        return Outcome()

    def _roll_by_copy(self, directory: Directory, details: dict[str, Any]) -> Outcome:
        live = self._current_live()
        if self._rolling.carry_out_copy(directory, live, details):
            self._facts.move(live, details["temp_ino"])
            self._rotations += 1
            self._forced = False
        return Outcome()

    # The rest.

    def _carry_out(self, step: Step) -> Outcome:
        """A step whose beginning is not known."""
        if step.kind == "append":
            return self._recover_append(step)
        if step.kind == "roll":
            return self._roll(step)
        if step.kind == "truncate":
            return self._truncate(step)
        self._renamed = True
        if step.kind == "settle":
            self._rolling.held.settled(self._opened(), step.details)
            return Outcome()
        return self._maintenance.apply(self._opened(), step)

    def _truncate(self, step: Step) -> Outcome:
        live, details = self._current_live(), step.details
        same = (live.device, live.inode) == (details["dev"], details["ino"])
        if same and details["size"] and live.status().st_size >= details["size"]:
            reach("effect")
            os.ftruncate(live.fd, 0)
            self._facts.forget(live)
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
        if self._directory is not None and self._renamed:
            self._directory.sync()
        self._syncing, self._renamed = True, False

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

    def _say_once(self, trouble: str) -> None:
        """Upkeep comes by many times a second."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._notes(trouble)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SinkError(
                f"cannot write: {error.strerror or error}", path=self._path / self._target.name
            ) from error
