"""Log calls that find no room: how long they wait, how what they drop is counted."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pytest
import zmq
from harness import PATIENCE

from logboom.zeromq import PUSHHandler


class SlowSender:
    """There is room for one more whenever somebody has waited for most of the time that a call may."""

    def __init__(self, address: str, *, alone: bool = False) -> None:
        self.accepted = self.sent = 0
        self._never = threading.Event()

    def put(self, message: bytes) -> None:
        self.accepted += 1

    def drain(self, deadline: float, below: int = 1) -> bool:
        self._never.wait(max(0.0, deadline - time.monotonic()) * 0.8)
        self.sent = self.accepted
        return True

    def finish(self) -> None: ...


def test_threads_wait_each_for_itself(monkeypatch: pytest.MonkeyPatch, logger: logging.Logger) -> None:
    """One after the other, the eighth would wait eight times as long as a call may."""
    monkeypatch.setattr("logboom.contrib.direct.Sender", SlowSender)
    handler = PUSHHandler("tcp://127.0.0.1:5557", high_water_mark=1, block_timeout=0.5)
    logger.addHandler(handler)
    logger.info("the room is taken")
    took: list[float] = []

    def call() -> None:
        begin = time.monotonic()
        logger.info("hello")
        took.append(time.monotonic() - begin)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(took) == 16 and max(took) < 3.0 * PATIENCE  # one after the other: 6.4


def test_a_call_does_not_wait_for_another_ones_wait_on_a_socket(logger: logging.Logger) -> None:
    """ZeroMQ's sockets are for one thread at a time: who does not get it in time has its record dropped."""
    context = zmq.Context()
    handler = PUSHHandler("inproc://nobody", context, block_timeout=0.2)
    logger.addHandler(handler)
    logger.info("first")
    outbox: Any = handler._outbox
    with outbox.lock:
        thread = threading.Thread(target=logger.info, args=("hello",))
        thread.start()
        thread.join(20)
        stuck = thread.is_alive()
    thread.join(20)
    assert not stuck and handler.dropped == 1
    logger.removeHandler(handler)
    handler.close()
    context.term()


def test_close_leaves_the_number_of_what_was_dropped(port: int, logger: logging.Logger) -> None:
    """A program says it at its end."""
    handler = PUSHHandler(
        f"tcp://127.0.0.1:{port}", high_water_mark=1, block_timeout=0.01, close_timeout=0.01
    )
    logger.addHandler(handler)
    for _ in range(10):
        logger.info("x")
    assert handler.dropped == 9
    handler.close()
    handler.close()
    assert handler.dropped == 9
