"""SIGKILL for producers and collectors at random times and at every named failpoint.

The faults 1 to 3: whatever dies, in whatever order, a record whose call returned is in the set exactly
once, and nobody repairs anything by hand. `LOGBOOM_TEST_SCALE` multiplies the counts.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import ROOT, Lab, pause, random_kill, scaled, wait_until

from logboom.logset.names import LogSet
from logboom.logset.reading import Block
from logboom.logset.snapshot import open_set

pytestmark = pytest.mark.crash

FAILPOINTS = sorted(
    {
        name
        for path in (ROOT / "src/logboom").rglob("*.py")
        for name in re.findall(r"""\breach\(\s*["']([\w.-]+)["']""", path.read_text())
    }
)


def kill_children(lab: Lab, zygote: subprocess.Popen[str], count: int) -> None:
    """Let `zygote` fork `count` children, some at once, each killed 1 to 200 ms later."""
    assert zygote.stdin is not None and zygote.stdout is not None
    left, living = count, []
    while left or living:
        while left and len(living) < 4:
            left -= 1
            zygote.stdin.write("\n")
            zygote.stdin.flush()
            living.append(int(zygote.stdout.readline()))
        select.select([], [], [], random.uniform(0.001, 0.2) / 2)
        os.kill(living.pop(0), signal.SIGKILL)


def until_noted(lab: Lab, least: int, more: Callable[[], object]) -> None:
    """Go on where a slow machine has logged little so far: killing who never logged shows nothing."""
    deadline = time.monotonic() + 60
    while lab.oracle.noted() <= least and time.monotonic() < deadline:
        more()


def test_forked_producers_killed(lab: Lab) -> None:
    """Fault 1: the writer dies in the middle of a call, a roll, or its first append after the fork."""
    lab.options |= {"maxBytes": 1_000_000}
    zygote = lab.start("z", "zygote", count=0, size=500)
    kill_children(lab, zygote, scaled(60))
    until_noted(lab, 1000, lambda: kill_children(lab, zygote, 4))
    report = lab.verdict(30)
    assert report.noted > 1000


def test_independent_producers_killed(lab: Lab) -> None:
    """Fault 1 for programs of their own, which may die while they start the collector."""
    for number in range(scaled(10, 200)):
        random_kill(lab.start(f"p{number}", count=0, size=500))
    names = (f"more{number}" for number in itertools.count())
    until_noted(lab, 500, lambda: random_kill(lab.start(next(names), count=0, size=500)))
    report = lab.verdict(30)
    assert report.noted > 500


def test_producers_killed_while_they_start(lab: Lab) -> None:
    """A process that dies in the middle of making the spool must not leave one that nobody can use."""
    for number in range(scaled(12, 200)):
        random_kill(lab.start_unready(f"p{number}", count=0), 0.03, 0.25)
    lab.finish(lab.start("last", count=20))
    lab.verdict(20)


NTH = [(name, nth) for name in FAILPOINTS for nth in (1, 3)]
NTH += [("effect", nth) for nth in range(4, 4 + scaled(6, 60))]
ONLY_IN_RECOVERY = {"recover.begin", "recover.applied"}
# places that this test's set-up does not come to, and who does
ELSEWHERE = {
    "delete": "test_killed_in_retention",
    "cycle.reclaimed": "test_killed_after_a_producer_was_reclaimed",
    "roll.copied": "tests/sinks/test_sink_held.py: only while another program holds the live file",
    "push.sent": "tests/zeromq/test_spooled.py: only where records are pushed",
}


def facts_agree(log: Path) -> None:
    """Every byte of every file has facts, and each record that they state is one line of the file."""
    view = open_set(LogSet(log))
    try:
        for file in view.files:
            assert file.known, f"{file.file.name}: {file.blocks}"
            for block in file.blocks:
                assert isinstance(block, Block)
                loaded = file.load(block)
                assert loaded is not None, file.file.name
                lines = [loaded.raw(place) for place in range(len(loaded))]
                assert lines == (loaded.text or b"").splitlines(keepends=True)
                assert {loaded.kinds[code].logger for code in loaded.codes} == {"shop"}
    finally:
        view.close()


@pytest.mark.parametrize(("failpoint", "nth"), NTH)
def test_collector_killed_at(failpoint: str, nth: int, tmp_path: Path) -> None:
    """Fault 2: between every two durable effects, and again while the next collectors recover from it."""
    lab = Lab(tmp_path, maxBytes=4000, backupCount=500, compress="gzip", collector="external")
    first = "append.after" if failpoint in ONLY_IN_RECOVERY else f"{failpoint}:{nth}"
    try:
        lab.finish(lab.start("p", "os_exit", count=150, size=100))
        reached = ended(lab, lab.collect(first)) == -signal.SIGKILL
        assert reached or nth > 1 or failpoint in ELSEWHERE
        lab.finish(lab.start("q", "os_exit", count=50, size=100))
        for again in (failpoint, "recover.begin", "recover.applied") if reached else ():
            ended(lab, lab.collect(again))
        lab.drain()
        lab.verdict(5)
        facts_agree(lab.log)
    finally:
        lab.close()


