"""Faults 8 and 9: live segments and spools that somebody unlinks, renames, punches, forbids.

The application must live; what was in the removed files is gone, and nothing else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import Lab, wait_until

pytestmark = pytest.mark.crash
REMOVED = "logboom: the journal was removed"


def segments(lab: Lab) -> list[Path]:
    return sorted((lab.spool / "journal").glob("*.segment"))


def log_until(
    lab: Lab, program: subprocess.Popen[str], condition, what: str, timeout: float = 8.0
) -> set[str]:  # type: ignore[no-untyped-def]
    """Have `program` log until `condition` is true; the writers of the records on the way."""
    names: set[str] = set()

    def step() -> bool:
        name = f"during{len(names)}"
        names.add(f"p-{name}")
        lab.phase(program, name)
        return bool(condition())

    wait_until(step, what, timeout)
    return names


def finish_exact(lab: Lab, program: subprocess.Popen[str], may_lack: set[str]) -> None:
    lab.phase(program, "after")
    lab.leave(program)
    wait_until(lambda: not set(lab.oracle.check().lost) - may_lack, f"all but {may_lack} is there", 15)
    report = lab.oracle.check()
    assert report.duplicated + report.torn + report.out_of_order + report.forged == 0, str(report)


@pytest.mark.parametrize("how", ["unlinked", "renamed"])
def test_live_segment(how: str, lab: Lab) -> None:
    """The mapping of an unlinked file takes records in silence: a fresh segment within 5 s."""
    program = lab.start("p", "phases", count=50)
    lab.phase(program, "before")
    lab.verdict(10)
    for path in segments(lab):
        if how == "unlinked":
            path.unlink()
        else:
            path.rename(path.with_name("gone"))
    during = log_until(lab, program, lambda: segments(lab), "a fresh segment", 5)
    finish_exact(lab, program, during)
    assert lab.errors().count(REMOVED) == 1, "what may be missing is no secret"


def test_punched_segment(lab: Lab) -> None:
    """A hole in what was not read yet costs the lines in it, and no crash and no hang."""
    lab.options |= {"collector": "external", "close_timeout": 0}
    program = lab.start("p", "phases", count=200, size=100)
    lab.phase(program, "before")
    (path,) = segments(lab)
    with open(path, "r+b") as file:
        file.seek(20_000)
        file.write(bytes(3000))
    lab.phase(program, "after")
    lab.leave(program)
    lab.drain()
    report = lab.oracle.check()
    assert 0 < report.missing < 40, str(report)
    assert report.duplicated + report.out_of_order + report.forged == 0, str(report)


@pytest.mark.parametrize("how", ["renamed", "journal-removed"])
def test_spool(how: str, lab: Lab) -> None:
    """The spool is made again, and a collector with it."""
    program = lab.start("p", "phases", count=50)
    lab.phase(program, "before")
    lab.verdict(10)
    if how == "renamed":
        lab.spool.rename(lab.spool.with_name("away"))
    else:
        shutil.rmtree(lab.spool / "journal")
    during = log_until(lab, program, lambda: segments(lab), "a fresh segment", 8)
    finish_exact(lab, program, during)
    assert lab.errors().count(REMOVED) == 1, "what may be missing is no secret"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="chattr needs root")
def test_directories_that_take_no_file_for_a_while(lab: Lab) -> None:
    """A file system that went read-only and came back: the application is unaffected, and all goes on."""
    program = lab.start("p", "phases", count=400, size=300)
    lab.phase(program, "before")
    lab.verdict(10)
    frozen = [lab.spool / "journal", lab.spool, lab.log.parent]
    if subprocess.run(["chattr", "+i", *map(str, frozen)], capture_output=True, check=False).returncode:
        subprocess.run(["chattr", "-i", *map(str, frozen)], capture_output=True, check=False)
        pytest.skip("no immutable directories here")
    try:
        for number in range(3):
            lab.phase(program, f"frozen{number}")
    finally:
        subprocess.run(["chattr", "-i", *map(str, frozen)], capture_output=True, check=True)
    lab.until_delivered(program)
    lab.leave(program)
    lab.verdict(15)


def test_read_only_directory_is_said_at_configuration(small_disk: Path, tmp_path: Path) -> None:
    """As with the standard library, a log file that cannot be made is an OSError when the handler is made."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code = "import sys, logboom\ntry: logboom.FileHandler(sys.argv[1])\nexcept OSError as e: print(e)"
    lab = Lab(tmp_path)
    try:
        program = lab.run(sys.executable, "-c", code, str(small_disk / "app.log"))
        said, _ = program.communicate(timeout=20)
        assert "ead-only" in said and program.returncode == 0
    finally:
        lab.close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs a mount")
def test_spool_on_a_read_only_file_system_is_said_at_configuration_or_once(
    small_disk: Path, tmp_path: Path
) -> None:
    """A spool that cannot be made must not take the application down, nor be a secret."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    lab = Lab(tmp_path, spool=str(small_disk / "spool"))
    lab.spool = small_disk / "spool"
    try:
        program = lab.start_unready("p", "plain", count=50, handler="logboom.FileHandler")
        program.wait(20)
        assert lab.errors().count("spool") >= 1
    finally:
        lab.close()
