"""A web server's user, a stranger, and children that have only their rights."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

WWW, STRANGER = 33, 65534

if not hasattr(os, "geteuid") or os.geteuid() != 0:
    collect_ignore_glob = ["test_*.py"]  # only root can become other users


def become(user: int) -> None:
    os.setgroups([user])
    os.setgid(user)
    os.setuid(user)


class Others:
    """Work done by another user, in children of this process."""

    def __init__(self) -> None:
        self._children: list[int] = []

    def do(self, user: int, work: Callable[[], object]) -> None:
        """Do it, to its end."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                become(user)
                work()
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def hold(self, user: int, work: Callable[[], object]) -> object:
        """Do it, and live on with whatever it opened until the test is over."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                become(user)
                kept = work()
                os.write(write, b"1" if kept is not None else b"0")
                signal.pause()
            finally:
                os._exit(1)
        os.close(write)
        self._children.append(child)
        said = os.read(read, 1)
        os.close(read)
        assert said
        return said == b"1"

    def end(self) -> None:
        for child in self._children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@pytest.fixture
def others() -> Iterator[Others]:
    made = Others()
    yield made
    made.end()


@pytest.fixture
def logs(open_path: Path) -> Iterator[Path]:
    """A directory of the web server's that all may read."""
    logs = open_path / "logs"
    logs.mkdir()
    os.chown(logs, WWW, WWW)
    logs.chmod(0o755)
    yield logs
    for process in psutil.process_iter():
        try:
            if str(open_path) in " ".join(process.cmdline()):
                process.kill()
        except psutil.Error:
            continue
