"""Several users share one log set: whoever comes first, nobody is shut out."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from everybody import EverybodysPython

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become other users"
)

WWW, DEPLOY = 33, 1234
PROGRAM = """
import os, sys
user, mode, path = int(sys.argv[1]), int(sys.argv[2], 8) or None, sys.argv[3]
import logging, logboom, logboom.collector.assembly
if user:
    os.setgroups([33]); os.setgid(user); os.setuid(user)
logging.basicConfig(level="INFO", format="%(message)s", handlers=[
    logboom.RotatingFileHandler(path, maxBytes=200, backupCount=50, file_mode=mode, linger=0.2)])
for number in range(20):
    logging.info("%d says %d", user, number)
"""


@pytest.fixture
def logs(open_path: Path) -> Iterator[Path]:
    """A directory of www-data's that its group can write, reachable for all."""
    logs = open_path / "logs"
    logs.mkdir()
    os.chown(logs, WWW, WWW)
    logs.chmod(0o2775)
    yield logs
    for process in psutil.process_iter():
        try:
            if str(logs) in " ".join(process.cmdline()):
                process.kill()
        except psutil.Error:
            continue


def _run(python: EverybodysPython, logs: Path, user: int, mode: str = "0") -> None:
    command = python.command("-c", PROGRAM, user, mode, logs / "app.log")
    done = subprocess.run(**command, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def _count(logs: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in logs.glob("app.log*"))


@pytest.mark.parametrize("users", [(0, WWW), (WWW, 0)])
def test_root_and_a_web_server_share_a_set_in_either_order(
    everybody: EverybodysPython, logs: Path, users: tuple[int, int]
) -> None:
    """root's cron job may be the first that logs after an installation."""
    for user in users:
        _run(everybody, logs, user)
    assert _count(logs) == 40
    assert {path.stat().st_uid for path in logs.glob("app.log*")} == {WWW}


def test_a_group_shares_a_set_without_trouble(everybody: EverybodysPython, logs: Path) -> None:
    """Each of two users finds files that the other one made, the collector's own included."""
    for user in (WWW, DEPLOY, WWW, DEPLOY):
        _run(everybody, logs, user, "664")
    assert _count(logs) == 80
    notes = logs / ".logboom" / "collector.log"
    assert not notes.exists() or "not permitted" not in notes.read_text()


AS_A_STRANGER = (
    "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); "
    "from logboom.cli import main; sys.exit(main(sys.argv[1:]))"
)


def test_a_stranger_sees_what_he_may(everybody: EverybodysPython, logs: Path) -> None:
    """Who may only read the log has no access to its journal, and both commands say so."""
    _run(everybody, logs, WWW)
    for said in (["status", "--json"], ["status"], ["drain"]):
        command = everybody.command("-c", AS_A_STRANGER, *said, logs)
        done = subprocess.run(**command, capture_output=True, timeout=60)
        assert (done.returncode, done.stdout) == (1, "")
        assert "Permission denied" in done.stderr, said


def test_a_collector_that_root_starts_is_the_owners(everybody: EverybodysPython, logs: Path) -> None:
    """A supervisor's unit without `User=` must not make files that the web server cannot write."""
    command = everybody.command("-m", "logboom", "collect", "--stay", logs / ".logboom")
    process = subprocess.Popen(**command, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None and "collecting" in process.stderr.readline()
        assert psutil.Process(process.pid).uids().real == WWW
        assert (logs / ".logboom").stat().st_uid == WWW
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and "stopped" in errors
