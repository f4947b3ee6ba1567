"""The way without a disk: records wait in memory until a thread has sent them.

Owns: the sender of this process, its renewal after a fork, the wait for room, the count of what was dropped
and when that is said. Never knows: formatting, `logging.Handler`, sockets.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

from logboom.handlers import lifecycle
from logboom.transport.sender import Sender
from logboom.zeromq.outbox import Drops, Outbox

__all__ = ["Direct"]

_WHY: Final = "nobody took them in time"


class Direct:
    """A bounded queue towards a server, for any number of threads.

    Args:
        address: `tcp://` or `ipc://`.
        mark: messages that wait in memory at most.
        block_timeout: seconds that `send` waits for room; once, until there was room again.
        close_timeout: seconds that the end of the program waits until everything is sent.
        notice: makes a message of a sentence.
        through_zeromq: makes what sends without a thread of Python's, for a child that was forked behind its
            back: there the interpreter's own locks may wait for threads that are not there.

    Attributes:
        drops: what found no room.
        unsent: at most so many messages were in memory when the time to send them was over.
    """

    def __init__(
        self,
        address: str,
        *,
        mark: int,
        block_timeout: float,
        close_timeout: float,
        notice: Callable[[str], bytes],
        through_zeromq: Callable[[], Outbox],
    ) -> None:
        self._address = address
        self._mark = mark
        self._block_timeout = block_timeout
        self._notice = notice
        self.through_zeromq = through_zeromq
        self._zeromq: Outbox | None = None
        self.close_timeout = close_timeout
        self.drops = Drops()
        self.unsent = 0
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._waited = False
        self._sender: Sender | None = None
        self._finalizer: weakref.finalize[..., Direct] | None = None

    def send(self, message: bytes) -> bool:
        """Queue a message; False when it was dropped, after at most one wait of `block_timeout`."""
        if self._pid != os.getpid():
            return self._send_instead(message)
        with self._lock:
            sender = self._sender or self._begin()
            if self.drops.open:
                self._say(sender)
            if sender.accepted - sender.sent < self._mark or self._wait(sender):
                sender.put(message)
                self._waited = False
                return True
            self.drops.add(time.monotonic())
            return False

    def _send_instead(self, message: bytes) -> bool:
        if self._zeromq is None:
            self.forget()
            self._pid, self._zeromq = 0, self.through_zeromq()
            self.drops = self._zeromq.drops
        return self._zeromq.send(message)

    def _begin(self) -> Sender:
        """The first message of this process, or after `close`."""
        # A thread that is started while the interpreter ends may never run.
        sender = Sender(self._address, alone=lifecycle.ending() or sys.is_finalizing())
        if self._sender is None:  # a signal handler that logs may have come between
            self._sender = sender
            self._finalizer = weakref.finalize(self, sender.finish)
            self._finalizer.atexit = False
            lifecycle.register(self)
            lifecycle.register_process()
        else:
            sender.finish()
        return self._sender

    def _wait(self, sender: Sender) -> bool:
        if self._waited:
            return False
        self._waited = True
        return sender.drain(time.monotonic() + self._block_timeout, self._mark)

    def _say(self, sender: Sender, *, final: bool = False) -> bool:
        sentence = self.drops.due(time.monotonic(), final=final)
        if sentence and sender.accepted - sender.sent < self._mark:
            sender.put(self._notice(sentence))
            self.drops.said()
            return True
        return False

    # -- forks and the end ---------------------------------------------------------------------------

    def forget(self) -> None:
        """In a forked child: thread, connection and what is queued are the parent's. Takes no lock."""
        if self._pid == os.getpid() or self._zeromq is not None:
            return
        if self._sender is not None:
            self._sender.abandon()
        self._sender = None
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._waited = False
        self.unsent = 0
        self.drops = Drops()

    def wait(self, deadline: float) -> bool:
        """Wait until all that was queued is sent; what is not, at the end of the program, is said."""
        if self._pid != os.getpid():
            return True
        deadline = lifecycle.budget(deadline)
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        try:
            sender = self._sender
            if sender is None:
                return True
            while self._say(sender, final=True):
                pass
        finally:
            self._lock.release()
        if sender.drain(deadline):
            return True
        if lifecycle.ending():
            self._end(sender)
        return False

    def _end(self, sender: Sender) -> None:
        """The sender's last moment; a message after it has another one."""
        late = sender.accepted > sender.sent
        if late:
            sender.stop()
        with self._lock:
            if self._sender is not sender:
                return
            self._sender = None
        if self._finalizer is not None:
            self._finalizer.detach()
        if not late:
            sender.finish()
        elif count := sender.accepted - sender.sent:
            self.unsent += count
            if sys.stderr is not None:
                sys.stderr.write(f"logboom: at most {count} records were not sent: {_WHY}\n")

    def close(self) -> None:
        """`wait`, at most `close_timeout`; a message after it is sent as well."""
        if self._zeromq is not None:
            self._zeromq.close()
            return
        lifecycle.unregister(self)
        self.wait(time.monotonic() + self.close_timeout)
        if self._pid == os.getpid() and self._sender is not None:
            self._end(self._sender)
        unsaid = self.drops.unsaid()
        if unsaid and sys.stderr is not None:
            sys.stderr.write(f"logboom: {unsaid} records dropped: {_WHY}\n")
            self.drops = Drops()
