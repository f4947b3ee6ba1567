"""A PULL socket that can end without losing anything.

What a process that is killed takes with it is what its connections hold: of each at most `_CHUNK` bytes that
were read, and the system's small buffers.

Messages that are half there take memory. Each connection has `_FREE` bytes for that; what is longer takes its
whole length from one budget for all, or waits, unread, until there is room. So a message that was begun can
always be finished, and a thousand peers that stop in the middle hold up no short one. Where others wait, a
message that takes too long loses its connection.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from logboom.wire import endpoints, zmtp

__all__ = ["Puller"]

_RECEIVE_BUFFER: Final = 4096
_CHUNK: Final = 4096
_CHUNKS: Final = 4  # of one connection, before others have their turn
_PATIENCE: Final = 0.5
_GLANCE: Final = 0.01
_MOST_PEERS: Final = 1000
_AGAIN: Final = 0.1
_CALM: Final = 10.0
_HANDSHAKE: Final = 10.0
_FREE: Final = 8 * 1024
_BUDGET: Final = 16 * 1024 * 1024
_HURRY: Final = 10.0  # seconds to finish a message for which others wait, and more for a long one:
_SLOWEST: Final = 100_000.0  # bytes a second
_FULL: Final = f"{_MOST_PEERS:,} connections are open: no more are taken until some have ended"


class _Connection:
    def __init__(self, peer: socket.socket, largest: int, *, records: bool) -> None:
        self.socket = peer
        self.state = zmtp.Peer("PULL", largest, records=records)
        self.told = False
        self.since = time.monotonic()
        self.more = False  # the last read was full
        self.granted = 0  # bytes of the budget
        self.until = 0.0
        self.waits = False  # for its part of the budget


class Puller:
    """Listens at once. For one thread.

    Args:
        address: `tcp://host:port` or `ipc://path`; `*` stands for every host, or any free port.
        take: called with the messages of one read, in order; when it returns, they are its own.
        largest: bytes; of a longer message only the beginning is kept.
        warn: takes a sentence when nobody can be let in.
        records: ask peers for what is known of each line's record (`zmtp.own_record`).

    Attributes:
        address: with the real port.
        strangers: connections that were no PUSH socket.

    Raises:
        OSError: another program has the address, or it is none of this machine.
    """

    def __init__(
        self,
        address: str,
        take: Callable[[list[zmtp.Message]], None],
        largest: int,
        warn: Callable[[str], None] | None = None,
        *,
        records: bool = False,
    ) -> None:
        self._listener, self.address = endpoints.listen(address, _RECEIVE_BUFFER)
        self._name = endpoints.inode(self.address)
        self._take = take
        self._largest = largest
        self._records = records
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._connections: set[_Connection] = set()
        self._strange: deque[_Connection] = deque()
        self._warn = warn or (lambda sentence: None)
        self._accept_at = 0.0
        self._refused_at = -_CALM
        self.strangers = 0
        self._budget = max(_BUDGET, largest)
        self._granted: dict[_Connection, None] = {}  # the oldest first
        self._waiting: deque[_Connection] = deque()

    def poll(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for something, and take it; False when there was nothing."""
        self._attend(time.monotonic())
        if not self._selector.get_map():  # on Windows a `select` of nothing is an error
            time.sleep(timeout)
            return False
        ready = self._selector.select(timeout)
        for key, _ in ready:
            if isinstance(key.data, _Connection):
                for _ in range(_CHUNKS):
                    if not self._read(key.data) or not key.data.more:
                        break
            else:
                self._accept()
        return bool(ready)

    def end(self, patience: float, longest: float = 10.0) -> None:
        """Take everything that peers have sent or are sending, then let them go.

        Nobody is let in any more. One after the other, each peer is read until it has nothing to say and is
        not in the middle of a message; then it gets the end of the stream, and leaves, and its system
        delivers what it had written.

        Args:
            patience: seconds to wait for peers that say nothing and do not leave.
            longest: seconds to wait for peers that go on and do not leave.
        """
        self._stop_listening()
        begin = time.monotonic()
        for connection in list(self._connections):
            self._read_out(connection, min(begin + patience, time.monotonic() + _PATIENCE))
            connection.told = True
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_WR)
        last = time.monotonic() + longest
        while self._connections and (left := last - time.monotonic()) > 0:
            if not self.poll(min(patience, left)):
                break

    def close(self) -> None:
        """Give up everything at once."""
        self._stop_listening()
        for connection in list(self._connections):
            self._drop(connection)
        self._selector.close()

    # -- connections ---------------------------------------------------------------------------------

    def _stop_listening(self) -> None:
        if self._listener.fileno() >= 0:
            if not self._accept_at:
                self._selector.unregister(self._listener)
            self._accept_at = 0.0
            endpoints.remove_name(self.address, self._name)
            self._listener.close()

    def _attend(self, now: float) -> None:
        """Listen again where that was left for a while; let go of those that do not say what they are."""
        if self._accept_at and now >= self._accept_at and len(self._connections) < _MOST_PEERS:
            self._accept_at = 0.0
            self._selector.register(self._listener, selectors.EVENT_READ)
        while self._strange and now - self._strange[0].since > _HANDSHAKE:
            connection = self._strange.popleft()
            if not connection.state.ready and connection in self._connections:
                self.strangers += 1
                self._drop(connection)
        while self._waiting and (slow := next((one for one in self._granted if now > one.until), None)):
            self._warn(
                "a message did not come to its end in time, and others waited: its connection is closed"
            )
            self._drop(slow)

    def _accept(self) -> None:
        if len(self._connections) >= _MOST_PEERS:
            self._pause(_FULL)
            return
        try:
            peer, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self._pause(f"connections are not taken: {error.strerror}")
            return  # it has gone again
        connection = _Connection(peer, self._largest, records=self._records)
        peer.setblocking(False)
        endpoints.keep_alive(peer)
        self._connections.add(connection)
        self._strange.append(connection)
        self._selector.register(peer, selectors.EVENT_READ, connection)
        self._answer(connection, zmtp.GREETING)

    def _pause(self, reason: str) -> None:
        """Who waits to be let in would wake us at once, again and again. Said once, until it was calm."""
        now = time.monotonic()
        self._selector.unregister(self._listener)
        self._accept_at = now + _AGAIN
        said, self._refused_at = now - self._refused_at < _CALM, now
        if not said:
            self._warn(reason)

    def _read_out(self, connection: _Connection, deadline: float) -> None:
        """Read until nothing comes and no message is half there: then none is half in the peer's memory."""
        while connection in self._connections and time.monotonic() < deadline:
            if not self._read(connection):
                if connection.state.whole:
                    return
                _await_data(connection.socket)

    def _read(self, connection: _Connection) -> bool:
        """Take what a peer has sent; False when there was nothing, or there is no room for it now."""
        if connection.waits:
            return False
        try:
            data = connection.socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        connection.more = len(data) == _CHUNK
        if not data:
            self._drop(connection)
            return True
        try:
            messages = connection.state.receive(data)
        except zmtp.PeerError:
            self.strangers += 1
            self._drop(connection)
            return True
        if messages:
            self._take(messages)
        self._apportion(connection)
        answer = connection.state.answer()
        if answer and not connection.told:
            self._answer(connection, answer)
        return True

    def _apportion(self, connection: _Connection) -> None:
        """Give a message that is half there its part of the budget, or have it wait."""
        claim = connection.state.claim(_FREE)
        if claim == connection.granted or (claim <= _FREE and not connection.granted):
            return
        self._give_back(connection)
        if claim > _FREE and not self._grant(connection, claim):
            connection.waits = True
            self._waiting.append(connection)
            self._selector.unregister(connection.socket)

    def _grant(self, connection: _Connection, claim: int) -> bool:
        if claim > self._budget:
            return False
        self._budget -= claim
        connection.granted = claim
        connection.until = time.monotonic() + _HURRY + claim / _SLOWEST
        self._granted[connection] = None
        return True

    def _give_back(self, connection: _Connection) -> None:
        self._budget += connection.granted
        connection.granted = 0
        self._granted.pop(connection, None)
        while self._waiting and self._grant(self._waiting[0], self._waiting[0].state.claim(_FREE)):
            first = self._waiting.popleft()
            first.waits = False
            self._selector.register(first.socket, selectors.EVENT_READ, first)

    def _answer(self, connection: _Connection, data: bytes) -> None:
        """A few bytes at a time, which always find room in the system's buffer; who reads none is let go."""
        try:
            sent = connection.socket.send(data)
        except OSError:
            sent = 0
        if sent < len(data):
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            if connection.waits:
                self._waiting.remove(connection)
            else:
                self._selector.unregister(connection.socket)
            connection.socket.close()
            self._give_back(connection)


def _await_data(peer: socket.socket) -> None:
    """Wait at most `_GLANCE` seconds for something to read."""
    peer.settimeout(_GLANCE)
    with contextlib.suppress(OSError):
        peer.recv(1, socket.MSG_PEEK)
    peer.setblocking(False)
