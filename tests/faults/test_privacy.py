"""Delivered text belongs to the log, which has a retention and a mode of its own: the spool keeps none."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path

import pytest
from harness import Lab, wait_until

from logboom import platform
from logboom.collector.assembly import drain
from logboom.collector.cycle import Cycle
from logboom.sinks.file.sink import FileSink
from logboom.spool.directory import Spool
from logboom.testing import FakeClock, SpoolFactory

A = "a" * 16
SECRET = b"4111-1111-1111-1111"
posix = pytest.mark.skipif(sys.platform == "win32", reason="access lists, not modes")


def keepers(spool: Path) -> list[str]:
    """Files of the spool that hold the secret."""
    return sorted(path.name for path in spool.rglob("*") if path.is_file() and SECRET in path.read_bytes())


def waited(lab: Lab, timeout: float) -> float:
    """Seconds until no file of the spool held the secret."""
    begun = time.monotonic()
    wait_until(lambda: not keepers(lab.spool), f"nothing is kept: {keepers(lab.spool)}", timeout)
    return time.monotonic() - begun


PROGRAM = """
import logging, sys
import logboom
handler = logboom.FileHandler(sys.argv[1])
logger = logging.Logger("shop")
logger.addHandler(handler)
for line in sys.stdin:
    logger.warning(line.strip())
    handler.flush()
    print("logged", flush=True)
"""


@pytest.mark.crash
def test_nothing_is_left_of_a_program_that_ended(lab: Lab) -> None:
    """The bytes of the last batch stayed for ever, and segments as long as no other program logged."""
    program = lab.run(sys.executable, "-c", PROGRAM, str(lab.log))
    lab.ask(program, SECRET.decode())
    assert lab.answer(program) == "logged"

    def intents() -> list[str]:
        return [name for name in keepers(lab.spool) if name.startswith("intent.")]

    wait_until(lambda: not intents(), "the bytes of the batch are gone", 2)
    lab.leave(program)
    assert waited(lab, 10) < 10
    assert SECRET in lab.log.read_bytes()


@pytest.mark.crash
def test_an_idle_program_keeps_nothing_and_goes_on(lab: Lab) -> None:
    """Its segment lives as long as it does: for months."""
    program = lab.run(sys.executable, "-c", PROGRAM, str(lab.log))
    for _ in range(3):
        lab.ask(program, SECRET.decode())
        lab.answer(program)
    assert waited(lab, 60) < 60
    for _ in range(3):
        lab.ask(program, SECRET.decode())
        lab.answer(program)
    lab.leave(program)
    assert lab.log.read_bytes().count(SECRET) == 6


@pytest.mark.parametrize("collector", ["off", "external"])
def test_a_program_that_collects_by_itself_keeps_nothing(collector: str, tmp_path: Path) -> None:
    """There is no other process that could remove it."""
    import logging

    import logboom

    handler = logboom.FileHandler(tmp_path / "app.log", collector=collector)
    logger = logging.Logger("shop")
    logger.addHandler(handler)
    for _ in range(20):
        logger.warning(SECRET.decode())
        handler.flush()
        assert keepers(tmp_path / ".logboom") == []
    handler.close()
    assert (tmp_path / "app.log").read_bytes().count(SECRET) == 20


def test_what_a_killed_collector_left_goes_with_the_next_one(tmp_path: Path) -> None:
    """Bytes of batches of any log, also of one that nobody logs to any more."""
    factory = SpoolFactory(tmp_path / ".logboom")
    (factory.path / "intent.0badcafe.bytes").write_bytes(SECRET)
    factory.segment(A, ["record"])
    assert drain(factory.path, time.monotonic() + 10)
    assert keepers(factory.path) == []
    assert not (factory.path / "intent.0badcafe.bytes").exists()


@posix
def test_everything_follows_the_mode_of_the_log(tmp_path: Path) -> None:
    """Who may not read the log any more could read it in the spool."""
    factory = SpoolFactory(tmp_path / ".logboom")
    path, log = factory.segment(A, [SECRET.decode()]), tmp_path / "app.log"
    held = os.open(path, os.O_RDWR)
    assert platform.try_lock(held)
    clock = FakeClock(wall=time.time())
    cycle = Cycle(
        Spool(factory.path), lambda target, note: FileSink(target, tmp_path, notes=note), clock, print
    )
    try:
        for mode, expected in ((0o640, 0o640), (0o600, 0o600), (0o644, 0o640)):
            clock.advance(1.0)
            cycle.step(thorough=True)
            log.chmod(mode)
            clock.advance(1.0)
            cycle.step(thorough=True)
            assert stat.S_IMODE(path.stat().st_mode) == expected
            append(path, factory.record("more"))
            for _ in range(2):
                clock.advance(1.0)
                cycle.step(thorough=True)
            (intent,) = factory.path.glob("intent.*")
            assert stat.S_IMODE(intent.stat().st_mode) & 0o040 == expected & 0o040
    finally:
        cycle.close()
        os.close(held)


def append(path: Path, data: bytes) -> None:
    place = len(path.read_bytes().rstrip(b"\0"))
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(data)
