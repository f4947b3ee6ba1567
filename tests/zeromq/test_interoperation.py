"""The published designs, each against the opposite half of logboom."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import originals
import pytest
import zmq
from harness import wait_until
from zmq.log.handlers import PUBHandler
from zmq_lab import serving, wait_for_lines

from logboom.zeromq import PUBLogger, PUSHHandler, SUBLogger


@pytest.mark.filterwarnings("ignore:zmq.utils.strtypes")
def test_the_original_handler_to_our_server(tmp_path: Path, port: int) -> None:
    """A project changes its server first, and its programs one after the other."""
    log = tmp_path / "a.log"
    logger = logging.Logger("original", logging.DEBUG)
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=log):
        handler = originals.PUSHHandler(f"tcp://localhost:{port}")
        logger.addHandler(handler)
        for number in range(500):
            logger.info("n %d", number)
        lines = wait_for_lines(log, lambda lines: len(lines) == 502)
        handler.socket.close()
        handler.ctx.term()
    assert [line.split("] ")[1] for line in lines[2:]] == [f"n {number}" for number in range(500)]


@pytest.mark.parametrize("spooled", [False, True], ids=["direct", "spool"])
def test_our_handler_to_the_original_server(
    spooled: bool, tmp_path: Path, port: int, logger: logging.Logger
) -> None:
    """Or its programs first."""
    log = tmp_path / "a.log"
    server = originals.LoggingServer(f"tcp://127.0.0.1:{port}", str(log))
    thread = threading.Thread(target=server.run)
    thread.start()
    spool: dict[str, Any] = {"spool": tmp_path / "spool"} if spooled else {}
    handler = PUSHHandler(f"tcp://localhost:{port}", **spool)
    logger.addHandler(handler)
    for number in range(500):
        logger.info("n %d", number)
    lines = wait_for_lines(log, lambda lines: len(lines) == 500)
    assert [line.split("] ")[1] for line in lines] == [f"n {number}" for number in range(500)]
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.info("stop")
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize("bound", [False, True], ids=["connected", "bound"])
def test_pyzmqs_pubhandler_to_our_subscriber(bound: bool, tmp_path: Path, port: int) -> None:
    """Root topics and subtopics (`::`) included: the level stands between them."""
    context = zmq.Context()
    pub = context.socket(zmq.PUB)
    pub.linger = 0
    sub_logger = SUBLogger("127.0.0.1", tmp_path, port)
    try:
        if bound:
            sub_logger.sub.connect(f"tcp://127.0.0.1:{pub.bind_to_random_port('tcp://127.0.0.1')}")
        else:
            pub.connect(f"tcp://127.0.0.1:{port}")
        handler = PUBHandler(pub)
        handler.setRootTopic("engine.0")
        logger = logging.Logger("original", logging.DEBUG)
        logger.addHandler(handler)
        log = tmp_path / "client_debug.log"

        def arrived() -> bool:
            logger.info("probe")
            return sub_logger.receive(0.1) > 0

        wait_until(arrived, "the subscription is there")
        logger.warning("sub.topic::hello")
        logger.error("plain")
        wait_until(lambda: not sub_logger.receive(0.3), "all of it is written")
        lines = wait_for_lines(log, lambda lines: any("plain" in line for line in lines))
        warning, error = lines[-2:]
        assert ";WARNING - sub.topic::" in warning and warning.endswith("hello")
        assert ";ERROR - " in error and " - plain" in error
    finally:
        sub_logger.close()
        pub.close()
        context.term()


def test_our_publisher_to_a_plain_subscriber(port: int) -> None:
    """Topic and line, as pyzmq's own `PUBHandler` sends them."""
    context = zmq.Context()
    with context.socket(zmq.SUB) as sub:
        sub.linger, sub.rcvtimeo = 0, 10_000
        sub.bind(f"tcp://127.0.0.1:{port}")
        sub.subscribe(b"WARN")
        pub_logger = PUBLogger("localhost", port)

        def publish() -> None:
            pub_logger.logger.info("not subscribed to")
            pub_logger.logger.warning("größer")

        publisher = threading.Thread(target=publish)
        publisher.start()
        assert sub.recv_multipart() == [b"WARNING", "[logboom.zeromq.pub] größer".encode()]
        publisher.join(10)
        pub_logger.close()
    context.term()
