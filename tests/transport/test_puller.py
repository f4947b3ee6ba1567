"""A puller's regular end, against peers that are written out in the test: nothing that came may be lost."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
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


MB = 1024 * 1024


@contextlib.contextmanager
def puller_with(
    largest: int, warn: Callable[[str], None] = lambda sentence: None
) -> Iterator[tuple[Puller, list[Message], Callable[[], socket.socket]]]:
    """A puller, what it took, and what makes it another peer past its handshake."""
    got: list[Message] = []
    puller = Puller("tcp://127.0.0.1:*", got.extend, largest, warn)
    host, _, port = puller.address.removeprefix("tcp://").rpartition(":")
    peers: list[socket.socket] = []

    def peer() -> socket.socket:
        made = socket.create_connection((host, int(port)), 10)
        made.sendall(GREETING + READY)
        made.setblocking(False)
        peers.append(made)
        return made

    try:
        yield puller, got, peer
    finally:
        puller.close()
        for each in peers:
            each.close()


def push_all(
    puller: Puller, parts: Mapping[socket.socket, bytes | memoryview]
) -> dict[socket.socket, memoryview]:
    """Send to it from several peers at once, until it takes no more of any; returns what it did not take."""
    left = {peer: memoryview(data) for peer, data in parts.items()}
    idle = 0
    while idle < 5:
        idle = 0 if puller.poll(0.01) else idle + 1
        for peer, data in list(left.items()):
            with contextlib.suppress(BlockingIOError):
                rest = data[peer.send(data[:65536]) :]
                left[peer] = rest
                idle = 0
                if not rest:
                    del left[peer]
    return left


@pytest.mark.parametrize("flags", [0, 1], ids=["one frame", "the first of several"])
def test_messages_that_stop_in_the_middle_have_one_budget(flags: int) -> None:
    """A thousand peers that send all but the last byte of 4 MB took 4 GB, and the server with it."""
    import tracemalloc

    with puller_with(4 * MB) as (puller, got, peer):
        half = frame(b"x" * (4 * MB), flags)[:-1]
        tracemalloc.start()
        try:
            push_all(puller, dict.fromkeys([peer() for _ in range(40)], half))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 48 * MB, f"{peak / MB:.0f} MB"
        push_all(puller, {peer(): frame(b"short"), peer(): frame(b"y" * 5000)})
        assert got == [b"short", b"y" * 5000] or got == [b"y" * 5000, b"short"]


def test_long_messages_of_many_peers_all_arrive() -> None:
    """They wait for their part of the memory, and none is lost or mixed with another."""
    with puller_with(4 * MB) as (puller, got, peer):
        bodies = [b"%02d" % number * (2 * MB) for number in range(15)]
        push_all(
            puller, {peer(): frame(body) + frame(b"end %d" % place) for place, body in enumerate(bodies)}
        )
        wait_until(lambda: puller.poll(0.01) or len(got) == 30, "all are taken")
        while len(got) < 30:
            assert puller.poll(1.0)
        assert sorted(got) == sorted([*bodies, *(b"end %d" % place for place in range(15))])  # type: ignore[type-var]


def test_who_does_not_finish_gives_way_to_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers that hold the whole budget with messages that they never end must not keep it."""
    said: list[str] = []
    real, ahead = time.monotonic, 0.0
    monkeypatch.setattr("logboom.receivers.puller.time.monotonic", lambda: real() + ahead)
    with puller_with(4 * MB, said.append) as (puller, got, peer):
        push_all(puller, dict.fromkeys([peer() for _ in range(4)], frame(b"x" * (4 * MB - 9))[:-1]))
        patient, late = peer(), frame(b"y" * 20_000)
        left = push_all(puller, {patient: late})
        assert got == []
        ahead = 60.0
        push_all(puller, left)
        assert got == [b"y" * 20_000]
        assert "its connection is closed" in said[0]
