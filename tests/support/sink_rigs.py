"""A rig for each kind of sink: makes it, shows what was delivered, and takes the other side away."""

from __future__ import annotations

import re
import sqlite3
import sys
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from logboom.journal.target import Server, Target
from logboom.receivers.puller import Puller
from logboom.sinks import kinds
from logboom.sinks.base import Sink
from logboom.sinks.file.sink import FileSink
from logboom.testing import MemorySink

ROOT = Path(__file__).resolve().parents[2]


class Rig(ABC):
    """A sink under test, and the other side."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def make(self) -> Sink:
        """The sink, as a new process makes it."""

    @abstractmethod
    def delivered(self) -> list[bytes]:
        """The lines that have arrived, without what ends them."""

    def take_away(self) -> None:
        """Nothing can be delivered any more; a sink that always can says so."""
        raise NotImplementedError

    def give_back(self) -> None:
        """It can again."""
        raise NotImplementedError

    def close(self) -> None:
        """The end of the test."""
        return


class FileRig(Rig):
    """The sink of log files."""

    def make(self) -> Sink:
        return FileSink(Target(name="app.log"), self.path / "logs", notes=lambda text: None)

    def delivered(self) -> list[bytes]:
        log = self.path / "logs" / "app.log"
        return log.read_bytes().splitlines() if log.is_file() else []

    def take_away(self) -> None:
        (self.path / "logs").mkdir(exist_ok=True)
        (self.path / "logs" / "app.log").mkdir()

    def give_back(self) -> None:
        (self.path / "logs" / "app.log").rmdir()


class PushRig(Rig):
    """The sink that pushes to a server, and the server."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.address = "tcp://127.0.0.1:*"
        self._got: list[Any] = []
        self._stop = threading.Event()
        self.give_back()

    def _run(self, puller: Puller) -> None:
        while not self._stop.is_set():
            puller.poll(0.01)
        puller.end(1.0)
        puller.close()

    def make(self) -> Sink:
        return kinds.make(Server(kind="push", address=self.address), lambda text: None)

    def delivered(self) -> list[bytes]:
        return [bytes(line).removesuffix(b"\n") for line in self._got]

    def take_away(self) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def give_back(self) -> None:
        puller = Puller(self.address, self._got.extend, 1_000_000)
        self.address = puller.address
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(puller,))
        self._thread.start()

    def close(self) -> None:
        self.take_away()


class MemoryRig(Rig):
    """The sink of `logboom.testing`; its memory is the other side."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._sink = MemorySink()

    def make(self) -> Sink:
        return self._sink

    def delivered(self) -> list[bytes]:
        return [line.removesuffix(b"\n") for line in self._sink.lines]


class PageRig(Rig):
    """The sink that `CONTRIBUTING.md` builds, made by the page's own lines."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        exec(page_lines(), {"__name__": "page"})
        self._server = Server(kind="sqlite", address=f"sqlite://{path / 'log.db'}")

    def make(self) -> Sink:
        return kinds.make(self._server, lambda text: None)

    def delivered(self) -> list[bytes]:
        with sqlite3.connect(self.path / "log.db") as database:
            found = database.execute("SELECT line FROM log ORDER BY rowid").fetchall()
        database.close()
        return [line.encode().removesuffix(b"\n") for (line,) in found]

    def take_away(self) -> None:
        self._blocker = sqlite3.connect(self.path / "log.db", isolation_level=None)
        self._blocker.execute("BEGIN EXCLUSIVE")

    def give_back(self) -> None:
        self._blocker.close()


def page_lines() -> str:
    """The sink of `CONTRIBUTING.md`."""
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    found = re.search(r"^```python\n(.*?class SQLiteSink.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


RIGS: dict[str, type[Rig]] = {"file": FileRig, "push": PushRig, "memory": MemoryRig, "page": PageRig}
if sys.platform == "win32":
    del RIGS["page"]  # the page's database cannot be locked by two connections of one process there
