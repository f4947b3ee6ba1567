"""The file sink among others that write, rename, truncate and delete; access rights; what fails."""

from __future__ import annotations

import errno
import gzip
import itertools
import os
import shutil
import stat
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from logboom import platform
from logboom.errors import ConfigurationError, SinkError
from logboom.journal.target import Rotation, Target
from logboom.platform.files import Directory
from logboom.sinks.base import Batch, Outcome
from logboom.sinks.file import append, compression, known_time, rotation
from logboom.sinks.file.maintenance import list_archives
from logboom.sinks.file.sink import FileSink

START = 1_790_000_000.0
NewRig = Callable[..., Any]
LINES = [b"2026-09-21 14:13:20 line %02d\n" % i for i in range(4)]
MINE = b"".join(LINES)
THEIRS = b"somebody else's line\n"


def add(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


# Others, between any two steps.


def test_a_deleted_file_is_made_again(new_rig: NewRig) -> None:
    """24 hours of logs must not go to a file that nobody can see."""
    rig = new_rig()
    rig.write(LINES[:2])
    rig.live.unlink()
    rig.write(LINES[2:])
    assert rig.live.read_bytes() == b"".join(LINES[2:])


def test_a_file_deleted_between_plan_and_write_is_made_again(new_rig: NewRig) -> None:
    """The deletion may come at the worst moment."""
    rig = new_rig()
    rig.write(LINES[:1])

    def delete(rig: Any, place: str) -> None:
        if place == "append.before":
            rig.between = None
            rig.live.unlink()

    rig.between = delete
    rig.write(LINES)
    assert rig.live.read_bytes() == MINE
    assert rig.outcomes[-1].rewritten == 4


def test_a_file_renamed_between_plan_and_write_is_finished(new_rig: NewRig) -> None:
    """The batch goes where its intent says, as any writer's that has the file open; the next to the name."""
    rig = new_rig()
    step = rig.sink.plan(Batch.of(LINES, [START] * 4), START)
    rig.live.rename(rig.directory / "app.log-20261122")
    rig.step(step)
    rig.write(LINES[:1])
    assert (rig.directory / "app.log-20261122").read_bytes() == MINE
    assert rig.live.read_bytes() == LINES[0]


def test_logrotate_by_renaming(new_rig: NewRig) -> None:
    """The file goes on under a new name, ours under the old one, in the same mode."""
    rig = new_rig(Target(name="app.log", file_mode=0o640))
    rig.write(LINES[:2])
    rig.live.rename(rig.directory / "app.log-20261122")
    rig.write(LINES[2:])
    assert (rig.directory / "app.log-20261122").read_bytes() == b"".join(LINES[:2])
    assert rig.live.read_bytes() == b"".join(LINES[2:])
    assert stat.S_IMODE(rig.live.stat().st_mode) == 0o640


def test_somebody_elses_file_is_carried_on(new_rig: NewRig) -> None:
    """logrotate's `create` makes the file before we do: it is appended to, and keeps its mode."""
    rig = new_rig()
    rig.write(LINES[:2])
    rig.live.rename(rig.directory / "app.log.old")
    rig.live.write_bytes(THEIRS)
    rig.live.chmod(0o600)
    rig.write(LINES[2:])
    assert rig.live.read_bytes() == THEIRS + b"".join(LINES[2:])
    assert stat.S_IMODE(rig.live.stat().st_mode) == 0o600


def test_the_directory_is_made_again(new_rig: NewRig) -> None:
    """Removing the log directory under a running program costs what was in it, and no more."""
    rig = new_rig()
    rig.write(LINES[:2])
    rig.live.unlink()
    rig.directory.rmdir()
    rig.write(LINES[2:])
    assert rig.live.read_bytes() == b"".join(LINES[2:])
    rig.directory.rename(rig.directory.with_name("moved"))
    rig.write(LINES[:1])
    assert rig.live.read_bytes() == LINES[0]


# Others, between the intent and the recovery.


def crash(rig: Any, part: int | None) -> None:
    """Die with `part` bytes of MINE written; None for none of them and for no attempt."""
    step = rig.sink.plan(Batch.of(LINES, [START] * 4), START)
    rig.intent = step
    if part is not None:
        add(rig.live, MINE[:part])
    rig.die()


@pytest.mark.parametrize("part", [None, 0, 1, 5, 28, 29, 40, len(MINE) - 1, len(MINE)])
def test_recovery_without_disturbance(new_rig: NewRig, part: int | None) -> None:
    """Whatever a killed write left is completed; doing it twice changes nothing."""
    rig = new_rig()
    rig.write([THEIRS])
    crash(rig, part)
    step = rig.intent
    assert rig.recover() == Outcome()
    assert rig.live.read_bytes() == THEIRS + MINE
    assert rig.sink.recover(step) == Outcome()
    assert rig.live.read_bytes() == THEIRS + MINE


@pytest.mark.parametrize("part", [0, 1, 5, 28, 29, 40, len(MINE) - 1, len(MINE)])
@pytest.mark.parametrize("early", [b"", THEIRS])
@pytest.mark.parametrize("late", [b"", THEIRS, THEIRS[:-1]])
def test_recovery_among_foreign_appends(new_rig: NewRig, part: int, early: bytes, late: bytes) -> None:
    """Others append before ours, after it, without a newline: all of ours whole once, nothing cut."""
    rig = new_rig()
    step = rig.intent = rig.sink.plan(Batch.of(LINES, [START] * 4), START)
    add(rig.live, early + MINE[:part] + late)
    rig.die()
    outcome = rig.recover()
    text = rig.live.read_bytes()
    broken = bool(late) and part % len(LINES[0]) != 0 and (part >= 16 or not early)
    assert text.startswith(early + MINE[:part] + late)
    assert outcome.damaged == broken
    lines = text.splitlines(keepends=True)
    assert [lines.count(line) for line in LINES] == [1] * 4
    assert rig.sink.recover(step).rewritten == 0
    assert rig.live.read_bytes() == text


@pytest.mark.parametrize("part", [0, 5, 40, len(MINE)])
@pytest.mark.parametrize("late", [b"", THEIRS])
def test_recovery_after_copytruncate(new_rig: NewRig, part: int, late: bytes) -> None:
    """Somebody emptied the file: what was ours is written again, and counted."""
    rig = new_rig()
    rig.write([b"old line %d of the log\n" % i for i in range(40)])
    crash(rig, part)
    os.truncate(rig.live, 0)
    add(rig.live, late)
    assert rig.recover().rewritten == 4
    assert rig.live.read_bytes() == late + MINE


def test_recovery_finds_what_was_written_after_a_truncation(new_rig: NewRig) -> None:
    """Emptied between the intent and the write: ours is there, at the beginning."""
    rig = new_rig()
    rig.write([b"old line %d of the log\n" % i for i in range(40)])
    rig.intent = rig.sink.plan(Batch.of(LINES, [START] * 4), START)
    os.truncate(rig.live, 0)
    add(rig.live, MINE)
    rig.die()
    assert rig.recover() == Outcome()
    assert rig.live.read_bytes() == MINE


@pytest.mark.parametrize("part", [0, 5, 40, len(MINE)])
def test_recovery_of_a_renamed_file(new_rig: NewRig, part: int) -> None:
    """logrotate came between: the file is found under its new name, by its inode."""
    rig = new_rig()
    rig.write([THEIRS])
    crash(rig, part)
    rig.live.rename(rig.directory / "app.log-20261122")
    assert rig.recover() == Outcome()
    assert (rig.directory / "app.log-20261122").read_bytes() == THEIRS + MINE
    rig.write([THEIRS])
    assert rig.live.read_bytes() == THEIRS


@pytest.mark.parametrize("again", [None, 0, 5, 40, len(MINE)])
def test_recovery_of_a_deleted_file(new_rig: NewRig, again: int | None) -> None:
    """The file is gone: its lines go to the new one, once, also when that is killed midway."""
    rig = new_rig()
    rig.write([THEIRS])
    crash(rig, 40)
    keeper = os.open(rig.live, os.O_RDONLY)  # So that the next file gets another inode.
    rig.live.unlink()
    if again is not None:
        rig.live.write_bytes(MINE[:again])
    outcome = rig.recover()
    os.close(keeper)
    assert outcome.rewritten == (0 if again else 4)
    assert rig.live.read_bytes() == MINE


BIG = 70 << 20


def restore(rig: Any) -> None:
    """Put a copy in the live file's place: another inode, the same content."""
    copy = rig.live.with_name("copy")
    shutil.copy2(rig.live, copy)
    copy.replace(rig.live)


@pytest.mark.parametrize(
    ("size", "part"), [(3000, 0), (3000, 5), (3000, 40), (0, len(MINE)), (BIG, 40), (BIG, len(MINE))]
)
def test_recovery_in_a_restored_snapshot(new_rig: NewRig, size: int, part: int) -> None:
    """Taken between the write and "done": the batch is at the end, however long the file is."""
    rig = new_rig()
    rig.write([THEIRS])
    os.truncate(rig.live, len(THEIRS) + size)
    add(rig.live, b"\n")
    crash(rig, part)
    restore(rig)
    tracemalloc.start()
    outcome = rig.recover()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with rig.live.open("rb") as file:
        file.seek(len(THEIRS) + size + 1)
        assert file.read() == MINE
    assert outcome.rewritten == (0 if part else 4)
    assert peak < 32 << 20


@pytest.mark.parametrize("behind", [0, BIG])
def test_recovery_in_a_restored_snapshot_that_was_cut(new_rig: NewRig, behind: int) -> None:
    """Its head was removed to save space, and a program appended: the batch is looked for everywhere."""
    rig = new_rig()
    rig.write([THEIRS * 100])
    crash(rig, len(MINE))
    rig.live.write_bytes(MINE + THEIRS)
    os.truncate(rig.live, len(MINE + THEIRS) + behind)
    restore(rig)
    assert rig.recover() == Outcome()
    with rig.live.open("rb") as file:
        assert file.read(1000).startswith(MINE + THEIRS)
    assert rig.live.stat().st_size == len(MINE + THEIRS) + behind


def test_recovery_behind_many_foreign_bytes(new_rig: NewRig) -> None:
    """Another program appended more than is read at once, before and behind a write that was cut."""
    rig = new_rig()
    step = rig.intent = rig.sink.plan(Batch.of(LINES, [START] * 4), START)
    add(rig.live, THEIRS * 300_000 + MINE[:40] + THEIRS * 300_000)
    rig.die()
    assert rig.recover().damaged == 1
    assert [rig.live.read_bytes().splitlines(keepends=True).count(line) for line in LINES] == [1] * 4
    before = rig.live.stat().st_size
    assert rig.sink.recover(step) == Outcome(damaged=1)
    assert rig.live.stat().st_size == before


@pytest.mark.parametrize("what", ["taken", "newcomer", "oldest gone", "live gone", "live replaced"])
def test_disturbed_rollover(new_rig: NewRig, what: str) -> None:
    """Somebody's file under a name of the chain is never overwritten, and ours are all kept."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=60, backup_count=5)))
    for line in LINES[:3]:
        rig.write([line, line])
    assert len(rig.archives()) == 2

    def disturb(rig: Any, place: str) -> None:
        if place != "roll.move":
            return
        rig.between = None
        if what == "taken":
            (rig.directory / "app.log.3").write_bytes(THEIRS)
        elif what == "newcomer":
            rig.between = lambda rig, place: place == "roll.place" and rig.live.write_bytes(THEIRS)
        elif what == "oldest gone":
            (rig.directory / "app.log.2").unlink()
        else:
            rig.live.rename(rig.directory / "elsewhere")
            if what == "live replaced":
                rig.live.write_bytes(THEIRS)

    rig.between = disturb
    rig.write([LINES[3]] * 2)
    every = b"".join(path.read_bytes() for path in rig.directory.iterdir())
    kept = LINES[1:] if what == "oldest gone" else LINES
    assert all(every.count(line) == 2 for line in kept)
    assert (THEIRS in every) == (what in ("taken", "newcomer", "live replaced"))
    assert rig.hidden() == []


# Rotation's own rules.


def test_a_restart_does_not_lose_the_period(new_rig: NewRig) -> None:
    """A program that is restarted every half hour still rolls every hour."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(when="H", utc=True)))
    for _ in range(5):
        rig.write([LINES[0]], [rig.clock.now])
        rig.restart()
        rig.clock.go(1800)
    assert len(rig.archives()) == 2


@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_was_ahead_does_not_stop_the_rotation(new_rig: NewRig, restarts: bool) -> None:
    """A moment a month ahead must not leave the file unrotated for a month."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(when="H", utc=True)))
    rig.write([LINES[0]], [rig.clock.now])
    rig.clock.now += 30 * 86400
    rig.write([LINES[1]], [rig.clock.now])
    rig.clock.now -= 30 * 86400
    assert len(rig.archives()) == 1
    for line in LINES[2:]:
        if restarts:
            rig.restart()
        rig.write([line], [rig.clock.now])
        rig.clock.go(3600)
    rig.write([LINES[0]], [rig.clock.now])
    assert len(rig.archives()) == 3
    assert sum(path.read_bytes().count(b"\n") for path in rig.directory.iterdir()) == 5


def test_a_file_of_the_future_is_rolled(new_rig: NewRig) -> None:
    """Also where nothing but its own time says when it began."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(when="H", utc=True)))
    rig.directory.mkdir()
    rig.live.write_bytes(THEIRS)
    os.utime(rig.live, (START + 7 * 86400,) * 2)
    rig.write([LINES[0]], [START])
    rig.clock.go(3600)
    rig.write([LINES[1]], [rig.clock.now])
    assert rig.archives() == ["app.log.2026-09-21_14"]


def test_a_rollover_that_was_missed_happens(new_rig: NewRig) -> None:
    """The file of last week gets its own day's name, also without remembered state."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(when="MIDNIGHT", utc=True)))
    rig.directory.mkdir()
    rig.live.write_bytes(THEIRS)
    os.utime(rig.live, (START - 7 * 86400,) * 2)
    rig.write([LINES[0]], [START])
    assert rig.archives() == ["app.log.2026-09-14"]


def test_one_period_can_roll_twice(new_rig: NewRig) -> None:
    """By size within the day: `.1`, `.2`, over a restart as well, and never over a file."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(when="MIDNIGHT", max_bytes=60, utc=True)))
    for line in LINES:
        rig.write([line, line])
        rig.restart()
    assert rig.archives() == ["app.log.2026-09-21.2", "app.log.2026-09-21.1", "app.log.2026-09-21"]
    assert rig.content() == b"".join(line + line for line in LINES)


def test_backup_count_counts_files(new_rig: NewRig) -> None:
    """Not days: also when a day has several."""
    rotation = Rotation(when="MIDNIGHT", max_bytes=60, backup_count=2, utc=True)
    rig = new_rig(Target(name="app.log", rotation=rotation))
    (rig.directory).mkdir()
    (rig.directory / "app.log.bak").write_bytes(THEIRS)
    for line in LINES * 2:
        rig.write([line, line])
    rig.maintain()
    assert len(rig.archives()) == 2
    assert (rig.directory / "app.log.bak").exists()


def test_a_failed_rotation_waits_and_loses_nothing(new_rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not tried again with each record, it is said once, and it goes on when it can."""
    tries = []

    def refuse(self: Directory, source: str, target: str) -> None:
        tries.append(source)
        raise OSError(errno.EBUSY, "busy")

    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=60, backup_count=5)))
    rig.write(LINES[:2])
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "move", refuse)
        for _ in range(50):
            rig.write([LINES[2]])
    assert len(tries) == 1
    assert len(rig.notes) == 1
    assert "mount" in rig.notes[0].lower()
    assert rig.sink.status()["unrotated"]
    rig.clock.go(1000)
    rig.write([LINES[3]])
    assert rig.sink.status()["unrotated"] == ""
    assert rig.content() == b"".join(LINES[:2] + [LINES[2]] * 50 + [LINES[3]])


@pytest.mark.parametrize("kind", ["directory", "link"])
@pytest.mark.parametrize(
    ("rotation", "name"),
    [
        (Rotation(max_bytes=60, backup_count=5), "app.log.1"),
        (Rotation(when="MIDNIGHT", utc=True), "app.log.2026-09-21"),
    ],
    ids=["number", "period"],
)
def test_what_bears_the_name_of_the_next_backup_is_in_the_way(
    new_rig: NewRig, rotation: Rotation, name: str, kind: str
) -> None:
    """The file grows on, one note names the obstacle, and it rotates once that is gone."""
    rig = new_rig(Target(name="app.log", rotation=rotation))
    rig.directory.mkdir()
    obstacle = rig.directory / name
    if kind == "directory":
        obstacle.mkdir()
    elif sys.platform == "win32":
        pytest.skip("a symlink needs a privilege on Windows")
    else:
        obstacle.symlink_to("elsewhere")
    lines, days = [LINES[i % 4] for i in range(20)], []
    for line in lines:
        days += rig.write([line], [rig.clock.now])
        rig.clock.go(86400 / 10)
    assert [step.kind for step in days] == ["append"] * 20
    assert rig.live.read_bytes() == b"".join(lines)
    assert [note for note in rig.notes if f"{name} is in the way" in note] == rig.notes
    assert len(rig.notes) == 1
    assert name in rig.sink.status()["unrotated"]
    assert rig.hidden() == []
    obstacle.rename(rig.directory / "elsewhere")
    rig.clock.go(1000)
    rig.write([LINES[0]])
    assert rig.live.read_bytes() == LINES[0]
    assert obstacle.read_bytes() == b"".join(lines)


def test_anothers_file_in_a_sticky_directory_grows_on(
    new_rig: NewRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its owner can rename it: no rollover is begun that cannot end, and one note says what to do."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=60, backup_count=5)))
    for line in LINES[:2]:
        rig.write([line, line])
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "kept_by_another", lambda self, name: name == "app.log", raising=False)
        for _ in range(20):
            rig.write([LINES[2]])
            rig.clock.go(10)
    assert rig.archives() == ["app.log.1"]
    assert len(rig.notes) == 1
    assert "chmod -t" in rig.notes[0]
    assert rig.content() == b"".join([LINES[0]] * 2 + [LINES[1]] * 2 + [LINES[2]] * 20)
    rig.clock.go(1000)
    rig.write([LINES[3]])
    assert rig.archives() == ["app.log.1", "app.log.2"]


@pytest.mark.skipif(sys.platform == "win32", reason="a move is one call there")
def test_a_rollover_that_another_user_left_half_done_is_finished(new_rig: NewRig) -> None:
    """A second name for the live file is no archive: its records would be there twice."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=60, backup_count=5)))
    rig.write([LINES[0]] * 2)
    rig.restart()
    (rig.directory / "app.log.1").hardlink_to(rig.live)
    rig.write([LINES[1]] * 2)
    assert rig.content() == b"".join([LINES[0]] * 2 + [LINES[1]] * 2)


def test_an_archive_that_another_user_keeps_stays_plain(
    new_rig: NewRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside its compressed copy it would have every record twice."""
    rig = new_rig(Target(name="app.log", compress="gzip", rotation=Rotation(max_bytes=60, backup_count=9)))
    for line in LINES:
        rig.write([line, line])
    monkeypatch.setattr(Directory, "kept_by_another", lambda self, name: name == "app.log.3", raising=False)
    real = Directory.unlink

    def refuse(self: Directory, name: str) -> None:
        if name == "app.log.2":
            raise PermissionError(errno.EPERM, "not permitted", name)
        real(self, name)

    monkeypatch.setattr(Directory, "unlink", refuse)
    rig.maintain()
    assert rig.archives() == ["app.log.1", "app.log.2", "app.log.3"]
    assert rig.hidden() == []


def test_nothing_is_deleted_for_a_rotation_that_failed(
    new_rig: NewRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest goes last: else each attempt would cost an archive, and make no new one."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(when="S", backup_count=2)))
    for line in LINES[:3]:
        rig.write([line])
        rig.clock.go(2)
    archives = sorted(rig.directory.glob("app.log.*"))
    assert len(archives) == 2

    def refuse(self: Directory, source: str, target: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "move", refuse)
        rig.write([LINES[3]])
        rig.clock.go(2)
        rig.write([LINES[0]])
    assert sorted(rig.directory.glob("app.log.*")) == archives
    assert "cannot be rotated" in "".join(rig.notes)
    rig.clock.go(1000)
    rig.write([LINES[1]])
    assert archives[0] not in rig.directory.glob("app.log.*")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to mount a file")
def test_a_mounted_file_grows_on(new_rig: NewRig, tmp_path: Path) -> None:
    """A container's bind mount pins the file to its name: every record is in it, and one note says why."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=60, backup_count=5)))
    rig.directory.mkdir()
    rig.live.touch()
    outside = tmp_path / "outside"
    outside.touch()
    if subprocess.run(["mount", "--bind", outside, rig.live], capture_output=True).returncode:
        pytest.skip("cannot mount here")
    try:
        for line in LINES:
            rig.write([line, line])
        assert rig.live.read_bytes() == b"".join(line + line for line in LINES)
        assert len(rig.notes) == 1
        assert rig.hidden() == []
    finally:
        subprocess.run(["umount", "-l", rig.live], check=True)


def test_retention_failing_never_rotates(new_rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup that cannot be deleted is one note; records and rollovers go on."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=60, backup_count=1)))
    real = Directory.unlink

    def refuse(self: Directory, name: str) -> None:
        if name in ("app.log.2", "app.log.3"):
            raise PermissionError(errno.EPERM, "not permitted", name)
        real(self, name)

    monkeypatch.setattr(Directory, "unlink", refuse)
    for line in LINES[:3]:
        rig.write([line, line])
    assert rig.content().endswith(b"".join(LINES[2:3] * 2))
    assert rig.sink.status()["rotations"] == 2


@pytest.mark.parametrize(
    "target",
    [
        Target(name="app.log", rotation=Rotation(max_bytes=60, backup_count=2), max_age=1.0, compress="gzip"),
        Target(name="app.log", rotation=Rotation(backup_count=2), max_total_size=1),
        Target(name="app.log", max_age=1.0, max_total_size=1, compress="gzip"),
    ],
    ids=["by size", "never", "plain"],
)
def test_retention_leaves_files_of_others_alone(new_rig: NewRig, target: Target) -> None:
    """An admin's copy may be the only one."""
    rig = new_rig(target)
    rig.directory.mkdir()
    names = {f"app.log.{end}" for end in ("20261122", "2025", "2025.gz", "0.1", "2026-11-22", "bak")}
    if not rotation.rotates(target.rotation):
        names |= {f"app.log.{end}" for end in ("1", "2", "3", "4")}
    if Directory.holding and rotation.rotates(target.rotation):
        names -= {"app.log.0.1"}
    for name in names:
        (rig.directory / name).write_bytes(THEIRS)
        os.utime(rig.directory / name, (START - 10**6,) * 2)
    for _ in range(3):
        for line in LINES:
            rig.write([line, line])
        rig.maintain()
        rig.clock.go(10_000)
    assert {name for name in names if (rig.directory / name).read_bytes() == THEIRS} == names


def test_a_lower_count_removes_what_is_beyond(new_rig: NewRig) -> None:
    """Backups that a higher count had left are the set's own."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=30, backup_count=10)))
    for _ in range(11):
        rig.write([LINES[0]])
    assert len(rig.archives()) == 10
    rig.sink.configure(Target(name="app.log", rotation=Rotation(max_bytes=30, backup_count=3)))
    rig.maintain()
    assert rig.archives() == ["app.log.1", "app.log.2", "app.log.3"]


def test_a_rollover_by_hand_has_its_retention(new_rig: NewRig) -> None:
    """Also where nothing is rolled by size: `doRollover` at each start is a common way."""
    rig = new_rig(Target(name="app.log", compress="gzip", rotation=Rotation(backup_count=3)))
    for line in LINES * 2:
        rig.write([line])
        rig.step(rig.sink.rollover(START))
    rig.maintain()
    assert rig.archives() == ["app.log.1", "app.log.2.gz", "app.log.3.gz"]


def test_compression_goes_on_after_retention(new_rig: NewRig) -> None:
    """Both are due after fewer backups are asked for: one follows the other."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=60, backup_count=9)))
    for line in LINES * 2:
        rig.write([line, line])
    rig.maintain()
    rig.sink.configure(
        Target(name="app.log", compress="gzip", rotation=Rotation(max_bytes=60, backup_count=3))
    )
    assert [step.kind for step in rig.maintain()] == ["delete", "compress", "compress"]
    assert rig.archives() == ["app.log.1", "app.log.2.gz", "app.log.3.gz"]


def test_max_age_and_total_size(new_rig: NewRig) -> None:
    """The directory is looked at now and then, without a rollover too."""
    rig = new_rig(Target(name="app.log", max_age=3600.0, rotation=Rotation(max_bytes=60, backup_count=9)))
    for line in LINES:
        rig.write([line, line])
    rig.maintain()
    for name in rig.archives():
        os.utime(rig.directory / name, (rig.clock.now,) * 2)
    rig.clock.go(3500)
    rig.maintain()
    assert len(rig.archives()) == 3
    rig.clock.go(200)
    rig.maintain()
    assert rig.archives() == []


def aged(rig: Any) -> int:
    """Make three archives; returns how many there are."""
    for line in LINES:
        rig.write([line, line])
    rig.maintain()
    for name in rig.archives():
        os.utime(rig.directory / name, (rig.clock.now,) * 2)
    return len(rig.archives())


def test_max_age_with_a_clock_that_is_ahead_at_the_start(new_rig: NewRig) -> None:
    """A script that runs for seconds under a wrong clock must not cost all backups."""
    rig = new_rig(Target(name="app.log", max_age=3600.0, rotation=Rotation(max_bytes=60, backup_count=9)))
    rig.clock.now += 30 * 86400
    rig.maintain()
    rig.clock.now -= 30 * 86400
    assert aged(rig) == 3
    for ahead in (0, 30 * 86400, 0, 30 * 86400):
        rig.restart()
        rig.clock.go(60)
        rig.clock.now += ahead
        rig.maintain()
        rig.clock.now -= ahead
        assert len(rig.archives()) == 3


def test_max_age_over_restarts(new_rig: NewRig) -> None:
    """What is known of the clock is kept: programs that run for seconds delete what is old in the end."""
    rig = new_rig(Target(name="app.log", max_age=3600.0, rotation=Rotation(max_bytes=60, backup_count=9)))
    assert aged(rig) == 3
    for _ in range(5):
        rig.restart()
        rig.clock.go(1000)
        rig.maintain()
    assert rig.archives() == []


def test_what_is_known_of_the_clock_is_of_one_run_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Monotonic time begins anew with the next; a file that cannot be read is as none, and not fatal."""
    boot, file = tmp_path / "boot_id", tmp_path / "clock.json"
    monkeypatch.setattr(known_time, "_BOOT", boot)
    boot.write_text("first\n")
    known = known_time.KnownTime(file)
    known.now(START, 0.0)
    assert known.now(START + 4000, 4000.0) == START + 4000
    assert known_time.KnownTime(file).now(START + 90000, 4001.0) == START + 4001
    written = file.stat().st_mtime_ns, file.stat().st_ino
    assert known_time.KnownTime(file).now(START + 4002, 4002.0) == START + 4002
    known_time.KnownTime(file).now(START + 4003, 4003.5)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) != written
    boot.write_text("second\n")
    assert known_time.KnownTime(file).now(START + 5000, 4005.0) == float("-inf")
    file.write_bytes(b"{")
    boot.unlink()
    assert known_time.KnownTime(file).now(START, 0.0) == float("-inf")
    assert known_time.KnownTime(tmp_path / "no" / "such").now(START, 0.0) == START, "the first of all"


def test_newer_settings(new_rig: NewRig) -> None:
    """The rotation of the newest configuration counts from the next batch on."""
    rig = new_rig()
    rig.write(LINES)
    rig.sink.configure(Target(name="app.log", rotation=Rotation(max_bytes=60, backup_count=2)))
    rig.write(LINES[:2])
    assert rig.archives() == ["app.log.1"]


def test_rollover_by_hand(new_rig: NewRig) -> None:
    """`doRollover` rolls a file that has something in it."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=10**6, backup_count=2)))
    rig.write(LINES)
    rig.step(rig.sink.rollover(START))
    assert rig.sink.rollover(START) is None
    assert rig.archives() == ["app.log.1"]


@pytest.mark.parametrize(("mode", "left"), [("a", MINE), ("w", b"")])
def test_rollover_by_hand_without_backups(new_rig: NewRig, mode: str, left: bytes) -> None:
    """The standard library keeps none and opens the file again; backups without end would fill the disk."""
    rig = new_rig(Target(name="app.log", mode=mode))
    for _ in range(3):
        rig.step(rig.sink.truncate())
        rig.write(LINES)
        step = rig.sink.rollover(START)
        if step is not None:
            rig.step(step)
        assert rig.live.read_bytes() == left
    rig.write(LINES)
    assert rig.live.read_bytes() == left + MINE
    assert rig.archives() == []


# Modes, names, encodings.


def test_modes_come_from_the_settings_and_the_old_file(new_rig: NewRig) -> None:
    """Not from the collector's umask; rotation keeps what an administrator set."""
    rig = new_rig(Target(name="app.log", umask_mode=0o664, rotation=Rotation(max_bytes=60, backup_count=2)))
    os.umask(0o077)
    rig.write(LINES[:2])
    assert stat.S_IMODE(rig.live.stat().st_mode) == 0o664
    rig.live.chmod(0o604)
    rig.write(LINES[2:])
    assert stat.S_IMODE(rig.live.stat().st_mode) == 0o604


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to give files away")
def test_owner_and_group_stay(new_rig: NewRig) -> None:
    """A set that belongs to www-data does so after a rollover by root."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=60, backup_count=2)))
    rig.write(LINES[:2])
    os.chown(rig.live, 33, 34)
    rig.write(LINES[2:])
    assert (rig.live.stat().st_uid, rig.live.stat().st_gid) == (33, 34)


def test_links_are_not_followed(new_rig: NewRig, tmp_path: Path) -> None:
    """A link in a directory that others can write must not lead the collector to another file."""
    rig = new_rig()
    rig.directory.mkdir()
    (tmp_path / "secret").write_bytes(b"")
    rig.live.symlink_to(tmp_path / "secret")
    with pytest.raises(SinkError):
        rig.write(LINES)
    rig.live.unlink()
    os.mkfifo(rig.live)
    with pytest.raises(SinkError):
        rig.write(LINES)
    assert (tmp_path / "secret").read_bytes() == b""


def test_two_sinks_never_write_one_file(new_rig: NewRig) -> None:
    """A leader that was thought dead must not go on beside its successor."""
    rig = new_rig()
    rig.write(LINES)
    other = FileSink(rig.target, rig.directory, notes=rig.notes.append)
    with pytest.raises(SinkError):
        other.plan(Batch.of(LINES, [START] * 4), START)
    rig.restart()
    assert other.plan(Batch.of(LINES, [START] * 4), START).count == 4
    other.close()
    other.close()


def test_a_forked_child_does_not_keep_the_lock(new_rig: NewRig) -> None:
    """A program that collects by itself forks and is killed: its children must not stand in the way."""
    rig = new_rig()
    rig.write(LINES)
    ready, end = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end[1])
        os.write(ready[1], b"x")
        os.read(end[0], 1)
        os._exit(0)
    try:
        os.read(ready[0], 1)
        batch = Batch.of(LINES, [START] * 4)
        with pytest.raises(SinkError):
            FileSink(rig.target, rig.directory, notes=rig.notes.append).plan(batch, START)
        rig.die()
        assert rig.write(LINES)
    finally:
        os.close(end[1])
        os.waitpid(child, 0)
        for fd in (*ready, end[0]):
            os.close(fd)


def test_mark_of_wide_encodings(new_rig: NewRig) -> None:
    """Each file of the set begins with it, once, also after it was emptied."""
    rotation = Rotation(max_bytes=200, backup_count=9)
    rig = new_rig(Target(name="app.log", encoding="utf-16", rotation=rotation))
    lines = [f"line {i} \u0a0a of text\n" for i in range(40)]
    rig.write([line.encode("utf-16-le") for line in lines])
    files = [(rig.directory / name).read_bytes() for name in [*reversed(rig.archives()), "app.log"]]
    assert "".join(one.decode("utf-16") for one in files) == "".join(lines)
    assert all(one.count(b"\xff\xfe") == 1 for one in files)
    os.truncate(rig.live, 0)
    rig.write(["again\n".encode("utf-16-le")])
    assert rig.live.read_bytes() == "again\n".encode("utf-16")


def test_upkeep_says_a_trouble_once(new_rig: NewRig) -> None:
    """It comes by many times a second, and the collector's log is small."""
    rig = new_rig()
    rig.directory.parent.joinpath("logs").write_bytes(b"not a directory")
    for _ in range(5):
        assert rig.sink.upkeep(START) is None
    assert len(rig.notes) == 1
    rig.directory.unlink()
    assert rig.sink.upkeep(START) is None
    assert rig.live.exists()


def test_mode_w(new_rig: NewRig) -> None:
    """Emptied once, when the cycle asks; a step that is given again does not cut what came after."""
    rig = new_rig()
    rig.write([*LINES, *LINES])
    step = rig.sink.truncate()
    rig.step(step)
    assert rig.live.read_bytes() == b""
    rig.write(LINES[:1])
    rig.sink.recover(step)
    assert rig.live.read_bytes() == LINES[0]


def test_delay(new_rig: NewRig) -> None:
    """The file is there once configured, unless it shall wait for the first record."""
    rig = new_rig()
    rig.maintain()
    assert rig.live.read_bytes() == b""
    late = new_rig(Target(name="app.log", delay=True))
    late.maintain()
    assert not late.live.exists()


def test_strays_of_the_dead_are_removed(new_rig: NewRig) -> None:
    """Temporary files of a killed process, and nothing that only looks like them."""
    rig = new_rig()
    rig.directory.mkdir()
    (rig.directory / ".app.log.0123456789abcdef.logboom").write_bytes(b"")
    (rig.directory / f".{zlib.crc32(b'app.log'):08x}.0123456789abcdef.logboom").write_bytes(b"")
    (rig.directory / ".app.log.mine.logboom").write_bytes(b"")
    rig.maintain()
    assert rig.hidden() == [".app.log.mine.logboom"]


@pytest.mark.skipif(sys.platform == "win32", reason="a whole path has 260 characters there")
@pytest.mark.parametrize("delay", [False, True])
def test_long_names(new_rig: NewRig, delay: bool) -> None:
    """A name that has room for `.2.gz` is rotated and compressed, as by the standard library."""
    rotation = Rotation(max_bytes=60, backup_count=5)
    rig = new_rig(Target(name="a" * 246 + ".log", delay=delay, rotation=rotation, compress="gzip"))
    rig.maintain()
    for line in LINES:
        rig.write([line, line])
    rig.maintain()
    assert [name[246:] for name in rig.archives()] == [".log.1", ".log.2.gz", ".log.3.gz"]
    assert rig.content() == b"".join(line + line for line in LINES)
    assert rig.notes == []
    assert rig.hidden() == []


# Compression.


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_the_newest_backup_stays_plain(new_rig: NewRig, codec: Any) -> None:
    """The others are compressed, with their mode and time, and their content is exact."""
    target = Target(name="app.log", compress=codec, rotation=Rotation(max_bytes=60, backup_count=9))
    rig = new_rig(target)
    for line in LINES:
        rig.write([line, line])
        rig.live.chmod(0o640)
    os.utime(rig.directory / "app.log.3", (START, START))
    rig.maintain()
    suffix = {"gzip": ".gz", "zstd": ".zst"}[codec]
    assert rig.archives() == ["app.log.1", "app.log.2" + suffix, "app.log.3" + suffix]
    oldest = (rig.directory / ("app.log.3" + suffix)).stat()
    assert oldest.st_mtime == START
    assert rig.content() == b"".join(line + line for line in LINES)
    assert rig.hidden() == []


def test_the_copy_is_on_the_disk_before_the_plain_file_goes(
    new_rig: NewRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power loss right behind the deletion would leave an empty archive in its place."""
    events: list[int | str] = []
    real = Directory.unlink

    def unlink(self: Directory, name: str) -> None:
        events.append(name)
        real(self, name)

    monkeypatch.setattr(platform, "sync_file", lambda fd: events.append(os.fstat(fd).st_ino))
    rig = new_rig(Target(name="app.log", compress="gzip", rotation=Rotation(max_bytes=60, backup_count=9)))
    for line in LINES[:3]:
        rig.write([line, line])
    monkeypatch.setattr(Directory, "unlink", unlink)
    rig.maintain()
    copy = (rig.directory / "app.log.2.gz").stat().st_ino
    assert events.index(copy) < events.index("app.log.2")


def test_a_rollover_may_come_during_a_compression(new_rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive has another number by the time it is compressed."""
    rig = new_rig(Target(name="app.log", compress="gzip", rotation=Rotation(max_bytes=60, backup_count=9)))
    for line in LINES[:3]:
        rig.write([line, line])
    while not rig.sink.status()["compressing"]:
        assert rig.sink.upkeep(START) is None
    step = rig.sink.upkeep(START)
    assert rig.sink.upkeep(START) is step
    rig.write([LINES[3]] * 2)
    rig.step(step)
    assert rig.archives() == ["app.log.1", "app.log.2", "app.log.3.gz"]
    assert rig.content() == b"".join(line + line for line in LINES)


def test_a_compression_reads_the_file_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollover between two slices gives its name to another archive."""
    monkeypatch.setattr(compression, "_BLOCK", 4)
    ticks = SimpleNamespace(perf_counter=itertools.count().__next__)
    monkeypatch.setattr(compression, "time", ticks)
    (tmp_path / "app.log.2").write_bytes(b"one two three\n")
    directory = Directory(tmp_path)
    (archive,) = list_archives(directory, Target(name="app.log", rotation=Rotation(backup_count=2)))
    job = compression.CompressionJob(directory, "app.log", archive, "gzip")
    assert not job.advance(2)
    (tmp_path / "app.log.2").rename(tmp_path / "app.log.3")
    (tmp_path / "app.log.2").write_bytes(b"another archive\n")
    while not job.advance(2):
        pass
    assert gzip.decompress((tmp_path / job.temporary).read_bytes()) == b"one two three\n"
    job.close(discard=True)
    directory.close()


@pytest.mark.parametrize("what", ["grown", "gone", "taken"])
def test_disturbed_compression(new_rig: NewRig, what: str) -> None:
    """Somebody appended, deleted, or has the name: nobody's bytes are lost."""
    rig = new_rig(Target(name="app.log", compress="gzip", rotation=Rotation(max_bytes=60, backup_count=9)))
    for line in LINES[:3]:
        rig.write([line, line])
    while (step := rig.sink.upkeep(START)) is None:
        pass
    archive = rig.directory / "app.log.2"
    if what == "grown":
        add(archive, THEIRS)
    elif what == "gone":
        archive.unlink()
    else:
        (rig.directory / "app.log.2.gz").write_bytes(THEIRS)
    rig.step(step)
    names = {path.name for path in rig.directory.iterdir()}
    assert ("app.log.2" in names) == (what != "gone")
    assert ("app.log.2.gz" in names) == (what == "taken")
    assert rig.hidden() == []
    if what == "grown":
        assert archive.read_bytes() == LINES[0] * 2 + THEIRS


def test_compression_takes_slices(new_rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A big archive never holds up the records: each call gives the time back after a slice."""
    monkeypatch.setattr(compression, "_BLOCK", 1000)
    ticks = iter(range(10**6))
    monkeypatch.setattr(compression.time, "perf_counter", lambda: next(ticks) * 0.007)
    rig = new_rig(
        Target(name="app.log", compress="gzip", rotation=Rotation(max_bytes=50_000, backup_count=9))
    )
    rig.write(LINES * 1000)
    calls = 0
    while (step := rig.sink.upkeep(START)) is None:
        calls += 1
    assert calls > 10
    rig.step(step)
    assert rig.content() == MINE * 1000


def test_check_compression(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot work is said at configuration, with what to do."""
    for name in (None, "gzip", "zstd"):
        compression.check_compression(name)
    with pytest.raises(ConfigurationError, match="gzip"):
        compression.check_compression("bzip2")
    monkeypatch.setattr(compression, "has_zstd", lambda: False)
    with pytest.raises(ConfigurationError, match="logboom\\[zstd\\]"):
        compression.check_compression("zstd")


# Disks.


def test_sync_reaches_every_file(new_rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was rolled since the last sync is on the disk as well, and the names where they changed."""
    synced: list[int] = []
    names: list[int] = []
    monkeypatch.setattr(platform, "sync_file", lambda fd: synced.append(os.fstat(fd).st_ino))
    monkeypatch.setattr(Directory, "sync", lambda self: names.append(1))
    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=60, backup_count=9)))
    rig.write(LINES)
    rig.sink.sync()
    assert sorted(synced) == sorted(path.stat().st_ino for path in rig.directory.iterdir())
    synced.clear()
    rig.sink.sync()
    assert names == [1]
    synced.clear()
    rig.write(LINES)
    rig.sink.sync()
    assert names == [1, 1]
    new = [rig.directory / name for name in ("app.log", "app.log.1", "app.log.2")]
    assert sorted(synced) == sorted(path.stat().st_ino for path in new)


def test_a_failed_sync_is_final(new_rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel forgets what it could not write: the next records go to a new file."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=10**6, backup_count=9)))
    rig.write(LINES)

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(platform, "sync_file", fail)
        with pytest.raises(SinkError):
            rig.sink.sync()
    rig.write(LINES)
    assert rig.archives() == ["app.log.1"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("needs root to mount a tmpfs")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True)
    if mount.returncode:
        pytest.skip(f"cannot mount a tmpfs: {mount.stderr.decode()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_full_disk(new_rig: NewRig, small_disk: Path) -> None:
    """A step that filled the disk is completed once there is room: nothing lost, nothing twice."""
    rig = new_rig(Target(name="app.log", rotation=Rotation(max_bytes=30_000, backup_count=9)))
    rig.directory = small_disk / "logs"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(20_000))
    lines = [b"line %06d of a disk that is too small\n" % i for i in range(1200)]
    left, failures = lines[:], 0
    while left:
        try:
            if rig.intent is not None:
                step = rig.intent
                rig._done(rig.sink.recover(step))
            else:
                step = rig.sink.plan(Batch.of(left[:500], [START] * 500), START)
                rig.step(step)
            left = left[step.count :]
        except SinkError:
            failures += 1
            if failures == 3:
                ballast.unlink()
            rig.clock.go(400)
            assert failures < 10
    assert failures >= 3
    assert rig.content() == b"".join(lines)
    rig.die()


def test_write_errors_are_sink_errors(new_rig: NewRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cycle keeps the batch and tries again; nothing else may come out of the sink."""
    rig = new_rig()
    rig.write(LINES[:1])

    def fail(fd: int, data: bytes) -> None:
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(append, "write_all", fail)
        with pytest.raises(SinkError, match="I/O error"):
            rig.step(rig.sink.plan(Batch.of(LINES, [START] * 4), START))
    assert rig.recover() == Outcome()
    assert rig.live.read_bytes() == LINES[0] + MINE
