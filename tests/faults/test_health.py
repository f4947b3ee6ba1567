"""What is wrong is said: a collector with its starter's limits, one that hangs, a disk that takes nothing.

The programs and the commands run as their users run them.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from everybody import NOBODY, EverybodysPython
from harness import KILL, Lab, alive, wait_until
from harness import pause as let_run

from logboom.spool.doorbell import STOP, collector_lives

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(sys.platform != "linux", reason="limits, signals and mounts of Linux"),
]

LOGBOOM = (sys.executable, "-m", "logboom")


def command(lab: Lab, *arguments: str | Path, timeout: float = 60, **options: Any) -> tuple[int, str]:
    """A command's exit status, and all that it printed."""
    done = subprocess.run(
        [*LOGBOOM, *map(str, arguments)],
        env=lab.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
        **options,
    )
    return done.returncode, done.stdout


def overview(lab: Lab) -> tuple[int, dict[str, Any]]:
    status, text = command(lab, "status", "--json", lab.spool)
    return status, json.loads(text)


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "it stops")


# -- limits --------------------------------------------------------------------------------------


def limited(lab: Lab, name: str, *shell: str) -> subprocess.Popen[str]:
    """A program in the scenario `phases`, started by a shell that sets limits first."""
    setup = {"log": str(lab.log), "notes": str(lab.notes), "name": name, "scenario": "phases"}
    producer = Path(__file__).resolve().parents[1] / "support" / "producer.py"
    words = [sys.executable, str(producer), json.dumps(setup | {"options": lab.options})]
    script = " && ".join([*shell, 'exec "$@"'])
    process = lab.run("bash", "-c", script, "bash", *words)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", lab.errors()
    return process


def test_collector_sheds_what_its_starter_can_shed(lab: Lab) -> None:
    """A cron job that runs niced, with few descriptors, and first for the OOM killer, starts it for all."""
    script = ("umask 0", "ulimit -S -f 200", "ulimit -S -n 40", "ulimit -S -v 4000000")
    oom = "echo 700 > /proc/self/oom_score_adj"
    program = limited(lab, "cron", *script, oom, "renice 7 $$ >/dev/null")
    lab.phase(program, "one 5")
    pid = wait_until(lab.collector_pid, "it lives")
    for name in (resource.RLIMIT_FSIZE, resource.RLIMIT_AS, resource.RLIMIT_NOFILE):
        soft, hard = resource.prlimit(pid, name)
        assert soft == hard or soft >= 1024
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "0\n"
    if os.geteuid() == 0:
        assert os.getpriority(os.PRIO_PROCESS, pid) == 0
    assert "Umask:\t0077" in Path(f"/proc/{pid}/status").read_text()
    lab.leave(program)
    lab.verdict(10)


@pytest.mark.parametrize("how", ["ulimit -f 600", "ulimit -n 9"], ids=["size", "descriptors"])
def test_limits_of_one_starter_hold_up_nobody_else(
    how: str, everybody: EverybodysPython, open_path: Path
) -> None:
    """Its collector gives up to another starter's, and it starts none again."""
    logs = open_path / "logs"
    logs.mkdir()
    os.chown(logs, NOBODY, NOBODY)
    logs.chmod(0o755)
    words = everybody.command("-c", TALKING, logs / "app.log")
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "stdin": subprocess.PIPE}
    shell = ["bash", "-c", f'{how} && exec "$@"', "bash", *words.pop("args")]
    programs = [
        subprocess.Popen(shell, **words, **user, stderr=subprocess.PIPE),
        subprocess.Popen(shell[4:], **words, **user),
    ]
    bound, free = programs
    spool = logs / ".logboom"
    note = spool / "collector.log"
    try:
        for number in range(13):  # the log meets the limit in the middle, no segment does
            say(bound, f"{number} 500")
        wait_until(lambda: "limits of this process stop it" in read(note), "it gives up", 20)
        wait_until(lambda: not collector_lives(spool, b""), "it is gone")
        before = read(note)
        for number in range(3):
            say(bound, f"again{number} 1", pause=1.1)
        assert read(note) == before, "none was started"
        say(free, "free 1")
        wait_until(lambda: "free" in read(logs / "app.log"), "the other one's collector writes all")
        assert read(logs / "app.log").count("\n") == 13 * 500 + 3 + 1
    finally:
        collector_lives(spool, STOP)
        for program in programs:
            program.kill()
        errors, _ = (program.communicate()[1] for program in programs)
    assert "no collector: the" in errors and "limit of this process" in errors


TALKING = """
import logging, sys, time
import logboom
handler = logboom.FileHandler(sys.argv[1], close_timeout=0)
for line in sys.stdin:
    name, count = line.split()
    for number in range(int(count)):
        handler.handle(logging.makeLogRecord({"msg": name + " " + "x" * 100}))
"""


