"""Names that are not regular files are written directly, as by the standard handlers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

Programs = Any

PROGRAM = """
import logging, sys
import logboom
handler = logboom.{handler}
logging.basicConfig(handlers=[handler], level=logging.INFO, format="%(levelname)s %(message)s")
for number in range(100):
    logging.info("record %d", number)
"""
EXPECTED = [f"INFO record {number}" for number in range(100)]
HANDLERS = [
    "FileHandler({name!r})",
    "RotatingFileHandler({name!r}, maxBytes=50, backupCount=2)",
    "TimedRotatingFileHandler({name!r}, when='S')",
]


def program(handler: str, name: str) -> str:
    return PROGRAM.format(handler=handler.format(name=name))


@pytest.mark.parametrize("handler", HANDLERS)
def test_standard_output(programs: Programs, handler: str) -> None:
    """In a container the log is the standard output, and here it is a pipe."""
    done = programs.run(program(handler, "/dev/stdout"))
    assert done.stdout.splitlines() == EXPECTED
    assert not Path("/dev/.logboom").exists()


@pytest.mark.parametrize("handler", HANDLERS)
def test_the_null_device(programs: Programs, handler: str) -> None:
    """How a log is switched off in a configuration."""
    done = programs.run(program(handler, os.devnull))
    assert done.stderr == ""
    assert not Path("/dev/.logboom").exists()
    assert not list(Path("/dev").glob("null.*"))


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_fifo(programs: Programs, handler: str) -> None:
    """Somebody else's program reads the log from a pipe with a name."""
    fifo = programs.directory / "fifo"
    os.mkfifo(fifo)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.extend(fifo.read_text().splitlines()), daemon=True)
    reader.start()
    programs.run(program(handler, str(fifo)))
    reader.join(20)
    assert read == EXPECTED


def test_standard_output_that_is_a_file(programs: Programs) -> None:
    """`script.py >> out.txt`: the records stand in that file, between what the program prints."""
    script = programs.directory / "printing.py"
    script.write_text(
        program(HANDLERS[0], "/dev/stdout") + "print('printed', flush=True)\nlogging.info('last')\n"
    )
    out = programs.directory / "out.txt"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with out.open("ab") as stream:
        subprocess.run([sys.executable, str(script)], stdout=stream, check=True, timeout=60, env=environment)
    assert not (programs.directory / ".logboom").exists()
    assert sorted(out.read_text().splitlines()) == sorted([*EXPECTED, "printed", "INFO last"])
