"""The way over a socket of ZeroMQ's, which sends from memory of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from logboom.contrib.waiting import Waiting
from logboom.platform.process import this_process
from logboom.producer import lifecycle
from logboom.wire import pyzmq as zeromq

__all__ = ["Line", "Outbox"]

Message = bytes | list[bytes]
_CROWDED: Final = 1.0


class Line(NamedTuple):
    """A socket that sends.

    Attributes:
        socket: where messages go.
        context: its context, where that ends with it.
        foreign: somebody gave it to us, and closes it.
    """

    socket: zeromq.Socket
    context: zeromq.Context | None
    foreign: bool = False


class Outbox(Waiting):
    """A queue that is ZeroMQ's.

    Args:
        connect: makes the socket; it gets True in a forked child.
        block_timeout, close_timeout: see `Waiting`.
        mark: messages that the socket keeps for a peer that is away.
        notice: makes a message of a sentence.
        lasting: only the end of the program, or `close`, ends the socket: whom it is connected to would
            have to be found again.

    Attributes:
        line: the socket of this process, or None before its first message.
    """

    def __init__(
        self,
        connect: Callable[[bool], Line],
        *,
        block_timeout: float,
        close_timeout: float,
        mark: int,
        notice: Callable[[str], Message],
        lasting: bool = False,
    ) -> None:
        self._connect = connect
        self._mark = mark
        self._notice = notice
        self._lasting = lasting
        self._first_mark = this_process.mark()
        self._registered = False
        self._queued = 0
        self.line: Line | None = connect(False)
        super().__init__(block_timeout, close_timeout)

    def open(self) -> Line:
        """The socket of this process."""
        if not self._process[0]:
            self.forget()
        line = self.line
        if line is None or line.socket.closed:
            line = self.line = self._connect(not self._first_mark[0])
        return line

    def send(self, message: Message) -> bool:
        """See `Waiting.send`.

        Raises:
            TransportError: the socket cannot send at all.
        """
        if not self._process[0]:
            self.forget()
        if self.lock.acquire(blocking=False):
            return self._send(message, self._block_timeout)
        begin = time.monotonic()
        # Where nobody waits for room, the others are short; but they may be many.
        if self.lock.acquire(timeout=max(self._block_timeout, _CROWDED)):
            return self._send(message, max(0.0, begin + self._block_timeout - time.monotonic()))
        return self._drop()

    def _send(self, message: Message, timeout: float) -> bool:
        """With the lock, which it gives back."""
        try:
            line = self.line
            if line is None or not self._registered:
                line = self._begin()
            if self.drops.open:
                self._say(line.socket)
            if zeromq.send(line.socket, message) or (
                self._wait(line.socket, timeout) and zeromq.send(line.socket, message)
            ):
                self._waited = False
                self._queued += 1
                return True
            return self._drop()
        finally:
            self.lock.release()

    def _begin(self) -> Line:
        """The first message of this process, or after `wait`."""
        line = self.open()
        self._registered = True
        lifecycle.register(self)
        lifecycle.register_process()
        return line

    def _wait(self, opened: zeromq.Socket, timeout: float) -> bool:
        if self._waited:
            return False
        self._waited = True
        return zeromq.wait_writable(opened, timeout)

    def _say(self, opened: zeromq.Socket, *, final: bool = False) -> bool:
        sentence = self.drops.due(time.monotonic(), final=final)
        if sentence and zeromq.send(opened, self._notice(sentence)):
            self.drops.said()
            return True
        return False

    # -- forks and the end ---------------------------------------------------------------------------

    def _let_go(self) -> None:
        if self.line is not None:
            zeromq.leave_inherited(self.line)
        self.line = None
        self._registered = False
        self._queued = 0

    def wait(self, deadline: float) -> bool:
        """See `Waiting.wait`; the next message opens another socket, unless it is a lasting one."""
        return self._wait_until(lifecycle.budget(deadline), ending=not self._lasting or lifecycle.ending())

    def _wait_until(self, deadline: float, *, ending: bool) -> bool:
        if not self._process[0]:
            return True
        if not self.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        try:
            line = self.line
            if line is None or line.socket.closed:
                return True
            while self._say(line.socket, final=True):
                pass
            if ending and not line.foreign:
                self.line, self._registered = None, False
                queued, self._queued = self._queued, 0
                if not zeromq.close_within(max(0.0, deadline - time.monotonic()), line.socket, line.context):
                    self._leave(min(queued, self._mark))
        finally:
            self.lock.release()
        return True

    def _end(self) -> None:
        if self._lasting:
            self._wait_until(lifecycle.budget(time.monotonic() + self.close_timeout), ending=True)
