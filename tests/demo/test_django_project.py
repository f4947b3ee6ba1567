"""`make demo`, in short: a real Django project under gunicorn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2] / "examples" / "django_project"


@pytest.mark.crash
@pytest.mark.timeout(180)
def test_the_django_project_loses_nothing(tmp_path: Path) -> None:
    """The whole promise on the program it was made for: web, queue and command processes, and kills."""
    pytest.importorskip("django")
    pytest.importorskip("gunicorn")
    environment = os.environ | {"DEMO_SECONDS": "5", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-P", str(PROJECT / "drive.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "collector" in done.stdout.partition("killed with SIGKILL")[2], "no collector was seen to kill"
    assert list(tmp_path.iterdir()) == []


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
