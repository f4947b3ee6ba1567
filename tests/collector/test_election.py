"""One leader for a spool, whatever is done to the lock's file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from logboom import platform
from logboom.collector.election import Leadership
from logboom.spool.doorbell import LEADER_LOCK

HOLD = """
import sys, pathlib
from logboom.collector.election import Leadership
from logboom.spool.doorbell import LEADER_LOCK
held = Leadership.seek(pathlib.Path(sys.argv[1]))
print("held" if held else "refused", flush=True)
sys.stdin.read()
"""


def holder(spool: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(spool)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_there_is_one_leader(tmp_path: Path) -> None:
    """Two would write every record twice."""
    first = Leadership.seek(tmp_path)
    assert first is not None
    assert Leadership.seek(tmp_path) is None
    first.release()
    second = Leadership.seek(tmp_path)
    assert second is not None
    second.release()
    second.release()


def test_dead_leader_leaves_no_lock(tmp_path: Path) -> None:
    """After SIGKILL the next candidate leads, without anybody cleaning up."""
    process = holder(tmp_path)
    assert Leadership.seek(tmp_path) is None
    end(process)
    leadership = Leadership.seek(tmp_path, time.monotonic() + 5)
    assert leadership is not None
    leadership.release()


def test_candidate_outwaits_one_who_only_looks(tmp_path: Path) -> None:
    """A probe takes the lock for an instant: a candidate that gave up at once would leave nobody leading."""
    fd = os.open(tmp_path / "collector.lock", os.O_RDWR | os.O_CREAT, 0o600)
    assert platform.try_lock(fd)
    timer = threading.Timer(0.1, platform.unlock, (fd,))
    timer.start()
    leadership = Leadership.seek(tmp_path, time.monotonic() + 10)
    timer.join()
    assert leadership is not None
    leadership.release()
    os.close(fd)


@pytest.mark.parametrize("replaced", [False, True])
def test_lock_that_lost_its_name_is_no_lock(tmp_path: Path, replaced: bool) -> None:
    """A cleaner of old files takes the name: the next candidate locks another file, and both would lead."""
    leadership = Leadership.seek(tmp_path)
    assert leadership is not None
    assert leadership.is_held()
    leadership.path.unlink()
    if replaced:
        leadership.path.touch()
    assert not leadership.is_held()
    leadership.release()
    assert not leadership.is_held()


@pytest.mark.skipif(sys.platform == "win32", reason="permission bits")
def test_lock_that_loses_its_name_while_it_is_taken_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening it and locking it a cleaner may come: the next candidate would lead beside this one."""
    real, removed = platform.try_lock, list[Path]()

    def try_lock(fd: int) -> bool:
        if not removed:
            removed.append(tmp_path / LEADER_LOCK)
            removed[0].unlink()
        return real(fd)

    monkeypatch.setattr(platform, "try_lock", try_lock)
    leadership = Leadership.seek(tmp_path, time.monotonic() + 30)
    assert leadership is not None and leadership.is_held()
    assert Leadership.seek(tmp_path) is None
    leadership.release()


@pytest.mark.skipif(sys.platform == "win32", reason="permission bits")
def test_lock_can_be_opened_by_all_who_share_the_spool(tmp_path: Path) -> None:
    """The web server's user leads today, the deploy user tomorrow, whatever their umasks."""
    tmp_path.chmod(0o2770)
    mask = os.umask(0o077)
    try:
        leadership = Leadership.seek(tmp_path)
    finally:
        os.umask(mask)
    assert leadership is not None
    assert stat.S_IMODE(leadership.path.stat().st_mode) == 0o660
    leadership.release()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_vain_candidates_leave_no_descriptor(tmp_path: Path) -> None:
    """Every program looks again and again: none may run out of descriptors by that."""
    process = holder(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        assert Leadership.seek(tmp_path, time.monotonic() + 0.02) is None
    assert len(os.listdir("/proc/self/fd")) == before
    end(process)


@pytest.mark.skipif(sys.platform == "win32", reason="directories cannot be locked")
def test_leader_that_stands_still_keeps_the_spool(tmp_path: Path) -> None:
    """A stopped leader cannot see that a cleaner took its lock: its successor would write the same again."""
    process = holder(tmp_path)
    (tmp_path / "collector.lock").unlink()
    assert Leadership.seek(tmp_path, time.monotonic() + 0.1) is None
    end(process)
    leadership = Leadership.seek(tmp_path, time.monotonic() + 5)
    assert leadership is not None
    leadership.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_child_that_was_forked_meanwhile_leads_nothing(tmp_path: Path) -> None:
    """A thread that collects and another that forks: the child may live for days and keep the locks."""
    leadership = Leadership.seek(tmp_path)
    assert leadership is not None
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    assert Leadership.seek(tmp_path) is None
    leadership.release()
    following = Leadership.seek(tmp_path)
    os.close(writer)
    os.waitpid(pid, 0)
    os.close(reader)
    assert following is not None
    following.release()
