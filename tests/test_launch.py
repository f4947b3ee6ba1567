"""What a producer does about its collector: find it, ring it, start one, wait for it, do without it."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from harness import wait_until

import logboom
from logboom import platform
from logboom.collector.election import Leadership
from logboom.journal.layout import pack_position, segment_name
from logboom.journal.survey import committed_ends
from logboom.platform import Doorbell
from logboom.platform.process import this_process
from logboom.producer import starting, waiting
from logboom.spool import doorbell, status
from logboom.spool.directory import Spool
from logboom.spool.flushed import FLUSHED
from logboom.testing import SpoolFactory


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return Spool.create(tmp_path / ".logboom").path


@pytest.fixture
def led(spool: Path) -> Iterator[Path]:
    """A spool that another process seems to lead, and where nobody listens."""
    leadership = Leadership.seek(spool)
    assert leadership is not None
    yield spool
    leadership.release()


ONE, OTHER = "a" * 16, "b" * 16


@contextlib.contextmanager
def published(spool: Path, *, through: Any = None, skipped: Any = None) -> Iterator[None]:
    """How far streams are delivered, said again and again."""
    done = threading.Event()

    def collector() -> None:
        while not done.wait(0.005):
            values = {"through": through or {}, "skipped": skipped or {}}
            (spool / "temporary").write_bytes(msgspec.json.encode(values))
            platform.replace(spool / "temporary", spool / FLUSHED)

    runs = threading.Thread(target=collector)
    runs.start()
    try:
        yield
    finally:
        done.set()
        runs.join()


@pytest.fixture
def streams(led: Path) -> Path:
    """Two streams that are not delivered."""
    for producer in (ONE, OTHER):
        (led / "journal" / segment_name(producer, 1)).write_bytes(b'{"logboom":1}\n[1]\n' + bytes(100))
    return led


def soon() -> float:
    return time.monotonic() + 0.1


END = pack_position(1, len(b'{"logboom":1}\n[1]\n'))


@pytest.mark.parametrize("through", [{}, {ONE: END - 1}, {OTHER: END}, {ONE: None}, [], "now"])
def test_flush_waits_for_a_position(streams: Path, through: Any) -> None:
    """What was delivered before this record, or of another stream, is not this record; nor is nonsense."""
    with published(streams, through=through):
        assert not waiting.wait_until_flushed(streams, soon(), {ONE: END})


def test_flush_is_true_by_what_is_delivered(streams: Path) -> None:
    """Whatever clock the collector has: a container may have a time namespace, a host a new boot."""
    with published(streams, through={ONE: END}):
        assert waiting.wait_until_flushed(streams, time.monotonic() + 10, {ONE: END})
        assert not waiting.wait_until_flushed(streams, soon()), "the other one is not"
    with published(streams, through={ONE: END, OTHER: END}):
        assert waiting.wait_until_flushed(streams, time.monotonic() + 10)
    assert waiting.wait_until_flushed(streams, time.monotonic(), {ONE: END}), "nothing needs to be asked"


@pytest.mark.parametrize(
    ("skipped", "targets", "answer"),
    [
        ({OTHER: "b.log"}, {"a.log"}, True),
        ({OTHER: "a.log"}, {"a.log"}, False),
        ({OTHER: "b.log"}, None, False),
        ({OTHER: ""}, {"a.log"}, False),
    ],
)
def test_flush_counts_the_own_target(streams: Path, skipped: Any, targets: Any, answer: bool) -> None:
    """A file that cannot be written makes its own flush fail, and no other's; neither waits for it."""
    with published(streams, through={ONE: END}, skipped=skipped):
        assert waiting.wait_until_flushed(streams, time.monotonic() + 10, None, targets) is answer


def test_failure_of_before_the_flush_is_asked_about_again(streams: Path) -> None:
    """A disk that was full a minute ago may have room now."""
    with published(streams, skipped={ONE: "a.log"}):
        assert not waiting.wait_until_flushed(streams, time.monotonic() + 10, {ONE: END})
    asked = time.monotonic()
    assert not waiting.wait_until_flushed(streams, asked + 0.2, {ONE: END})
    assert time.monotonic() > asked + 0.1


