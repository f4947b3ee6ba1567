"""What other programs and people do to the files: remove, rename, truncate, follow, forbid."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from harness import Lab, wait_until

pytestmark = pytest.mark.crash


def exact_but(lab: Lab, *lossy: str, timeout: float = 15.0) -> None:
    """All records are there exactly once, save those of the writers whose file somebody removed."""

    def settled() -> bool:
        report = lab.oracle.check()
        return not set(report.lost) - set(lossy)

    try:
        wait_until(settled, "all that was not removed is in the log", timeout)
    finally:
        report = lab.oracle.check()
        assert not set(report.lost) - set(lossy), f"{report}\n{lab.errors()}"
        assert report.duplicated + report.torn + report.out_of_order + report.forged == 0, str(report)


@pytest.mark.parametrize("what", ["spool", "logs"])
def test_directory_removed_under_a_running_program(what: str, lab: Lab) -> None:
    """`rm -r logs` costs what was in it, and nothing that is logged some seconds later."""
    program = lab.start("p", "phases", count=100)
    lab.phase(program, "before")
    lab.verdict(10)
    shutil.rmtree(lab.spool if what == "spool" else lab.log.parent, ignore_errors=True)

    def made_again() -> bool:
        made_again.round += 1  # type: ignore[attr-defined]
        lab.phase(program, f"during{made_again.round}")  # type: ignore[attr-defined]
        return (lab.spool / "journal").is_dir() and lab.log.exists()

    made_again.round = 0  # type: ignore[attr-defined]
    wait_until(made_again, "spool and log exist again", 10)
    wait_until(lambda: lab.collector_pid() is not None, "a collector lives", 10)
    during = [f"p-during{number + 1}" for number in range(made_again.round)]  # type: ignore[attr-defined]
    lab.phase(program, "after")
    lab.leave(program)
    exact_but(lab, "p-before", *during)


def test_live_file_deleted(lab: Lab) -> None:
    """A deleted live file is made again; a handler that holds the old inode writes to nowhere for a day."""
    program = lab.start("p", "phases", count=50)
    lab.phase(program, "before")
    lab.verdict(10)
    lab.log.unlink()
    lab.phase(program, "after")
    wait_until(lab.log.exists, "the live file is there again", 5)
    lab.leave(program)
    exact_but(lab, "p-before")


def test_logrotate_by_rename(tmp_path: Path) -> None:
    """`logrotate` renames under load, with and without `create`: nothing lost, nothing twice."""
    lab = Lab(tmp_path)
    try:
        settings = {"handler": "logboom.FileHandler", "count": 0, "size": 100, "pace": 0.0005}
        programs = [lab.start(f"p{number}", **settings) for number in range(2)]
        for number in range(1, 5):
            grown = lab.oracle.noted() + 200
            wait_until(lambda least=grown: lab.oracle.noted() > least and lab.log.exists(), "more was logged")
            lab.log.rename(lab.log.with_name(f"app.log.{10 - number}"))
            if number % 2:
                lab.log.touch()
        for program in programs:
            program.kill()
            program.wait(10)
        report = lab.verdict(10)
        assert report.files == 5
    finally:
        lab.close()


def test_logrotate_copytruncate(tmp_path: Path) -> None:
    """A truncated file is carried on at its new end: no hole of NULs, nothing twice."""
    lab = Lab(tmp_path)
    try:
        program = lab.start("p", "phases", count=200, handler="logboom.FileHandler")
        for number in range(3, 0, -1):
            lab.phase(program, f"round{number}")
            lab.verdict(10)
            shutil.copyfile(lab.log, lab.log.with_name(f"app.log.{number}"))
            lab.log.write_bytes(b"")
        lab.phase(program, "last")
        lab.leave(program)
        assert lab.verdict(10).files == 4
        assert b"\0" not in lab.log.read_bytes()
    finally:
        lab.close()


def test_foreign_lines_are_never_cut(tmp_path: Path) -> None:
    """Another program may append to the live file; its bytes are its own."""
    lab = Lab(tmp_path, maxBytes=20_000, backupCount=500)
    lab.oracle.other = lambda line: line == b"foreign\n"
    try:
        program = lab.start("p", count=0, pace=0.001)
        for _ in range(50):
            wait_until(lab.log.exists, "a live file is there")
            with open(lab.log, "ab", buffering=0) as file:
                file.write(b"foreign\n")
            grown = lab.oracle.noted() + 10
            wait_until(lambda least=grown: lab.oracle.noted() > least, "more was logged")
        program.kill()
        program.wait(10)
        assert lab.verdict(10).other == 50
    finally:
        lab.close()


def test_tail_follows_without_loss(tmp_path: Path) -> None:
    """`tail -F` is how people read a log: it must see each line once, over every rollover.

    It looks at one file at a time: two rolls while the machine lets it wait, and it misses what is between.
    So the rounds are smaller than a file, and each waits for it.
    """
    lab = Lab(tmp_path, maxBytes=20_000, backupCount=500)
    seen: list[bytes] = []
    lab.log.touch()
    tail = subprocess.Popen(
        ["tail", "-n", "+1", "-F", str(lab.log)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    reader = threading.Thread(target=lambda: seen.extend(tail.stdout or ()))
    reader.start()
    try:
        for number in range(12):
            lab.finish(lab.start(f"p{number}", count=100, size=100, pace=0.001))
            wait_until(lambda: len(seen) >= lab.oracle.noted(), "tail printed all", 10)
        assert lab.verdict(10).files > 5
        followed = lab.path / "followed" / "app.log"
        followed.parent.mkdir()
        tail.kill()
        reader.join(10)
        assert tail.stdout is not None
        tail.stdout.close()
        followed.write_bytes(b"".join(seen))
        lab.oracle.log = followed
        assert lab.oracle.check().ok
    finally:
        tail.kill()
        tail.wait(10)
        lab.close()


def test_mode_w_empties_once_a_run(tmp_path: Path) -> None:
    """`mode='w'` starts each run with an empty file; the second process of a run must not empty it again."""
    lab = Lab(tmp_path, mode="w")
    try:
        settings = {"handler": "logboom.FileHandler", "count": 50}
        lab.finish(lab.start("old", **settings))
        lab.verdict(10)
        wait_until(lambda: lab.collector_pid() is None, "the run is over", 20)
        first = lab.start("first", "phases", **settings)
        lab.phase(first, "a")
        second = lab.start("second", "phases", **settings)
        lab.phase(second, "a")
        lab.leave(first)
        lab.leave(second)
        exact_but(lab, "old")
        assert lab.oracle.check().lost == {"old": 50}
    finally:
        lab.close()


def test_nothing_stays_behind_when_all_have_left(lab: Lab) -> None:
    """The advice for leaving logboom is to wait until the journal is empty, so it has to become empty."""
    crowd = lab.start("p", "crowd", children=30, count=3)
    wait_until(lambda: lab.oracle.noted() == 90, "all have logged", 30)
    wait_until(lab.collector_pid, "a collector lives")
    lab.leave(crowd)
    wait_until(lambda: lab.collector_pid() is None, "it has left", 30)
    lab.verdict(1)
    assert list((lab.spool / "journal").iterdir()) == []
