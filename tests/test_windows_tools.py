"""The scripts that run the tests on a Windows Python, with programs in Wine's, apt's and pip's place."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools" / "windows"

pytestmark = pytest.mark.skipif(not shutil.which("setpriv"), reason="Linux")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory that is the whole PATH."""
    made = tmp_path / "bin"
    made.mkdir()
    for name in ("bash", "cat", "cut", "dirname", "env", "id", "mkdir", "mktemp", "rm", "sed", "sha256sum",
                 "sleep", "tail", "timeout", "touch", "tr"):  # fmt: skip
        (made / name).symlink_to(shutil.which(name) or "/missing")
    return made


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return str(path)


def run(programs: Path, *command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(one) for one in command],
        env={"PATH": str(programs)} | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_stage_without_apt_is_skipped(programs: Path) -> None:
    """A machine that cannot have Wine is no failure of a change, but it is said."""
    done = run(programs, TOOLS / "stage", WINE="/missing")
    why = "there is no apt" if os.geteuid() == 0 else "only root can install it"
    assert (done.returncode, done.stderr) == (0, "")
    assert "== Windows: skipped: Wine is not installed" in done.stdout
    assert why in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("ends", ["exit 100", "exit 0"])
def test_stage_with_an_apt_that_has_nothing_is_skipped(programs: Path, ends: str) -> None:
    """No network, or another distribution."""
    program(programs / "apt-get", f"echo 'E: Unable to locate package wine64' >&2; {ends}")
    done = run(programs, TOOLS / "stage", WINE="/missing")
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if "skipped" in line)
    assert line.startswith("== Windows: skipped: apt")
    assert ("Unable to locate" in line) == (ends == "exit 100")


def test_environment_without_the_packages_says_so(programs: Path, tmp_path: Path) -> None:
    """Status 3 is what the stage takes for a reason to skip."""
    program(programs / "python3.11", '[ "$1" = -c ] && echo "$0" || { echo "ERROR: no index" >&2; exit 1; }')
    done = run(programs, TOOLS / "environment", tmp_path, WINE=shutil.which("true") or "")
    assert done.returncode == 3, done.stderr
    assert done.stdout == "the Windows Python could not be downloaded: ERROR: no index\n"


@pytest.mark.parametrize("output", ["one\\r\\ntwo\\r\\n", "one\\r\\ntwo"])
def test_run_does_not_wait_for_what_was_left_running(programs: Path, tmp_path: Path, output: str) -> None:
    """Wine keeps the streams of the process that it was started with: the first run would never end."""
    shutil.copytree(TOOLS, tmp_path / "tools")
    program(tmp_path / "tools" / "environment", "exit 0")
    (tmp_path / "checkout").mkdir()
    text = f"[ \"$1\" = cmd ] && exit 0; sleep 60 & echo $! >{tmp_path}/left; printf '{output}'; exit 7"
    wine = program(tmp_path / "wine", text)
    try:
        done = run(
            programs,
            tmp_path / "tools" / "run",
            tmp_path,
            "-V",
            WINE=wine,
            WINESERVER=shutil.which("true") or "",
            LOGBOOM_COPIED="1",
        )
    finally:
        os.kill(int((tmp_path / "left").read_text()), 9)
    assert (done.returncode, done.stdout, done.stderr) == (7, "one\ntwo\n", "")


def test_packages_are_pinned_by_hash() -> None:
    """What runs here was seen by somebody."""
    for name in ("interpreter.txt", "requirements.txt"):
        lines = (TOOLS / name).read_text().splitlines()
        pinned = [line for line in lines if line and not line.startswith("#")]
        assert pinned
        assert [line for line in pinned if "==" not in line or "--hash=sha256:" not in line] == []
    assert (TOOLS / "environment").read_text().count("--require-hashes") == 2
