"""A set of logs that a program of several processes writes, and the page for it in a process of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import logboom

pytest.importorskip("starlette", reason="logboom[web] is not installed")
pytest.importorskip("uvicorn", reason="logboom[web] is not installed")

import httpx

FORMAT = "%(asctime)s %(levelname)s %(name)s %(process)d: %(message)s"


class Program:
    """This process as one that logs to a set."""

    def __init__(self, live: Path, formatter: logging.Formatter | None = None, **options) -> None:
        live.parent.mkdir(parents=True, exist_ok=True)
        self.live = live
        self.handler = logboom.RotatingFileHandler(
            live, **({"maxBytes": 200_000, "backupCount": 20} | options)
        )
        self.handler.setFormatter(formatter or logging.Formatter(FORMAT))

    def log(self, text: str, level: int = 20, logger: str = "shop", created=None, **extra) -> None:
        record = logging.LogRecord(logger, level, __file__, 1, text, None, None)
        if created is not None:
            record.created = created
            record.msecs = created % 1 * 1000
        record.__dict__.update(extra)
        self.handler.handle(record)

    def flush(self) -> None:
        assert logboom.flush(timeout=30)


class Page:
    """`logboom web` as a process.

    Attributes:
        link: what it printed.
        http: a client that is logged in.
    """

    def __init__(self, *arguments: str | Path, directory: Path) -> None:
        self._errors = (directory / "web.err").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "logboom", "web", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=directory,
        )
        line = self.process.stdout.readline()
        assert line.startswith("logboom: http"), (directory / "web.err").read_text()
        self.link = line.removeprefix("logboom: ").strip()
        self.base = self.link.partition("?")[0]
        self.http = httpx.Client(base_url=self.base, follow_redirects=True, timeout=60)
        deadline = time.monotonic() + 30
        while True:
            try:
                if "token" in self.link:
                    assert self.http.get(self.link).status_code == 200
                else:
                    self.http.get("/")
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline and self.process.poll() is None

    def get(self, name: str, **params) -> dict:
        answer = self.http.get(f"api/{name}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._errors.close()
        return self.process.returncode


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run."""
    import psutil

    return [one.pid for one in psutil.Process(pid).children(recursive=True)]


def wait_until(condition, seconds: float = 30.0, what: str = "it"):
    """The condition's value once it is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen"
        threading.Event().wait(0.02)
    return value


class Events:
    """The batches of a stream that is open."""

    def __init__(self, answer) -> None:
        self._lines = answer.iter_lines()

    def read(self, wanted: int, seconds: float = 30.0) -> list[dict]:
        """The next batches until they have `wanted` records; each with its id."""
        found, records, event, deadline = [], 0, {}, time.monotonic() + seconds
        for line in self._lines:
            assert time.monotonic() < deadline, found
            if line.startswith("id: "):
                event["id"] = line[4:]
            elif line.startswith("event: "):
                event["event"] = line[7:]
            elif line.startswith("data: "):
                event |= json.loads(line[6:])
            elif not line and event:
                found.append(event)
                records += len(event.get("records", ()))
                event = {}
                if records >= wanted:
                    break
        return found
