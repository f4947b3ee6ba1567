"""Rolling upgrades: old journals are read, and an older collector hands over to a newer one."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import tarfile
import time
from pathlib import Path

import msgspec
import pytest
from harness import ROOT, Lab, pause, wait_until

from logboom.collector.assembly import drain
from logboom.journal.layout import FORMAT, encode_line, segment_name
from logboom.testing import SpoolFactory

FORMATS = sorted((ROOT / "tests" / "fixtures" / "journals").glob("format-*"))


@pytest.mark.parametrize("released", FORMATS, ids=lambda path: path.name)
def test_journals_of_released_formats_come_out_as_they_always_did(released: Path, tmp_path: Path) -> None:
    """A new release must write what an old one left behind, byte for byte."""
    spool = tmp_path / ".logboom"
    shutil.copytree(released / "journal", spool / "journal")
    assert drain(spool, time.monotonic() + 10)
    assert (tmp_path / "app.log").read_bytes() == (released / "expected.log").read_bytes()


def test_every_format_has_a_fixture() -> None:
    """A format without one would not be missed when it can no longer be read."""
    assert [path.name for path in FORMATS] == [f"format-{number}" for number in range(1, FORMAT + 1)]


@pytest.mark.crash
def test_older_collector_finishes_and_leaves_within_two_seconds(lab: Lab) -> None:
    """A newer producer cannot be served by it, and nobody else can while it holds the lock."""
    program = lab.start("p", "phases")
    lab.phase(program, "one 50")
    pid = wait_until(lab.collector_pid, "a collector lives")
    newer = "f" * 16
    header = SpoolFactory(lab.spool).header(newer)
    line = encode_line(msgspec.structs.replace(header, logboom=FORMAT + 1))
    path = lab.spool / "journal" / segment_name(newer, 1)
    path.write_bytes(line.ljust(65536, b"\0"))
    began = time.monotonic()
    lab.phase(program, "two 50")
    wait_until(lambda: pid not in lab.collector_pids(), "it left", 5)
    assert time.monotonic() - began < 2.0
    assert "handing over" in (lab.spool / "collector.log").read_text()
    lab.oracle.wait(2.0)
    assert path.read_bytes().startswith(line)
    path.unlink()
    lab.until_delivered(program)
    lab.leave(program)
    lab.verdict(10)


@pytest.mark.crash
def test_two_releases_under_load(lab: Lab, tmp_path: Path) -> None:
    """Releases N-1 and N log to one set while it is swapped: nothing is lost, nothing twice."""
    newer = tmp_path / "newer"
    shutil.copytree(ROOT / "src" / "logboom", newer / "logboom", ignore=shutil.ignore_patterns("__pycache__"))
    layout = newer / "logboom" / "journal" / "layout.py"
    text = layout.read_text().replace("FORMAT: Final = 1\n", "FORMAT: Final = 2\n")
    assert text != layout.read_text()
    layout.write_text(text)

    old = [lab.start(f"old{number}", count=2000, pace=0.001) for number in range(2)]
    wait_until(lab.collector_pid, "the older collector lives")
    lab.environment["PYTHONPATH"] = str(newer)
    new = [lab.start(f"new{number}", count=2000, pace=0.001) for number in range(2)]
    lab.finish(*old, *new, timeout=60)
    lab.verdict(20)


FIRST_RELEASE = "e9f279f"


@pytest.fixture
def first_release(tmp_path: Path) -> Path:
    """A directory with the package as programs may still have it in memory."""
    place = tmp_path / "site"
    place.mkdir()
    archive = subprocess.run(
        ["git", "archive", FIRST_RELEASE, "src/logboom"], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        pytest.skip("no git repository with that release here")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(place, filter="data")
    os.rename(place / "src" / "logboom", place / "logboom")
    return place


def replace_package(site: Path) -> None:
    """As pip does it: everything of the old release goes, then the new one comes."""
    shutil.rmtree(site / "logboom")
    shutil.copytree(ROOT / "src" / "logboom", site / "logboom", ignore=shutil.ignore_patterns("__pycache__"))


@pytest.mark.crash
def test_program_of_the_first_release_goes_on_when_its_package_is_replaced(
    lab: Lab, first_release: Path
) -> None:
    """It starts collectors by a name that it knows, and rings a FIFO: for days, perhaps."""
    lab.environment["PYTHONPATH"] = str(first_release)
    old = lab.start("old", "phases")
    lab.phase(old, "before 50")
    wait_until(lab.collector_pid, "its collector lives")
    replace_package(first_release)
    new = lab.start("new", "phases")  # rings the old collector, and is served by it
    lab.phase(new, "beside 50")
    lab.oracle.wait(5)
    wait_until(lambda: not lab.oracle.wait(0.1).lost, "the old collector serves both")
    lab.kill_collector()
    deadline = time.monotonic() + 14  # it gives up after ten vain starts in ten seconds
    for number in range(1000):
        lab.phase(old, f"after{number} 1")
        if time.monotonic() > deadline:
            break
        pause(0.2)
    lab.until_delivered(old)
    lab.until_delivered(new)
    assert stat.S_ISFIFO(os.stat(lab.spool / "doorbell").st_mode), "for the old program"
    assert len(lab.collector_pids()) == 1
    lab.leave(old)
    wait_until(lambda: not (lab.spool / "doorbell").exists(), "nobody rings it any more", 15)
    shutil.copytree(lab.log.parent, lab.path / "copy")
    lab.leave(new)
    lab.verdict(10)
    assert "no collector" not in lab.errors()


@pytest.mark.crash
def test_program_of_the_first_release_flushes_when_its_package_is_replaced(
    lab: Lab, first_release: Path
) -> None:
    """Its end waits for a time that the collector tells, and it must not load two releases at once."""
    lab.environment["PYTHONPATH"] = str(first_release)
    old = lab.start("old", "phases", options={"close_timeout": 20})
    replace_package(first_release)
    lab.phase(old, "one 20")
    begun = time.monotonic()
    lab.leave(old)
    assert time.monotonic() - begun < 10
    lab.verdict(0.1)
