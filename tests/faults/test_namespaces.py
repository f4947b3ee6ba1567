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


CONTAINERS = {
    "pid": ("unshare", "--fork", "--pid", "--mount-proc", "--kill-child"),
    "network": ("unshare", "--net"),
    "user": ("unshare", "--user", "--map-root-user"),
    "all": (
        *("unshare", "--fork", "--pid", "--mount-proc", "--kill-child"),
        *("--net", "--ipc", "--uts", "--user", "--map-root-user"),
    ),
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=needs(*command)) for kind, command in CONTAINERS.items()]
)
def test_containers_that_share_a_directory_and_nothing_else(kind: str, lab: Lab) -> None:
    """They see no process of each other; locks and the doorbell are files, and tell enough."""
    programs = [lab.start(f"p{number}", "phases", within=CONTAINERS[kind], count=300) for number in range(3)]
    for program in programs:
        lab.phase(program, "a")
    lab.verdict(10)
    programs[0].kill()  # where it is a PID 1, its collector dies with it
    for program in programs[1:]:
        lab.phase(program, "b")
        lab.until_delivered(program)  # who logs a second later starts another one
    for program in programs[1:]:
        lab.leave(program)
    outside = lab.start("outside", count=10)
    lab.finish(outside)
    lab.drain()
    assert lab.verdict(10).noted >= 1520
