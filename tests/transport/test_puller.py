"""A puller's regular end, against peers that are written out in the test: nothing that came may be lost."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from harness import wait_until

from logboom.receivers.puller import Puller
from logboom.wire.zmtp import GREETING, PING, Message, frame

READY = frame(b"\x05READY\x0bSocket-Type\0\0\0\x04PUSH", 4)


@contextlib.contextmanager
def ending(
    count: int, patience: float
) -> Iterator[tuple[list[socket.socket], list[Message], threading.Thread]]:
    """Peers that are past their handshake, what was taken of them, and the thread in which it ends."""
    got: list[Message] = []
    puller = Puller("tcp://127.0.0.1:*", got.extend, 1000)
    host, _, port = puller.address.removeprefix("tcp://").rpartition(":")
    peers = [socket.create_connection((host, int(port)), 10) for _ in range(count)]
    for number, peer in enumerate(peers):
        peer.sendall(GREETING + READY + frame(b"first %d" % number))
    deadline = time.monotonic() + 10
    while len(got) < count and time.monotonic() < deadline:
        puller.poll(0.1)
    for peer in peers:
        peer.recv(1000)

    def end() -> None:
        puller.end(patience)
        puller.close()

    thread = threading.Thread(target=end)
    thread.start()
    try:
        yield peers, got, thread
    finally:
        for peer in peers:
            peer.close()
        thread.join(20)
        assert not thread.is_alive()


def read_to_end(peer: socket.socket) -> bytes:
    came = b""
    while data := peer.recv(1000):
        came += data
    return came


def test_a_heartbeat_after_the_end_of_the_stream_costs_nothing() -> None:
    """There is no way left to answer it: what comes behind it must be taken all the same."""
    with ending(1, 10.0) as ((peer,), got, _):
        read_to_end(peer)
        for number in range(3):
            peer.sendall(PING + frame(b"late %d" % number))
            wait_until(lambda number=number: len(got) == number + 2, "it is taken")


def test_peers_without_number_that_send_while_it_ends_are_all_read() -> None:
    """Each is told after a while of its own: together that may take longer than the patience."""
    count, total = 12, 30
    with ending(count, 1.0) as (peers, got, thread):

        def work(peer: socket.socket, name: int) -> None:
            """Always in the middle of a message, so that the puller waits for the rest of it."""
            for number in range(total):
                message = frame(b"%d of %d" % (number, name))
                peer.sendall(message[:3])
                pause.wait(0.05)
                peer.sendall(message[3:])
            read_to_end(peer)
            peer.shutdown(socket.SHUT_WR)

        pause = threading.Event()
        works = [threading.Thread(target=work, args=each) for each in zip(peers, range(count), strict=True)]
        for each in works:
            each.start()
        for each in works:
            each.join(20)
        thread.join(20)
        assert len(got) == count + count * total


def test_a_peer_that_does_not_leave_is_waited_for_only_so_long() -> None:
    """A program that is suspended must not keep a server from ending."""
    with ending(2, 0.2) as (_, got, thread):
        thread.join(10)
        assert not thread.is_alive() and len(got) == 2


def polled(puller: Puller, condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, what
        puller.poll(0.05)


def connected(puller: Puller) -> socket.socket:
    host, _, port = puller.address.removeprefix("tcp://").rpartition(":")
    return socket.create_connection((host, int(port)), 10)


def test_without_descriptors_it_waits_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cannot be let in stays at the door: looking there again at once costs all of a core."""
    said: list[str] = []
    got: list[Message] = []
    puller = Puller("tcp://127.0.0.1:*", got.extend, 1000, said.append)
    listener = Exhausted(puller._listener)
    puller._selector.unregister(puller._listener)
    monkeypatch.setattr(puller, "_listener", listener)
    puller._selector.register(listener, selectors.EVENT_READ)
    peer = connected(puller)
    peer.sendall(GREETING + READY + frame(b"hello"))
    begin = time.monotonic()
    polled(puller, lambda: listener.refused >= 4, "it tries again")
    assert time.monotonic() - begin >= 0.29
    assert said == ["connections are not taken: Too many open files"]
    listener.exhausted = False
    polled(puller, lambda: got, "it is let in")
    peer.close()
    puller.close()


class Exhausted:
    """A listener of a process that has no descriptor left."""

    def __init__(self, real: socket.socket) -> None:
        self._real, self.exhausted, self.refused = real, True, 0
        self.fileno, self.close = real.fileno, real.close

    def accept(self) -> tuple[socket.socket, object]:
        if self.exhausted:
            self.refused += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._real.accept()


def test_who_does_not_say_what_it_is_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand connections that say nothing would keep all others out, without a word."""
    monkeypatch.setattr("logboom.receivers.puller._MOST_PEERS", 3)
    said: list[str] = []
    got: list[Message] = []
    puller = Puller("tcp://127.0.0.1:*", got.extend, 1000, said.append)
    peers = [connected(puller) for _ in range(3)]
    polled(puller, lambda: len(puller._connections) == 3, "they are let in")
    peers.append(connected(puller))
    peers[-1].sendall(GREETING + READY + frame(b"hello"))
    polled(puller, lambda: said, "it is said")
    with monkeypatch.context() as impatient:
        impatient.setattr("logboom.receivers.puller._HANDSHAKE", 0.0)
        polled(puller, lambda: puller.strangers == 3, "they are let go")
    polled(puller, lambda: got == [b"hello"], "it is let in")
    assert len(said) == 1
    (there,) = puller._connections
    assert there.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    monkeypatch.setattr("logboom.receivers.puller._HANDSHAKE", 0.0)
    polled(puller, lambda: not puller._strange, "it is looked at")
    assert puller._connections == {there}
    puller.close()
    for peer in peers:
        peer.close()