def say(program: subprocess.Popen[str], line: str, pause: float = 0.2) -> None:
    assert program.stdin is not None
    program.stdin.write(line + "\n")
    program.stdin.flush()
    let_run(pause)


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


# -- a collector that hangs ------------------------------------------------------------------------


def test_stopped_collector_is_named(lab: Lab) -> None:
    """Someone pressed Ctrl-Z in a debugger: everything looks well, and nothing is written."""
    program = lab.start("p", "phases")
    lab.phase(program, "one 5")
    pid = wait_until(lab.collector_pid, "it lives")
    assert overview(lab)[0] == 0
    stop(pid)
    lab.phase(program, "two 5")
    status, values = overview(lab)
    assert status == 1 and "stopped (SIGSTOP)" in values["collector"]["hung"]
    status, text = command(lab, "status", lab.spool)
    assert status == 1 and "stopped (SIGSTOP)" in text and str(pid) in text
    status, text = command(lab, "stop", "--timeout", "1", lab.spool)
    assert status == 1 and "stopped (SIGSTOP)" in text
    os.kill(pid, signal.SIGCONT)
    lab.leave(program)
    lab.verdict(10)


def test_program_that_ends_names_it(lab: Lab) -> None:
    """Its records wait, and the exit takes `close_timeout`: the reason belongs on stderr."""
    program = lab.start("p", "phases", options={"close_timeout": 0.5})
    lab.phase(program, "one 5")
    pid = wait_until(lab.collector_pid, "it lives")
    stop(pid)
    lab.phase(program, "two 5")
    lab.leave(program)
    assert f"the collector (pid {pid}, stopped (SIGSTOP)) does not answer" in lab.errors()
    os.kill(pid, signal.SIGCONT)
    lab.verdict(10)


def test_drain_takes_over_from_a_stopped_collector(lab: Lab) -> None:
    """It is dead before anybody else leads: it could go on at any moment, and write everything again."""
    program = lab.start("p", "phases", options={"collector": "external"})
    collector = lab.collect()
    lab.phase(program, "one 5")
    lab.oracle.wait(10)
    stop(collector.pid)
    lab.phase(program, "two 5")
    status, text = command(lab, "drain", lab.spool)
    assert status == 0 and f"pid {collector.pid}" in text and "killed" in text
    assert collector.wait(10) == -KILL
    lab.verdict(0.1)
    lab.leave(program)


def test_drain_kills_no_process_by_a_number_in_a_file(lab: Lab) -> None:
    """Another program is stopped, and bears the number that the collector is said to have."""
    program = lab.start("p", "phases", options={"collector": "external"})
    lab.phase(program, "one 5")
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        stop(other.pid)
        collector = lab.collect()
        wait_until(lambda: lab.collector_pid() == collector.pid, "it lives")
        stop(collector.pid)
        (lab.spool / "status.json").write_text(json.dumps({"collector": {"pid": other.pid}}))
        (lab.spool / "bell").write_bytes(bytes(16) + b"%d\n" % other.pid)
        lab.phase(program, "two 5")
        status, text = command(lab, "drain", "--timeout", "4", lab.spool)
        assert status == 1 and "does not answer" in text, text
        assert alive(other.pid) and alive(collector.pid), text
    finally:
        other.kill()
        other.wait()
        os.kill(collector.pid, signal.SIGCONT)
    lab.leave(program)
    lab.verdict(10)


def test_frozen_collector_is_named(lab: Lab) -> None:
    """A container that is paused: nothing can be killed there, and nothing taken over."""
    place = Path("/sys/fs/cgroup/freezer") / f"logboom-{os.getpid()}"
    try:
        place.mkdir()
    except OSError as error:
        pytest.skip(f"no freezer cgroup can be made: {error}")
    program = lab.start("p", "phases")
    try:
        lab.phase(program, "one 5")
        pid = wait_until(lab.collector_pid, "it lives")
        (place / "tasks").write_text(str(pid))
        (place / "freezer.state").write_text("FROZEN")
        wait_until(lambda: "FROZEN" in (place / "freezer.state").read_text(), "it freezes")
        lab.phase(program, "two 5")
        status, text = command(lab, "status", lab.spool)
        assert status == 1 and "does not answer" in text
        status, text = command(lab, "drain", "--timeout", "3", lab.spool)
        assert status == 1 and "does not answer" in text
    finally:
        (place / "freezer.state").write_text("THAWED")
        for task in (place / "tasks").read_text().split():
            (place.parent / "tasks").write_text(task)
        place.rmdir()
    lab.leave(program)
    lab.verdict(10)


