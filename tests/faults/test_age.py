"""A spool in its old age: thousands of jobs, rotations, deaths, clock steps, an upgrade; nothing has grown.

Time is the test's own: a week of jobs takes a minute. What real processes leave is in `test_short_jobs.py`.
"""

from __future__ import annotations

import gc
import os
import random
import shutil
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT

from logboom import platform
from logboom.collector.cycle import Cycle
from logboom.journal.target import Rotation, Target
from logboom.journal.writer import JournalWriter
from logboom.sinks.file.sink import FileSink
from logboom.spool.directory import Spool
from logboom.spool.status import Notebook
from logboom.testing import FakeClock, SpoolFactory

FIXTURE = ROOT / "tests" / "fixtures" / "spools" / "e9f279f"
CONTEXT = b'{"context":1,"renderer":"message","columns":["text"]}\n'
MINUTE, DAY = 60.0, 86_400.0


class World:
    """A log directory, its clock, and the processes that come and go."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        shutil.copytree(FIXTURE / "spool", path / ".logboom")
        shutil.copy(FIXTURE / "app.log", path)
        self.target = Target(
            name="app.log",
            rotation=Rotation(max_bytes=20_000, backup_count=5, when="H", utc=True),
            compress="gzip",
            max_age=30 * DAY,
            configured=time.time(),
        )
        self.clock = FakeClock(wall=time.time())
        self.spool = Spool.create(path / ".logboom").path
        self.factory = SpoolFactory(self.spool, self.target)
        self.random = random.Random(seed)
        self.cycle: Cycle | None = None
        self.notebook = Notebook(self.spool)
        self.daemon = JournalWriter(self.spool / "journal", self.target, mapped=True, mode=0o640)
        self.logged = 0

    # -- who comes and goes ------------------------------------------------------------------------

    def job(self) -> None:
        """A program that logs a record and is gone."""
        self.factory.segment(self._name(), [self._text()], size=8192)
        self.logged += 1

    def go_on(self) -> None:
        """A program that stays logs, too."""
        line = self.factory.record(self._text(), self.clock.wall())
        segment = self.daemon.segment
        while True:
            if segment is not None:
                try:
                    segment.write(line)
                    break
                except ValueError:
                    pass
            segment = self.daemon.roll(segment, {1: CONTEXT}, len(line))
        self.logged += 1

    def accident(self) -> None:
        """What a kill, a power loss, a dying disk or a stranger leaves."""
        kind = self.random.randrange(5)
        journal, name = self.spool / "journal", self._name()
        if kind == 0:
            path = self.factory.segment(name, ["torn"], size=8192)
            path.write_bytes(path.read_bytes().rstrip(b"\0")[:-9].ljust(8192, b"\0"))
        elif kind == 1:
            (journal / f"{name}-00000001.segment").write_bytes(bytes(8192))
        elif kind == 2:
            stray = journal / f".{name}-00000001.segment.tmp"
            stray.write_bytes(b"x" * 8192)
            os.utime(stray, (1, 1))
        elif kind == 3:
            (journal / f"{name}-00000001.segment").write_bytes(b"no header\n" + b"rubbish\n" * 900)
        else:
            path = self.factory.segment(name, [], size=8192)
            path.write_bytes(
                path.read_bytes().rstrip(b"\0") + b"rubbish\n" + self.factory.record(self._text())
            )
            self.logged += 1

    def collect(self, steps: int) -> None:
        """A collector, the one that lives or a new one, at work."""
        if self.cycle is None:
            sink = lambda target, note: FileSink(  # noqa: E731
                target, self.path, notes=note, state=self.spool / "period.00000000.json"
            )
            self.cycle = Cycle(Spool(self.spool), sink, self.clock, self.notebook.note)
        for _ in range(steps):
            self.cycle.step(thorough=True)
            self.clock.advance(0.5)

    def kill(self) -> None:
        """The collector is killed: it says nothing and cleans up nothing."""
        cycle, self.cycle = self.cycle, None
        if cycle is not None:
            cycle.source.close()
            for pipe in cycle.pipes.values():
                pipe.sink.close()
            cycle.checkpoint.close()

    # -- a while of it -----------------------------------------------------------------------------

    def live(self, jobs: int, *, short: bool) -> None:
        for number in range(jobs):
            self.job()
            if number % 10 == 0:
                self.go_on()
            if number % 50 == 0:
                self.accident()
            if number % 100 == 0:
                self.clock.jump(self.random.choice((-3600.0, 3600.0, -3 * DAY, 3 * DAY)))
            self.collect(2)
            if short:
                self.kill()
            self.clock.advance(self.random.choice((0.1, MINUTE, 10 * MINUTE)))
        self.collect(40)

    def measure(self) -> dict[str, Any]:
        """Everything that could grow."""
        gc.collect()
        journal = list((self.spool / "journal").iterdir())
        files = [
            path for path in self.spool.rglob("*") if path.is_file() and path.parent != self.spool / "journal"
        ]
        descriptors = Path("/proc/self/fd")
        return {
            "segments": len(journal),
            "files": len([path for path in files if path.parent.name != "damaged"]),
            "backups": len([path for path in self.path.iterdir() if path.is_file()]),
            "descriptors": len(list(descriptors.iterdir())) if descriptors.exists() else 0,
            "memory": tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0,
            "bytes": sum(path.stat().st_size for path in files if path.parent.name != "damaged"),
            "damaged": sum(path.stat().st_size for path in (self.spool / "damaged").iterdir()),
        }

    def close(self) -> None:
        if self.cycle is not None:
            self.cycle.close()
        self.daemon.close()

    def _name(self) -> str:
        return f"{self.random.getrandbits(64):016x}"

    def _text(self) -> str:
        return f"record {self.logged}"


@pytest.mark.parametrize(
    "jobs", [200, pytest.param(3000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
@pytest.mark.parametrize("short", [True, False], ids=["short-lived collectors", "one collector"])
def test_nothing_grows(short: bool, jobs: int, tmp_path: Path) -> None:
    """What grows a little with each job is a full disk, or a restart, after a year."""
    world = World(tmp_path, seed=short)
    try:
        tracemalloc.start()
        world.live(jobs, short=short)
        before = world.measure()
        world.live(jobs, short=short)
        after = world.measure()
        world.daemon.close()
        world.collect(40)
        assert world.cycle is not None
        counts = world.cycle.checkpoint.counts("app.log")
        assert counts.written - world.logged == 5 + 3 + 4 + 1000, "and those of the release before"
        assert list((world.spool / "journal").iterdir()) == []
        assert world.cycle.checkpoint.positions == {}
    finally:
        tracemalloc.stop()
        world.close()
    for what, most in {
        "segments": 2,
        "files": 0,
        "backups": 6,
        "descriptors": 2,
        "memory": 300_000,
        "bytes": 1_100_000,
    }.items():
        assert after[what] - before[what] <= most, (what, before, after)
    assert after["segments"] <= 3
    assert after["damaged"] <= 10_100_000


def test_an_upgrade_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """A spool of the release before, whose collector was killed between writing a batch and saying so."""
    from logboom.collector.assembly import drain

    shutil.copytree(FIXTURE / "spool", tmp_path / ".logboom")
    shutil.copy(FIXTURE / "app.log", tmp_path)
    assert drain(tmp_path / ".logboom", time.monotonic() + 20)
    texts = [path.read_text() for path in sorted(tmp_path.glob("app.log*"), reverse=True)]
    lines = [line.rsplit(" ", 1)[0] for line in "".join(texts).splitlines()]
    jobs = {"first": 3, "second": 5, "third": 4, "fourth": 1000}
    assert sorted(lines) == sorted(
        f"{name} {number}" for name, count in jobs.items() for number in range(count)
    )
    assert platform.read_file(tmp_path / ".logboom" / "checkpoint.jsonl")
    assert not any(path.stat().st_size for path in (tmp_path / ".logboom").glob("intent.*"))
