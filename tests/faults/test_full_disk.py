"""Fault 4: a full disk under the journal, the output and the checkpoint, and free again after a while.

Nobody dies of SIGBUS, the caller is back within its timeout, all goes on unaided, and each record is
in the log or among those that the log itself says were dropped.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Lab, wait_until

pytestmark = pytest.mark.crash


@contextlib.contextmanager
def filled(disk: Path, leave: int = 0) -> Iterator[None]:
    """No room on `disk` but `leave` bytes."""
    ballast = disk / "ballast"
    with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    if leave:
        with open(ballast, "r+b") as file:
            file.truncate(ballast.stat().st_size - leave)
    try:
        yield
    finally:
        ballast.unlink()


def phase_within(lab: Lab, program: subprocess.Popen[str], name: str, seconds: float) -> None:
    start = time.monotonic()
    lab.phase(program, name)
    assert time.monotonic() - start < seconds


@pytest.mark.parametrize("leave", [0, 100_000])
def test_full_under_the_spool(leave: int, small_disk: Path, tmp_path: Path) -> None:
    """A store to a mapped file on a full disk kills Python, unless the room was taken before."""
    lab = Lab(tmp_path, spool=str(small_disk / "spool"), backupCount=100, maxBytes=1_000_000)
    lab.spool = small_disk / "spool"
    try:
        program = lab.start("p", "phases", count=9000, size=2000)
        lab.phase(program, "before 1000")
        lab.verdict(10)
        pid = wait_until(lab.collector_pid, "a collector lives")
        with filled(small_disk, leave):
            phase_within(lab, program, "full", 15)
        lab.until_delivered(program)
        lab.leave(program)
        assert lab.verdict(15).dropped > 0
        assert pid
    finally:
        lab.close()


def test_full_under_the_spool_before_the_first_record(small_disk: Path, tmp_path: Path) -> None:
    """A program that starts on a full disk runs, says once what is wrong, and logs when there is room."""
    lab = Lab(tmp_path, spool=str(small_disk / "spool"))
    lab.spool = small_disk / "spool"
    try:
        (lab.spool / "journal").mkdir(parents=True)
        with filled(small_disk):
            program = lab.start("p", "phases", count=50, handler="logboom.FileHandler")
            lab.phase(program, "full")
        lab.until_delivered(program)
        lab.leave(program)
        lab.verdict(15)
    finally:
        lab.close()


def test_full_under_the_output(small_disk: Path, tmp_path: Path) -> None:
    """While the output is full the journal holds everything: nothing is dropped, nothing cut."""
    lab = Lab(tmp_path, log="disk/app.log", spool=str(tmp_path / "spool"), maxBytes=100_000, backupCount=100)
    lab.spool = tmp_path / "spool"
    try:
        program = lab.start("p", "phases", count=1000, size=500)
        lab.phase(program, "before")
        lab.verdict(10)
        with filled(small_disk, leave=10_000):
            for number in range(2):
                phase_within(lab, program, f"full{number}", 5)
            wait_until(lambda: "p-full1" in lab.oracle.check().lost, "the disk is full", 5)
        lab.leave(program)
        report = lab.verdict(20)
        assert report.noted == 3000 and report.dropped == 0
    finally:
        lab.close()


def test_quota_is_counted(tmp_path: Path) -> None:
    """At the quota the newest are dropped, by default, and the log says how many."""
    lab = Lab(tmp_path, spool_max_size=300_000, backupCount=100, maxBytes=10**7)
    try:
        program = lab.start("p", "phases", count=700, size=600)
        lab.phase(program, "first 1")
        lab.verdict(10)
        lab.kill_collector(signal.SIGSTOP)  # without one, the log call itself would collect
        for number in range(3):
            phase_within(lab, program, f"flood{number}", 10)
        lab.kill_collector(signal.SIGCONT)
        lab.until_delivered(program)
        lab.leave(program)
        report = lab.verdict(15)
        assert report.dropped > 500
    finally:
        lab.close()
