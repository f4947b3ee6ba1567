"""Programs in namespaces of their own, as containers are."""

from __future__ import annotations

import subprocess
import sys

import pytest
from harness import Lab

PID_ONE = ("unshare", "--fork", "--pid", "--kill-child")


def _works(*command: str) -> bool:
    try:
        return subprocess.run([*command, "true"], capture_output=True, timeout=20).returncode == 0
    except OSError:
        return False


def needs(*command: str) -> pytest.MarkDecorator:
    works = sys.platform == "linux" and _works(*command)
    return pytest.mark.skipif(not works, reason=f"cannot make namespaces here: {' '.join(command)}")


@needs(*PID_ONE)
@pytest.mark.parametrize("journal", ["mapped", "write"])
@pytest.mark.parametrize("method", ["fork", "fork in C"])
def test_parent_and_child_that_are_both_process_one(method: str, journal: str, lab: Lab) -> None:
    """The process id does not tell this fork, and uWSGI's runs no hook: both would write at one place."""
    lab.environment = {"LOGBOOM_JOURNAL": journal}
    lab.finish(lab.start("p", "fork_as_pid_one", within=PID_ONE, method=method, count=1000))
    lab.drain()
    assert lab.verdict(10).noted == 3000
