"""Real processes for the tests: producers, collectors, kills, and the oracle's verdict.

Everything that waits has a deadline; everything that was started is ended with the test.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from logboom.testing import Oracle, Report

ROOT = Path(__file__).resolve().parents[2]
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows any signal is TerminateProcess
PRODUCER = Path(__file__).with_name("producer.py")
PREFIX = rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO shop \d+ "
SCALE = float(os.environ.get("LOGBOOM_TEST_SCALE", "1"))
PATIENCE = 4 if sys.platform == "win32" else 1  # Wine starts a process slowly, and nothing is measured there
COLLECT = (sys.executable, "-m", "logboom", "collect")
DRAIN = (sys.executable, "-m", "logboom", "drain")


def scaled(count: int, most: int = 2000) -> int:
    """A CI-sized count, multiplied by `LOGBOOM_TEST_SCALE`."""
    return max(1, min(round(count * SCALE), most))


def wait_until(condition: Callable[[], Any], what: str, timeout: float = 10.0) -> Any:
    """The condition's first true value.

    Raises:
        AssertionError: it did not come true in `timeout` seconds.
    """
    deadline, pause = time.monotonic() + timeout * PATIENCE, threading.Event()
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        pause.wait(0.02)


def pause(seconds: float) -> None:
    """Let the processes under test run: for a random moment of a kill, never for an expected state."""
    threading.Event().wait(seconds)


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Lab:
    """One log set under test, its processes and its oracle."""

    def __init__(self, path: Path, log: str = "logs/app.log", **options: Any) -> None:
        self.path = path
        self.log = path / log
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.notes = path / "notes"
        self.notes.mkdir(exist_ok=True)
        self.spool = self.log.parent / ".logboom"
        self.options = options
        self.oracle = Oracle(self.log, self.notes, prefix=PREFIX)
        self.environment: dict[str, str] = {}
        self._started: list[subprocess.Popen[str]] = []
        self._errors = path / "stderr.txt"

    def environ(self, **more: str) -> dict[str, str]:
        plain = {key: value for key, value in os.environ.items() if not key.startswith("LOGBOOM")}
        return plain | {"PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "ignore"} | self.environment | more

    def run(self, *command: str, env: dict[str, str] | None = None, **popen: Any) -> subprocess.Popen[str]:
        with open(self._errors, "a") as errors:
            process = subprocess.Popen(
                command,
                env=env or self.environ(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=self.path,
                **popen,
            )
        self._started.append(process)
        return process

    def start(self, name: str, scenario: str = "plain", **settings: Any) -> subprocess.Popen[str]:
        """A producer that is about to log."""
        process = self.start_unready(name, scenario, **settings)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", self.errors()
        return process

    def start_unready(self, name: str, scenario: str = "plain", **settings: Any) -> subprocess.Popen[str]:
        command = [*settings.pop("within", ()), settings.pop("python", sys.executable)]
        setup = {"log": str(self.log), "notes": str(self.notes), "name": name, "scenario": scenario}
        setup["options"] = self.options | settings.pop("options", {})
        return self.run(*command, str(PRODUCER), json.dumps(setup | settings))

    def phase(self, process: subprocess.Popen[str], name: str, timeout: float = 30.0) -> None:
        """Have a producer in the scenario `phases` log as the writer `<its name>-<name>`, and wait for it."""
        self.ask(process, name)
        self.answer(process, timeout)

    def until_delivered(self, process: subprocess.Popen[str], timeout: float = 15.0) -> None:
        """Let the producer log a few records again and again, until those of one time are all in the log."""

        def delivered() -> bool:
            name = f"again{len(list(self.notes.iterdir()))}"
            self.phase(process, f"{name} 5")
            report = self.oracle.wait(0.3)
            return not [writer for writer in report.lost if writer.endswith(f"-{name}")]

        wait_until(delivered, "what is logged now arrives", timeout)

    def ask(self, process: subprocess.Popen[str], line: str = "") -> None:
        assert process.stdin is not None
        process.stdin.write(f"{line}\n")
        process.stdin.flush()

    def answer(self, process: subprocess.Popen[str], timeout: float = 30.0) -> str:
        """The next line that it prints."""
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], timeout)
        assert readable, f"no answer within {timeout} s\n{self.errors()}"
        line = process.stdout.readline()
        assert line, f"it died: {process.wait(5)}\n{self.errors()}"
        return line.strip()

    def leave(self, process: subprocess.Popen[str], timeout: float = 30.0) -> None:
        """End a producer that reads lines, by the end of its input."""
        assert process.stdin is not None
        process.stdin.close()
        self.finish(process, timeout=timeout)

    def finish(self, *processes: subprocess.Popen[str], timeout: float = 30.0) -> None:
        """Wait until these have ended well."""
        for process in processes:
            assert process.wait(timeout) == 0, self.errors()

    def collect(self, failpoint: str = "") -> subprocess.Popen[str]:
        """A collector in the foreground, which may be told to kill itself at a failpoint."""
        more = {"LOGBOOM_FAILPOINT": failpoint} if failpoint else {}
        return self.run(*COLLECT, str(self.spool), env=self.environ(**more))

    def drain(self, timeout: float = 30.0) -> None:
        process = self.run(*DRAIN, str(self.spool))
        assert process.wait(timeout) == 0, self.errors()

    def status(self) -> dict[str, Any]:
        try:
            status: dict[str, Any] = json.loads((self.spool / "status.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return status

    def collector_pid(self) -> int | None:
        """The living collector's, from its status file."""
        pid = (self.status().get("collector") or {}).get("pid")
        return pid if pid and alive(pid) else None

    def collector_pids(self) -> list[int]:
        """Every process of this test that looks like a collector, by its command line."""
        return [process.pid for process in self._strays() if self._is_collector(process)]

    def kill_collector(self, how: int = KILL, timeout: float = 10.0) -> int:
        pid: int = wait_until(self.collector_pid, "a collector lives", timeout)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        return pid

    def errors(self) -> str:
        log = self.spool / "collector.log"
        tail = log.read_text(errors="replace")[-3000:] if log.is_file() else ""
        return f"stderr: {self._errors.read_text()[-3000:]}\ncollector.log: {tail}"

    def verdict(self, timeout: float = 10.0) -> Report:
        """All noted records arrive within `timeout` seconds, exactly."""
        report = self.oracle.wait(timeout)
        assert report.ok, f"{report}\n{self.errors()}"
        return report

    def close(self) -> None:
        """End what this test started: by Popen, then what detached itself, by its command line."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            process.wait(10)
        for stray in self._strays():
            with contextlib.suppress(psutil.Error):
                stray.kill()

    def _is_collector(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return str(PRODUCER) not in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
        return False

    def _strays(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(str(self.path) in argument for argument in process.cmdline()):
                    yield process


def random_kill(process: subprocess.Popen[str], least: float = 0.001, most: float = 0.2) -> None:
    """SIGKILL at a random time from now."""
    pause(random.uniform(least, most))
    process.kill()
    process.wait(10)
