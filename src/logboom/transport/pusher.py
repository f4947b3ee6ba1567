"""One connection to a PULL socket, by somebody who must know what went out.

Owns: the socket, its buffers, deadlines, how far the bytes of one batch have come. Never knows: records,
what is done when nothing goes out.

ZeroMQ's own PUSH socket sends from memory of its own and never says how much of it is left; when the
process dies that is gone. Here a batch is done when the system has it, which sends it on whatever becomes of
this process. The system's buffer is small: it is what a peer that dies takes with it.
"""

from __future__ import annotations

import socket
import time
from typing import Final

from logboom.transport import endpoints, zmtp

__all__ = ["Pusher"]

_SEND_BUFFER: Final = 4096


class Pusher:
    """Sends batches of frames to `address`, one after the other, each to its end. For one thread.

    Args:
        address: `tcp://host:port` or `ipc://path`.
        timeout: seconds that connecting, and each step forward, may take.
    """

    def __init__(self, address: str, timeout: float = 1.0) -> None:
        self.address = address
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._state = zmtp.Peer("PUSH")
        self._batch: bytes | None = None
        self._sent = 0

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def push(self, batch: bytes) -> None:
        """Bring the frames of `batch` to the peer; called again with the same, it goes on where it was.

        Raises:
            OSError: the peer is away, or takes nothing in time.
            PeerError: it is something else than a PULL socket.
        """
        if batch != self._batch:
            self._batch, self._sent = batch, 0
        try:
            self.look()
            while self._sent < len(batch):
                self._connect()
                self._write(batch)
        except zmtp.PeerError:
            self.close()
            raise
        self._batch = None

    def look(self) -> None:
        """Take what the peer has said; a peer that is leaving is let go."""
        if self._socket is not None:
            try:
                self._read(0.0)
            except (OSError, zmtp.PeerError):
                self._lose()

    def close(self) -> None:
        """End the connection; what was written still arrives."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # -- the connection ------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._socket is not None:
            return
        deadline = time.monotonic() + self._timeout
        self._state = zmtp.Peer("PUSH")
        self._socket = endpoints.dial(self.address, self._timeout, _SEND_BUFFER)
        try:
            self._socket.sendall(zmtp.GREETING)
            while not self._state.ready:
                self._read(deadline - time.monotonic())
                if time.monotonic() >= deadline:
                    raise TimeoutError("it does not answer")
        except BaseException:
            self.close()
            raise

    def _read(self, timeout: float) -> None:
        """Take what comes within `timeout` seconds, and answer it."""
        peer = self._socket
        if peer is None:
            return
        peer.settimeout(max(0.0, timeout))
        try:
            data = peer.recv(4096)
        except (BlockingIOError, TimeoutError):
            return
        finally:
            peer.settimeout(self._timeout)
        if not data:
            raise ConnectionResetError("it has left")
        if self._state.receive(data):
            raise zmtp.PeerError("it sends messages: it is no PULL socket")
        answer = self._state.answer()
        if answer:
            peer.sendall(answer)

    def _lose(self) -> None:
        """The peer has gone: what was written to its last whole frame counts as sent."""
        self.close()
        if self._batch is not None:
            self._sent = zmtp.boundary(self._batch, self._sent)

    # -- a batch -------------------------------------------------------------------------------------

    def _write(self, batch: bytes) -> None:
        """Write the rest of the batch, until the connection ends.

        Raises:
            TimeoutError: nothing went out in time; what did is remembered.
        """
        peer = self._socket
        rest = memoryview(batch)
        try:
            while peer is not None and self._sent < len(batch):
                self._sent += peer.send(rest[self._sent :])
        except TimeoutError:
            raise TimeoutError("it takes nothing") from None
        except OSError:
            self._lose()
