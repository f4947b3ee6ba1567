"""A cycle in small, and deaths at any place: what the tests of the file sink share."""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from logboom import platform
from logboom.journal.target import Target
from logboom.platform.files import Directory
from logboom.platform.process import this_process
from logboom.sinks.base import Batch, Outcome, Step
from logboom.sinks.file import compression, live, rollover, rotation
from logboom.sinks.file import sink as file
from logboom.sinks.file.sink import FileSink


class Killed(BaseException):
    """Stands in for SIGKILL: nothing may catch it."""


class Clock:
    """Time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0
        self.ticks = 1000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.ticks

    def go(self, seconds: float) -> None:
        self.now += seconds
        self.ticks += seconds


@dataclass
class Rig:
    """The collector's cycle with its checkpoint in memory; a sink that dies and is made anew."""

    directory: Path
    target: Target
    lines: Sequence[bytes] = ()
    keys: Sequence[float] = ()
    batch: int = 7
    clock: Clock = field(default_factory=Clock)
    position: int = 0
    intent: Step | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    kill_at: int = 0
    between: Callable[[Rig, str], None] | None = None
    _sink: FileSink | None = None

    @property
    def live(self) -> Path:
        return self.directory / self.target.name

    @property
    def sink(self) -> FileSink:
        if self._sink is None:
            self._sink = FileSink(
                self.target,
                self.directory,
                notes=self.notes.append,
                clock=self.clock,
                state=self.directory.parent / "period.json",
            )
        return self._sink

    def reach(self, place: str) -> None:
        """What failpoints call: dies at the place whose turn it is."""
        self.places.append(place)
        if self.between is not None:
            self.between(self, place)
        if len(self.places) == self.kill_at:
            raise Killed

    def step(self, step: Step) -> Outcome:
        """One step with its intent."""
        self.intent = step
        self.reach("intended")
        return self._done(self.sink.apply(step))

    def write(self, lines: Sequence[bytes], keys: Sequence[float] | None = None) -> list[Step]:
        """All these lines, however many steps that takes."""
        steps, left = [], list(lines)
        times = list(keys) if keys is not None else [self.clock.now] * len(left)
        while left:
            step = self.sink.plan(Batch.of(left, times), self.clock.now)
            self.step(step)
            steps.append(step)
            del left[: step.count], times[: step.count]
        return steps

    def maintain(self) -> list[Step]:
        """All that is due without a record."""
        steps = []
        while (step := self.sink.upkeep(self.clock.now)) is not None or self.sink.status()["compressing"]:
            if step is not None:
                self.step(step)
                steps.append(step)
        return steps

    def recover(self) -> Outcome | None:
        return None if self.intent is None else self._done(self.sink.recover(self.intent))

    def run(self, kill_at: int = 0) -> bool:
        """Recover, then everything that is left; False when it was killed at the `kill_at`-th place."""
        self.kill_at, self.places = kill_at, []
        try:
            self.recover()
            while self.position < len(self.lines):
                end = self.position + self.batch
                batch = Batch.of(self.lines[self.position : end], self.keys[self.position : end])
                step = self.sink.plan(batch, self.clock.now)
                self.step(step)
                self.maintain()
            self.maintain()
        except Killed:
            self.die()
            return False
        return True

    def die(self) -> None:
        """Lose the sink as a killed process does: descriptors close, nothing else happens."""
        sink, self._sink, self.kill_at = self._sink, None, 0
        numbers = self._descriptors()
        for number in numbers:
            with contextlib.suppress(OSError):
                os.close(number)
        for left in list(this_process.inherited):  # what is left of the dead must not close them again
            if isinstance(left, live.LiveFile) and left.fd in numbers:
                left.fd = -1
        directory = None if sink is None else sink._directory
        if directory is not None and getattr(directory, "_fd", -1) in numbers:
            directory._fd = -1

    def _descriptors(self) -> list[int]:
        """Open files of the directory."""
        found = []
        if sys.platform == "win32":
            inodes = {path.stat().st_ino for path in self.directory.glob("*")}
            for number in range(3, 256):
                with contextlib.suppress(OSError):
                    if os.fstat(number).st_ino in inodes:
                        found.append(number)
            return found
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if Path("/proc/self/fd", name).readlink().is_relative_to(self.directory):
                    found.append(int(name))
        return found

    def restart(self) -> None:
        """An orderly end, and a new process."""
        self.sink.close()
        self._sink = None

    def _done(self, outcome: Outcome) -> Outcome:
        self.outcomes.append(outcome)
        assert self.intent is not None
        self.reach("applied")
        self.position += self.intent.count
        self.intent = None
        return outcome

    def archives(self) -> list[str]:
        """Names of the archives, the newest first."""
        files = [(p.name, p.stat().st_ino, 0, 0.0) for p in self.directory.iterdir()]
        return [one.name for one in rotation.archives_of(rotation.names_of(self.target), files)]

    def content(self) -> bytes:
        """The whole set in its order, the oldest first."""
        names = [*reversed(self.archives()), self.target.name]
        return b"".join(unpacked(self.directory / name) for name in names if (self.directory / name).exists())

    def hidden(self) -> list[str]:
        return [p.name for p in self.directory.iterdir() if p.name.startswith(".")]


def unpacked(path: Path) -> bytes:
    """A file's bytes, decompressed."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        zstandard = pytest.importorskip("zstandard")
        return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes()))
    return path.read_bytes()


@pytest.fixture
def new_rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rig]]:
    """Makes rigs, each with a directory of its own."""
    made: list[Rig] = []

    def reach(place: str) -> None:
        if made:
            made[-1].reach(place)

    # Power loss is another test's matter, and syncing makes thousands of deaths take minutes.
    monkeypatch.setattr(platform, "sync_file", lambda fd: None)
    for module in (file, rollover, compression, sys.modules[Directory.__module__]):
        monkeypatch.setattr(module, "reach", reach)

    def new(target: Target | None = None, **values: object) -> Rig:
        if made:
            made[-1].die()
        home = tmp_path / str(len(made))
        home.mkdir()
        rig = Rig(home / "logs", target or Target(name="app.log"), **values)  # type: ignore[arg-type]
        made.append(rig)
        return rig

    yield new
    if made:
        with contextlib.suppress(OSError):
            made[-1].die()


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    old = os.umask(0o022)
    yield
    os.umask(old)
