"""The real thing: a Django project under gunicorn, scripts, and a server that comes and goes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2] / "examples" / "django_project"


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="stopped"),
        pytest.param(("--kill",), id="killed"),
        pytest.param(
            ("--no-spool",),
            id="no-spool",
            marks=pytest.mark.xfail(
                strict=False, reason="2 of 6 runs missed records that nobody had counted: 16 and 428"
            ),
        ),
    ],
)
def test_a_project_whose_server_comes_and_goes(options: tuple[str, ...]) -> None:
    """With a spool a regular stop costs nothing, a kill little; without, little that is not said."""
    pytest.importorskip("django")
    pytest.importorskip("gunicorn")
    command = [sys.executable, "-P", str(PROJECT / "push.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
