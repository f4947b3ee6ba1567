"""Files of a directory on Linux and macOS: moves that leave one name, whatever is refused."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("POSIX only", allow_module_level=True)

from logboom.platform.files import Directory

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
OWNER, OTHER = 12345, 12346


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    opened = Directory(tmp_path)
    yield opened
    opened.close()


def as_user(uid: int, work: Callable[[], object]) -> int:
    """The `errno` that `work` meets as another user; 0 for none."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            work()
            code = 0
        except OSError as error:
            code = error.errno or 255
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def sticky(path: Path) -> None:
    (path / "a").write_text("a")
    os.chown(path / "a", OWNER, OWNER)
    (path / "a").chmod(0o666)
    path.chmod(0o1777)


@ROOT
def test_move_of_anothers_file_in_a_sticky_directory(directory: Directory) -> None:
    """A second name could be made and neither be taken away: every record would be there twice."""
    sticky(directory.path)
    assert as_user(OTHER, lambda: directory.move("a", "b")) == errno.EPERM
    assert directory.names() == ["a"]
    assert as_user(OWNER, lambda: directory.move("a", "b")) == 0
    assert directory.names() == ["b"]


@ROOT
def test_root_moves_anothers_file_in_a_sticky_directory(directory: Directory) -> None:
    """And still overwrites nothing."""
    sticky(directory.path)
    (directory.path / "b").write_text("b")
    os.chown(directory.path, OTHER, OTHER)
    with pytest.raises(FileExistsError):
        directory.move("a", "b")
    directory.move("a", "c")
    assert sorted(directory.names()) == ["b", "c"]


@ROOT
def test_who_keeps_a_file(directory: Directory) -> None:
    """In a sticky directory its owner, that of the directory and root may rename it; elsewhere anybody."""

    def is_kept(uid: int) -> bool:
        return as_user(uid, lambda: os._exit(directory.kept_by_another("a"))) == 1

    sticky(directory.path)
    assert [is_kept(uid) for uid in (OTHER, OWNER, 0)] == [True, False, False]
    os.chown(directory.path, OTHER, OTHER)
    assert not is_kept(OTHER)
    os.chown(directory.path, 0, 0)
    directory.path.chmod(0o777)
    assert not is_kept(OTHER)


def test_refused_end_of_a_move_takes_the_new_name_back(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file keeps one name, and the caller learns why."""
    (directory.path / "a").write_text("a")
    real = os.unlink

    def unlink(name: str, **options: int) -> None:
        if name == "a":
            raise PermissionError(errno.EPERM, "not permitted")
        real(name, **options)

    monkeypatch.setattr(os, "unlink", unlink)
    with pytest.raises(PermissionError):
        directory.move("a", "b")
    assert directory.names() == ["a"]
