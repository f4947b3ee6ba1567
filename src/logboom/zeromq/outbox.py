"""Sending without waiting long, without growing, and without forgetting what was dropped.

Owns: one socket of the process that sends, its renewal after a fork, the wait for room, the count of what
was dropped and when that is said. Never knows: formatting, `logging.Handler`, journals.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from logboom.handlers import lifecycle
from logboom.transport import zeromq

__all__ = ["Drops", "Line", "Outbox"]

Message = bytes | list[bytes]
_CALM: Final = 1.0


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


class Drops:
    """Episodes: each begins with a record without room, and is over when none was dropped for `_CALM` s.

    An episode is said twice: at the first room after it began, with the number until then, and at its end,
    with the rest. So a server that is slow for long does not fill its log with this.

    Attributes:
        total: records dropped in this process.
        open: there is something to say, now or later.
    """

    def __init__(self) -> None:
        self.total = 0
        self.open = False
        self._told = False
        self._before = 0
        self._said = 0
        self._last = 0.0

    def add(self, now: float) -> None:
        """One more, at `now` (monotonic)."""
        if not self.open:
            self.open, self._told, self._before = True, False, self.total
        self.total += 1
        self._last = now

    def due(self, now: float, *, final: bool = False) -> str:
        """What is to be said now, or an empty string; say it, then call `said`."""
        count = self.total - self._before
        if self.open and not self._told:
            return f"{count} records dropped: nobody took them in time"
        if self.open and (final or now - self._last >= _CALM):
            return f"{count - self._said} records dropped since then; that is over, {count} in all"
        return ""

    def said(self) -> None:
        """What `due` returned is on its way."""
        self._said = self.total - self._before
        self.open, self._told = not self._told, True

    def unsaid(self) -> int:
        """How many nobody has heard of."""
        return self.total - self._before - (self._said if self._told else 0) if self.open else 0


class Outbox:
    """A bounded queue towards a peer, for any number of threads.

    Args:
        connect: makes the socket; it gets True in a forked child.
        block_timeout: seconds that `send` waits for room; once, until there was room again.
        close_timeout: seconds that the end of the program waits until everything is sent.
        mark: messages that the socket keeps for a peer that is away.
        notice: makes a message of a sentence.

    Attributes:
        line: the socket of this process, or None before its first message.
        lock: held while the socket is used.
        drops: what found no room.
        unsent: at most so many records were still queued when the time to send them was over.
    """

    def __init__(
        self,
        connect: Callable[[bool], Line],
        *,
        block_timeout: float,
        close_timeout: float,
        mark: int,
        notice: Callable[[str], Message],
    ) -> None:
        self._connect = connect
        self._block_timeout = block_timeout
        self._mark = mark
        self._notice = notice
        self.close_timeout = close_timeout
        self.drops = Drops()
        self._pid = self._first_pid = os.getpid()
        self.lock = threading.RLock()
        self._registered = False
        self._waited = False
        self._queued = 0
        self.unsent = 0
        self.line: Line | None = connect(False)

    def open(self) -> Line:
        """The socket of this process."""
        if self._pid != os.getpid():
            self.forget()
        line = self.line
        if line is None or line.socket.closed:
            line = self.line = self._connect(self._pid != self._first_pid)
        return line

    def send(self, message: Message) -> bool:
        """Queue a message; False when it was dropped, after at most one wait of `block_timeout`.

        Raises:
            TransportError: the socket cannot send at all.
        """
        if self._pid != os.getpid():
            self.forget()
        with self.lock:
            line = self.line
            if line is None or not self._registered:
                line = self._begin()
            if self.drops.open:
                self._say(line.socket)
            if zeromq.send(line.socket, message) or (
                self._wait(line.socket) and zeromq.send(line.socket, message)
            ):
                self._waited = False
                self._queued += 1
                return True
            self.drops.add(time.monotonic())
            return False

    def _begin(self) -> Line:
        """The first message of this process, or after `wait`."""
        line = self.open()
        self._registered = True
        lifecycle.register(self)
        lifecycle.register_process()
        return line

    def _wait(self, opened: zeromq.Socket) -> bool:
        if self._waited:
            return False
        self._waited = True
        return zeromq.wait_writable(opened, self._block_timeout)

    def _say(self, opened: zeromq.Socket, *, final: bool = False) -> bool:
        sentence = self.drops.due(time.monotonic(), final=final)
        if sentence and zeromq.send(opened, self._notice(sentence)):
            self.drops.said()
            return True
        return False

    # -- forks and the end ---------------------------------------------------------------------------

    def forget(self) -> None:
        """In a forked child: the socket, its context and their threads are the parent's. Takes no lock."""
        if self._pid == os.getpid():
            return
        if self.line is not None:
            zeromq.leave_inherited(self.line)
        self.line = None
        self._pid = os.getpid()
        self.lock = threading.RLock()
        self._registered = False
        self._waited = False
        self._queued = self.unsent = 0
        self.drops = Drops()

    def wait(self, deadline: float) -> bool:
        """Wait until all that was queued is sent; the next message opens another socket."""
        if self._pid != os.getpid():
            return True
        deadline = lifecycle.budget(deadline)
        if not self.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        try:
            line = self.line
            if line is None or line.socket.closed:
                return True
            while self._say(line.socket, final=True):
                pass
            if not line.foreign:
                self.line, self._registered = None, False
                queued, self._queued = self._queued, 0
                if not zeromq.close_within(max(0.0, deadline - time.monotonic()), line.socket, line.context):
                    self._leave(min(queued, self._mark))
        finally:
            self.lock.release()
        return True

    def _leave(self, count: int) -> None:
        self.unsent += count
        if count and sys.stderr is not None:
            sys.stderr.write(f"logboom: at most {count} records were not sent: nobody took them in time\n")

    def close(self) -> None:
        """`wait`, at most `close_timeout`; a message after it is sent as well."""
        lifecycle.unregister(self)
        self.wait(time.monotonic() + self.close_timeout)
        unsaid = self.drops.unsaid()
        if unsaid and sys.stderr is not None:
            sys.stderr.write(f"logboom: {unsaid} records dropped: nobody took them in time\n")
            self.drops = Drops()
