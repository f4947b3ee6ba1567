"""The live feed: a copy of what a collector writes, for who listens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zmq
from harness import wait_until
from zmq_lab import Processes, lines_of

pytestmark = pytest.mark.skipif(not zmq.has("ipc"), reason="the default is ipc://")

PROGRAM = """
import logging, sys
import logboom
handler = logboom.FileHandler(sys.argv[1], linger=1)
handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
root = logging.getLogger()
root.addHandler(handler)
root.setLevel(logging.DEBUG)
print("ready", flush=True)
number = 0
for line in sys.stdin:
    logging.getLogger("shop.orders").info("n %d", number)
    logging.getLogger("shop.orders").error("n %d", number)
    number += 1
    print(number, flush=True)
"""


def speak(program: subprocess.Popen[str]) -> None:
    assert program.stdin is not None and program.stdout is not None
    program.stdin.write("\n")
    program.stdin.flush()
    assert program.stdout.readline()


@pytest.fixture
def program(tmp_path: Path, processes: Processes) -> Any:
    """A program whose collector has a feed."""
    started = processes.program(PROGRAM, str(tmp_path / "app.log"), LOGBOOM_FEED="1")
    assert started.stdout is not None and started.stdout.readline() == "ready\n", processes.errors()
    speak(started)
    wait_until(lambda: (tmp_path / ".logboom" / "feed").exists(), "the feed is there")
    yield started
    started.communicate("", timeout=30)


def test_what_is_written_is_published(tmp_path: Path, program: Any) -> None:
    """Topics are `LEVEL.logger.name`; who subscribes to a level gets that alone, the file has all."""
    context = zmq.Context()
    with context.socket(zmq.SUB) as sub:
        sub.linger = 0
        sub.connect(f"ipc://{tmp_path}/.logboom/feed")
        sub.subscribe(b"ERROR.shop")

        def heard() -> bool:
            speak(program)
            return bool(sub.poll(300))

        wait_until(heard, "a line comes")
        topic, line = sub.recv_multipart()
    context.term()
    assert topic == b"ERROR.shop.orders" and line.startswith(b"ERROR n ") and line.endswith(b"\n")
    wait_until(lambda: line.decode().rstrip() in lines_of(tmp_path / "app.log"), "it is in the file, too")


def test_pyzmqs_own_reader_shows_it(tmp_path: Path, program: Any) -> None:
    """`python -m zmq.log` is what people have."""
    address = f"ipc://{tmp_path}/.logboom/feed"
    shown = tmp_path / "shown.txt"
    with shown.open("w") as output:
        reader = subprocess.Popen(
            [sys.executable, "-u", "-m", "zmq.log", address], stdout=output, stderr=subprocess.DEVNULL
        )
    try:

        def seen() -> bool:
            speak(program)
            return "n " in shown.read_text()

        wait_until(seen, "it shows a line", 20)
    finally:
        reader.kill()
        reader.wait(10)
