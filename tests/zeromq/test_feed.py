"""The live feed: a copy of what a collector writes, for who listens."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zmq
from harness import wait_until
from zmq_lab import Processes, lines_of

from logboom.collector.feed import Feed

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


def test_a_slow_subscriber_loses_only_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for one that does not read, and one that reads gets every line."""
    monkeypatch.setattr("logboom.collector.feed._MARK", 1000)
    feed = Feed(f"ipc://{tmp_path}/feed")
    context = zmq.Context()
    slow, quick = context.socket(zmq.SUB), context.socket(zmq.SUB)
    try:
        for each in (slow, quick):
            each.linger, each.rcvhwm = 0, 100
            each.connect(feed.address)
            each.subscribe(b"INFO.")
        row = (0, 0, logging.INFO, "shop")

        def both() -> bool:
            feed.publish([row], [b"early\n"], 1)
            return feed._subscriptions == 2

        wait_until(both, "both are there")
        while quick.poll(300):
            quick.recv_multipart()
        line = b"x" * 10_000 + b"\n"
        for _ in range(500):
            feed.publish([row] * 10, [line] * 10, 10)
            for _ in range(10):
                assert quick.poll(10_000) and quick.recv_multipart() == [b"INFO.shop", line]
        got = 0
        while slow.poll(300):
            got += slow.recv_multipart()[1] == line
        assert 0 < got < 5000
    finally:
        slow.close()
        quick.close()
        context.term()
        feed.close()


def test_while_nobody_listens_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs nothing then: not a topic, not a message."""
    sent: list[object] = []
    monkeypatch.setattr("logboom.collector.feed.zeromq.send", lambda _, message: sent.append(message))
    feed = Feed(f"ipc://{tmp_path}/feed")
    context = zmq.Context()
    sub = context.socket(zmq.SUB)
    sub.linger = 0
    try:
        feed.publish([(0, 0, logging.INFO, "shop")], [b"line\n"], 1)
        assert not feed.heard and not sent
        sub.connect(feed.address)
        sub.subscribe(b"")

        def heard() -> bool:
            feed.publish([(0, 0, logging.INFO, "shop")], [b"line\n"], 1)
            return feed.heard

        wait_until(heard, "somebody listens")
        assert sent == [[b"INFO.shop", b"line\n"]]
        sub.close()

        def left() -> bool:
            feed.publish([], [], 0)
            return not feed.heard

        wait_until(left, "nobody does any more")
    finally:
        sub.close()
        context.term()
        feed.close()