def test_end_of_a_stream_is_found_however_long_it_is(spool: Path) -> None:
    """A flush of all streams looks into each of them: it must not read a megabyte for that."""
    line = b'["' + b"x" * 997 + b'"]\n'
    for count in (0, 1, 15, 16, 17, 700):
        for tail in (b"", b"[half", b"x" * 40_000):
            for size in (0, 2**20):
                data = b"{}\n" + line * count
                path = spool / "journal" / segment_name(ONE, 3)
                path.write_bytes((data + tail).ljust(size, b"\0"))
                assert committed_ends(Spool(spool)) == {ONE: pack_position(3, len(data))}


def test_damaged_status_is_no_status(spool: Path) -> None:
    """Whatever stands in the file, a flush must not raise."""
    strange = (
        b'{"collector": null}',
        b'{"collector": [1]}',
        b'{"collector": {"made_way": "x", "format": 1}}',
    )
    for content in (b"", b"[]", b"{", b'{"flushed": null}', b"\xff", *strange):
        (spool / status.STATUS).write_bytes(content)
        assert isinstance(status.read_status(spool), dict)
        assert status.made_way(spool) == 0


def test_collecting_here_does_not_raise(spool: Path) -> None:
    """`logboom.flush()` at the end of a program must not end it with a traceback."""
    SpoolFactory(spool).segment(ONE, ["one"])
    (spool / "checkpoint.jsonl").mkdir()
    assert not waiting.collect_here(spool, soon())
    waiting.make_room(spool, 1)
    assert not waiting.wait_until_flushed(spool, soon())


@pytest.mark.parametrize("half", [None, types.ModuleType("logboom.collector.assembly")])
def test_collecting_here_needs_no_import_to_work(
    spool: Path, monkeypatch: pytest.MonkeyPatch, half: types.ModuleType | None
) -> None:
    """pip may be replacing the files; and a signal handler may flush in the middle of this very import."""
    monkeypatch.setitem(sys.modules, "logboom.collector.assembly", half)
    assert not waiting.collect_here(spool, 0.0)


def test_nobody_listens(spool: Path) -> None:
    """A doorbell without a collector, or a file that only looks like one, is nobody."""
    assert not doorbell.collector_lives(spool)
    Doorbell(spool / doorbell.BELL, 0o600).close()
    assert not doorbell.collector_lives(spool)
    (spool / doorbell.BELL).unlink()
    (spool / doorbell.BELL).write_bytes(b"")
    assert not doorbell.collector_lives(spool)


def test_rings_are_heard_and_never_block(spool: Path) -> None:
    """A collector that is stopped in a debugger must not stop the programs that log."""
    bell = Doorbell(spool / doorbell.BELL, 0o600)
    assert doorbell.collector_lives(spool, doorbell.FLUSH)
    assert bell.wait(1.0) == doorbell.FLUSH
    assert bell.wait(0.0) == b""
    for _ in range(70_000 if sys.platform == "linux" else 10):
        assert doorbell.collector_lives(spool)
    bell.close()


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_doorbell_takes_the_place_of_a_stranger(spool: Path) -> None:
    """A file or a link under its name must not keep a collector from being found."""
    (spool / doorbell.BELL).unlink()
    (spool / doorbell.BELL).symlink_to(spool / "README")
    bell = Doorbell(spool / doorbell.BELL, 0o600)
    assert stat.S_ISREG(os.lstat(spool / doorbell.BELL).st_mode)
    assert doorbell.collector_lives(spool)
    bell.close()


