"""The sink `push`: records as messages to a ZeroMQ PULL socket, over a connection that knows what went out.

ZeroMQ's own PUSH socket sends from memory of its own and never says how much of it is left; when the process
dies that is gone. Here a batch is done when the peer has read it: a heartbeat follows each batch, and its
answer comes back behind all that was sent before. (A peer of an older protocol has no heartbeats; a batch is
done then when the system has it, which sends it on whatever becomes of this process.) So what a dead peer
takes with it is one batch, and a step that was interrupted is sent again by the next collector.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from logboom.errors import LogboomError, SinkError
from logboom.journal.target import Server
from logboom.platform.failpoints import reach
from logboom.sinks.base import Batch, Outcome, Sink, Step
from logboom.wire import endpoints, zmtp

__all__ = ["MOST", "PushSink", "Pusher", "takes_messages"]


MOST: Final = 100
_MOST_BYTES: Final = 64 * 1024
_USUAL: Final = 1.0
_BRIEF: Final = 0.05


def _message(batch: Batch, number: int, line: bytes) -> bytes:
    """A line, with what is known of its record."""
    if not batch.rows:
        return zmtp.frame(line)
    created, context, level, logger, *values = batch.rows[number]
    known = batch.context(batch.streams[number], context)
    fields = {} if known is None else dict(zip(known.columns, values, strict=False))
    for said in ("message", "text", "asctime", "levelname", "msecs"):  # the line has it, or time and level
        fields.pop(said, None)
    return zmtp.record(line, created, level, logger, fields)


class PushSink(Sink):
    """One address."""

    again = True

    def __init__(self, server: Server, note: Callable[[str], None] = lambda text: None) -> None:
        """Connects with the first record."""
        self._address = server.address
        self._pusher = Pusher(server.address, _USUAL)

    def plan(self, batch: Batch, now: float) -> Step:
        """See `Sink.plan`."""
        frames: list[bytes] = []
        size = 0
        for number, line in enumerate(batch.lines[:MOST]):
            frames.append(_message(batch, number, line))
            size += len(frames[-1])
            if size >= _MOST_BYTES:
                break
        return Step("push", len(frames), b"".join(frames))

    def apply(self, step: Step) -> Outcome:
        """See `Sink.apply`."""
        return self.recover(step)

    def recover(self, step: Step) -> Outcome:
        """See `Sink.recover`; in the process that began the step it goes on where that stopped.

        One that takes nothing is waited for once; then it is only asked: other targets wait meanwhile.
        """
        try:
            self._pusher.push(step.data)
        except (OSError, LogboomError) as error:
            self._pusher.patience = _BRIEF
            raise SinkError(getattr(error, "strerror", None) or str(error)) from None
        self._pusher.patience = _USUAL
        reach("push.sent")
        return Outcome()

    def upkeep(self, now: float) -> Step | None:
        """Let go of a peer that is leaving: it waits for that."""
        self._pusher.look()
        return None

    def status(self) -> dict[str, Any]:
        """See `Sink.status`."""
        return {"path": self._address, "connected": self._pusher.connected}

    def close(self) -> None:
        """See `Sink.close`."""
        self._pusher.close()


_SEND_BUFFER: Final = 4096


class Pusher:
    """Sends batches of frames to `address`, one after the other, each to its end. For one thread.

    Args:
        address: `tcp://host:port` or `ipc://path`.
        timeout: seconds that connecting, and each step forward, may take.

    Attributes:
        patience: seconds that a step may take from now on, where that is less. What was begun goes on with
            the next `push`, a handshake as well, unless that takes longer than `timeout` in all.
    """

    def __init__(self, address: str, timeout: float = 1.0) -> None:
        self.address = address
        self._timeout = self.patience = timeout
        self._began = 0.0
        self._socket: socket.socket | None = None
        self._state = zmtp.Peer("PUSH")
        self._pings = 0
        self._asks = False
        self._batch: bytes | None = None
        self._done = 0  # messages of the batch that earlier connections have taken
        self._data: bytes | None = None
        self._sent = 0

    @property
    def connected(self) -> bool:
        return self._socket is not None and self._state.ready

    def push(self, batch: bytes) -> None:
        """Bring the frames of `batch` to the peer; called again with the same, it goes on where it was.

        What was written to a peer that has left meanwhile counts as sent, to its last whole frame: one that
        leaves in the regular way reads it.

        Raises:
            OSError: the peer is away, or takes nothing in time.
            PeerError: it is something else than a PULL socket.
        """
        if batch != self._batch:
            self._batch, self._done, self._data, self._sent = batch, 0, None, 0
        try:
            self.look()
            while self._data is None or self._sent < len(self._data):
                if self._data is None:
                    rest = self._rest(batch)
                    if self._done and not rest:
                        break
                    self._connect()
                    if not self._state.takes_records:
                        rest = b"".join(map(zmtp.line_alone, zmtp.messages(rest)))
                    self._asks = self._state.answers
                    self._data = rest + zmtp.PING if self._asks else rest
                self._write()
            self._await_answer()
        except zmtp.PeerError:
            self.close()
            raise
        self._batch = None

    def _rest(self, batch: bytes) -> bytes:
        """What no connection has taken yet."""
        return b"".join(list(zmtp.messages(batch))[self._done :]) if self._done else batch

    def look(self) -> None:
        """Take what the peer has said; a peer that is leaving is let go."""
        if self._socket is not None:
            try:
                self._read(0.0)
            except (OSError, zmtp.PeerError):
                self._lose()

    def close(self) -> None:
        """End the connection; what was written still arrives."""
        peer, self._socket = self._socket, None
        if peer is not None:
            with contextlib.suppress(OSError):
                # A forked child may have the connection as well; and a socket that is closed with something
                # unread in it takes back what it has written.
                peer.shutdown(socket.SHUT_WR)
                peer.recv(64 * 1024)
            peer.close()

    def abandon(self) -> None:
        """In a forked child: close our copy; the parent goes on."""
        peer, self._socket = self._socket, None
        if peer is not None:
            peer.close()

    # -- the connection ------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._socket is None:
            self._state, self._pings = zmtp.Peer("PUSH"), 0
            self._socket = endpoints.dial(self.address, self._timeout, _SEND_BUFFER)
            self._began = time.monotonic()
            self._greet(self._socket)
        deadline = time.monotonic() + self.patience
        while not self._state.ready:
            try:
                self._read(deadline - time.monotonic())
            except BaseException:
                self.close()
                raise
            now = time.monotonic()
            if not self._state.ready and now >= deadline:
                if now - self._began >= self._timeout:
                    self.close()
                raise TimeoutError("it does not answer")

    def _greet(self, peer: socket.socket) -> None:
        try:
            peer.setblocking(False)
            peer.send(zmtp.GREETING)
        except BaseException:
            self.close()
            raise

    def _read(self, timeout: float) -> None:
        """Take what comes within `timeout` seconds, and answer it."""
        peer = self._socket
        if peer is None or (timeout and not endpoints.wait(timeout, reading=(peer,))):
            return
        with contextlib.suppress(BlockingIOError):
            data = peer.recv(4096)
            if not data:
                raise ConnectionResetError("it has left")
            if self._state.receive(data):
                raise zmtp.PeerError("it sends messages: it is no PULL socket")
        batch, sent = self._data, self._sent
        if not batch or sent in (0, len(batch)) or sent == zmtp.boundary(batch, sent):
            self._answer(peer)

    def _answer(self, peer: socket.socket) -> None:
        """A few bytes, between two messages, and whole."""
        rest = memoryview(self._state.answer())
        while rest:
            if not endpoints.wait(self._timeout, writing=(peer,)):
                raise TimeoutError("it takes nothing")
            rest = rest[peer.send(rest) :]

    def _lose(self) -> None:
        """The peer has gone: what was written to its last whole frame counts as sent."""
        self.close()
        if self._batch is not None and self._data is not None:
            total = sum(1 for _ in zmtp.messages(self._batch))
            # The heartbeat behind the last one is no message of the batch.
            self._done = min(total, self._done + sum(1 for _ in zmtp.messages(self._data[: self._sent])))
            self._data, self._sent = None, 0

    # -- a batch -------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Write the rest of the batch, until the connection ends.

        Raises:
            TimeoutError: nothing went out in time; what did is remembered.
        """
        data = self._data or b""
        peer, total = self._socket, len(data)
        rest = memoryview(data)
        try:
            while peer is not None and self._sent < total:
                try:
                    self._sent += peer.send(rest[self._sent :])
                except BlockingIOError:
                    if not endpoints.wait(self.patience, writing=(peer,)):
                        break
        except OSError:
            self._lose()
            return
        if self._sent < total:
            raise TimeoutError("it takes nothing")
        self._pings += self._asks and self._state.answers

    def _await_answer(self) -> None:
        """Until the peer has read the batch, or has gone.

        Raises:
            TimeoutError: it has not in time.
        """
        deadline = time.monotonic() + self.patience
        while self._socket is not None and self._state.pongs < self._pings:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("it does not answer")
            try:
                self._read(left)
            except OSError:
                self._lose()


def takes_messages(address: str) -> bool:
    """False when somebody is there and it is no PULL socket; at most a second or two."""
    pusher = Pusher(address)
    try:
        pusher.push(b"")
    except zmtp.PeerError:
        return False
    except OSError:
        return True
    finally:
        pusher.close()
    return True
