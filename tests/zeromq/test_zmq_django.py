"""The real thing: a Django project under gunicorn, scripts, and a server that comes and goes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2] / "examples" / "django_project"


@pytest.mark.parametrize(
    ("setting", "file"), [("None", "django.log"), ("'logs'", str(Path("logs", "django.log")))]
)
def test_the_command_reads_the_settings(setting: str, file: str) -> None:
    """A setting that is there and says nothing is as one that is not there, and no traceback."""
    pytest.importorskip("django")
    code = f"""
from django.conf import settings
settings.configure(LOG_BASE_DIR={setting}, LOG_LISTEN_PORT=5599)
from logboom.django.management.commands.logboom_pull import Command
parser = Command().create_parser("manage.py", "logboom_pull")
print(parser.get_default("file"), parser.get_default("bind"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == [file, "tcp://127.0.0.1:5599"], done.stderr


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="stopped"),
        pytest.param(("--kill",), id="killed"),
        pytest.param(("--no-spool",), id="no-spool"),
        pytest.param(("--no-spool", "--kill"), id="no-spool-killed"),
    ],
)
def test_a_project_whose_server_comes_and_goes(options: tuple[str, ...]) -> None:
    """A regular stop costs nothing that is not said, and with a spool nothing; a kill what was in flight."""
    pytest.importorskip("django")
    pytest.importorskip("gunicorn")
    command = [sys.executable, "-P", str(PROJECT / "push.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
