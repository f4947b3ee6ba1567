"""What the tests of this directory share: programs in processes of their own, and what they left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import logboom

SOURCE = str(Path(logboom.__file__).parents[1])
LIMIT = 240.0  # for a machine that does much else at the moment


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would change the tests' meaning."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LOGBOOM_", "PYTHON", "LC_"))
    }
    return kept | {"PYTHONPATH": SOURCE, "PYTHONIOENCODING": "utf-8"} | more


@dataclass
class Programs:
    """Runs Python programs in one directory; the log is `app.log` there."""

    directory: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.directory / "app.log"

    def run(
        self, code: str, *arguments: str, check: bool = True, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `code` to its end; its working directory is `directory`."""
        script = self.directory / "script.py"
        script.write_text(textwrap.dedent(code), encoding="utf-8")
        command = [sys.executable, "-W", "error", str(script), *arguments]
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=environment(**env),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=LIMIT,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`logboom ARGUMENTS`, to its end."""
        command = [sys.executable, "-m", "logboom", *arguments]
        return subprocess.run(
            command,
            cwd="/",
            env=environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT,
            stdin=subprocess.DEVNULL,
        )

    def collect(self, spool: Path, **env: str) -> subprocess.Popen[bytes]:
        """Start `logboom collect SPOOL`, as a supervisor would."""
        process = subprocess.Popen(
            [sys.executable, "-m", "logboom", "collect", "--stay", str(spool)],
            cwd="/",
            env=environment(**env),
        )
        self.started.append(process)
        return process

    def lines(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    made = Programs(tmp_path)
    yield made
    for process in made.started:
        process.terminate()
        process.wait(LIMIT)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Wait for a condition; fail when it has not come true in time."""

    def wait(condition: Callable[[], object], seconds: float = 10.0, what: str = "condition") -> None:
        pause = threading.Event()
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            pause.wait(0.01)

    return wait


@pytest.fixture(scope="session")
def german(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with a locale that writes other names of days; plain UTF-8 where none can be made."""
    where = tmp_path_factory.mktemp("locale")
    if shutil.which("localedef"):
        made = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(where / "de_DE.UTF-8")]
        subprocess.run(made, capture_output=True, timeout=LIMIT)
    if (where / "de_DE.UTF-8").exists():
        return {"LOCPATH": str(where), "LC_ALL": "de_DE.UTF-8"}
    return {"LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="session")
def environ() -> Callable[..., dict[str, str]]:
    return environment
