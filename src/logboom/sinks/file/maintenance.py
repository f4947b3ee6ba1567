"""What is done to archives between batches: deleting and compressing.

Owns: when the directory is looked at, the running compression, steps `delete` and `compress`. Never
knows: the live file, batches.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from logboom.errors import SinkError
from logboom.journal.target import Target
from logboom.logset.sealing import sweep_facts
from logboom.platform.files import Directory
from logboom.sinks.base import Outcome, Step
from logboom.sinks.file import rotation
from logboom.sinks.file.compression import CompressionJob, check_compression, replace_by_compressed
from logboom.sinks.file.known_time import KnownTime
from logboom.sinks.file.rollover import delete_files
from logboom.sinks.file.rotation import Archive

__all__ = ["Maintenance", "list_archives"]

_SLICE: Final = 0.02
_LOOK_EVERY: Final = 60.0


def list_archives(directory: Directory, target: Target) -> list[Archive]:
    """The set's archives, the newest first."""
    # By name first: a directory may hold much else, and each status is a system call.
    names = rotation.names_of(target)
    named = rotation.archives_of(
        names, ((name, 0, 0, 0.0) for name in directory.names() if name != target.name)
    )
    found = []
    for one in named:
        status = directory.stat(one.name)
        if status is not None and stat.S_ISREG(status.st_mode) and status.st_dev == directory.device:
            found.append(one._replace(inode=status.st_ino, size=status.st_size, modified=status.st_mtime))
    return rotation.ours(found, target.rotation, names=names, holding=directory.holding)


class Maintenance:
    """Decides and carries out what archives need. Failing costs disk space, never a record."""

    def __init__(self, notes: Callable[[str], None], state: Path | None) -> None:
        """`state`: the file that keeps what is known of the clock over a restart."""
        self._notes = notes
        self._state = state
        self._known: KnownTime | None = None
        self._job: CompressionJob | None = None
        self._ready: Step | None = None
        self._look_at = 0.0
        self._refused: set[int] = set()
        self._said: set[str] = set()

    @property
    def compressing(self) -> str | None:
        """The archive that is being compressed."""
        return None if self._job is None else self._job.archive.name

    def look_soon(self) -> None:
        """Something changed: look at the directory with the next call."""
        self._look_at = 0.0

    def next_step(self, directory: Directory, target: Target, wall: float, monotonic: float) -> Step | None:
        """What is due; compresses for at most a slice of time. Never raises."""
        steady = wall if target.max_age is None else self._steady(wall, monotonic)
        try:
            if self._job is not None:
                return self._advance(self._job)
            if monotonic < self._look_at:
                return None
            return self._look(directory, target, steady, monotonic)
        except Exception as error:
            self._look_at = monotonic + _LOOK_EVERY
            self._say(f"archives are left as they are: {error}")
            return None

    def apply(self, directory: Directory, step: Step) -> Outcome:
        """Carry out a step of `next_step`, also one of a killed process."""
        if step.kind == "delete":
            failed = {f"could not delete {one}" for one in delete_files(directory, step.details["files"])}
            fresh, self._said = failed - self._said, self._said | failed
            if not failed:
                self._look_at = 0.0
            return Outcome(notes=tuple(sorted(fresh)))
        try:
            reason = replace_by_compressed(directory, step.details)
        except SinkError:
            raise
        except Exception as error:
            reason = f"{step.details['name']} stays plain: {error}"
        if reason:
            self._refused.add(step.details["ino"])
        self._end_job(discard=False)
        return Outcome(notes=(reason,) if reason else ())

    def close(self) -> None:
        self._end_job(discard=True)

    def _steady(self, wall: float, monotonic: float) -> float:
        if self._known is None:
            self._known = KnownTime(self._state)
        return self._known.now(wall, monotonic)

    def _look(self, directory: Directory, target: Target, steady: float, monotonic: float) -> Step | None:
        archives = list_archives(directory, target)
        gone = rotation.expired(
            archives,
            steady,
            backup_count=target.rotation.backup_count,
            max_age=target.max_age,
            max_total_size=target.max_total_size,
        )
        self._look_at = monotonic + _LOOK_EVERY
        sweep_facts(directory)
        if gone:
            return Step("delete", details={"files": [[one.inode, one.name] for one in gone]})
        self._start_job(directory, target, archives)
        return None

    def _start_job(self, directory: Directory, target: Target, archives: list[Archive]) -> None:
        if target.compress is None:
            return
        check_compression(target.compress)
        self._refused &= {one.inode for one in archives}
        kept = {one.inode for one in archives if not one.suffix and directory.kept_by_another(one.name)}
        archive = rotation.compressible(archives, self._refused | kept)
        if archive is not None:
            self._refused.add(archive.inode)
            self._job = CompressionJob(directory, target.name, archive, target.compress)
            self._refused.discard(archive.inode)

    def _advance(self, job: CompressionJob) -> Step | None:
        if self._ready is not None:
            return self._ready
        try:
            if not job.advance(_SLICE):
                return None
        except Exception:
            self._end_job(discard=True)
            raise
        self._ready = Step("compress", details=job.details())
        return self._ready

    def _end_job(self, *, discard: bool) -> None:
        if self._job is not None:
            with contextlib.suppress(OSError):
                self._job.close(discard=discard)
        self._job = self._ready = None
        self._look_at = 0.0

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._notes(text)
