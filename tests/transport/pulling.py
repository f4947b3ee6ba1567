"""The other end of a pusher: a puller in a thread, or a socket that speaks as one."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from logboom.receivers.puller import Puller
from logboom.wire.zmtp import GREETING, Message, frame

LARGEST = 1_000_000


@contextlib.contextmanager
def pulling(address: str) -> Iterator[tuple[str, list[Message]]]:
    """A puller in a thread, and what it took."""
    got: list[Message] = []
    puller = Puller(address, got.extend, LARGEST)
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            puller.poll(0.02)
        puller.end(5.0)
        puller.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield puller.address, got
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def greeted(listener: socket.socket) -> socket.socket:
    """The next connection, past its handshake; with a peer of ZMTP 3.0, which has no heartbeats."""
    peer, _ = listener.accept()
    peer.settimeout(10)
    peer.sendall(GREETING[:11] + b"\0" + GREETING[12:] + frame(b"\x05READY\x0bSocket-Type\0\0\0\x04PULL", 4))
    return peer
