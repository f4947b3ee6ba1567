"""What a collector needs of memory, measured in a process of its own: it does not grow with the journal."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from harness import ROOT

import logboom
from logboom.journal import layout
from logboom.journal.target import Target
from logboom.testing import SpoolFactory

resource = pytest.importorskip("resource", reason="the peak of a process's memory is asked of the kernel")

MB = 1024 * 1024
BUDGET = 32 * MB
DRAIN = """
import resource, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from logboom.collector import assembly
from logboom.platform import clock
def peak():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
before = peak()
if sys.argv[3:]:
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]), int(sys.argv[3])))
done = assembly.drain(Path(sys.argv[2]), clock.monotonic() + 100)
print(int(done), peak() - before)
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")


def drained(spool: Path) -> tuple[bool, int]:
    """Collect in a process of its own; whether all was written, and by how much its memory grew at most."""
    command = (sys.executable, "-c", DRAIN, str(ROOT / "src"), str(spool))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    written, grown = done.stdout.split()
    return written == "1", int(grown)


def written(factory: SpoolFactory, programs: int, records: int, size: int, tail: str = "x") -> list[bytes]:
    """Journals of programs that are gone, and the lines that their records make."""
    expected = []
    for number in range(programs):
        producer = f"{number:016x}"
        texts = [f"{number:04}-{place:04} {tail * size}" for place in range(records)]
        header = factory.header(producer, mapped=False)
        path = factory.path / "journal" / layout.segment_name(producer, 1)
        lines = [factory.record(text, 1_700_000_000.0 + place) for place, text in enumerate(texts)]
        path.write_bytes(factory.content(header, []) + b"".join(lines))
        expected += [text.encode() for text in texts]
    return expected


@pytest.mark.parametrize(
    ("programs", "records", "size"),
    [(100, 1, 2 * MB), (400, 20, 20_000), (3, 40, MB), (1, 3, 4 * MB), (1500, 3, 7_000)],
    ids=["one of 2 MB each", "many of 20 kB", "few programs", "one program", "many programs"],
)
def test_memory_does_not_grow_with_what_is_pending(
    tmp_path: Path, programs: int, records: int, size: int
) -> None:
    """300 programs with one record of 2 MB took 1.7 GB; in a small container no collector got further."""
    factory = SpoolFactory(tmp_path / ".logboom")
    expected = written(factory, programs, records, size)
    done, grown = drained(factory.path)
    assert done
    lines = (tmp_path / "app.log").read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert sorted(lines) == sorted(expected)
    assert [line[5:9] for line in lines] == sorted(line[5:9] for line in lines), "in the order of time"
    assert grown < BUDGET, f"{grown / MB:.0f} MB"


def test_memory_does_not_grow_with_targets_that_cannot_be_written(tmp_path: Path) -> None:
    """Each log on a full disk has records in the memory; together they have one budget."""
    for number in range(50):
        name = f"{number}.log"
        (tmp_path / name).mkdir()  # what stands there is no file
        factory = SpoolFactory(tmp_path / ".logboom", Target(name=name))
        producer = f"{number:016x}"
        content = factory.content(factory.header(producer, mapped=False), ["x" * MB] * 2)
        (factory.path / "journal" / layout.segment_name(producer, 1)).write_bytes(content)
    done, grown = drained(tmp_path / ".logboom")
    assert not done
    assert grown < BUDGET, f"{grown / MB:.0f} MB"


def test_a_record_whose_journal_vanished_is_said_to_be_missing(tmp_path: Path) -> None:
    """It was left on the disk to save memory, and somebody deleted it there: the log says what is missing."""
    from logboom.collector.assembly import make_cycle
    from logboom.spool.status import Notebook

    factory = SpoolFactory(tmp_path / ".logboom")
    written(factory, 2, 1, 5 * MB)
    cycle = make_cycle(factory.path, Notebook(factory.path))
    try:
        cycle.step()
        for path in (factory.path / "journal").iterdir():
            path.write_bytes(b"")
        wait = threading.Event()
        for _ in range(100):
            cycle.step()
            if cycle.backlog == 0:
                break
            wait.wait(0.01)
        said = (tmp_path / "app.log").read_text().splitlines()
    finally:
        cycle.close()
    assert len(said) == 2
    assert all("is missing" in line for line in said)


def test_large_records_arrive_byte_for_byte(tmp_path: Path) -> None:
    """Read twice from the journal, and rendered with their own format, traceback and all."""
    log = tmp_path / "app.log"
    handler = logboom.FileHandler(log, collector="off")
    logger = logging.Logger("large")
    logger.addHandler(handler)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    text = "héllo 😀" * 400_000
    logger.info(text)
    logger.warning("small")
    handler.close()
    assert log.read_text("utf-8") == f"INFO large {text}\nWARNING large small\n"
