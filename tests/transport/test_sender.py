"""A queue and the thread behind it: what leaves memory, and when; what comes back to the next peer."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable

import pytest
from harness import wait_until
from pulling import greeted, pulling

from logboom.contrib.direct import Sender
from logboom.receivers.puller import Puller
from logboom.wire.endpoints import listen
from logboom.wire.zmtp import Message, Peer, frame


def numbers(messages: list[Message]) -> list[int]:
    return [int(message.split()[0]) for message in messages if isinstance(message, bytes)]


def start(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_what_is_put_arrives_in_order() -> None:
    """The usual way; `drain` returns when all of it has left this process."""
    with pulling("tcp://127.0.0.1:*") as (address, got):
        sender = Sender(address)
        for number in range(5000):
            sender.put(b"%d" % number)
        assert sender.drain(time.monotonic() + 20)
        assert sender.accepted == sender.sent == 5000
        sender.finish()
    assert numbers(got) == list(range(5000))


def test_servers_that_end_under_full_load_have_each_record_once() -> None:
    """Five peers, one after the other, each ends while several senders send without pause."""
    count = 3
    stop = threading.Event()
    put = [0] * count
    got: list[Message] = []
    with pulling("tcp://127.0.0.1:*") as (address, messages):
        senders = [Sender(address) for _ in range(count)]

        def work(name: int) -> None:
            sender = senders[name]
            while not stop.is_set():
                sender.put(b"%d %d %s" % (put[name], name, b"x" * (put[name] % 300)))
                put[name] += 1
                sender.drain(time.monotonic() + 20, 500)

        threads = [start(lambda name=name: work(name)) for name in range(count)]
        wait_until(lambda: len(messages) > 2000, "traffic", 20)
    got += messages
    for _ in range(3):
        with pulling(address) as (_, messages):
            wait_until(lambda messages=messages: len(messages) > 2000, "traffic", 20)
        got += messages
    with pulling(address) as (_, messages):
        stop.set()
        for thread in threads:
            thread.join(20)
        for sender in senders:
            assert sender.drain(time.monotonic() + 20)
            sender.finish()
    got += messages
    for name in range(count):
        own = [
            message for message in got if isinstance(message, bytes) and message.split()[1] == b"%d" % name
        ]
        assert numbers(own) == list(range(put[name]))


def test_a_peer_that_is_leaving_is_let_go_while_nothing_is_sent() -> None:
    """A server that ends waits for its peers: an idle one must notice."""
    got: list[Message] = []
    puller = Puller("tcp://127.0.0.1:*", got.extend, 1000)
    sender = Sender(puller.address)
    sender.put(b"1")
    while not got:
        puller.poll(0.1)
    begin = time.monotonic()
    puller.end(20.0)
    took = time.monotonic() - begin
    puller.close()
    sender.finish()
    assert took < 10.0


def test_drain_ends_at_its_deadline_and_with_stop() -> None:
    """A log call, and the end of a program, wait only so long."""
    listener, address = listen("tcp://127.0.0.1:*", 4096)
    listener.close()
    sender = Sender(address)
    sender.put(b"1")
    assert not sender.drain(time.monotonic() + 0.05)
    assert sender.drain(time.monotonic() + 20, below=2)
    waiting: list[bool] = []
    thread = start(lambda: waiting.append(sender.drain(time.monotonic() + 60)))
    sender.stop()
    thread.join(10)
    assert waiting == [False] and (sender.accepted, sender.sent) == (1, 0)


@pytest.mark.parametrize("known", [True, False])
def test_at_the_end_of_a_program_messages_are_sent_without_a_thread(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None can be started any more; whether Python says so depends on its version and the moment."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with pulling("tcp://127.0.0.1:*") as (address, got):
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            sender = Sender(address, alone=known)
        for number in range(250):
            sender.put(b"%d" % number)
        assert sender.drain(time.monotonic() + 20)
        sender.finish()
    assert numbers(got) == list(range(250))


def test_at_the_end_of_a_program_a_server_that_takes_nothing_is_waited_for_once() -> None:
    """Each of the last records would otherwise cost the time of a failed attempt."""
    sender = Sender("tcp://127.0.0.1:9", alone=True)
    pushed: list[bytes] = []

    def push(batch: bytes) -> None:
        pushed.append(batch)
        raise TimeoutError

    sender._pusher.push = push  # type: ignore[method-assign]
    for number in range(10):
        sender.put(b"%d" % number)
    assert len(pushed) == 1
    assert not sender.drain(time.monotonic()) and len(pushed) == 2
    sender._pusher.push = pushed.append  # type: ignore[method-assign]
    assert sender.drain(time.monotonic() + 10)
    sender.put(b"10")
    assert sender.sent == 11
    sender.finish()


def test_a_connection_without_traffic_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand programs that say nothing cost a server nothing; the next record connects again."""
    monkeypatch.setattr("logboom.contrib.direct._LONGEST_IDLE", 0.2)
    got: list[Message] = []
    puller = Puller("tcp://127.0.0.1:*", got.extend, 1000)
    sender = Sender(puller.address)
    sender.put(b"1")
    while not got:
        puller.poll(0.1)
    deadline = time.monotonic() + 10
    while puller._connections and time.monotonic() < deadline:
        puller.poll(0.1)
    assert not puller._connections
    sender.put(b"2")
    while len(got) < 2:
        puller.poll(0.1)
    sender.finish()
    puller.close()
    assert numbers(got) == [1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_the_connection_to_its_parent() -> None:
    """It has the same socket: neither its end nor its life may be seen by the server."""
    with pulling("tcp://127.0.0.1:*") as (address, got):
        sender = Sender(address)
        sender.put(b"0")
        assert sender.drain(time.monotonic() + 20)
        pid = os.fork()
        if pid == 0:
            sender.abandon()
            os._exit(0)
        os.waitpid(pid, 0)
        for number in range(1, 500):
            sender.put(b"%d" % number)
        assert sender.drain(time.monotonic() + 20)
        sender.finish()
    assert numbers(got) == list(range(500))


def test_a_heartbeat_in_the_middle_of_a_message_is_answered_behind_it() -> None:
    """What is written into a half sent message becomes a part of it, and all that follows is lost."""
    listener, address = listen("tcp://127.0.0.1:*", 4096)
    listener.setblocking(True)
    listener.settimeout(10)
    sender = Sender(address)
    sender.put(b"1 " + b"x" * 300_000)
    state, got, came = Peer("PULL", 10**6), [], b""
    with greeted(listener) as peer:
        while len(got) < 2:
            data = peer.recv(1000)
            came += data
            got += state.receive(data)
            if state.ready and not state.whole and len(came) < 10_000:
                peer.sendall(frame(b"\x04PING\0\x0abeat", 4))
                assert not sender.drain(time.monotonic() + 1.5)  # long enough to give up a step
                came += bytes(10_000)
            elif got and sender.accepted == 1:
                sender.put(b"2")
    listener.close()
    sender.finish()
    assert numbers(got) == [1, 2] and b"PONGbeat" in came[300_000:]


def test_of_a_name_with_several_addresses_each_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """`localhost` is often `::1` first, and servers are bound to 127.0.0.1."""
    real = socket.getaddrinfo

    def six_first(host: str, port: int, **options: int) -> list[object]:
        four = real("127.0.0.1", port, **options)
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)), *four]

    with pulling("tcp://127.0.0.1:*") as (address, got):
        monkeypatch.setattr(socket, "getaddrinfo", six_first)
        sender = Sender(address.replace("127.0.0.1", "localhost"))
        sender.put(b"7")
        assert sender.drain(time.monotonic() + 20)
        sender.finish()
    assert numbers(got) == [7]
