"""PUBLogger and SUBLogger: many publishers connect, one subscriber binds."""

from __future__ import annotations

import logging
import multiprocessing
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq
from harness import wait_until
from zmq_lab import Processes, lines_of, wait_for_lines

import logboom
from logboom.zeromq import PUBLogger, SUBLogger, run_sub_logger

PUBLISHER = """
import sys
from logboom.zeromq import PUBLogger
logger = PUBLogger("localhost", int(sys.argv[1])).logger
for number in range(int(sys.argv[3])):
    logger.info("%s %d", sys.argv[2], number)
"""


def connections_to(port: int) -> list[Any]:
    """Of this process, whatever state they are in, as long as it has a descriptor for them."""
    every = psutil.Process().net_connections("tcp")
    return [each for each in every if each.raddr and each.raddr[1] == port and each.fd >= 0]


def listened_on(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_subscriber_runs_in_a_process(
    method: str, tmp_path: Path, port: int, processes: Processes
) -> None:
    """Its function can be pickled; on its event it ends at once, with all that it has received written."""
    context = multiprocessing.get_context(method)
    event = context.Event()
    process = context.Process(target=run_sub_logger, args=("127.0.0.1", event, str(tmp_path), port))
    process.start()
    try:
        wait_until(lambda: listened_on(port), "it listens", 20)
        names = [f"p{number}" for number in range(3)]
        programs = [processes.program(PUBLISHER, str(port), name, "500") for name in names]
        for program in programs:
            assert program.wait(60) == 0, processes.errors()
        if sys.platform == "win32":  # a loaded Wine leaves them in the network for longer than it looks
            wait_for_lines(tmp_path / "client_debug.log", lambda lines: len(lines) >= 1500)
    finally:
        event.set()
        process.join(20)
        assert process.exitcode == 0
    lines = wait_for_lines(tmp_path / "client_debug.log", lambda lines: len(lines) >= 1500)
    for name in names:
        own = [line for line in lines if f"] {name} " in line]
        assert [int(line.split()[-1]) for line in own] == list(range(500))
    assert lines[0][10] == " " and ";INFO - [logboom.zeromq.pub] p" in lines[0]


def test_the_first_record_arrives(tmp_path: Path, port: int) -> None:
    """The original's first thousand are gone: a publisher drops what nobody has subscribed to yet."""
    sub_logger = SUBLogger("127.0.0.1", tmp_path, port)
    pub_logger = PUBLogger("127.0.0.1", port)
    try:
        publisher = threading.Thread(target=pub_logger.logger.debug, args=("first",))
        publisher.start()
        wait_until(lambda: sub_logger.receive(0.1), "it comes")
        publisher.join(10)
        lines = wait_for_lines(tmp_path / "client_debug.log", lambda lines: len(lines) == 1)
        assert lines[0].endswith(";DEBUG - [logboom.zeromq.pub] first")
    finally:
        pub_logger.close()
        sub_logger.close()


def test_the_originals_first_records_are_lost(port: int) -> None:
    """The trap, on the original: PUB connects, and logs."""
    from zmq.log.handlers import PUBHandler

    context = zmq.Context()
    with context.socket(zmq.SUB) as sub, context.socket(zmq.PUB) as pub:
        sub.linger = pub.linger = 0
        sub.bind(f"tcp://127.0.0.1:{port}")
        sub.subscribe(b"")
        pub.connect(f"tcp://127.0.0.1:{port}")
        logger = logging.Logger("original", logging.DEBUG)
        logger.addHandler(PUBHandler(pub))
        logger.info("first")
        assert not sub.poll(300)
    context.term()


def test_without_a_subscriber_the_first_call_waits_once(port: int) -> None:
    """Bounded, and what was lost is counted."""
    pub_logger = PUBLogger("127.0.0.1", port, wait=0.2)
    for number in range(50):
        pub_logger.logger.info("n %d", number)
    assert pub_logger.handler.outbox.drops.total == 50
    pub_logger.close()


def test_what_is_published_while_the_subscriber_is_away_waits_for_it(tmp_path: Path, port: int) -> None:
    """A publisher that connects keeps what finds room, as the page says: its records outlive a restart."""
    log = tmp_path / "client_debug.log"
    pub_logger = PUBLogger("127.0.0.1", port, wait=10.0)
    first = SUBLogger("127.0.0.1", tmp_path, port)
    publisher = threading.Thread(target=pub_logger.logger.info, args=("first",))
    publisher.start()
    wait_until(lambda: first.receive(0.1), "it comes")
    publisher.join(10)
    first.close()
    wait_until(lambda: not connections_to(port), "the publisher has noticed")
    for number in range(100):
        pub_logger.logger.info("n %d", number)
    second = SUBLogger("127.0.0.1", tmp_path, port)
    try:
        count = 0
        while count < 100:
            came = second.receive(10.0)
            assert came
            count += came
    finally:
        pub_logger.close()
        second.close()
    lines = wait_for_lines(log, lambda lines: len(lines) == 101)
    assert [line.split("] ")[1] for line in lines[1:]] == [f"n {number}" for number in range(100)]


def test_a_second_instance_adds_no_second_handler(port: int) -> None:
    """The original's records come as often as it was made."""
    one, two = PUBLogger("127.0.0.1", port), PUBLogger("localhost", port)
    assert one.logger is two.logger and one.handler is two.handler
    assert one.logger.handlers.count(one.handler) == 1
    one.close()
    one.close()
    assert two.handler in two.logger.handlers  # the other one still publishes
    two.close()
    assert two.handler not in two.logger.handlers


def test_a_flush_leaves_the_publishers_socket_open(tmp_path: Path, port: int) -> None:
    """Its subscription would have to be waited for again, and records dropped meanwhile."""
    sub_logger, pub_logger = SUBLogger("127.0.0.1", tmp_path, port), PUBLogger("127.0.0.1", port, wait=10.0)
    try:
        publisher = threading.Thread(target=pub_logger.logger.info, args=("first",))
        publisher.start()
        wait_until(lambda: sub_logger.receive(0.1), "it comes")
        publisher.join(10)
        opened = pub_logger.pub
        assert logboom.flush(5.0) and not opened.closed and pub_logger.pub is opened
        pub_logger.close()
        assert opened.closed
    finally:
        pub_logger.close()
        sub_logger.close()


def test_received_records_do_not_feed_the_programs_own_handlers(tmp_path: Path, port: int) -> None:
    """A program that publishes and subscribes would otherwise publish for ever what it receives."""
    sub_logger, pub_logger = SUBLogger("127.0.0.1", tmp_path, port), PUBLogger("127.0.0.1", port)
    root = logging.getLogger()
    root.addHandler(pub_logger.handler)
    try:
        publisher = threading.Thread(target=pub_logger.logger.warning, args=("once",))
        publisher.start()
        seen = 0

        def quiet() -> bool:
            nonlocal seen
            came = sub_logger.receive(0.2)
            seen += came
            return seen > 0 and not came

        wait_until(quiet, "it comes and nothing follows")
        publisher.join(10)
        assert seen == 2  # the logger's own handler, and the root's, which is the same
    finally:
        root.removeHandler(pub_logger.handler)
        pub_logger.close()
        sub_logger.close()


def test_many_records_are_escaped_and_have_their_level(tmp_path: Path, port: int) -> None:
    """A line is a record here as well."""
    sub_logger, pub_logger = SUBLogger("127.0.0.1", tmp_path, port), PUBLogger("127.0.0.1", port)
    stop = threading.Event()

    def receive() -> None:
        while not stop.is_set():
            sub_logger.receive(0.05)

    thread = threading.Thread(target=receive)
    thread.start()
    try:
        for level in (10, 20, 30, 40, 50):
            pub_logger.logger.log(level, "a\nforged %d", level)
        lines = wait_for_lines(tmp_path / "client_debug.log", lambda lines: len(lines) == 5)
    finally:
        stop.set()
        thread.join(10)
        pub_logger.close()
        sub_logger.close()
    assert [line.split(";")[1].split(" ")[0] for line in lines] == [
        "DEBUG",
        "INFO",
        "WARNING",
        "ERROR",
        "CRITICAL",
    ]
    assert all("a\\nforged" in line for line in lines_of(tmp_path / "client_debug.log"))


@pytest.mark.parametrize("method", ["close", "event"])
def test_the_subscriber_ends_while_publishers_go_on(method: str, tmp_path: Path, port: int) -> None:
    """It would otherwise end with the last of its publishers, which nobody ends for its sake."""
    ended = threading.Event()
    pub_logger = PUBLogger("127.0.0.1", port, wait=10.0)

    def publish() -> None:
        while not ended.wait(0.001):
            pub_logger.logger.info("on")

    publisher = threading.Thread(target=publish)
    event = threading.Event()

    def subscribe() -> None:
        if method == "event":
            return run_sub_logger("127.0.0.1", event, tmp_path, port)
        sub_logger = SUBLogger("127.0.0.1", tmp_path, port)
        while not event.is_set():
            sub_logger.receive(0.1)
        return sub_logger.close()

    subscriber = threading.Thread(target=subscribe)
    try:
        publisher.start()
        subscriber.start()
        wait_for_lines(tmp_path / "client_debug.log", lambda lines: len(lines) > 10)
        event.set()
        subscriber.join(10)
        assert not subscriber.is_alive()
    finally:
        ended.set()
        publisher.join(10)
        subscriber.join(10)
        pub_logger.close()


def test_a_root_topic_that_reads_as_a_level_is_none(tmp_path: Path, port: int) -> None:
    """pyzmq's handler takes any root; levels are in capitals there, and names of programs seldom."""
    sub_logger = SUBLogger("127.0.0.1", tmp_path, port)
    for topic in ("error.INFO", "srv.debug.CRITICAL.part", "WARNING", "app"):
        sub_logger._write(topic, b"hello")
    sub_logger.close()
    lines = wait_for_lines(tmp_path / "client_debug.log", lambda lines: len(lines) == 4)
    assert [line.split(";")[1] for line in lines] == [
        "INFO - hello",
        "CRITICAL - part::hello",
        "WARNING - hello",
        "INFO - hello",
    ]
