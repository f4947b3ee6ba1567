"""`make demo`, in short: a real Django project under gunicorn."""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from harness import wait_until

PROJECT = Path(__file__).parents[2] / "examples" / "django_project"


@pytest.mark.crash
@pytest.mark.timeout(180)
def test_the_django_project_loses_nothing(tmp_path: Path) -> None:
    """The whole promise on the program it was made for: web, queue and command processes, and kills."""
    pytest.importorskip("django")
    pytest.importorskip("gunicorn")
    environment = os.environ | {"DEMO_SECONDS": "5", "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-P", str(PROJECT / "drive.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "collector" in done.stdout.partition("killed with SIGKILL")[2], "no collector was seen to kill"
    assert list(tmp_path.iterdir()) == []


def test_the_files_are_small_enough_and_not_too_small() -> None:
    """A slow machine must rotate often, or the standard handler is lucky; a fast one must delete nothing."""
    pytest.importorskip("django")
    names = ("drive.py", "workers.py", "shop/settings.py")
    drive, workers, settings = (runpy.run_path(str(PROJECT / name)) for name in names)
    file = settings["LOGGING"]["handlers"]["file"]
    line = len(
        "2026-11-25 09:36:10,123 INFO workers 12345 job 9 is done writer=workers-12345- n=1 check=12345678"
    )
    # So many were once logged, and all arrived with 45 rotations.
    assert 6_500 * line > 150 * file["maxBytes"]
    programs = 2 * 100 / drive["PROGRAM_EVERY"]
    jobs = 10 * workers["WORKERS"] / workers["PAUSE"]
    most = 8 * (2 * drive["CLIENTS"] / drive["REQUEST_EVERY"] + programs + jobs)
    assert most * (line + 40) < file["maxBytes"] * file["backupCount"]


FORGETFUL = """
from logging.handlers import RotatingFileHandler

class Forgetful(RotatingFileHandler):
    def emit(self, record):
        if record.msecs % 2 < 1:
            super().emit(record)
"""


@pytest.mark.crash
@pytest.mark.timeout(180)
def test_a_handler_that_loses_records_ends_the_demonstration_with_an_error(tmp_path: Path) -> None:
    """Exit status 0 says "nothing is missing": with a handler that surely loses it must not be that."""
    pytest.importorskip("django")
    pytest.importorskip("gunicorn")
    (tmp_path / "forgetful.py").write_text(FORGETFUL)
    environment = os.environ | {"DEMO_SECONDS": "3", "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    environment |= {"DEMO_HANDLER": "forgetful.Forgetful", "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-P", str(PROJECT / "drive.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 1, done.stdout + done.stderr


def _living(group: int) -> list[psutil.Process]:
    """The processes of a group, without those that only wait to be taken leave of."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.mark.crash
@pytest.mark.timeout(300)
@pytest.mark.skipif(os.name != "posix", reason="gunicorn needs POSIX")
def test_ctrl_c_ends_all_of_it_at_once(tmp_path: Path) -> None:
    """Who has seen enough presses Ctrl-C: no traceback, no process, no file stays."""
    pytest.importorskip("django")
    pytest.importorskip("gunicorn")
    environment = os.environ | {"DEMO_SECONDS": "60", "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    demo = subprocess.Popen(
        [sys.executable, "-P", str(PROJECT / "drive.py")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    shown = ""
    while "killed with SIGKILL" not in shown:
        shown += demo.stdout.read(1) or pytest.fail(shown)
    os.killpg(demo.pid, signal.SIGINT)
    shown += demo.communicate(timeout=200)[0]  # ends when nobody has the pipe open any more
    assert (demo.returncode, "Traceback" in shown) == (130, False), shown
    assert list(tmp_path.iterdir()) == []
    wait_until(lambda: not _living(demo.pid), "all processes of the demonstration have ended")


def test_the_project_passes_its_own_check() -> None:
    """What the example shows must be what the check asks for; with the standard handler it must complain."""
    pytest.importorskip("django")

    def check(handler: str) -> str:
        environment = os.environ | {"SHOP_HANDLER": handler, "SHOP_LOGS": os.devnull}
        code = (
            "import sys; sys.path.insert(0, '.'); from shop import settings; settings.LOGGING_CONFIG = None\n"
            "sys.argv = ['manage.py', 'check', '--settings=shop.settings']\n"
            "from django.core.management import execute_from_command_line as run; run(sys.argv)"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout + done.stderr

    assert "no issues" in check("logboom.RotatingFileHandler")
    assert "logboom.W001" in check("logging.handlers.RotatingFileHandler")
