"""The end of a program: what its log calls returned for is in the file, however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import logboom
from logboom import platform

SOURCE = str(Path(logboom.__file__).parents[1])
# One second is promised where a collector lives; the rest is for a busy machine.
WITHIN = 3.0

SETUP = """
import logging, os, signal, sys
import logboom
logging.basicConfig(
    level=logging.INFO, format="%(message)s",
    handlers=[logboom.RotatingFileHandler("app.log", maxBytes=1_000_000, backupCount=5)],
)
for number in range(500):
    logging.info("record %d", number)
"""
RECORDS = [f"record {number}" for number in range(500)]

ENDINGS = {
    "return": ("", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "exception": ("raise ValueError('the end')", 1),
    "exit in a function called at exit": ("import atexit\natexit.register(logging.info, 'record 500')", 0),
    "thread still running": (
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
        0,
    ),
    "handler dropped without close": ("import gc\nlogging.getLogger().handlers.clear()\ngc.collect()", 0),
    "keyboard interrupt": ("raise KeyboardInterrupt", -signal.SIGINT),
}
SUDDEN = {
    "os._exit": ("os._exit(0)", 0),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    "abort": ("os.abort()", -signal.SIGABRT),
}


class Place:
    """A directory in which programs run, and the collectors that were started for it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, code: str, **env: str) -> subprocess.Popen[str]:
        script = self.directory / "script.py"
        script.write_text(textwrap.dedent(code))
        return self.popen([str(script)], cwd=self.directory, **env)

    def popen(self, arguments: list[str], cwd: Path = Path("/"), **env: str) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM_")}
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env=kept | {"PYTHONPATH": SOURCE} | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def run(self, code: str, status: int | None = 0, **env: str) -> str:
        """Run a program to its end; what it wrote to stderr."""
        _, err = self.start(code, **env).communicate(timeout=60)
        assert status is None or self.processes[-1].returncode == status, err
        return err

    def collect(self) -> subprocess.Popen[str]:
        """A collector under somebody's supervision, ready to work."""
        spool = self.directory / ".logboom"
        process = self.popen(["-m", "logboom", "collect", "--stay", str(spool)])
        until((spool / "status.json").exists, 20)
        return process

    def lines(self) -> list[str]:
        log = self.directory / "app.log"
        return log.read_text().splitlines() if log.exists() else []