def test_killed_in_retention(tmp_path: Path) -> None:
    """A deletion that is redone must not take the next file: what is left is the end of the stream, whole."""
    lab = Lab(tmp_path, maxBytes=4000, backupCount=3, collector="external")
    try:
        lab.finish(lab.start("p", "os_exit", count=400, size=100))
        for _ in range(3):
            assert lab.collect("delete:1").wait(15) == -signal.SIGKILL
        lab.drain()
        report = lab.oracle.check()
        assert report.files == 4 and report.found > 30, str(report)
        assert report.duplicated + report.torn + report.out_of_order + report.forged == 0, str(report)
        assert f"p:{report.noted - 1}:" in lab.log.read_text()
    finally:
        lab.close()


@pytest.mark.slow
def test_killed_after_a_producer_was_reclaimed(tmp_path: Path) -> None:
    """Its segments are gone, its row is not: the next collector must not take the row for a stream."""
    lab = Lab(tmp_path, collector="external", linger=20)
    try:
        lab.finish(lab.start("p", "os_exit", count=50, handler="logboom.FileHandler"))
        assert lab.collect("cycle.reclaimed").wait(20) == -signal.SIGKILL
        lab.finish(lab.start("q", "os_exit", count=50, handler="logboom.FileHandler"))
        lab.drain()
        assert lab.verdict(5).noted == 100
    finally:
        lab.close()


def ended(lab: Lab, collector: subprocess.Popen[str], timeout: float = 15.0) -> int:
    """The exit status of a collector that dies at its failpoint, or that was ended when all was written."""

    def over() -> bool:
        return collector.poll() is not None or lab.oracle.check().ok

    wait_until(over, "the collector dies or delivers all", timeout)
    if collector.poll() is None:
        collector.terminate()
    return collector.wait(10)


def test_there_are_failpoints() -> None:
    """The tests above would be green without one."""
    assert len(FAILPOINTS) >= 8, FAILPOINTS


def test_collector_killed_at_random(lab: Lab) -> None:
    """Fault 2: the collector dies and comes back within two seconds while anything logs."""
    producers = [lab.start(f"p{number}", count=0, size=300, pace=0.001) for number in range(3)]
    for _ in range(scaled(8, 500)):
        killed = lab.kill_collector()
        wait_until(lambda dead=killed: lab.collector_pid() not in (None, dead), "it is back", 4.0)
        pause(random.uniform(0.0, 0.3))
    for producer in producers:
        producer.kill()
        producer.wait(10)
    lab.verdict(30)


def test_collector_killed_inside_large_writes(tmp_path: Path) -> None:
    """SIGKILL inside a `write` of megabytes leaves a part of it, which the next collector completes."""
    lab = Lab(tmp_path, collector="external")
    try:
        lab.finish(lab.start("p", "os_exit", count=6000, size=6000, handler="logboom.FileHandler"))
        for _ in range(scaled(5, 200)):
            size = lab.log.stat().st_size
            collector = lab.collect()
            wait_until(lambda s=size: lab.log.stat().st_size > s or lab.oracle.check().ok, "it writes", 15)
            random_kill(collector, 0.0, 0.01)
        lab.drain()
        lab.verdict(5)
    finally:
        lab.close()


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_everybody_killed_while_files_roll(tmp_path: Path, compress: str) -> None:
    """Fault 3: both kinds of kill with rotation by size and by time, and compression."""
    options = {"when": "S", "maxBytes": 30_000, "backupCount": 2000, "compress": compress}
    lab = Lab(tmp_path, **options)
    try:
        handler = "logboom.TimedRotatingFileHandler"
        steady = lab.start("s", count=0, pace=0.01, handler=handler)
        zygote = lab.start("z", "zygote", count=0, size=400, pace=0.0005, handler=handler)
        for _ in range(scaled(6, 200)):
            kill_children(lab, zygote, 4)
            lab.kill_collector()
        until_noted(lab, 500, lambda: kill_children(lab, zygote, 4))
        steady.kill()
        steady.wait(10)
        lab.drain()
        report = lab.verdict(20)
        assert report.noted > 500 and report.files > 3
        zygote.stdin.close()  # type: ignore[union-attr]
    finally:
        lab.close()


def test_killed_set_is_collected_by_the_next_program(lab: Lab) -> None:
    """With nobody left, the records wait in the journal for whoever comes next."""
    program = lab.start("p", count=0)
    wait_until(lambda: lab.oracle.noted() > 2000, "records were logged")
    lab.kill_collector()
    program.kill()
    program.wait(10)
    lab.finish(lab.start("q", count=1))
    lab.verdict(20)
