"""ZeroMQ: contexts, sockets, their limits and their end. The only import of `zmq`.

Every socket has its `LINGER`, buffers and high-water mark set here. PUSH has no acknowledgement: what is
in buffers when a server is killed is lost, so buffers are small (measured: about a hundred lines).
"""

from __future__ import annotations

import contextlib
import time
from typing import Final

try:
    import zmq
except ImportError as error:
    raise ImportError(
        f"ZeroMQ needs a package ({error}): run  pip install logboom[zmq]", name="zmq"
    ) from error

from logboom.errors import ConfigurationError

__all__ = [
    "Context",
    "Socket",
    "TransportError",
    "bind",
    "check_given",
    "close_within",
    "connect",
    "endpoint_of",
    "is_socket",
    "leave_inherited",
    "make_context",
    "open_feed",
    "open_push",
    "open_sub",
    "open_xpub",
    "receive",
    "send",
    "unbind",
    "wait_readable",
    "wait_writable",
]

Context = zmq.Context[zmq.Socket[bytes]]
Socket = zmq.Socket[bytes]
TransportError = zmq.ZMQError

# Room for one of ZeroMQ's own batches: half of one would be lost when the peer leaves in the regular way.
SEND_BUFFER: Final = 8192
LARGEST_MESSAGE: Final = 64 * 1024 * 1024
_inherited: list[object] = []


def make_context() -> Context:
    """A context of this process's own, with one thread."""
    return zmq.Context(1)


def is_socket(value: object) -> bool:
    """Whether it is a ZeroMQ socket."""
    return isinstance(value, zmq.Socket)


def check_given(value: object) -> None:
    """Raises `ConfigurationError` for a socket of asyncio: what it sends waits for its loop."""
    if _is_async(type(value)):
        raise ConfigurationError(
            "this is a socket of asyncio, which sends only while its loop runs",
            hint="Give a plain zmq.Socket, or the address",
        )


def _is_async(kind: type) -> bool:
    return any(base.__module__ == "zmq._future" for base in kind.__mro__)


def leave_inherited(*objects: object) -> None:
    """In a forked child: keep what is the parent's alive and untouched, so that nothing closes it here."""
    _inherited.extend(objects)


def open_push(context: Context, *, mark: int, linger: float) -> Socket:
    """A PUSH socket that keeps at most `mark` messages for a peer that is away."""
    return _open(context, zmq.PUSH, linger, SNDHWM=mark, SNDBUF=SEND_BUFFER)


def open_xpub(context: Context, *, mark: int, linger: float) -> Socket:
    """A PUB socket that sees subscriptions, and says when it would drop instead of dropping."""
    return _open(context, zmq.XPUB, linger, SNDHWM=mark, XPUB_NODROP=1)


def open_feed(context: Context, *, mark: int) -> Socket:
    """A PUB socket that sees subscriptions, each of them; a slow subscriber loses its own."""
    return _open(context, zmq.XPUB, 0.0, SNDHWM=mark, XPUB_VERBOSER=1)


def open_sub(context: Context) -> Socket:
    """A SUB socket that is subscribed to everything."""
    sub = _open(context, zmq.SUB, 0.0, RCVHWM=100_000, MAXMSGSIZE=LARGEST_MESSAGE)
    sub.subscribe(b"")
    return sub


def _open(context: Context, kind: int, linger: float, **options: int) -> Socket:
    # A context of asyncio makes plain ones when it is told to; one of gevent must not be told.
    usual = getattr(context, "_socket_class", None)
    plain = zmq.Socket if isinstance(usual, type) and _is_async(usual) else None
    opened: Socket = context.socket(kind, socket_class=plain)
    opened.setsockopt(zmq.LINGER, int(linger * 1000))
    for name, value in options.items():
        opened.setsockopt(getattr(zmq, name), value)
    return opened


def connect(opened: Socket, address: str) -> None:
    """Raises `ConfigurationError` for an address that cannot be connected to."""
    try:
        opened.connect(address)
    except zmq.ZMQError as error:
        opened.close(0)
        raise ConfigurationError(
            f"{address!r}: {error}", hint='Use one such as "tcp://localhost:5557"'
        ) from None


def bind(opened: Socket, address: str) -> str:
    """Bind; returns the address with its real port.

    Raises:
        OSError: another program has it, or it is no address of this machine.
    """
    try:
        opened.bind(address)
    except zmq.ZMQError as error:
        raise OSError(error.errno, f"{address}: {error.strerror}") from None
    return endpoint_of(opened) or address


def unbind(opened: Socket, address: str) -> None:
    """Let nobody in any more, and nothing: what is queued stays."""
    with contextlib.suppress(zmq.ZMQError):
        opened.unbind(address)


def endpoint_of(opened: Socket) -> str:
    """Where the socket was bound or connected to last; empty when nowhere."""
    return bytes(opened.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()


def send(opened: Socket, message: bytes | list[bytes]) -> bool:
    """Hand a message to the socket's queue; False, at once, when there is no room."""
    try:
        if isinstance(message, bytes):
            opened.send(message, zmq.NOBLOCK)
        else:
            opened.send_multipart(message, zmq.NOBLOCK)
    except zmq.Again:
        return False
    return True


def receive(opened: Socket, most: int = 500) -> list[bytes | list[bytes]]:
    """What has come, at most `most` messages: bytes, or a list for a message of several parts."""
    messages: list[bytes | list[bytes]] = []
    take, has_more = opened.recv, opened.getsockopt
    with contextlib.suppress(zmq.Again):
        for _ in range(most):
            first = take(zmq.NOBLOCK)
            messages.append([first, *opened.recv_multipart(zmq.NOBLOCK)] if has_more(zmq.RCVMORE) else first)
    return messages


def wait_writable(opened: Socket, timeout: float) -> bool:
    """Wait at most `timeout` seconds for room."""
    return bool(opened.poll(int(timeout * 1000), zmq.POLLOUT))


def wait_readable(timeout: float, *sockets: Socket) -> None:
    """Wait at most `timeout` seconds for a message on any of these."""
    poller = zmq.Poller()
    for opened in sockets:
        poller.register(opened, zmq.POLLIN)
    poller.poll(int(timeout * 1000))


def close_within(timeout: float, opened: Socket, context: Context | None) -> bool:
    """Close, and wait at most `timeout` seconds until what is queued is sent; False when it may not be.

    Args:
        context: the socket's own context, which ends with it; None for one that others use too.
    """
    begin, linger = time.monotonic(), int(timeout * 1000)
    opened.close(linger)
    if context is not None:
        context.term()
    return context is None or time.monotonic() - begin < (linger - 1) / 1000
