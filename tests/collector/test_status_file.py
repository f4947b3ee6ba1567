"""What the collector leaves for people and for `flush()`: `status.json`, and its own log."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from logboom import platform
from logboom.platform.clock import SYSTEM_CLOCK
from logboom.spool import status
from logboom.spool.status import LOG, Notebook, write_status

POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permission bits")


def _say(text: str, notebook: Notebook) -> list[str]:
    notebook.note(text)
    return notebook.path.read_text().splitlines()


def test_status_is_replaced_whole(tmp_path: Path) -> None:
    """`flush()` reads it while it is written: another file takes its name, none is written in place."""
    write_status(tmp_path, {"flushed": 1.0})
    with open(tmp_path / status.STATUS, "rb") as reader:
        write_status(tmp_path, {"flushed": 2.0, "failing": ["app.log"]})
        assert json.load(reader) == {"flushed": 1.0}
    assert status.read_status(tmp_path) == {"flushed": 2.0, "failing": ["app.log"]}
    assert [path.name for path in tmp_path.iterdir()] == [status.STATUS]


@POSIX
@pytest.mark.parametrize("place", ["open", "replace"])
def test_status_that_cannot_be_written_stops_nobody(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk must not end the collector for the sake of a report; the last report stays."""

    def full(*_: Any, **__: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_status(tmp_path, {"flushed": 1.0})
    monkeypatch.setattr(os, place, full)
    write_status(tmp_path, {"flushed": 2.0})
    monkeypatch.undo()
    assert status.read_status(tmp_path) == {"flushed": 1.0}


def test_half_a_status_takes_nobodys_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last block of a disk takes a part of the bytes without an error."""
    write_status(tmp_path, {"flushed": 1.0})
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:4]))
    write_status(tmp_path, {"flushed": 2.0})
    monkeypatch.undo()
    assert status.read_status(tmp_path) == {"flushed": 1.0}


@POSIX
@pytest.mark.parametrize(("directory", "expected"), [(0o750, 0o640), (0o2770, 0o660), (0o700, 0o600)])
def test_status_can_be_read_by_all_who_may_see_the_spool(
    directory: int, expected: int, tmp_path: Path
) -> None:
    """`logboom status` of another user, whatever the collector's umask."""
    tmp_path.chmod(directory)
    before = os.umask(0o077)
    try:
        write_status(tmp_path, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / status.STATUS).stat().st_mode) == expected


def test_notes_are_one_line_each(tmp_path: Path) -> None:
    """Time, process, sentence: what `logboom status` quotes."""
    lines = _say("cannot write caf\udce9", Notebook(tmp_path))
    pattern = rf"[-0-9]{{10}}T[:0-9]{{8}}Z \[{os.getpid()}\] cannot write caf\\udce9"
    assert len(lines) == 1 and re.fullmatch(pattern, lines[0])


def test_the_same_note_is_not_repeated_for_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that is met several times a second must not fill the disk that is full already."""
    now = SYSTEM_CLOCK.monotonic()
    monkeypatch.setattr(status.time, "monotonic", lambda: now)
    notebook = Notebook(tmp_path)
    assert len(_say("disk full", notebook)) == 1
    now += 59
    assert len(_say("disk full", notebook)) == 1
    assert len(_say("another", notebook)) == 2
    now += 2
    assert len(_say("disk full", notebook)) == 3


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that is in trouble for months leaves two small files."""
    monkeypatch.setattr(status, "_LARGEST_LOG", 1000)
    notebook = Notebook(tmp_path)
    for number in range(200):
        notebook.note(f"trouble {number}")
    assert {path.name for path in tmp_path.iterdir()} == {LOG, LOG + ".1"}
    assert all(path.stat().st_size < 1100 for path in tmp_path.iterdir())
    assert "trouble 199" in notebook.path.read_text()


def test_what_was_said_is_remembered_within_bounds(tmp_path: Path) -> None:
    """Sentences with ever new names in them must not grow the collector."""
    notebook = Notebook(tmp_path)
    for number in range(1200):
        notebook.note(str(number))
    assert len(notebook._said) <= 1001


def test_a_note_never_raises(tmp_path: Path) -> None:
    """The spool may be gone while its collector says why it leaves."""
    Notebook(tmp_path / "gone").note("left")
    assert not (tmp_path / "gone").exists()


@POSIX
def test_a_link_in_the_logs_place_is_not_followed(tmp_path: Path) -> None:
    """Who can write the spool must not choose a file that the collector appends to."""
    victim = tmp_path / "victim"
    victim.write_text("")
    (tmp_path / LOG).symlink_to(victim)
    Notebook(tmp_path).note("anything")
    assert victim.read_text() == ""


class Strangers:
    """The files that are there now are another user's: their bits and their group cannot be changed."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.theirs = set()
        for path in list(directory.iterdir()):
            os.link(path, directory / f"{path.name} and its inode")
            self.theirs.add(path.stat().st_ino)
        self.real = platform.give_like
        monkeypatch.setattr(platform, "give_like", self.give_like)

    def give_like(self, fd: int, mode: int, directory: str | Path) -> None:
        if os.fstat(fd).st_ino in self.theirs:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        self.real(fd, mode, directory)


@POSIX
def test_what_another_users_collector_left_half_written_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed in the middle: without a new status, every flush of everybody would time out."""
    (tmp_path / f".{status.STATUS}.tmp").write_text("{")
    Strangers(tmp_path, monkeypatch)
    write_status(tmp_path, {"flushed": 2.0})
    assert status.read_status(tmp_path) == {"flushed": 2.0}


@POSIX
def test_log_that_another_users_collector_began_is_carried_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector whose troubles nobody can read of is looked for a day."""
    _say("of theirs", Notebook(tmp_path))
    Strangers(tmp_path, monkeypatch)
    assert len(_say("of ours", Notebook(tmp_path))) == 2
