"""A pusher against a server that is written out in the test: what counts as sent."""

from __future__ import annotations

import socket
import threading

import pytest
from pulling import greeted, pulling

from logboom.sinks.push import Pusher
from logboom.wire.endpoints import check_address, is_public, listen
from logboom.wire.zmtp import GREETING, Message, Peer, frame


def test_batches_arrive_whole_and_in_order() -> None:
    """The usual way."""
    with pulling("tcp://127.0.0.1:*") as (address, got):
        pusher = Pusher(address)
        for number in range(100):
            pusher.push(b"".join(frame(b"%d-%d" % (number, part)) for part in range(50)))
        pusher.close()
    assert got == [b"%d-%d" % (number, part) for number in range(100) for part in range(50)]


def test_a_peer_that_ends_while_much_is_on_its_way_gets_it_all() -> None:
    """`end` takes what the system has; the pusher goes on with the next server where it was."""
    body = b"x" * 500
    total = 3000
    with pulling("tcp://127.0.0.1:*") as (address, first):
        pusher = Pusher(address, timeout=5.0)
        sent = threading.Event()

        def push() -> None:
            for number in range(total):
                while True:
                    try:
                        pusher.push(frame(b"%d " % number + body))
                        break
                    except OSError:
                        sent.wait(0.01)

        thread = threading.Thread(target=push)
        thread.start()
        while len(first) < 300:
            sent.wait(0.005)
    with pulling(address) as (_, second):
        thread.join(30)
        assert not thread.is_alive()
        pusher.close()
    got = [int(message.split()[0]) for message in [*first, *second] if isinstance(message, bytes)]
    assert got == list(range(total))


def test_a_peer_that_takes_nothing_is_said_and_remembered() -> None:
    """What went out is not sent again when the same batch is tried again."""
    listener, address = listen("tcp://127.0.0.1:*", 4096)
    listener.setblocking(True)
    listener.settimeout(10)
    pusher = Pusher(address, timeout=0.3)
    batch = b"".join(frame(b"%05d" % number + b"x" * 200) for number in range(20_000))

    peers: list[socket.socket] = []
    thread = threading.Thread(target=lambda: peers.append(greeted(listener)))
    thread.start()
    with pytest.raises(TimeoutError):
        pusher.push(batch)
    thread.join(10)
    before = pusher._sent
    assert 0 < before < len(batch)
    with pytest.raises(TimeoutError):
        pusher.push(batch)
    assert pusher._sent >= before
    pusher.close()
    peers[0].close()
    listener.close()


def test_after_a_lost_connection_it_goes_on_with_the_next_whole_frame() -> None:
    """What the system took may be lost with the peer; what it may have delivered does not come again."""
    listener, address = listen("tcp://127.0.0.1:*", 4096)
    listener.setblocking(True)
    listener.settimeout(10)
    state = Peer("PULL")
    got: list[list[Message]] = [[], []]

    def serve() -> None:
        with greeted(listener) as first:
            while len(got[0]) < 100:
                got[0] += state.receive(first.recv(1000))
        later = Peer("PULL")
        with greeted(listener) as second:
            while data := second.recv(4096):
                got[1] += later.receive(data)

    thread = threading.Thread(target=serve)
    thread.start()
    pusher = Pusher(address, timeout=10.0)
    pusher.push(b"".join(frame(b"%05d" % number + b"x" * 200) for number in range(20_000)))
    pusher.close()
    thread.join(10)
    listener.close()
    first, second = ([int(message[:5]) for message in each if isinstance(message, bytes)] for each in got)
    assert first == list(range(len(first)))
    assert second == list(range(second[0], 20_000)) and second[0] > first[-1]


def test_nobody_there_is_an_error_at_once() -> None:
    """The records wait on disk then; the collector must not."""
    listener, address = listen("tcp://127.0.0.1:*", 4096)
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        Pusher(address).push(frame(b"x"))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("tcp://127.0.0.1:5557", False),
        ("tcp://localhost:5557", False),
        ("tcp://[::1]:5557", False),
        ("ipc:///tmp/x", False),
        ("tcp://*:5557", True),
        ("tcp://0.0.0.0:5557", True),
        ("tcp://10.0.0.1:5557", True),
        ("tcp://[::]:5557", True),
    ],
)
def test_which_addresses_other_hosts_reach(address: str, public: bool) -> None:
    """The server says so at its start."""
    check_address(address, listening=True)
    assert is_public(address) is public


def test_no_more_than_one_batch_is_on_its_way() -> None:
    """What a killed peer takes with it is counted in records: a buffer has room for a thousand."""
    listener, address = listen("tcp://127.0.0.1:*", 65536)
    listener.setblocking(True)
    listener.settimeout(10)
    pusher = Pusher(address, timeout=0.2)
    peers: list[socket.socket] = []

    def greet() -> None:
        peer, _ = listener.accept()
        peer.settimeout(10)
        peer.sendall(GREETING + frame(b"\x05READY\x0bSocket-Type\0\0\0\x04PULL", 4))
        peers.append(peer)

    thread = threading.Thread(target=greet)
    thread.start()
    for _ in range(3):
        with pytest.raises(TimeoutError, match="does not answer"):
            pusher.push(frame(b"1"))
    thread.join(10)
    peers[0].sendall(frame(b"\x04PONG", 4))
    pusher.push(frame(b"1"))
    with pytest.raises(TimeoutError, match="does not answer"):
        pusher.push(frame(b"2"))
    state = Peer("PULL")
    got = state.receive(peers[0].recv(65536))
    pusher.close()
    peers[0].close()
    listener.close()
    assert got == [b"1", b"2"]
