"""Moves and deletions by inode and name: begun, finished, disturbed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from logboom.platform.files import Directory
from logboom.sinks.file.rollover import delete_files, find_inode, make_moves, place
from logboom.sinks.file.rotation import Move


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    opened = Directory(tmp_path)
    yield opened
    opened.close()


def make(directory: Directory, name: str, text: str | None = None) -> int:
    path = directory.path / name
    path.write_text(text or name)
    return path.stat().st_ino


def texts(directory: Directory) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.path.iterdir()}


def test_moves_are_made_once(directory: Directory) -> None:
    """However often they are given."""
    two, one, live = (make(directory, name) for name in ("a.2", "a.1", "a"))
    moves = [Move(two, "a.2", "a.3"), Move(one, "a.1", "a.2"), Move(live, "a", "a.1")]
    for _ in range(3):
        assert make_moves(directory, moves)
        assert texts(directory) == {"a.3": "a.2", "a.2": "a.1", "a.1": "a"}


def test_half_a_move_is_finished(directory: Directory) -> None:
    """A kill between the new name and the old one's end leaves both."""
    one = make(directory, "a.1")
    (directory.path / "a.2").hardlink_to(directory.path / "a.1")
    assert make_moves(directory, [Move(one, "a.1", "a.2")])
    assert texts(directory) == {"a.2": "a.1"}


def test_a_stranger_is_neither_moved_nor_overwritten(directory: Directory) -> None:
    """Another inode under the old name stays, and one under the new name ends the moves."""
    one, live = make(directory, "a.1"), make(directory, "a")
    make(directory, "a.2", "stranger")
    assert not make_moves(directory, [Move(one, "a.1", "a.2"), Move(live, "a", "a.1")])
    assert make_moves(directory, [Move(one, "a", "a.9")])
    assert texts(directory) == {"a.2": "stranger", "a.1": "a.1", "a": "a"}


def test_the_new_file_gets_a_free_name_only(directory: Directory) -> None:
    """Somebody made the live file first: theirs stays."""
    fresh = make(directory, "fresh")
    make(directory, "a", "stranger")
    assert not place(directory, Move(fresh, "fresh", "a"))
    (directory.path / "a").unlink()
    assert place(directory, Move(fresh, "fresh", "a"))
    assert place(directory, Move(fresh, "fresh", "a"))
    assert texts(directory) == {"a": "fresh"}


def test_only_the_file_that_was_meant_is_deleted(directory: Directory) -> None:
    """Not what came to bear its name."""
    one, two = make(directory, "a.1"), make(directory, "a.2")
    assert delete_files(directory, [(one, "a.2")]) == []
    assert texts(directory) == {"a.1": "a.1", "a.2": "a.2"}
    assert delete_files(directory, [(two, "a.2"), (two, "a.7")]) == []
    assert texts(directory) == {"a.1": "a.1"}


@pytest.mark.skipif(sys.platform == "win32", reason="names are looked up from the root")
def test_names_are_of_the_directory_that_was_opened(directory: Directory) -> None:
    """Who puts another directory in its place must not choose what is written."""
    make(directory, "a.log")
    away = directory.path.with_name("away")
    directory.path.rename(away)
    directory.path.mkdir()
    (directory.path / "a.log").write_text("another")
    for open_it in (directory.open_append, directory.open_read):
        fd = open_it("a.log")
        assert os.read(fd, 100) == b"a.log"
        os.close(fd)
    os.close(directory.create("new"))
    directory.unlink("a.log")
    assert sorted(path.name for path in away.iterdir()) == ["new"]


def test_a_directory_without_hard_links(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have none: the move is made, and still overwrites nothing."""

    def refuse(*names: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    one = make(directory, "a.1")
    assert make_moves(directory, [Move(one, "a.1", "a.2")])
    make(directory, "a.3", "stranger")
    assert not make_moves(directory, [Move(one, "a.2", "a.3")])
    assert texts(directory) == {"a.2": "a.1", "a.3": "stranger"}


def test_find_inode(directory: Directory) -> None:
    """By number, wherever it is; the likely name is only tried first."""
    one = make(directory, "a.1")
    make(directory, "a.2")
    assert find_inode(directory, directory.device, one, ["a.2", "gone"]) == "a.1"
    assert find_inode(directory, directory.device + 1, one) is None
