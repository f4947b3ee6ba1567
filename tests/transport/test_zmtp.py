"""ZeroMQ's protocol over bytes: every cut, every stranger, every size."""

from __future__ import annotations

import itertools
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logboom.wire.zmtp import GREETING, Oversized, Peer, PeerError, boundary, frame

READY = frame(b"\x05READY\x0bSocket-Type\0\0\0\x04PUSH", 4)


def fed(peer: Peer, data: bytes, cuts: list[int]) -> list[object]:
    """What comes out when `data` arrives in pieces."""
    messages: list[object] = []
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(places):
        messages += peer.receive(data[start:end])
    return messages


@settings(max_examples=200)
@given(
    st.lists(st.binary(max_size=400), max_size=20),
    st.lists(st.integers(min_value=0, max_value=9000), max_size=30),
)
def test_messages_survive_every_cut(bodies: list[bytes], cuts: list[int]) -> None:
    """TCP cuts a stream anywhere, also in the middle of a length."""
    peer = Peer("PULL", largest=1000)
    data = GREETING + READY + b"".join(map(frame, bodies))
    assert fed(peer, data, cuts) == bodies
    assert peer.ready and peer.whole


@given(st.integers(min_value=1, max_value=3000), st.lists(st.integers(0, 4000), max_size=10))
def test_an_oversized_message_does_not_take_the_next_with_it(length: int, cuts: list[int]) -> None:
    """Its length is known from its head: it is passed over, however it arrives, and never kept in memory."""
    peer = Peer("PULL", largest=300)
    data = GREETING + READY + frame(b"x" * length) + frame(b"after")
    first, *rest = fed(peer, data, cuts)
    if length <= 300:
        assert first == b"x" * length
    else:
        assert isinstance(first, Oversized) and first.length == length and set(first.start) <= set(b"x")
    assert rest == [b"after"]


def test_a_message_of_several_parts_is_one_message() -> None:
    """It is no line, but what follows it is."""
    peer = Peer("PULL")
    data = GREETING + READY + frame(b"a", 1) + frame(b"", 1) + frame(b"b") + frame(b"c")
    assert peer.receive(data) == [[b"a", b"", b"b"], b"c"]


@given(
    st.lists(st.integers(0, 3), max_size=3),
    st.lists(st.integers(0, 3), max_size=4),
    st.lists(st.integers(0, 3000)),
)
def test_a_part_that_is_too_long_takes_its_whole_message_with_it(
    before: list[int], behind: list[int], cuts: list[int]
) -> None:
    """The parts behind it would pass as lines of their own, which anybody could forge so."""
    peer = Peer("PULL", largest=300)
    long = frame(b"x" * 301, 3 if behind else 2)
    parts = [frame(b"p" * length, 1) for length in before]
    rest = [frame(b"y" * 301, 3) if length == 0 else frame(b"y" * length, 1) for length in behind[1:]]
    last = [frame(b"last")] if behind else []
    data = GREETING + READY + b"".join([*parts, long, *rest, *last, frame(b"after")])
    first, *others = fed(peer, data, cuts)
    assert isinstance(first, Oversized) and others == [b"after"] and peer.whole


def test_a_long_message_costs_as_much_as_it_is_long() -> None:
    """Put together at each read, one of 16 MB is copied 4,000 times."""
    peer, body = Peer("PULL", largest=20_000_000), b"x" * 16_000_000
    data = GREETING + READY + frame(body) + frame(b"after")
    begin = time.process_time()
    messages = fed(peer, data, list(range(0, len(data), 4096)))
    assert messages == [body, b"after"] and time.process_time() - begin < 1.0


def test_endless_parts_fill_no_memory() -> None:
    """A peer that never sends the last part must not grow us."""
    peer = Peer("PULL", largest=100)
    peer.receive(GREETING + READY)
    for _ in range(1000):
        peer.receive(frame(b"", 1) * 10)
    assert sum(map(len, peer._parts)) <= 100 and len(peer._parts) <= 100


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\xff" + bytes(8) + b"\x7e",
        GREETING[:10] + b"\x01" + GREETING[11:],
        GREETING[:12] + b"CURVE".ljust(20, b"\0") + GREETING[32:],
        GREETING + READY.replace(b"PUSH", b"PAIR"),
        GREETING + frame(b"too soon"),
        GREETING + frame(b"\x05ERROR\x02no", 4),
        GREETING + READY + struct.pack(">BQ", 6, 1 << 40),
    ],
    ids=["http", "signature", "version", "curve", "pair", "no READY", "ERROR", "long command"],
)
def test_a_stranger_is_an_error(data: bytes) -> None:
    """Never a hang, never a message."""
    with pytest.raises(PeerError):
        Peer("PULL").receive(data)


def test_a_heartbeat_is_answered() -> None:
    """A peer with heartbeats on leaves when nobody answers."""
    peer = Peer("PULL")
    peer.receive(GREETING + READY)
    peer.answer()
    assert peer.receive(frame(b"\x04PING\0\x0acontext", 4)) == []
    assert peer.answer() == frame(b"\x04PONGcontext", 4)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=10), st.data())
def test_the_boundary_is_the_last_whole_frame(bodies: list[bytes], data: st.DataObject) -> None:
    """After a lost connection the next one goes on there: nothing half, nothing twice."""
    frames = [frame(body) for body in bodies]
    joined = b"".join(frames)
    position = data.draw(st.integers(0, len(joined)))
    starts = [sum(map(len, frames[:count])) for count in range(len(frames) + 1)]
    assert boundary(joined, position) == max(start for start in starts if start <= position)
