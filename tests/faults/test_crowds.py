"""Faults 11 and 12: a fork storm, and more producers than the collector has descriptors."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from harness import COLLECT, Lab, pause, scaled, wait_until

pytestmark = [pytest.mark.crash, pytest.mark.slow]


def test_fork_storm_is_reclaimed(tmp_path: Path) -> None:
    """Short-lived children by the hundred: no mixed lines, and descriptors and segments come back."""
    lab = Lab(tmp_path, maxBytes=100_000, backupCount=500, linger=60)
    try:
        program = lab.start("p", "fork_storm", count=3, children=scaled(150, 5000))
        lab.finish(program, timeout=60)
        lab.verdict(15)
        pid = wait_until(lab.collector_pid, "a collector lives")
        wait_until(lambda: not list((lab.spool / "journal").iterdir()), "all segments are reclaimed", 20)
        wait_until(lambda: psutil.Process(pid).num_fds() < 40, "descriptors are reclaimed", 5)
    finally:
        lab.close()


def test_more_producers_than_descriptors(tmp_path: Path) -> None:
    """All producers live at once; the collector may open few files and must serve them all."""
    lab = Lab(tmp_path, maxBytes=200_000, backupCount=500, collector="external")
    count = scaled(80, 500)
    try:
        program = lab.start("p", "crowd", count=20, children=count)
        limited = 'ulimit -n 48; exec "$@"'
        collector = lab.run("bash", "-c", limited, "-", *COLLECT, str(lab.spool))
        wait_until(lambda: lab.oracle.noted() == 20 * count, "all have logged", 30)
        lab.verdict(20)
        assert psutil.Process(collector.pid).num_fds() <= 48
        assert psutil.Process(collector.pid).memory_info().rss < 200e6
        lab.leave(program)
        lab.verdict(10)
        collector.terminate()
    finally:
        lab.close()


def test_stopped_leader_and_its_rivals(tmp_path: Path) -> None:
    """A leader under SIGSTOP may go on at any time: nobody may write in its place, and nothing is lost."""
    lab = Lab(tmp_path, maxBytes=50_000, backupCount=500)
    try:
        programs = [lab.start(f"p{number}", count=0, pace=0.002) for number in range(3)]
        pid = wait_until(lab.collector_pid, "a collector lives")
        os.kill(pid, signal.SIGSTOP)
        try:
            rival = lab.collect()
            pause(min(3.0 * scaled(1, 20), 60.0))
            assert all(program.poll() is None for program in programs)
        finally:
            os.kill(pid, signal.SIGCONT)
        for program in programs:
            program.kill()
            program.wait(10)
        report = lab.verdict(15)
        assert report.noted > 300
        rival.terminate()
        rival.wait(10)
        lab.verdict(2)
    finally:
        lab.close()


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_pools_by_the_dozen(method: str, lab: Lab) -> None:
    """`multiprocessing` children that start and end under load share one set."""
    programs = [lab.start(f"p{n}", "pool", count=40, children=6, method=method) for n in range(3)]
    lab.finish(*programs, timeout=60)
    assert lab.verdict(15).noted == 3 * 7 * 40
