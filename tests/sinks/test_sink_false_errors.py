"""System calls that report a failure of what they did, as on a soft NFS mount: each record stays once."""

from __future__ import annotations

import collections
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logboom import platform
from logboom.errors import SinkError
from logboom.journal.target import Rotation, Target
from logboom.platform.files import Directory

if sys.platform == "win32":
    pytest.skip("POSIX's calls", allow_module_level=True)

CALLS = ("link", "unlink", "rename", "replace", "ftruncate", "write", "fsync")
LINES = [b"line %04d of a log that is rolled often\n" % i for i in range(25)]
BASE = 1_790_000_000.0
TARGETS = {
    "size": Target(name="app.log", rotation=Rotation(max_bytes=130, backup_count=40)),
    "time": Target(name="app.log", rotation=Rotation(when="M", backup_count=40)),
    "gzip": Target(name="app.log", rotation=Rotation(max_bytes=130, backup_count=40), compress="gzip"),
}
KEYS = {"size": 0, "time": 20, "gzip": 0}
NewRig = Callable[..., Any]


class Mount:
    """The `nth` of these calls in `directory` fails, with or without its effect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int, *, takes_effect: bool) -> None:
        self.count = self.nth = 0
        self.failed = ""
        for name in CALLS:
            monkeypatch.setattr(os, name, self._faulty(name, getattr(os, name), code, takes_effect))

    def _faulty(
        self, name: str, real: Callable[..., Any], code: int, takes_effect: bool
    ) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            if self.count != self.nth:
                return real(*arguments, **options)
            self.failed = f"{name}{arguments[:2]}"
            if takes_effect:
                real(*arguments, **options)
            raise OSError(code, os.strerror(code))

        return call


def no_links(*_: Any, **__: Any) -> None:
    raise OSError(errno.EPERM, "no hard links here")


def persist(rig: Any, act: Callable[[], None]) -> None:
    """As the collector does: a step that failed stays recorded, and is finished before the next one."""
    for _ in range(20):
        try:
            rig.recover()
            act()
            return
        except (SinkError, OSError):
            rig.clock.go(400)
    raise AssertionError("no progress")


def run(rig: Any, every: float) -> None:
    def write() -> None:
        while rig.position < len(LINES):
            if rig.position == len(LINES) - 1:
                rig.clock.go(400)  # what could not be rolled is tried again
            part = LINES[rig.position : rig.position // 4 * 4 + 4]
            keys = [BASE + every * (rig.position + i) for i in range(len(part))]
            rig.step(rig.sink.plan(part, keys, rig.clock.now))
            rig.maintain()

    persist(rig, write)
    persist(rig, rig.maintain)


@pytest.mark.parametrize("code", [errno.EIO, errno.EEXIST, errno.EPERM], ids=errno.errorcode.get)
@pytest.mark.parametrize("takes_effect", [True, False], ids=["effect", "none"])
@pytest.mark.parametrize("kind", [*TARGETS, "no links"])
def test_a_call_that_fails_at_any_place(
    new_rig: NewRig, monkeypatch: pytest.MonkeyPatch, kind: str, takes_effect: bool, code: int
) -> None:
    """Every call of a whole life in turn: each record stays once, and each file has one name."""
    if kind == "no links":
        kind = "gzip"
        monkeypatch.setattr(os, "link", no_links)
    mount = Mount(monkeypatch, code, takes_effect=takes_effect)
    rig = new_rig(TARGETS[kind])
    mount.count = 0
    run(rig, KEYS[kind])
    assert rig.content() == b"".join(LINES)
    for nth in range(1, mount.count + 1):
        rig = new_rig(TARGETS[kind])
        mount.count, mount.nth = 0, nth
        run(rig, KEYS[kind])
        mount.nth = 0
        where = f"call {nth}: {mount.failed}"
        found = collections.Counter(rig.content().splitlines(keepends=True))
        assert found == collections.Counter(LINES), where
        assert rig.content() == b"".join(LINES), where
        assert [p.name for p in rig.directory.iterdir() if p.stat().st_nlink > 1] == [], where


@pytest.mark.parametrize("code", [errno.EEXIST, errno.EIO, errno.ENOENT])
@pytest.mark.parametrize("call", ["link", "unlink", "rename"])
def test_a_move_that_took_effect_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """The repeated request of a network file system meets the effect of the first: that is no newcomer."""
    directory = Directory(tmp_path)
    (tmp_path / "a").write_text("a")
    if call == "rename":
        monkeypatch.setattr(os, "link", no_links)
    mount = Mount(monkeypatch, code, takes_effect=True)
    mount.nth = 2 if call in ("unlink", "rename") else 1
    directory.move("a", "b")
    assert mount.failed.startswith(call)
    assert directory.names() == ["b"]
    directory.close()


@pytest.mark.parametrize("move", [platform.rename, platform.replace])
def test_a_file_of_the_spool_that_was_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, move: Callable[[Path, Path], None]
) -> None:
    """A checkpoint that has its name already must not be taken for the old one; a real failure is one."""
    source, target = tmp_path / "new", tmp_path / "name"
    for takes_effect in (True, False):
        source.write_text("new")
        target.write_text("old")
        with monkeypatch.context() as patched:
            Mount(patched, errno.EIO, takes_effect=takes_effect).nth = 1
            if takes_effect:
                move(source, target)
                assert not source.exists()
                assert target.read_text() == "new"
            else:
                with pytest.raises(OSError, match="Input/output"):
                    move(source, target)


def test_a_name_of_the_spool_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing what was removed is no failure that keeps a collector from going on."""
    path = tmp_path / "segment"
    platform.unlink(path)
    path.write_text("")
    Mount(monkeypatch, errno.EIO, takes_effect=True).nth = 1
    platform.unlink(path)
    assert not path.exists()


def test_file_under_two_names_is_one_again(new_rig: NewRig) -> None:
    """A move of an archive that failed in its middle is finished by the next rollover."""
    rig = new_rig(TARGETS["size"])
    rig.write(LINES[:10])
    last = len(rig.archives())
    os.link(rig.directory / f"app.log.{last}", rig.directory / f"app.log.{last + 1}")
    os.link(rig.directory / "app.log.1", rig.directory / f"app.log.{last + 2}")
    rig.write(LINES[10:])
    assert rig.content().count(b"\n") == len(LINES)
    assert collections.Counter(rig.content().splitlines(keepends=True)) == collections.Counter(LINES)
