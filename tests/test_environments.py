"""Wherever a program runs, its records are in the file when it has ended, or one line says what to do."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
import zipapp
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from everybody import EverybodysPython

import logboom
from logboom.spool import status

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX environments")

SOURCE, PACKAGES = (str(Path(module.__file__ or "").parents[1]) for module in (logboom, msgspec))
PROGRAM = """
import logging, os, sys, time
import logboom
os.chdir("/")
log = os.environ["LOG"]
logging.basicConfig(level="INFO", format="%(message)s", handlers=[logboom.FileHandler(log, linger=0.5)])
for number in range(10):
    logging.info("record %d", number)
"""
RECORDS = "".join(f"record {number}\n" for number in range(10))
AS_UWSGI = "import sys; sys.executable = sys._base_executable = {0!r}\n" + PROGRAM
FROZEN = "import sys; sys.frozen = True\n" + PROGRAM


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """A log whose collector is ended with the test."""
    yield tmp_path / "logs" / "app.log"
    for process in psutil.process_iter():
        try:
            if str(tmp_path / "logs") in " ".join(process.cmdline()):
                process.kill()
        except psutil.Error:
            continue


def _run(log: Path, *command: str, env: dict[str, str] | None = None, **popen: object) -> str:
    """Run a program to its end; what it wrote to stderr."""
    environment = {"PYTHONPATH": os.pathsep.join((SOURCE, PACKAGES)), "LOG": str(log)} | (env or {})
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=60, **popen
    )  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    stderr: str = done.stderr
    return stderr


def _collector_came(log: Path) -> bool:
    """Whether a collector was up: a program that ends writes the file by itself when there is none."""
    status, deadline = log.parent / ".logboom" / "status.json", time.monotonic() + 10
    while not status.exists() and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    return status.exists()


@pytest.mark.parametrize(
    "options", [(), ("-S",), ("-O",), ("-OO",), ("-P", "-s"), ("-X", "dev", "-W", "error")]
)
def test_interpreter_options(options: tuple[str, ...], log: Path) -> None:
    """Services are started with all sorts of flags, and with an empty environment by cron."""
    assert _run(log, *options, "-c", PROGRAM) == ""
    assert log.read_text() == RECORDS
    assert _collector_came(log)


@pytest.mark.parametrize(
    "env",
    [
        {"HOME": "/proc", "TMPDIR": "/nonexistent"},
        {"LC_ALL": "POSIX", "TZ": "UTC"},
        {"PYTHONUTF8": "0", "PYTHONSAFEPATH": "1"},
    ],
)
def test_poor_surroundings(env: dict[str, str], log: Path) -> None:
    """A home that cannot be written, no place for temporary files, cron's locale."""
    assert _run(log, "-c", PROGRAM, env=env) == ""
    assert log.read_text() == RECORDS
    assert _collector_came(log)


def test_no_terminal_and_no_standard_streams(log: Path) -> None:
    """A daemon has neither; descriptors 0 to 2 are then given to whatever is opened first."""
    close = "import os\nos.setsid()\nfor fd in 0, 1, 2: os.close(fd)\n"
    _run(log, "-c", close + PROGRAM)
    assert log.read_text() == RECORDS
    assert _collector_came(log)


def test_zip_application_that_changes_its_directory(log: Path, tmp_path: Path) -> None:
    """logboom inside an archive that was named by a relative path: the collector still finds itself."""
    bundle = tmp_path / "bundle"
    shutil.copytree(
        Path(SOURCE) / "logboom", bundle / "logboom", ignore=shutil.ignore_patterns("__pycache__")
    )
    (bundle / "__main__.py").write_text(PROGRAM)
    zipapp.create_archive(bundle, tmp_path / "app.pyz")
    shutil.rmtree(bundle)
    assert _run(log, "-S", "app.pyz", env={"PYTHONPATH": PACKAGES}, cwd=tmp_path) == ""
    assert log.read_text() == RECORDS
    assert _collector_came(log)


@pytest.mark.parametrize("executable", ["", "/usr/sbin/uwsgi"])
def test_executable_that_is_no_python(executable: str, log: Path) -> None:
    """uWSGI and mod_wsgi: the base interpreter is found without any setting."""
    assert _run(log, "-c", AS_UWSGI.format(executable)) == ""
    assert log.read_text() == RECORDS
    assert _collector_came(log)


def test_no_interpreter_at_all(log: Path) -> None:
    """A frozen program collects at its end by itself, and says in one line what to set."""
    said = _run(log, "-c", FROZEN).splitlines()
    assert len(said) == 1 and "LOGBOOM_PYTHON" in said[0] and "logboom drain" in said[0]
    assert log.read_text() == RECORDS
    assert "collector" not in status.read_status(log.parent / ".logboom")


def test_named_interpreter(log: Path) -> None:
    """`LOGBOOM_PYTHON` is the way out, and then nothing is said."""
    assert _run(log, "-c", FROZEN, env={"LOGBOOM_PYTHON": sys.executable}) == ""
    assert log.read_text() == RECORDS
    assert _collector_came(log)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_container_as_another_user(everybody: EverybodysPython, open_path: Path) -> None:
    """PID 1 of its own namespace, not root: the records are there when PID 1 ends, and takes all with it."""
    log = open_path / "logs" / "app.log"
    log.parent.mkdir()
    os.chown(log.parent, 33, 33)
    become = "import os; os.setgroups([]); os.setgid(33); os.setuid(33); assert os.getpid() == 1\n"
    program = everybody.command("-c", become + PROGRAM)
    program["args"] = ["unshare", "--pid", "--fork", "--mount-proc", *program["args"]]
    program["env"]["LOG"] = str(log)
    done = subprocess.run(**program, capture_output=True, timeout=60)
    if "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert (done.returncode, done.stderr) == (0, "")
    assert log.read_text() == RECORDS


@pytest.mark.slow
def test_leaving_takes_little_time_with_a_collector(log: Path) -> None:
    """A management command in a loop must not feel it: under 50 ms in the median of ten.

    Of a few tens: other tests run on this machine, and a wait for them is none for the collector.
    """
    leave = (
        "from logboom.producer import lifecycle\nbegin = time.perf_counter()\nlogging.shutdown()\n"
        "lifecycle._finish()\nprint(time.perf_counter() - begin)\n"
    )
    stay = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + "print(flush=True); sys.stdin.read()"],
        env={"PYTHONPATH": os.pathsep.join((SOURCE, PACKAGES)), "LOG": str(log)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert stay.stdin is not None and stay.stdout is not None
    with stay, stay.stdin:
        stay.stdout.readline()
        times: list[float] = []
        while len(times) < 50 and (len(times) % 10 or statistics.median(times[-10:] or [1.0]) >= 0.05):
            report = log.with_name("time")
            _run(
                log,
                "-c",
                PROGRAM + leave.replace("print(", f"open({str(report)!r}, 'w').write(str(").rstrip() + ")\n",
            )
            times.append(float(report.read_text()))
    assert statistics.median(times[-10:]) < 0.05
    assert log.read_text() == RECORDS * (1 + len(times))