def test_leader_that_was_stopped_writes_what_it_has_read(lab: Lab) -> None:
    """A cleaner removed its lock and the journal meanwhile: what it had read is nowhere else."""
    program = lab.start("p", "phases", options={"collector": "external"})
    lab.log.unlink()
    lab.log.mkdir()  # nothing can be written yet
    lab.spool.mkdir()
    collector = lab.run(*LOGBOOM, "collect", "--stay", str(lab.spool), env=lab.environ())
    lab.phase(program, "one 500")
    wait_until(lambda: lab.status().get("backlog", 0) >= 500, "all is read")
    stop(collector.pid)
    (lab.spool / "collector.lock").unlink()
    for segment in (lab.spool / "journal").iterdir():
        segment.unlink()
    lab.log.rmdir()
    os.kill(collector.pid, signal.SIGCONT)
    assert collector.wait(10) == 1
    lab.verdict(0.1)
    lab.leave(program)


# -- the disk --------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system with few inodes."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    how = ["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=60,mode=755", "tmpfs", str(place)]
    mounted = subprocess.run(how, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount: {mounted.stderr.decode()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def use_up_bytes(disk: Path) -> None:
    with open(disk / "ballast", "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return


def use_up_inodes(disk: Path) -> None:
    try:
        for number in range(1000):
            (disk / f"ballast{number}").touch()
    except OSError:
        return


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro,size=4m", str(disk)], check=True)


def give_back(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,rw,size=4m", str(disk)], check=True)
    for path in disk.glob("ballast*"):
        path.unlink()


@pytest.mark.parametrize(("use_up", "word"), [(use_up_bytes, "is full"), (use_up_inodes, "no inodes")])
def test_disk_that_takes_nothing_is_said(use_up: Any, word: str, disk: Path, tmp_path: Path) -> None:
    """The journal beside the log, as by default: nothing can be written down of what is wrong."""
    lab = Lab(tmp_path, log="small/app.log", maxBytes=10_000_000, backupCount=2)
    try:
        program = lab.start("p", "phases", size=500)
        lab.phase(program, "before 50")
        lab.verdict(10)
        use_up(disk)
        lab.phase(program, "full 6000")
        status, values = overview(lab)
        assert status == 1 and word in values["trouble"], values
        assert values["dropped"] > 2500  # more than half: they are said more and more seldom
        status, text = command(lab, "status", lab.spool)
        assert status == 1 and word in text
        pending = overview(lab)[1]["pending_bytes"]
        status, text = command(lab, "stop", lab.spool)
        assert status == (1 if pending else 0) and (word in text or not pending), text
        give_back(disk)
        lab.until_delivered(program)
        lab.leave(program)
        assert lab.verdict(10).dropped > 5000
    finally:
        give_back(disk)
        lab.close()


def test_read_only_file_system_is_said(disk: Path, tmp_path: Path) -> None:
    """An administrator looks at a spool whose disk had errors, or at a copy of one."""
    lab = Lab(tmp_path, log="small/app.log")
    try:
        program = lab.start("p", "phases", options={"collector": "external"})
        lab.phase(program, "one 50")
        program.kill()  # its end would write them
        program.wait()
        make_read_only(disk)
        for words in (["status"], ["drain", "--timeout", "2"]):
            status, text = command(lab, *words, lab.spool)
            assert status == 1 and "read-only" in text and "0 bytes" not in text, text
        give_back(disk)
        lab.drain()
        lab.verdict(0.1)
    finally:
        lab.close()


def test_what_could_not_be_noted_is_noted_later(disk: Path, tmp_path: Path) -> None:
    """After the recovery somebody asks what happened at night."""
    lab = Lab(tmp_path, log="small/app.log")
    try:
        program = lab.start("p", "phases", size=500)
        lab.phase(program, "before 50")
        lab.verdict(10)
        use_up_bytes(disk)
        lab.phase(program, "full 6000")
        wait_until(lambda: overview(lab)[1]["pending_bytes"], "something is pending")
        give_back(disk)
        log = lab.spool / "collector.log"
        lab.until_delivered(program)
        wait_until(lambda: log.exists() and "No space left" in log.read_text(), "it is noted")
        lab.leave(program)
    finally:
        give_back(disk)
        lab.close()


# -- an installation that is gone, rights, what keeps a disk busy ------------------------------------


def test_environment_that_was_deleted_is_said(lab: Lab, tmp_path: Path) -> None:
    """The programs go on for days with what they have in memory, and their records wait."""
    site = tmp_path / "site"
    shutil.copytree(Path(LIBRARY) / "logboom", site / "logboom", ignore=shutil.ignore_patterns("__pycache__"))
    lab.environment["PYTHONPATH"] = str(site)
    program = lab.start("p", "phases", options={"close_timeout": 1})
    lab.phase(program, "one 5")
    pid = wait_until(lab.collector_pid, "it lives")
    shutil.rmtree(site)
    os.kill(pid, KILL)
    lab.phase(program, "two 5")
    lab.leave(program)
    assert "no collector" in lab.errors() and "was removed" in lab.errors()
    del lab.environment["PYTHONPATH"]
    lab.drain()
    lab.verdict(0.1)


LIBRARY = Path(__file__).resolve().parents[2] / "src"


def test_user_without_rights_is_not_told_that_all_is_well(
    everybody: EverybodysPython, open_path: Path
) -> None:
    """ "Nothing needs to be done" would be an answer to a question that could not be asked."""
    log = open_path / "app.log"
    one = "import logging, logboom, sys; h = logboom.FileHandler(sys.argv[1], close_timeout=0, "
    one += "collector='external'); h.handle(logging.makeLogRecord({'msg': 'one'}))"
    subprocess.run(**everybody.command("-c", one, log), check=True, umask=0o027)
    for words in (["status"], ["drain", "--timeout", "2"], ["stop"]):
        done = subprocess.run(
            **everybody.command("-m", "logboom", *words, log.parent),
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert "nothing needs to be done" not in done.stdout, done.stdout
        assert "0 bytes" not in done.stdout, done.stdout
        assert "ermission denied" in done.stdout, done.stdout
        assert done.returncode == 1


def test_nothing_keeps_the_disk_busy_when_the_collector_has_ended(disk: Path, tmp_path: Path) -> None:
    """`logboom stop && umount` in a script."""
    lab = Lab(tmp_path, log="small/app.log")
    try:
        for number in range(5):
            program = lab.start(f"p{number}", "phases")
            lab.phase(program, "one 5")
            lab.leave(program)
            status, text = command(lab, "stop", lab.spool)
            assert status == 0, text
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            subprocess.run(["mount", "-o", "remount,rw,size=4m", str(disk)], check=True)
        lab.verdict(0.1)
    finally:
        lab.close()


def test_line_in_ps_is_short_and_has_the_path(lab: Lab) -> None:
    """An operator finds the collector of a directory by looking."""
    program = lab.start("p", "phases")
    lab.phase(program, "one 5")
    pid = wait_until(lab.collector_pid, "it lives")
    line = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").replace("\0", " ")
    assert line.endswith(f"logboom collect {lab.spool}")
    assert len(line) < len(f"{sys.executable} {LIBRARY} {lab.spool}") + 40
    lab.leave(program)


def test_every_tool_that_copies_or_reads_passes_by(lab: Lab) -> None:
    """A FIFO hangs whoever reads it, and `copytree` refuses it."""
    program = lab.start("p", "phases")
    lab.phase(program, "one 5")
    wait_until(lab.collector_pid, "it lives")
    lab.verdict(10)
    logs = lab.log.parent
    shutil.copytree(logs, lab.path / "copy")
    assert all(path.read_bytes() is not None for path in logs.rglob("*") if path.is_file())
    assert not [path for path in logs.rglob("*") if not path.is_file() and not path.is_dir()]
    for tool in (
        ["tar", "cf", "/dev/null", "logs"],
        ["grep", "-r", "one", "logs"],
        ["cp", "-r", "logs", "cp"],
    ):
        subprocess.run(tool, cwd=lab.path, check=True, timeout=20, capture_output=True)
    lab.leave(program)


# -- zombies ---------------------------------------------------------------------------------------

INIT = """
import os, subprocess, sys, time
log, source = sys.argv[1:]
job = "import logging, logboom; h = logboom.FileHandler(%r); h.handle(logging.makeLogRecord({'msg': 'x'}))"
def zombies():
    found = 0
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            found += open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[0] == 'Z'
        except OSError:
            pass
    return found
for number in range(3):
    subprocess.run([sys.executable, '-c', job % log], env={'PYTHONPATH': source}, check=True)
    stop = [sys.executable, '-m', 'logboom', 'stop', os.path.dirname(log)]
    subprocess.run(stop, env={'PYTHONPATH': source}, check=True, stdout=subprocess.DEVNULL)
print(zombies())
"""


def test_start_of_a_collector_leaves_one_zombie_at_most(lab: Lab) -> None:
    """Process 1 of a container that waits for nobody: a job a minute would fill its process table."""
    script = [sys.executable, "-c", INIT, str(lab.log), str(LIBRARY)]
    way = ["unshare", "--pid", "--fork", "--mount-proc", *script]
    done = subprocess.run(way, capture_output=True, text=True, timeout=120, check=False)
    if "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 3
