"""`make demo`, in short: a real Django project under gunicorn."""

from __future__ import annotations

import contextlib
import os
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


@pytest.mark.crash
@pytest.mark.timeout(180)
def test_a_handler_that_loses_records_ends_the_demonstration_with_an_error(tmp_path: Path) -> None:
    """Exit status 0 says "nothing is missing": with the standard handler in logboom's place it must not."""
    pytest.importorskip("django")
    pytest.importorskip("gunicorn")
    environment = os.environ | {"DEMO_SECONDS": "3", "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    environment["DEMO_HANDLER"] = "logging.handlers.RotatingFileHandler"
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
