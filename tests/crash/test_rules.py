"""The numbered rules of the design: for each, tests that go red without it.

rule                            test
roll, fork, life and death
1 roll                          test_processes: threads, signal_handler; test_kills: forked producers;
                                here: rolls under signals and threads; tests/journal/test_writer.py
2 fork                          test_processes: fork_in_c, fork_while_logging, fork_grandchild_silent;
                                tests/handlers/test_producer.py: forks in C, in the middle of a call
3 life                          here: a daemon that is silent for long; faults: unlinked segments, spools
4 locks in the caller           here: a log call beside a waiting flush, and after close
5 exit                          here: children without atexit; exit with and without a collector
the collector
1 merge                         here: a record of tomorrow; tests of merge.py
2 exactly once                  test_kills: every failpoint; here: foreign bytes after the intent
3 rollover                      test_kills: every failpoint; here: a foreign live file in mid-rollover
4 positions                     here: a corrupt checkpoint
5 one leader                    here: the lock's file removed; one start for many producers
6 start                         here: the collector's surroundings
7 trust                         here: a header that names a file elsewhere
8 synced levels                 tests/sinks; tests/collector: test_cycle, test_checkpoint;
                                tests/journal/test_writer.py
9 conflicts                     here: two configurations of one file
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil
import pytest
from harness import ROOT, Lab, wait_until

from logboom.journal.target import Target
from logboom.testing import SpoolFactory

pytestmark = pytest.mark.crash


def failpoints() -> set[str]:
    import re

    sources = [path.read_text() for path in (ROOT / "src/logboom").rglob("*.py")]
    return {name for source in sources for name in re.findall(r"""\breach\(\s*["']([\w.-]+)["']""", source)}


@pytest.mark.parametrize("scenario", ["threads", "signal_handler"])
def test_roll_with_writers_in_the_middle(scenario: str, lab: Lab) -> None:
    """Large records make a roll out of every few calls; a late writer must not lose its place."""
    lab.options |= {"maxBytes": 10_000_000}
    lab.finish(lab.start("p", scenario, count=800, size=20_000))
    lab.verdict(30)


@pytest.mark.parametrize("scenario", ["phases", "idle_child"])
def test_living_producer_is_read_past_its_rolls(scenario: str, lab: Lab) -> None:
    """A full segment says that it has ended: its lock may be kept by a child that never logs."""
    program = lab.start("p", scenario, count=3000, size=300)
    lab.phase(program, "a")
    lab.verdict(5)
    lab.leave(program)


@pytest.mark.parametrize("journal", ["mapped", "write"])
def test_silent_daemon_goes_on(journal: str, lab: Lab) -> None:
    """Dead is who holds no lock. A daemoniser closed every descriptor; only a mapping holds the lock then.

    Without one the collector has left the segment when the daemon logs again, which goes to a new one.
    """
    lab.environment = {"LOGBOOM_JOURNAL": journal}
    program = lab.start("p", "daemon_pauses", count=20, pace=0.0)
    lab.finish(program, timeout=60)
    lab.verdict(20)


def test_log_call_does_not_wait_for_a_flush(lab: Lab) -> None:
    """`logging.shutdown` holds the handler's lock during `flush()`: other threads must not notice."""
    program = lab.start("p", "flush_beside", count=10)
    pid = wait_until(lab.collector_pid, "a collector lives")
    lab.verdict(10)
    os.kill(pid, signal.SIGSTOP)
    try:
        lab.ask(program)
        longest = float(lab.answer(program))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert longest < 0.3
    lab.finish(program)
    assert lab.verdict(10).noted >= 20


@pytest.mark.parametrize("collector", ["off", "external"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_without_atexit(method: str, collector: str, tmp_path: Path) -> None:
    """`multiprocessing` children by fork and forkserver run no `atexit`; they see to their own tail."""
    lab = Lab(tmp_path, collector=collector)
    try:
        settings = {"handler": "logboom.FileHandler", "method": method, "count": 30, "children": 2}
        program = lab.start("p", "pool_and_stay", **settings)
        assert lab.answer(program) == "joined"
        report = lab.oracle.check()
        assert report.ok and report.noted == 60, f"{report}\n{lab.errors()}"
        lab.leave(program)
    finally:
        lab.close()


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_children_of_a_parent_that_has_logged(method: str, tmp_path: Path) -> None:
    """What the parent registered for its end is not run in a child: each process sees to that anew."""
    lab = Lab(tmp_path, collector="external")
    try:
        settings = {"handler": "logboom.FileHandler", "method": method, "count": 30, "children": 1}
        program = lab.start("p", "log_pool_and_stay", **settings)
        assert lab.answer(program) == "joined"
        report = lab.oracle.check()
        assert report.ok and report.noted == 60, f"{report}\n{lab.errors()}"
        lab.leave(program)
    finally:
        lab.close()


def test_program_ends_behind_the_records_of_its_children(tmp_path: Path) -> None:
    """It logged nothing itself, and the child that did has left without a word: the log is complete."""
    lab = Lab(tmp_path, collector="external")
    try:
        lab.finish(lab.start("p", "fork_and_wait", handler="logboom.FileHandler", count=30))
        report = lab.oracle.check()
        assert report.ok and report.noted == 30, f"{report}\n{lab.errors()}"
    finally:
        lab.close()


@pytest.mark.parametrize("collector", ["auto", "off", "external"])
def test_log_is_complete_when_the_program_has_ended(collector: str, tmp_path: Path) -> None:
    """`python script.py; cat app.log` shows every record, whether or not a collector ran."""
    lab = Lab(tmp_path, collector=collector)
    try:
        lab.finish(lab.start("p", count=500, handler="logboom.FileHandler"))
        assert lab.oracle.check().ok, lab.errors()
    finally:
        lab.close()


def test_record_of_tomorrow_holds_nothing_back(lab: Lab) -> None:
    """One record from the future (a clock step, freezegun) must not hold its producer back for hours."""
    program = lab.start("p", "future", count=5)
    lab.phase(program, "after")
    other = lab.start("q", "phases", count=5)
    lab.phase(other, "beside")
    assert lab.verdict(5).noted == 20
    lab.leave(program)
    lab.leave(other)


@pytest.mark.parametrize(
    "failpoint", sorted(name for name in failpoints() if "intent" in name or "append" in name)
)
def test_foreign_bytes_after_a_crash(failpoint: str, tmp_path: Path) -> None:
    """A fixed offset is wrong as soon as another program appends between the intent and the recovery."""
    lab = Lab(tmp_path, collector="external", maxBytes=20_000, backupCount=100)
    lab.oracle.other = lambda line: line == b"foreign\n"
    try:
        lab.finish(lab.start("p", "os_exit", count=100))
        crashed = lab.collect(f"{failpoint}:2")
        wait_until(lambda: crashed.poll() is not None or lab.oracle.check().ok, "it crashes or delivers", 15)
        with open(lab.log, "ab", buffering=0) as file:
            file.write(b"foreign\n")
        if crashed.poll() is None:
            crashed.terminate()
            crashed.wait(10)
        lab.drain()
        report = lab.oracle.check()
        assert report.missing + report.duplicated + report.forged == 0 and report.other == 1, str(report)
        assert report.torn <= 1, str(report)
    finally:
        lab.close()


def test_foreign_live_file_in_mid_rollover(tmp_path: Path) -> None:
    """Between the rename of the live file and the next one another program may make one: it stays."""
    lab = Lab(tmp_path, collector="external", maxBytes=5_000, backupCount=100)
    lab.oracle.other = lambda line: line == b"foreign\n"
    try:
        lab.finish(lab.start("p", "os_exit", count=200))
        assert lab.collect("roll.place").wait(20) == -signal.SIGKILL
        assert not lab.log.exists()
        lab.log.write_bytes(b"foreign\n")
        lab.drain()
        assert lab.verdict(5).other == 1
    finally:
        lab.close()


def test_corrupt_checkpoint_loses_nothing(lab: Lab) -> None:
    """What cannot be known is delivered again, and said; it is never skipped, and the collector goes on."""
    program = lab.start("p", "phases", count=200)
    lab.phase(program, "before")
    lab.verdict(10)
    pid = lab.kill_collector()
    wait_until(lambda: not psutil.pid_exists(pid), "it is gone")
    for checkpoint in lab.spool.glob("checkpoint*"):
        data = bytearray(checkpoint.read_bytes())
        data[len(data) // 3 : len(data) // 3 + 10] = b"\xff" * 10
        checkpoint.write_bytes(bytes(data))
    lab.phase(program, "after")
    lab.leave(program)
    wait_until(lambda: not lab.oracle.check().missing, "all is there", 15)
    report = lab.oracle.check()
    assert report.torn + report.forged == 0, str(report)


def test_removed_lock_makes_no_second_leader(lab: Lab) -> None:
    """A cleaner of temporary files removes the lock; whoever collects must see it and leave."""
    program = lab.start("p", count=0, pace=0.002)
    for _ in range(3):
        old = wait_until(lab.collector_pid, "a collector lives")
        (lab.spool / "collector.lock").unlink()
        wait_until(lambda dead=old: lab.collector_pid() not in (None, dead), "another has taken over", 10)
    wait_until(lambda: len(lab.collector_pids()) == 1, "one is left")
    program.kill()
    program.wait(10)
    lab.verdict(10)


def test_two_collectors_race(lab: Lab) -> None:
    """Started by hand beside the one that runs, a second must wait or leave, never write."""
    program = lab.start("p", count=0, pace=0.002)
    rivals = [lab.collect() for _ in range(3)]
    wait_until(lambda: lab.oracle.noted() > 500, "records were logged")
    wait_until(lambda: len(lab.collector_pids()) == 1, "one is left", 10)
    program.kill()
    program.wait(10)
    lab.verdict(10)
    for rival in rivals:
        rival.terminate()
        rival.wait(10)
    lab.verdict(2)


def test_leader_dies_and_one_is_started(lab: Lab) -> None:
    """When a leader dies, many producers must not start as many interpreters."""
    programs = [lab.start(f"p{number}", count=0, pace=0.01) for number in range(12)]
    old = lab.kill_collector()
    most = 0

    def back() -> bool:
        nonlocal most
        most = max(most, len(lab.collector_pids()))
        return lab.collector_pid() not in (None, old)

    wait_until(back, "a collector is back", 6)
    for program in programs:
        program.kill()
        program.wait(10)
    assert most <= 3
    lab.verdict(10)


def test_surroundings_of_a_started_collector(lab: Lab, tmp_path: Path) -> None:
    """It keeps no socket, terminal, directory or ignored signal of its starter, and runs no strange code."""
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')\n")
    (tmp_path / "signal.py").write_text("raise SystemExit('the wrong signal')\n")
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    was_ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    was_blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        program = lab.start("p", "phases", count=5)
    finally:
        signal.signal(signal.SIGHUP, was_ignored)
        signal.pthread_sigmask(signal.SIG_SETMASK, was_blocked)
    lab.phase(program, "a")
    pid = wait_until(lab.collector_pid, "a collector lives")
    os.close(reader)
    os.close(writer)
    collector = psutil.Process(pid)
    assert collector.cwd() == "/"
    assert os.getsid(pid) == pid and collector.terminal() is None
    assert "-I" in collector.cmdline()
    assert [Path(f"/proc/{pid}/fd/{number}").readlink() for number in range(3)] == [Path(os.devnull)] * 3
    assert not int(_proc_field(pid, "SigIgn"), 16) & (1 << (signal.SIGHUP - 1))
    assert not int(_proc_field(pid, "SigBlk"), 16)
    lab.leave(program)
    lab.verdict(10)


def test_started_collector_keeps_no_descriptor_of_its_starter(lab: Lab) -> None:
    """A web server's listening socket would stay bound by it, and nobody could start the server again."""
    program = lab.start("p", "leaky", count=5)
    lab.phase(program, "a")
    pid = wait_until(lab.collector_pid, "a collector lives")
    lab.verdict(10)
    links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()]
    assert links and str(lab.notes) not in links
    lab.leave(program)


def _proc_field(pid: int, name: str) -> str:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return line.split()[1]
    raise AssertionError(name)


@pytest.mark.parametrize("name", ["../evil.log", "/tmp/evil.log", "sub/evil.log", "..", ".logboom", "a\0b"])
def test_header_cannot_name_a_file_elsewhere(name: str, tmp_path: Path) -> None:
    """Whoever may write the spool must not choose what the collector writes, beyond the spool's parent."""
    lab = Lab(tmp_path)
    try:
        lab.finish(lab.start("p", count=5, handler="logboom.FileHandler"))
        SpoolFactory(lab.spool, Target(name=name)).segment("0123456789abcdef", ["evil"])
        before = {path for path in tmp_path.rglob("*evil*") if path.parent != lab.spool / "journal"}
        lab.finish(lab.start("q", count=5, handler="logboom.FileHandler"))
        wait_until(lambda: "journal asks" in lab.errors(), "the collector says so", 10)
        assert {path for path in tmp_path.rglob("*evil*") if path.parent != lab.spool / "journal"} == before
        assert not Path("/tmp/evil.log").exists()
        lab.verdict(10)
    finally:
        lab.close()


def test_live_name_is_never_followed_as_a_link(tmp_path: Path) -> None:
    """A symlink put in the live file's place would let its owner write where root may."""
    lab = Lab(tmp_path)
    try:
        program = lab.start("p", "phases", count=5, handler="logboom.FileHandler")
        lab.phase(program, "before")
        lab.verdict(10)
        victim = tmp_path / "victim"
        victim.write_text("precious\n")
        lab.log.unlink()
        lab.log.symlink_to(victim)
        lab.phase(program, "during")
        with contextlib.suppress(AssertionError):
            lab.leave(program)
        assert victim.read_text() == "precious\n"
    finally:
        lab.close()


def test_two_configurations_of_one_file(tmp_path: Path) -> None:
    """Processes that disagree about rotation: one wins, nothing flaps, nothing is lost."""
    lab = Lab(tmp_path, backupCount=900)
    try:
        big = lab.start("big", count=400, size=50, options={"maxBytes": 100_000}, pace=0.001)
        small = lab.start("small", count=400, size=50, options={"maxBytes": 10_000}, pace=0.001)
        lab.finish(big, small)
        report = lab.verdict(10)
        assert 2 <= report.files <= 20
        assert len(lab.errors().split("rotation")) <= 6
    finally:
        lab.close()
