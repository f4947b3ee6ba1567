"""Fixtures of the ZeroMQ tests."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("zmq")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from zmq_lab import Processes


@pytest.fixture
def port() -> int:
    """A port that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    """A logger of this test alone; its handlers are closed behind it."""
    made = logging.Logger(request.node.name, logging.DEBUG)
    yield made
    for handler in made.handlers[:]:
        made.removeHandler(handler)
        handler.close()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Programs, ended with the test."""
    made = Processes(tmp_path)
    yield made
    made.close()
