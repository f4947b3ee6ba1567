"""What all tests have: no example's time counts (other tests run beside it), and fixtures for several users.

Pytest's own directories are closed to all users but one.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))

from everybody import EverybodysPython, everybodys_python, open_directory

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """What a test has given up on is not the next one's: `logboom.flush()` is about all of a process."""
    yield
    process = sys.modules.get("logboom.platform.process")
    if process is not None:
        process.this_process.reset()


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """Which tests share a process is chance: none may change it for those that follow.

    A collector that a test runs here, instead of in a process of its own, sets signal handlers and calls
    `gc.disable`: both are taken back.
    """
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    before = _process()
    yield
    for number, handler in handlers.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)
    gc.enable()
    assert _process() == before


def _process() -> dict[str, Any]:
    """What programs inherit."""
    umask = os.umask(0o077)
    os.umask(umask)
    mask: Any = getattr(signal, "pthread_sigmask", lambda *_: ())
    blocked = mask(getattr(signal, "SIG_BLOCK", 0), ())
    return {"umask": umask, "directory": os.getcwd(), "blocked": blocked, "profile": sys.getprofile()}


@pytest.fixture
def open_path() -> Iterator[Path]:
    """An empty directory that every user can reach."""
    with tempfile.TemporaryDirectory(dir=open_directory(), ignore_cleanup_errors=True) as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest.fixture(scope="session")
def everybody() -> Iterator[EverybodysPython]:
    """An interpreter for programs that run as other users."""
    with tempfile.TemporaryDirectory(dir=open_directory()) as place:
        Path(place).chmod(0o755)
        yield everybodys_python(Path(place))
