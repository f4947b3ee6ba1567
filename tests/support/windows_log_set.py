"""A log set on Windows, the programs that write it, and the count of what is in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "windows" / "project" / "program.py"
KINDS = ("independent", "spawn", "command", "script")
_LINE = re.compile(r"\S+ \S+ INFO (\S+) (\d+) 订单已支付 ä")


class LogSet:
    """One log set in a directory of its own.

    Attributes:
        path: the live file.
        notes: what writers noted after a call returned.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "logs" / "app.log"
        self.notes = directory / "notes"
        self.path.parent.mkdir()
        self.notes.mkdir()
        self.running: list[subprocess.Popen[bytes]] = []

    def start(
        self, kind: str, name: str, count: int, *, handler: str = "logboom.RotatingFileHandler", **more: str
    ) -> subprocess.Popen[bytes]:
        """A program that logs; its complaints are in `complaints()`."""
        environment = {
            **os.environ,
            "LOG_CLASS": handler,
            "LOG_FILE": str(self.path),
            "LOG_NOTES": str(self.notes),
            **more,
        }
        with (self.notes.parent / f"{name}.stderr").open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM), kind, name, str(count)],
                env=environment,
                stdout=stderr,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
            )
        self.running.append(process)
        return process

    def wait(self, seconds: float = 150.0) -> None:
        """Until every program has ended."""
        deadline = time.monotonic() + seconds
        for process in self.running:
            process.wait(max(0.1, deadline - time.monotonic()))

    def complaints(self) -> str:
        """What the programs wrote to their streams."""
        return "".join(
            path.read_text("utf-8", "replace") for path in sorted(self.notes.parent.glob("*.stderr"))
        )

    def files(self) -> list[Path]:
        """The files of the set, the oldest first."""
        archives = [
            (int(path.name.rpartition(".")[2]), path)
            for path in self.path.parent.glob("app.log.*")
            if path.name.count(".") == 2
        ]
        waiting = [
            (-int(path.name.rpartition(".")[2]), path) for path in self.path.parent.glob("app.log.0.*")
        ]
        live = [self.path] if self.path.exists() else []
        return [path for _, path in sorted(archives + waiting, reverse=True)] + live

    def lines(self) -> list[str]:
        text = b"".join(path.read_bytes() for path in self.files()).decode("utf-8")
        assert "\r" not in text
        return text.splitlines()

    def records(self) -> list[tuple[str, int]]:
        """Writer and number of each line; a line that is no whole record fails."""
        found = []
        for line in self.lines():
            match = _LINE.fullmatch(line)
            assert match, line
            found.append((match[1], int(match[2])))
        return found

    def noted(self) -> set[tuple[str, int]]:
        return {
            (path.name, int(line))
            for path in self.notes.iterdir()
            for line in path.read_bytes().split(b"\n")[:-1]
        }

    def verdict(self, seconds: float = 90.0) -> None:
        """Everything noted is there exactly once, in the order of each writer."""
        noted = self.noted()
        until(lambda: noted <= set(self.records()), seconds, self.explain)
        records = self.records()
        assert [record for record, times in Counter(records).items() if times > 1] == []
        for name in {name for name, _ in records}:
            numbers = [number for writer, number in records if writer == name]
            assert numbers == sorted(numbers)

    def explain(self) -> str:
        missing = sorted(self.noted() - set(self.records()))
        log = self.path.parent / ".logboom" / "collector.log"
        said = log.read_text("utf-8", "replace") if log.exists() else ""
        return f"{len(missing)} missing, from {missing[:3]} on\n{self.complaints()[-2000:]}\n{said[-2000:]}"

    def stop(self) -> None:
        """End the programs and the collector."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()
        logboom("stop", self.path)


def logboom(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Run a command of logboom's."""
    command = [sys.executable, "-m", "logboom", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=150, check=False)


def until(condition: Callable[[], bool], seconds: float = 60.0, why: Callable[[], str] = str) -> None:
    """Wait for a condition; a test fails when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (FileNotFoundError, PermissionError):  # renamed between the listing and the reading
            pass
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)
