"""A server that takes nothing: what an attempt costs the other targets of the same collector."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import PATIENCE

from logboom.collector.pipe import Pipe
from logboom.errors import SinkError
from logboom.journal.target import Server
from logboom.sinks.base import Batch
from logboom.sinks.push import PushSink
from logboom.spool.checkpoint import Checkpoint
from logboom.wire.zmtp import GREETING, Peer, frame

READY = frame(b"\x05READY\x0bSocket-Type\0\0\0\x04PULL", 4)


@pytest.fixture
def suspended() -> Iterator[socket.socket]:
    """It listens, and lets nobody in."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        yield listener


def target_of(listener: socket.socket) -> Server:
    address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    return Server(kind="push", address=address)


def failed(sink: PushSink) -> float:
    """Seconds of an attempt that failed."""
    step = sink.plan(Batch.of([b"hello"], [0.0]), 0.0)
    begin = time.monotonic()
    with pytest.raises(SinkError, match="it does not answer"):
        sink.apply(step)
    return time.monotonic() - begin


def test_who_takes_nothing_is_waited_for_once(suspended: socket.socket) -> None:
    """A second of each attempt would be a second for which nobody else's records are written."""
    sink = PushSink(target_of(suspended))
    assert failed(sink) >= 0.9
    assert max(failed(sink) for _ in range(5)) < 0.5 * PATIENCE
    sink.close()


def test_a_brief_attempt_goes_on_with_the_handshake(suspended: socket.socket) -> None:
    """A server at the other end of the world takes longer to answer than an attempt does."""
    sink = PushSink(target_of(suspended))
    failed(sink)
    suspended.accept()[0].close()
    failed(sink)
    peer, _ = suspended.accept()
    with peer:
        peer.sendall(GREETING)
        failed(sink)
        peer.sendall(READY)
        failed(sink)  # the handshake is over, and the record on its way
        peer.sendall(frame(b"\x04PONG", 4))
        sink.apply(sink.plan(Batch.of([b"hello"], [0.0]), 0.0))
        assert Peer("PULL").receive(peer.recv(1000)) == [b"hello"]
    sink.close()


def test_who_fails_slowly_is_asked_seldom(tmp_path: Path, suspended: socket.socket) -> None:
    """With the next attempt due as soon as one is over, it would have all of the collector's time."""
    checkpoint = Checkpoint(tmp_path)
    notes: list[str] = []
    target = target_of(suspended)
    sink = PushSink(target)
    pipe = Pipe(target.key, target, sink, checkpoint, notes.append, lambda *place: None)
    with pytest.raises(SinkError):
        pipe.make(sink.plan(Batch.of([b"hello"], [0.0]), 0.0), {})
    pipe.try_recover(1000.0)
    sink._pusher.patience = 0.5
    begin = time.monotonic()
    pipe.try_recover(1000.0)
    took = time.monotonic() - begin
    assert took >= 0.45 and pipe.stuck(1000.0 + 3 * took)
    assert notes == [f"{target.key}: it does not answer; records wait in the journal"]
    sink.close()
    checkpoint.close()
