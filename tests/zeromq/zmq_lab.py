"""Servers in threads and processes, and what is in their files."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness import ROOT, wait_until

from logboom.testing import log_files
from logboom.zeromq import LoggingServer


def lines_of(log: Path) -> list[str]:
    """The whole rotated set; the files may move while it is read, so callers ask again."""
    try:
        return [line for path in log_files(log) for line in path.read_text("utf-8").splitlines()]
    except FileNotFoundError:
        return []


def wait_for_lines(log: Path, condition: Callable[[list[str]], Any], timeout: float = 15.0) -> list[str]:
    """The lines, once they fulfil the condition."""
    wait_until(lambda: condition(lines_of(log)), f"lines in {log}", timeout)
    return lines_of(log)


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[LoggingServer]:
    """A `LoggingServer` in a thread; when the block ends it has been stopped and everything is written."""
    server = LoggingServer(**settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.listening.wait(10)
        yield server
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


class Processes:
    """Programs of one test, ended with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._running: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM")}
        with (self.directory / "stderr.txt").open("a") as errors:
            process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                cwd=self.directory,
                env=plain | {"PYTHONPATH": str(ROOT / "src")} | environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._running.append(process)
        return process

    def program(self, code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """A program from its text, which is in a file, as `spawn` needs it."""
        path = self.directory / f"program{len(self._running)}.py"
        path.write_text(code)
        return self.start(path, *arguments, **environment)

    def serve(self, port: int, log: Path, **environment: str) -> subprocess.Popen[str]:
        bind = f"tcp://127.0.0.1:{port}"
        size = ("--max-bytes", "200000", "--backup-count", "1000")
        return self.start("-m", "logboom.zeromq", "--bind", bind, "--file", log, *size, **environment)

    def errors(self) -> str:
        return (self.directory / "stderr.txt").read_text()[-3000:]

    def close(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            process.wait(10)
