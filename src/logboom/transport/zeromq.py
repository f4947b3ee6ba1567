"""ZeroMQ: contexts, sockets, their limits and their end. The only import of `zmq`.

Owns: socket options, addresses, the bounded end of sockets and contexts, the list of a server's connections.
Never knows: records, logging.

Every socket has its `LINGER`, buffers and high-water mark set here. PUSH has no acknowledgement: what is
in buffers when a server is killed is lost, so buffers are small (measured: about a hundred lines).
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Final

try:
    import zmq
except ImportError as error:
    raise ImportError(
        f"ZeroMQ needs a package ({error}): run  pip install logboom[zmq]", name="zmq"
    ) from error

from logboom.errors import ConfigurationError

__all__ = [
    "Connections",
    "Context",
    "Socket",
    "TransportError",
    "bind",
    "check_address",
    "close_within",
    "connect",
    "endpoint_of",
    "is_socket",
    "leave_inherited",
    "make_context",
    "open_pull",
    "open_push",
    "open_sub",
    "open_xpub",
    "receive",
    "send",
    "wait_readable",
    "wait_writable",
]

Context = zmq.Context[zmq.Socket[bytes]]
Socket = zmq.Socket[bytes]
TransportError = zmq.ZMQError

SEND_BUFFER: Final = 4096
RECEIVE_BUFFER: Final = 4096
RECEIVE_MARK: Final = 50
LARGEST_MESSAGE: Final = 64 * 1024 * 1024
_GROWN: Final = 1024 * 1024
_EVENT: Final = struct.Struct("=hi")
_inherited: list[object] = []


def make_context() -> Context:
    """A context of this process's own, with one thread."""
    return zmq.Context(1)


def is_socket(value: object) -> bool:
    """Whether it is a ZeroMQ socket."""
    return isinstance(value, zmq.Socket)


def leave_inherited(*objects: object) -> None:
    """In a forked child: keep what is the parent's alive and untouched, so that nothing closes it here."""
    _inherited.extend(objects)


def check_address(address: str, *, context_given: bool = False) -> None:
    """Whether ZeroMQ can connect to `address` here.

    Raises:
        ConfigurationError: it cannot; the hint says what to use.
    """
    scheme, found, rest = str(address).partition("://")
    if not found or not rest or scheme not in ("tcp", "ipc", "inproc"):
        raise ConfigurationError(
            f"{address!r} is not an address of ZeroMQ", hint='Use one such as "tcp://localhost:5557"'
        )
    if scheme == "ipc" and not zmq.has("ipc"):
        raise ConfigurationError(
            f"{address!r}: there is no ipc:// on this system", hint='Use "tcp://127.0.0.1:5557"'
        )
    if scheme == "inproc" and not context_given:
        raise ConfigurationError(
            f"{address!r}: inproc:// connects threads that share a context", hint="Give it with context="
        )
    host, colon, port = rest.rpartition(":")
    if scheme == "tcp" and (not colon or not host or not (port.isdecimal() and 0 < int(port) < 65536)):
        raise ConfigurationError(f"{address!r} has no host and port", hint='Use "tcp://localhost:5557"')


def open_push(context: Context, *, mark: int, linger: float) -> Socket:
    """A PUSH socket that keeps at most `mark` messages for a peer that is away."""
    return _open(context, zmq.PUSH, linger, SNDHWM=mark, SNDBUF=SEND_BUFFER)


def open_xpub(context: Context, *, mark: int, linger: float) -> Socket:
    """A PUB socket that sees subscriptions, and says when it would drop instead of dropping."""
    return _open(context, zmq.XPUB, linger, SNDHWM=mark, XPUB_NODROP=1)


def open_pull(context: Context) -> Socket:
    """A PULL socket that holds little of what its owner has not taken."""
    limits = {"RCVHWM": RECEIVE_MARK, "RCVBUF": RECEIVE_BUFFER, "MAXMSGSIZE": LARGEST_MESSAGE}
    return _open(context, zmq.PULL, 0.0, **limits)


def open_sub(context: Context) -> Socket:
    """A SUB socket that is subscribed to everything."""
    sub = _open(context, zmq.SUB, 0.0, RCVHWM=100_000, MAXMSGSIZE=LARGEST_MESSAGE)
    sub.subscribe(b"")
    return sub


def _open(context: Context, kind: int, linger: float, **options: int) -> Socket:
    opened = context.socket(kind)
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


def close_within(timeout: float, opened: Socket, context: Context | None) -> None:
    """Close, and wait at most `timeout` seconds until what is queued is sent.

    Args:
        context: the socket's own context, which ends with it; None for one that others use too.
    """
    opened.close(int(timeout * 1000))
    if context is not None:
        context.term()


class Connections:
    """The connections of a bound socket, so that a server can end without losing what is on its way.

    Made before the socket is bound. Used by one thread.
    """

    def __init__(self, opened: Socket) -> None:
        self._opened = opened
        self._events = opened.get_monitor_socket(
            zmq.EVENT_ACCEPTED | zmq.EVENT_CLOSED | zmq.EVENT_DISCONNECTED
        )
        self._open: set[int] = set()
        self._ending = False

    def look(self) -> int:
        """Take note of what came and went; returns how many connections are open."""
        for message in receive(self._events):
            kind, descriptor = _EVENT.unpack_from(message[0] if isinstance(message, list) else message)
            if kind != zmq.EVENT_ACCEPTED:
                self._open.discard(descriptor)
                continue
            self._open.add(descriptor)
            if self._ending:
                _half_close(descriptor)
        return len(self._open)

    def widen(self) -> None:
        """Let peers that wait for room write what they have begun."""
        self.look()
        for descriptor in self._open:
            _borrow(descriptor, lambda peer: peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _GROWN))

    def end(self) -> None:
        """Tell all peers, also those that come from now on, to go; what they have sent is still received.

        A peer that reads the end of the stream leaves, and its system delivers what it had written before.
        """
        self.look()
        self._ending = True
        for descriptor in self._open:
            _half_close(descriptor)

    def close(self) -> None:
        """Stop looking; before the socket is closed."""
        self._opened.disable_monitor()
        self._events.close(0)


def _half_close(descriptor: int) -> None:
    _borrow(descriptor, lambda peer: peer.shutdown(socket.SHUT_WR))


def _borrow(descriptor: int, act: Callable[[socket.socket], object]) -> None:
    """ZeroMQ's connection as a socket of Python's, for a moment; quietly not, when it is gone."""
    with contextlib.suppress(OSError):
        with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as peer:
            act(peer)
