"""A directory with a log set, handlers in this process, and commands as real processes."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import logboom
from logboom.cli import main
from logboom.spool.doorbell import collector_lives

SOURCE = str(Path(logboom.__file__).parents[1])


def a_record(message: str, **attributes: Any) -> logging.LogRecord:
    record = logging.LogRecord("shop", logging.INFO, __file__, 1, message, (), None)
    record.__dict__.update(attributes)
    return record


class Desk:
    """Where a person types commands.

    Attributes:
        directory: the working directory.
        log: the log file.
        spool: its spool.
    """

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.log = directory / "logs" / "app.log"
        self.spool = self.log.parent / ".logboom"
        self._capsys = capsys
        self._handlers: list[logging.Handler] = []
        self._processes: list[subprocess.Popen[str]] = []

    def handler(self, **options: Any) -> logging.Handler:
        """A handler of this process that expects a collector of somebody else."""
        handler = logboom.FileHandler(self.log, **{"collector": "external", "close_timeout": 0} | options)
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        self._handlers.append(handler)
        return handler

    def emit(self, *messages: str, **options: Any) -> logging.Handler:
        handler = self.handler(**options)
        for message in messages:
            handler.handle(a_record(message))
        return handler

    def log_record(self, handler: logging.Handler, message: str, **attributes: Any) -> None:
        """One record, with attributes as a filter or `extra` would set them."""
        handler.handle(a_record(message, **attributes))

    def type(self, *arguments: str | Path) -> tuple[int, str, str]:
        """A command in this process: exit status, output, errors."""
        self._capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return (status, *self._capsys.readouterr())

    def status(self) -> dict[str, Any]:
        """What `logboom status --json` says."""
        values: dict[str, Any] = json.loads(self.type("status", self.spool, "--json")[1])
        return values

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """A command as a process of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM")}
        process = subprocess.Popen(
            [sys.executable, "-m", "logboom", *map(str, arguments)],
            cwd=self.directory,
            env=kept | {"PYTHONPATH": SOURCE},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def collector(self) -> subprocess.Popen[str]:
        """`logboom collect --stay`, once it can be found."""
        process = self.start("collect", "--stay", self.spool)
        self.until(lambda: collector_lives(self.spool, b""), "a collector lives")
        return process

    @staticmethod
    def until(condition: Callable[[], object], what: str, timeout: float = 20.0) -> None:
        deadline, pause = time.monotonic() + timeout, threading.Event()
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
            pause.wait(0.02)

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=10)
        for handler in self._handlers:
            handler.close()


@pytest.fixture
def desk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("LOGBOOM")]:
        monkeypatch.delenv(name)
    desk = Desk(tmp_path, capsys)
    yield desk
    desk.close()