def until(condition: Callable[[], object], seconds: float) -> float:
    """How long it took until `condition`; fails after `seconds`."""
    pause = threading.Event()
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, f"not within {seconds} s"
        pause.wait(0.005)
    return time.monotonic() - begin


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize("collector", ["auto", "off", "supervised"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_every_record_is_there_when_the_program_has_ended(place: Place, ending: str, collector: str) -> None:
    """`python script.py; cat app.log` is the first thing that a new user does."""
    code, status = ENDINGS[ending]
    if collector == "supervised":
        place.collect()
    elif status == -signal.SIGINT:
        status = None  # who collects in a program's last moments imports modules, and Python then says 1
    place.run(SETUP + code, status, LOGBOOM_COLLECTOR=collector.replace("supervised", "auto"))
    assert place.lines()[:500] == RECORDS
    assert place.lines()[500:] == (["record 500"] if "called at exit" in ending else [])


@pytest.mark.parametrize("ending", SUDDEN)
def test_a_sudden_end_with_a_collector(place: Place, ending: str) -> None:
    """What runs no Python code at its end is written by the collector, at once."""
    code, status = SUDDEN[ending]
    place.collect()
    place.run(SETUP + code, status)
    until(lambda: place.lines() == RECORDS, WITHIN)


@pytest.mark.parametrize("ending", SUDDEN)
def test_a_sudden_end_without_a_collector(place: Place, ending: str) -> None:
    """The records are safe in the journal until somebody asks for them."""
    code, status = SUDDEN[ending]
    place.run(SETUP + code, status, LOGBOOM_COLLECTOR="external")
    drain = place.popen(["-m", "logboom", "drain", str(place.directory / ".logboom")])
    assert drain.wait(30) == 0
    assert place.lines() == RECORDS


def test_the_next_process_of_the_set_writes_what_a_killed_one_left(place: Place) -> None:
    """Nobody has to know about `logboom drain`."""
    code, status = SUDDEN["SIGKILL"]
    place.run(SETUP + code, status, LOGBOOM_COLLECTOR="external")
    place.run(SETUP.replace("record", "another"))
    until(lambda: len(place.lines()) >= 1000, WITHIN)
    assert place.lines() == RECORDS + [line.replace("record", "another") for line in RECORDS]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_that_ended_has_written_its_tail(place: Place, method: str) -> None:
    """`multiprocessing` children run no `atexit` functions on some versions and methods."""
    place.run(
        """
        import logging, multiprocessing
        import logboom
        def work():
            handlers = [logboom.FileHandler("app.log")]
            logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers, force=True)
            for number in range(500):
                logging.info("record %d", number)
        if __name__ == "__main__":
            child = multiprocessing.get_context({method!r}).Process(target=work)
            child.start()
            child.join()
            print(child.exitcode)
        """.replace("{method!r}", repr(method))
    )
    assert place.lines() == RECORDS


def test_a_forked_child_that_returns_from_main(place: Place) -> None:
    """Parent and child both reach the end of the script, with one handler made before the fork."""
    place.run(
        SETUP + "pid = os.fork()\nlogging.info('child' if pid == 0 else 'parent')\nif pid: os.waitpid(pid, 0)"
    )
    assert place.lines()[:500] == RECORDS
    assert sorted(place.lines()[500:]) == ["child", "parent"]


def test_leaving_waits_no_longer_than_close_timeout(place: Place) -> None:
    """A collector that hangs must not hang the program, and what it was given stays in the journal."""
    collector = place.collect()
    collector.send_signal(signal.SIGSTOP)
    program = place.start(SETUP + "print('end', flush=True)")
    assert program.stdout is not None
    assert program.stdout.readline() == "end\n"
    begin = time.monotonic()
    assert program.wait(20) == 0
    assert time.monotonic() - begin < 2.0 + WITHIN
    collector.send_signal(signal.SIGCONT)
    until(lambda: place.lines() == RECORDS, WITHIN)


@pytest.mark.parametrize("ending", ["return", "handler dropped without close"])
def test_what_is_left_when_the_time_is_over_is_for_a_collector(place: Place, ending: str) -> None:
    """Its collector was killed and it could not write in time itself: no other program may ever come."""
    fd = os.open(place.directory / "app.log", os.O_RDWR | os.O_CREAT)
    assert platform.try_lock(fd)
    kill = """
        import time
        from pathlib import Path
        from logboom.demo.collector import kill_collector
        assert kill_collector(Path("app.log").absolute(), set(), time.monotonic() + 20)
        """
    place.run(SETUP + textwrap.dedent(kill) + ENDINGS[ending][0])
    assert place.lines() == []
    os.close(fd)
    until(lambda: place.lines() == RECORDS, 20)


def test_two_handlers_share_one_close_timeout(place: Place) -> None:
    """Twenty files must not make it forty seconds."""
    collector = place.collect()
    collector.send_signal(signal.SIGSTOP)
    more = "for name in 'abcdefgh':\n    logging.getLogger().addHandler(logboom.FileHandler(name + '.log'))\n"
    program = place.start(SETUP + more + "logging.info('x')\nprint('end', flush=True)")
    assert program.stdout is not None
    assert program.stdout.readline() == "end\n"
    begin = time.monotonic()
    assert program.wait(30) == 0
    assert time.monotonic() - begin < 2.0 + WITHIN
    collector.send_signal(signal.SIGCONT)


def test_flush_says_that_all_is_in_the_files(place: Place) -> None:
    """A test, or a report that is sent as a mail, reads the log in mid-program."""
    place.run(SETUP + "assert logboom.flush(10) is True\nassert open('app.log').read().count('\\n') == 500")


def test_a_handlers_flush_waits_for_the_file(place: Place) -> None:
    """`handler.flush()` is what other libraries call before they read or copy the file."""
    flush = "logging.getLogger().handlers[0].flush()\n"
    place.run(SETUP + flush + "assert open('app.log').read().count('\\n') == 500")


def test_flush_says_no_in_time(place: Place) -> None:
    """`flush()` never hangs and never raises; `logboom.flush` tells the truth."""
    collector = place.collect()
    collector.send_signal(signal.SIGSTOP)
    place.run(
        SETUP
        + textwrap.dedent(
            """
            import time
            begin = time.monotonic()
            assert logging.getLogger().handlers[0].flush() is None
            assert logboom.flush(0.2) is False
            assert time.monotonic() - begin < 4
            """
        )
    )
    collector.send_signal(signal.SIGCONT)
    until(lambda: place.lines() == RECORDS, WITHIN)


def test_no_signal_handler_is_installed(place: Place) -> None:
    """Signals belong to the application."""
    check = "before = {n: signal.getsignal(n) for n in signal.valid_signals()}\n"
    after = "assert before == {n: signal.getsignal(n) for n in signal.valid_signals()}\n"
    place.run("import signal\n" + check + SETUP + after)


def test_a_clean_end_says_nothing(place: Place) -> None:
    """Neither warnings of the interpreter nor a word of ours: cron would send a mail."""
    assert place.run(SETUP, PYTHONWARNINGS="error", PYTHONDEVMODE="1") == ""
