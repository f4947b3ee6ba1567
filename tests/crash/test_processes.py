"""Every way to start a process, and every place to log from: each noted record is in the set exactly once.

Each test runs real programs (`tests/support/producer.py`) against a collector that starts itself.
"""

from __future__ import annotations

import sys

import pytest
from harness import Lab, alive, scaled, wait_until

pytestmark = pytest.mark.crash

# scenario, settings, records that must have been noted
SCENARIOS = [
    ("plain", {"count": 3000}, 3000),
    ("threads", {"count": 1000, "children": 4}, 4000),
    ("fork", {"count": 500}, 2500),
    ("fork_in_thread", {"count": 200}, 1400),
    ("fork_grandchild", {"count": 300}, 1200),
    ("fork_grandchild_silent", {"count": 300}, 900),
    ("fork_while_logging", {"count": 1000, "children": 10}, 12000),
    ("fork_in_c", {"count": 500, "children": 4}, 3000),
    ("pool", {"count": 200, "method": "fork"}, 800),
    ("pool", {"count": 200, "method": "spawn"}, 800),
    ("pool", {"count": 200, "method": "forkserver"}, 800),
    ("os_exit", {"count": 500}, 500),
    ("daemonise", {"count": 300}, 900),
    ("signal_handler", {"count": 20000, "size": 300}, 20000),
    ("finalizer", {"count": 2000}, 2000),
    ("gevent_greenlets", {"count": 300}, 900),
    ("asyncio_tasks", {"count": 300}, 900),
]


WRITTEN = {"threads", "fork", "fork_grandchild", "fork_while_logging", "fork_in_c", "daemonise"}


@pytest.mark.parametrize(
    ("scenario", "settings", "least", "journal"),
    [
        pytest.param(name, settings, least, journal, id="-".join([name, *map(str, method), *named]))
        for name, settings, least in SCENARIOS
        for method in [[settings["method"]] if "method" in settings else []]
        for journal, named in [("mapped", []), ("write", ["written"])]
        if journal == "mapped" or name in WRITTEN
    ],
)
def test_records_of(scenario: str, settings: dict[str, int], least: int, journal: str, lab: Lab) -> None:
    """A program of this kind must need no care: the one changed line is enough."""
    lab.environment = {"LOGBOOM_JOURNAL": journal}
    lab.finish(lab.start("p", scenario, **settings))
    report = lab.verdict(20)
    assert report.noted >= least


def test_independent_programs_share_one_set(lab: Lab) -> None:
    """Processes that know nothing of each other are the base case; a queue that is inherited fails there."""
    lab.finish(*[lab.start(f"p{number}", count=1500, size=200) for number in range(4)])
    report = lab.verdict(20)
    assert report.noted == 6000 and report.files > 5
    assert report.late <= report.noted // 100


@pytest.mark.skipif(sys.platform == "win32", reason="gevent's monkey patch is tested on POSIX")
def test_one_collector_for_many_programs(lab: Lab) -> None:
    """Two collectors of one spool would write everything twice."""
    programs = [lab.start(f"p{number}", count=0, pace=0.005) for number in range(6)]
    wait_until(lab.collector_pid, "a collector lives")
    wait_until(lambda: lab.oracle.noted() > 500, "records were logged")
    wait_until(lambda: len(lab.collector_pids()) == 1, "one collector is left")
    for program in programs:
        program.kill()
        program.wait(10)
    lab.verdict(10)


def test_a_fresh_record_is_in_the_file_within_five_seconds(lab: Lab) -> None:
    """A log that is exact an hour later is of no use to the person who looks now."""
    for number in range(3):
        program = lab.start(f"p{number}", count=1, scenario="os_exit")
        lab.finish(program)
        assert lab.verdict(5).noted == number + 1


def test_signal_default_termination_keeps_what_returned(lab: Lab) -> None:
    """SIGTERM's default runs no Python code, and so no `atexit`."""
    program = lab.start("p", count=0)
    wait_until(lambda: lab.oracle.noted() > 1000, "records were logged")
    program.terminate()
    assert program.wait(10) == -15
    lab.verdict(10)


def test_collector_outlives_the_session_of_its_starter(lab: Lab) -> None:
    """Ctrl-C and a closed terminal hit the whole process group; the collector must be in none of them."""
    program = lab.start("p", count=0, pace=0.01)
    pid = wait_until(lab.collector_pid, "a collector lives")
    program.kill()
    program.wait(10)
    assert alive(pid)
    lab.verdict(10)


def test_no_producer_leaves_a_process_that_holds_its_pipes(lab: Lab) -> None:
    """`ssh host script` and `$(script)` hang while a collector keeps the caller's pipe open."""
    program = lab.start("p", count=10)
    assert program.stdout is not None
    lab.finish(program)
    assert program.stdout.read() == ""
    lab.verdict(10)


def test_many_short_programs(lab: Lab) -> None:
    """A cron job's tail must not hang on who collects at the moment it ends."""
    for number in range(scaled(5, 50)):
        lab.finish(lab.start(f"p{number}", count=5))
    lab.verdict(10)
