"""`when_full`: who waits, for how long, and that nothing is dropped while nothing is undelivered."""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import Any

import pytest
from harness import Lab, wait_until

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(sys.platform == "win32", reason="processes are stopped here"),
]

PROGRAM = """
import json, logging, sys, threading, time
import logboom
log, threads, count, flush_every, options = json.loads(sys.argv[1])
handler = logboom.RotatingFileHandler(log, maxBytes=10_000_000, backupCount=5, **options)
handler.setFormatter(logging.Formatter("%(message)s"))
logger = logging.Logger("full")
logger.addHandler(handler)
logger.info("ready")
handler.flush()
print("ready", flush=True)
longest = []

def work(name):
    took = []
    for number in range(count):
        begun = time.monotonic()
        logger.info("%d-%d %s", name, number, "x" * 1000)
        took.append(time.monotonic() - begun)
        if flush_every and number % flush_every == 0:
            handler.flush()
    longest.append((max(took), sum(took)))

for line in sys.stdin:
    longest.clear()
    workers = [threading.Thread(target=work, args=(name,)) for name in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(json.dumps(longest), flush=True)
handler.close()
"""


class Program:
    """A program that logs when it is asked to, and says how long its log calls took."""

    def __init__(
        self, lab: Lab, threads: int = 1, count: int = 100, flush_every: int = 0, **options: Any
    ) -> None:
        setup = [str(lab.log), threads, count, flush_every, {"close_timeout": 20.0} | options]
        self.lab = lab
        self.process = lab.run(sys.executable, "-c", PROGRAM, json.dumps(setup))
        assert lab.answer(self.process) == "ready"

    def longest(self, timeout: float = 60.0) -> list[tuple[float, float]]:
        """The longest call of each thread, and the sum of its calls."""
        self.lab.ask(self.process)
        return [tuple(pair) for pair in json.loads(self.lab.answer(self.process, timeout))]

    def lines(self) -> int:
        """Records in the log."""
        self.lab.leave(self.process)
        self.lab.drain()
        found = [path.read_text() for path in self.lab.log.parent.glob("app.log*")]
        assert not any("dropped" in text for text in found)
        return sum(text.count("x\n") for text in found)


@pytest.mark.parametrize("when_full", ["block", "drop_oldest", "drop_newest"])
def test_no_call_waits_and_none_drops_where_nothing_is_undelivered(when_full: str, lab: Lab) -> None:
    """The full segment of the caller counted until there was a next one, for which there was no room."""
    options = {"spool_max_size": 300_000, "when_full": when_full, "block_timeout": 5.0, "flush_timeout": 10.0}
    program = Program(lab, count=1500, flush_every=20, **options)
    (longest,) = program.longest()
    assert longest[0] < 2.0
    assert program.lines() == 1500


def test_segments_of_idle_programs_do_not_count(lab: Lab) -> None:
    """What they have reserved is no undelivered record: the tenth program logs as the first one does."""
    programs = [Program(lab, count=10, spool_max_size=200_000) for _ in range(8)]
    for program in programs:
        program.longest()
    assert [program.lines() for program in programs][-1] == 80


@pytest.mark.parametrize("threads", [1, 8])
def test_block_loses_nothing_beside_a_living_collector(threads: int, lab: Lab) -> None:
    """Each thread has its own wait: the first one's made all others drop without any."""
    program = Program(
        lab, threads, 4000 // threads, spool_max_size=300_000, when_full="block", block_timeout=30
    )
    program.longest()
    assert program.lines() == 4000


def test_block_waits_for_its_timeout_at_most_and_once(lab: Lab) -> None:
    """A collector that stands still costs each thread one wait, and goes on as soon as there is room."""
    options = {"spool_max_size": 200_000, "when_full": "block", "block_timeout": 1.0}
    program = Program(lab, 4, 1000, **options)
    pid = lab.kill_collector(signal.SIGSTOP)
    for longest, together in program.longest():
        assert 0.9 < longest < 1.6, "one wait, and no second one for a smaller segment"
        assert together < 2.5
    lab.kill_collector(signal.SIGCONT)
    wait_until(
        lambda: "full" not in str(lab.status().get("failing")) and pid == lab.collector_pid(), "it goes on"
    )
    wait_until(lambda: max(one[0] for one in program.longest()) < 0.8, "nothing waits any more", 20)


def test_block_goes_on_as_soon_as_there_is_room(lab: Lab) -> None:
    """It waits for room, not for its timeout."""
    program = Program(lab, 2, 300, spool_max_size=200_000, when_full="block", block_timeout=60)
    lab.kill_collector(signal.SIGSTOP)
    lab.ask(program.process)
    journal = lab.spool / "journal"
    used = 0

    def full() -> bool:
        nonlocal used
        before, used = used, sum(path.stat().st_size for path in journal.iterdir())
        return before == used > 100_000

    wait_until(full, "the spool is full")
    begun = time.monotonic()
    lab.kill_collector(signal.SIGCONT)
    lab.answer(program.process, 30)
    assert time.monotonic() - begun < 15
    assert program.lines() == 600


def test_full_spool_is_delivered_before_anything_is_dropped(lab: Lab) -> None:
    """Where no collector lives, the log call collects: another one may never come."""
    program = Program(lab, count=2000, spool_max_size=200_000, collector="external")
    program.longest()
    assert program.lines() == 2000
