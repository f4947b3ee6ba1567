"""PUSHHandler in programs that fork: what a child must not inherit, and which way its records take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from zmq_lab import Processes, serving, wait_for_lines

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_first_record_imports_nothing(host: str, tmp_path: Path, port: int, processes: Processes) -> None:
    """A fork while a thread imports leaves the child that module's lock, held for ever."""
    code = f"""
import logging, sys
from logboom.zeromq import PUSHHandler
handler = PUSHHandler("tcp://{host}:{port}", close_timeout=20)
logger = logging.getLogger()
logger.addHandler(handler)
before = set(sys.modules)
logger.warning("first")
handler.close()
print(sorted(set(sys.modules) - before))
"""
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=tmp_path / "a.log"):
        program = processes.program(code)
        assert program.communicate(timeout=60)[0] == "[]\n", processes.errors()
        wait_for_lines(tmp_path / "a.log", lambda lines: len(lines) == 3)
