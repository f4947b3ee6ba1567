"""Another program holds a file of the set, as on Windows: records flow on, and names are put right later."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from logboom import platform
from logboom.journal.names import parse_names
from logboom.journal.target import Rotation, Target
from logboom.platform.files import Directory
from logboom.sinks.file import held, rotation
from logboom.sinks.file.rotation import Archive

NAMES = parse_names("", "app.log", timed=False)
START = 1_790_000_000.0
LINES = [b"line %04d of a log that is rolled often\n" % i for i in range(40)]
TARGET = Target(name="app.log", rotation=Rotation(max_bytes=200, backup_count=30))


class Holder:
    """A program that has files open so that nobody can rename or delete them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: set[str] = set()
        self.inodes: set[int] = set()
        self._move, self._unlink = Directory.move, Directory.unlink
        monkeypatch.setattr(Directory, "move", lambda own, source, target: self.move(own, source, target))
        monkeypatch.setattr(Directory, "unlink", lambda own, name: self.unlink(own, name))
        monkeypatch.setattr(Directory, "holding", True, raising=False)
        monkeypatch.setattr(platform, "in_use", lambda error: isinstance(error, PermissionError))

    def check(self, directory: Directory, name: str) -> None:
        status = directory.stat(name)
        if name in self.names or (status is not None and status.st_ino in self.inodes):
            raise PermissionError(13, "another program has it open", str(directory.path / name))

    def move(self, directory: Directory, source: str, target: str) -> None:
        self.check(directory, source)
        names, inodes = self.names, self.inodes
        self.names, self.inodes = set(), set()  # a move here ends with an unlink of the old name
        try:
            self._move(directory, source, target)
        finally:
            self.names, self.inodes = names, inodes

    def unlink(self, directory: Directory, name: str) -> None:
        self.check(directory, name)
        self._unlink(directory, name)


@pytest.fixture
def holder(monkeypatch: pytest.MonkeyPatch) -> Holder:
    return Holder(monkeypatch)


def sizes(rig: Any) -> list[int]:
    return [(rig.directory / name).stat().st_size for name in [*rig.archives(), TARGET.name]]


def test_held_live_file_is_copied_and_emptied(new_rig: Callable[..., Any], holder: Holder) -> None:
    """An editor has the live file open for hours: it must not grow without bounds, and nothing is lost."""
    holder.names = {"app.log"}
    rig = new_rig(TARGET, lines=LINES, keys=[START] * len(LINES))
    assert rig.run()
    assert rig.content() == b"".join(LINES)
    assert len(rig.archives()) > 5
    assert max(sizes(rig)) < 200
    assert rig.hidden() == []


def test_held_archive_makes_later_ones_wait(new_rig: Callable[..., Any], holder: Holder) -> None:
    """A viewer has app.log.1 open: the live file is rolled all the same, and the numbers are right later."""
    rig = new_rig(TARGET)
    rig.write(LINES[:10])
    holder.inodes = {(rig.directory / "app.log.1").stat().st_ino}
    rig.write(LINES[10:30])
    assert "app.log.0.1" in rig.archives()
    assert rig.content() == b"".join(LINES[:30])
    assert max(sizes(rig)) < 200
    holder.inodes = set()
    rig.clock.go(60)
    rig.maintain()
    assert rig.archives() == [f"app.log.{n}" for n in range(1, len(rig.archives()) + 1)]
    assert rig.content() == b"".join(LINES[:30])


def test_everything_held(new_rig: Callable[..., Any], holder: Holder) -> None:
    """The live file and an archive are open elsewhere at once."""
    rig = new_rig(TARGET)
    rig.write(LINES[:10])
    holder.names = {"app.log", "app.log.1"}
    rig.write(LINES[10:])
    assert rig.content() == b"".join(LINES)
    assert max(sizes(rig)) < 200
    holder.names = set()
    rig.clock.go(60)
    rig.maintain()
    assert rig.archives() == [f"app.log.{n}" for n in range(1, len(rig.archives()) + 1)]
    assert rig.content() == b"".join(LINES)


@pytest.mark.parametrize("names", [("app.log",), ("app.log.1",), ("app.log", "app.log.1")], ids="+".join)
def test_killed_anywhere_while_held(
    new_rig: Callable[..., Any], holder: Holder, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    """A kill between the copy's name and the emptying of the live file repeats and loses nothing."""

    def new() -> Any:
        rig = new_rig(TARGET, lines=LINES, keys=[START] * len(LINES))
        monkeypatch.setattr(held, "reach", rig.reach)
        return rig

    holder.names = set(names)
    rig = new()
    assert rig.run()
    for place in range(1, len(rig.places) + 1):
        rig = new()
        assert not rig.run(kill_at=place)
        assert rig.run(), place
        assert rig.content() == b"".join(LINES), place
        assert rig.hidden() == [], place


def test_what_a_foreign_program_appends_meanwhile_stays(
    new_rig: Callable[..., Any], holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what was copied may be cut off."""
    rig = new_rig(TARGET)
    rig.write(LINES[:2])
    holder.names = {"app.log"}

    def append(place: str) -> None:
        if place == "roll.copied":
            with rig.live.open("ab") as file:
                file.write(b"foreign\n")

    monkeypatch.setattr(held, "reach", append)
    rig.write(LINES[2:6])
    assert rig.content().count(b"foreign\n") == 1
    assert rig.content().replace(b"foreign\n", b"") == b"".join(LINES[:6])


def test_emptying_that_reports_a_failure_keeps_the_copy(
    new_rig: Callable[..., Any], holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live file is empty all the same, so the copy is all that there is."""
    rig = new_rig(TARGET)
    rig.write(LINES[:4])
    holder.names = {"app.log"}
    real = os.ftruncate

    def ftruncate(fd: int, size: int) -> None:
        real(fd, size)
        raise OSError(5, "no answer")

    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", ftruncate)
        rig.write(LINES[4:7])
    rig.write(LINES[7:])
    assert rig.content() == b"".join(LINES)


def test_waiting_archives_are_the_newest() -> None:
    """The order of the set decides what retention deletes."""
    files = [("app.log.0.2", 5, 0, 0.0), ("app.log.1", 3, 0, 0.0), ("app.log.0.1", 4, 0, 0.0)]
    found = rotation.archives_of(NAMES, files)
    assert [one.name for one in found] == ["app.log.0.2", "app.log.0.1", "app.log.1"]
    assert rotation.waiting_name(NAMES, found) == "app.log.0.3"
    assert rotation.waiting_name(NAMES, ()) == "app.log.0.1"
    assert [tuple(move) for move in rotation.settled(NAMES, found)] == [
        (3, "app.log.1", "app.log.3"),
        (4, "app.log.0.1", "app.log.2"),
        (5, "app.log.0.2", "app.log.1"),
    ]


def test_numbers_with_a_gap_are_left_alone() -> None:
    """An archive moves only when its number is needed."""
    archives = [
        Archive(f"app.log.{n}", n, 0, 0.0, "", number, "")
        for n, number in (("0.1", -1), ("1", 1), ("3", 3), ("4", 4))
    ]
    assert [move.target for move in rotation.settled(NAMES, archives)] == ["app.log.2", "app.log.1"]


@pytest.mark.skipif(sys.platform == "win32", reason="of POSIX")
def test_posix_never_holds() -> None:
    """Elsewhere a failed rename has other reasons, and copying would not help."""
    assert not platform.in_use(PermissionError(13, "no right"))