def test_one_start_at_a_time(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """32 programs that miss their collector at once start one interpreter."""
    kept: list[int] = []

    def spawn(argv: list[str], environment: dict[str, str], keep: int) -> int:
        kept.append(os.dup(keep))
        return os.getpid()

    monkeypatch.setattr(platform, "spawn_detached", spawn)
    assert starting.start_collector(spool) == starting.Launch(True)
    for _ in range(31):
        assert starting.start_collector(spool) == starting.Launch(False)
    assert len(kept) == 1
    os.close(kept[0])
    assert starting.start_collector(spool).started, "the candidate is gone: the next may try"
    os.close(kept[1])
    this_process.forget_helpers()


def test_start_that_fails_leaves_the_lock_free(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory for a moment must not mean no collector for ever."""

    def spawn(*_: object) -> int:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(platform, "spawn_detached", spawn)
    for _ in range(2):
        assert "Cannot allocate memory" in starting.start_collector(spool).trouble


def test_interpreter_is_a_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under uWSGI or mod_wsgi `sys.executable` is another program: it must not be started."""
    monkeypatch.delenv("LOGBOOM_PYTHON", raising=False)
    other = tmp_path / "uwsgi"
    other.write_bytes(b"")
    other.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(other))
    found = starting.python_for_collector()
    assert found is not None
    assert "python" in os.path.basename(found)
    named = tmp_path / "interpreter"
    named.write_bytes(b"")
    named.chmod(0o755)
    monkeypatch.setenv("LOGBOOM_PYTHON", str(named))
    assert starting.python_for_collector() == str(named)
    monkeypatch.setenv("LOGBOOM_PYTHON", str(tmp_path / "missing"))
    assert starting.python_for_collector() == found


def test_named_interpreter_that_is_passed_over_is_said_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who names an interpreter wants that one: the collector must not run with another in silence."""
    this_process.reset()
    monkeypatch.setenv("LOGBOOM_PYTHON", str(tmp_path / "missing"))
    found = [starting.python_for_collector() for _ in range(3)]
    assert capsys.readouterr().err == (
        f"logboom: LOGBOOM_PYTHON={tmp_path / 'missing'} cannot be run; the collector runs with {found[0]}\n"
    )
    this_process.reset()
    monkeypatch.setattr(sys, "stderr", None)  # pythonw, a service
    assert starting.python_for_collector() == found[0]


def test_no_interpreter_is_said(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen program has no Python at hand: one sentence says what to set."""
    monkeypatch.delenv("LOGBOOM_PYTHON", raising=False)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert "LOGBOOM_PYTHON" in starting.start_collector(spool).trouble


def test_named_interpreter_that_cannot_run_is_said(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has set `LOGBOOM_PYTHON` to a wrong path must not be told to set it."""
    monkeypatch.setenv("LOGBOOM_PYTHON", "/nowhere/python3")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert starting.start_collector(spool).trouble == "LOGBOOM_PYTHON=/nowhere/python3 cannot be run"


def test_collector_gets_nothing_of_the_application(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable meant for the application must not make its collector run other code."""
    for name in ("PYTHONPATH", "PYTHONSTARTUP", "PYTHONMALLOC", "LD_PRELOAD", "LOGBOOM_COLLECTOR"):
        monkeypatch.setenv(name, "off")
    monkeypatch.setenv("LOGBOOM_DISABLE", "1")
    made: list[dict[str, str]] = []

    def spawn(argv: list[str], environment: dict[str, str], keep: int) -> int:
        made.append(environment)
        return os.getpid()

    monkeypatch.setattr(platform, "spawn_detached", spawn)
    assert starting.start_collector(spool).started
    (environment,) = made
    assert not [name for name in environment if name.startswith(("PYTHON", "LD_"))]
    assert environment["LOGBOOM_COLLECTOR"] == ""
    this_process.forget_helpers()


@pytest.mark.skipif(not hasattr(os, "waitpid"), reason="no zombies here")
def test_helper_is_taken_leave_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """A helper that ended must not stay as a zombie; one that another library reaped is no error."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    this_process.helpers[:] = [process.pid]
    deadline, pause = time.monotonic() + 10, threading.Event()
    while this_process.helpers:
        starting.reap()
        assert time.monotonic() < deadline
        pause.wait(0.01)
    this_process.helpers[:] = [process.pid]
    starting.reap()
    assert this_process.helpers == []
    process.wait()


def test_flush_never_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The public `flush()` answers; it has no business in ending a program."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")
    handler = logboom.FileHandler(tmp_path / "app.log", close_timeout=0.1, flush_timeout=0.1)
    handler.handle(logging.makeLogRecord({"msg": "one"}))
    (tmp_path / ".logboom" / "checkpoint.jsonl").mkdir()
    assert logboom.flush(0.1) is False
    (tmp_path / ".logboom" / "checkpoint.jsonl").rmdir()
    assert logboom.flush(5) is True
    handler.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_child_forked_during_a_start_does_not_hold_it_up(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may live for days, and as long as it had `starting.lock`, nobody could start a collector."""
    reader, writer = os.pipe()
    forgotten, forgets = os.pipe()
    children = []

    def spawn(*_: object) -> int:
        children.append(os.fork())
        if children == [0]:
            this_process.forget_helpers()
            os.close(forgets)
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
        os.close(forgets)
        os.read(forgotten, 1)  # until the child's hook has run
        return children[0]

    monkeypatch.setattr(platform, "spawn_detached", spawn)
    starting.start_collector(spool)
    free = starting.start_is_free(spool)
    os.close(writer)
    os.waitpid(children[0], 0)
    os.close(reader)
    os.close(forgotten)
    assert free


FORK_DURING_IMPORT = """
import importlib.machinery, os, pathlib, signal, sys, threading, time
from logboom.producer import starting, waiting
from logboom.spool import doorbell, status
spool, begun, go_on = pathlib.Path(sys.argv[1]), threading.Event(), threading.Event()

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name != "logboom.collector.cycle":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def exec_module(module):  # the lock of this one module is held, and `os.fork` waits for no other
            begun.set()
            go_on.wait(30)
            execute(module)

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=waiting.collect_here, args=(spool, time.monotonic() + 10))
thread.start()
begun.wait(30)
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    waiting.this_process.forget_helpers()
    os._exit(waiting.collect_here(spool, time.monotonic() + 1))
status = os.waitpid(pid, 0)[1]
go_on.set()
thread.join()
print(status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_child_forked_while_a_thread_imports_the_collector(spool: Path) -> None:
    """The lock of that import is never given back in the child: it must not wait for it in a log call."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK_DURING_IMPORT, str(spool)]
    environment = os.environ | {"PYTHONPATH": str(Path(logboom.__file__).parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_collector_finds_logboom_from_anywhere(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative entry of `sys.path` means another directory to a collector, which runs in `/`."""
    made: list[tuple[list[str], dict[str, str]]] = []

    def spawn(argv: list[str], environment: dict[str, str], keep: int) -> int:
        made.append((argv, environment))
        return os.getpid()

    package = os.path.dirname(os.path.abspath(logboom.__file__))
    monkeypatch.chdir(os.path.dirname(package))
    monkeypatch.setattr(starting, "_PACKAGE", os.path.join("logboom", "__init__.py"))
    monkeypatch.setattr(platform, "spawn_detached", spawn)
    assert starting.start_collector(spool).started
    ((argv, environment),) = made
    paths = environment["_LOGBOOM_PATH"].split("\n")
    assert os.path.dirname(package) in paths
    assert all(os.path.isabs(entry) for entry in paths)
    assert argv[-3:] == [package, "collect", str(spool)]
    this_process.forget_helpers()


@pytest.mark.skipif(not hasattr(os, "WNOHANG"), reason="no zombies here")
def test_helper_that_hangs_holds_nobody_up() -> None:
    """A helper that is stopped in its first instant must not stop the program that logs."""
    helper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    this_process.helpers[:] = [helper.pid]
    reaping = threading.Thread(target=starting.reap, daemon=True)
    reaping.start()
    reaping.join(5.0)
    waits = reaping.is_alive()
    assert this_process.helpers == [helper.pid]
    this_process.helpers.clear()
    helper.communicate(b"\n")
    assert not waits


def test_who_waits_rings_less_and_less_often(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ring asks for a look at all journals; but a collector that died must be missed soon."""
    now = 100.0
    rings: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def lives(*_: object) -> bool:
        rings.append(now)
        return True

    clock = types.SimpleNamespace(monotonic=lambda: now, perf_counter=lambda: now)
    monkeypatch.setattr(waiting, "clock", clock)
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(waiting, "collector_lives", lives)
    SpoolFactory(spool).segment(ONE, ["one"])
    assert not waiting.wait_until_flushed(spool, 105.0)
    gaps = [later - earlier for earlier, later in itertools.pairwise(rings)]
    assert gaps[0] < 0.15 and max(gaps) < 0.5
    assert 10 <= len(rings) <= 16


def test_who_collected_here_until_the_time_was_over_waits_no_longer(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flush_timeout` is a promise, and the pause between two looks comes on top of it."""
    now = 100.0
    pauses: list[float] = []

    def collect(spool: Path, deadline: float) -> bool:
        nonlocal now
        now = deadline
        return False

    monkeypatch.setattr(
        waiting, "clock", types.SimpleNamespace(monotonic=lambda: now, perf_counter=lambda: now)
    )
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(waiting, "collect_here", collect)
    SpoolFactory(spool).segment(ONE, ["one"])
    assert not waiting.wait_until_flushed(spool, 101.0)
    assert pauses == []


CHILDREN = """
import os, pathlib, signal, sys
from logboom.producer import starting, waiting
from logboom.spool import doorbell, status
told, way = [], sys.argv[2]
if way == "ignored":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if way == "handled":
    def reap(*_):
        try:
            while found := os.waitpid(-1, os.WNOHANG)[0]:
                told.append(found)
        except ChildProcessError:
            pass
    signal.signal(signal.SIGCHLD, reap)
launched = starting.start_collector(pathlib.Path(sys.argv[1]))
try:
    while way != "handled":
        told.append(os.wait()[0])
except ChildProcessError:
    pass
assert launched == starting.Launch(True), launched
assert signal.SIGCHLD not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
print(told)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="wait")
@pytest.mark.parametrize("way", ["default", "ignored", "handled"])
@pytest.mark.parametrize("shell", ["/bin/sh", "/no/such/shell"])
def test_application_has_no_child_of_ours(spool: Path, way: str, shell: str) -> None:
    """A master that waits for its workers with `os.wait()` is not told of a process that it does not know."""
    program = CHILDREN.replace("told,", f"starting._SHELL = {shell!r}\ntold,", 1)
    environment = os.environ | {"PYTHONPATH": str(Path(logboom.__file__).parents[1])}
    command = [sys.executable, "-c", program, str(spool), way]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    wait_until(lambda: doorbell.collector_lives(spool, doorbell.STOP), "the collector lives", 20)


@pytest.mark.skipif(sys.platform == "win32", reason="wait")
@pytest.mark.parametrize("way", ["default", "ignored", "handled"])
def test_helper_that_takes_its_time_is_no_child_either(spool: Path, tmp_path: Path, way: str) -> None:
    """A Python that starts on a busy machine takes some tenths of a second to fork and end."""
    shell = tmp_path / "sh"
    shell.write_text(f'#!/bin/sh\nsleep 0.3\nexec {starting._SHELL} "$@"\n')
    shell.chmod(0o755)
    test_application_has_no_child_of_ours(spool, way, str(shell))


@pytest.mark.skipif(sys.platform == "win32", reason="no children to wait for there")
def test_helper_that_hangs_is_left_to_itself(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log call must not wait for ever for a process that a full disk or a debugger holds."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    pauses: list[float] = []
    monkeypatch.setattr(platform, "spawn_detached", lambda *_: process.pid)
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert starting.start_collector(spool).started
    assert sum(pauses) == pytest.approx(1.0), "seconds"
    assert this_process.helpers == [process.pid]
    monkeypatch.undo()
    process.communicate(b"\n")
    starting.reap()
    assert this_process.helpers == []


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_collector_can_be_interrupted(spool: Path) -> None:
    """What a shell starts in the background ignores SIGINT and SIGQUIT; a collector does not."""
    assert starting.start_collector(spool).started
    wait_until(lambda: doorbell.collector_lives(spool), "the collector lives", 20)
    pid = doorbell.listener_pid(spool)
    about = Path(f"/proc/{pid}/status").read_text()
    ignored = next(int(line.split()[1], 16) for line in about.splitlines() if line.startswith("SigIgn"))
    assert not ignored & (1 << signal.SIGINT - 1 | 1 << signal.SIGQUIT - 1)
    doorbell.collector_lives(spool, doorbell.STOP)
