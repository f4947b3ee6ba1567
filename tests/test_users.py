"""Several users share one log set: whoever comes first, nobody is shut out."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import logboom

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become other users"
)

SOURCE = str(Path(logboom.__file__).parents[1])
WWW, DEPLOY = 33, 1234
PROGRAM = """
import os, sys
user, mode, path = int(sys.argv[1]), int(sys.argv[2], 8) or None, sys.argv[3]
import logging, logboom, logboom.assembly
if user:
    os.setgroups([33]); os.setgid(user); os.setuid(user)
logging.basicConfig(level="INFO", format="%(message)s", handlers=[
    logboom.RotatingFileHandler(path, maxBytes=200, backupCount=50, file_mode=mode, linger=0.2)])
for number in range(20):
    logging.info("%d says %d", user, number)
"""


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A directory of www-data's that its group can write, reachable for all."""
    for path in [tmp_path, *tmp_path.parents]:
        if path.owner() == "root" and path.stat().st_mode & stat.S_ISVTX == 0 and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o011)
    logs = tmp_path / "logs"
    logs.mkdir()
    os.chown(logs, WWW, WWW)
    logs.chmod(0o2775)
    return logs


def _run(logs: Path, user: int, mode: str = "0") -> None:
    command = [sys.executable, "-c", PROGRAM, str(user), mode, str(logs / "app.log")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM")}
    done = subprocess.run(
        command, env=kept | {"PYTHONPATH": SOURCE}, cwd="/", capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def _count(logs: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in logs.glob("app.log*"))


@pytest.mark.parametrize("users", [(0, WWW), (WWW, 0)])
def test_root_and_a_web_server_share_a_set_in_either_order(logs: Path, users: tuple[int, int]) -> None:
    """root's cron job may be the first that logs after an installation."""
    for user in users:
        _run(logs, user)
    assert _count(logs) == 40
    assert {path.stat().st_uid for path in logs.glob("app.log*")} == {WWW}


def test_a_group_shares_a_set_without_trouble(logs: Path) -> None:
    """Each of two users finds files that the other one made, the collector's own included."""
    for user in (WWW, DEPLOY, WWW, DEPLOY):
        _run(logs, user, "664")
    assert _count(logs) == 80
    notes = logs / ".logboom" / "collector.log"
    assert not notes.exists() or "not permitted" not in notes.read_text()


def _logboom(user: int, *arguments: str | Path) -> list[str]:
    become = f"import os, sys; os.setgroups([]); os.setgid({user}); os.setuid({user})"
    return [
        sys.executable,
        "-c",
        f"{become}; from logboom.cli import main; sys.exit(main(sys.argv[1:]))",
        *map(str, arguments),
    ]


def test_a_stranger_sees_what_he_may(logs: Path) -> None:
    """Monitoring runs as a user of its own: it gets what the collector published, and is told so."""
    _run(logs, WWW)
    environment = os.environ | {"PYTHONPATH": SOURCE}
    done = subprocess.run(
        _logboom(65534, "status", "--json", logs), env=environment, capture_output=True, text=True, timeout=60
    )
    values = json.loads(done.stdout)
    assert values["trouble"] == "cannot read the checkpoint: Permission denied"
    assert values["pending_bytes"] == 0


def test_a_collector_that_root_starts_is_the_owners(logs: Path) -> None:
    """A supervisor's unit without `User=` must not make files that the web server cannot write."""
    process = subprocess.Popen(
        [sys.executable, "-m", "logboom", "collect", "--stay", str(logs / ".logboom")],
        env=os.environ | {"PYTHONPATH": SOURCE},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None and "collecting" in process.stderr.readline()
        assert psutil.Process(process.pid).uids().real == WWW
        assert (logs / ".logboom").stat().st_uid == WWW
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and "stopped" in errors
