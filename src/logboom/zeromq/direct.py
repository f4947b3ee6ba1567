"""The way without a disk: records wait in memory until a thread has sent them.

Owns: the sender of this process, the wait for room. Never knows: formatting, `logging.Handler`, sockets.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Callable

from logboom.producer import lifecycle
from logboom.zeromq.outbox import Outbox
from logboom.zeromq.sender import Sender
from logboom.zeromq.waiting import Waiting

__all__ = ["Direct"]


class Direct(Waiting):
    """A queue in front of a thread that sends.

    Args:
        address: `tcp://` or `ipc://`.
        mark: messages that wait in memory at most.
        block_timeout, close_timeout: see `Waiting`.
        notice: makes a message of a sentence.
        through_zeromq: makes what sends without a thread of Python's, for a child that was forked behind its
            back: there the interpreter's own locks may wait for threads that are not there.
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
        self._notice = notice
        self.through_zeromq = through_zeromq
        self._zeromq: Outbox | None = None
        self._sender: Sender | None = None
        self._finalizer: weakref.finalize[..., Direct] | None = None
        super().__init__(block_timeout, close_timeout)

    def send(self, message: bytes) -> bool:
        """See `Waiting.send`."""
        if not self._process[0]:
            return self._send_instead(message)
        with self.lock:
            sender = self._sender or self._begin()
            if self.drops.open:
                self._say(sender)
            if sender.accepted - sender.sent < self._mark:
                sender.put(message)
                self._waited = False
                return True
        return self._send_late(message)

    def _send_late(self, message: bytes) -> bool:
        """Wait for room without the lock: each thread waits its own time, not the others' as well."""
        deadline = time.monotonic() + self._block_timeout
        while not self._waited:
            sender = self._sender
            room = sender is None or sender.drain(deadline, self._mark)
            with self.lock:
                current = self._sender or self._begin()
                if current.accepted - current.sent < self._mark:
                    current.put(message)
                    self._waited = False
                    return True
                if not room and sender is current:
                    self._waited = True
            if time.monotonic() >= deadline:
                break
        return self._drop()

    def _send_instead(self, message: bytes) -> bool:
        if self._zeromq is None:
            self.forget()
            self._process, self._zeromq = b"\0", self.through_zeromq()
        done = self._zeromq.send(message)
        self.drops = self._zeromq.drops
        return done

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

    def _say(self, sender: Sender, *, final: bool = False) -> bool:
        sentence = self.drops.due(time.monotonic(), final=final)
        if sentence and sender.accepted - sender.sent < self._mark:
            sender.put(self._notice(sentence))
            self.drops.said()
            return True
        return False

    # -- forks and the end ---------------------------------------------------------------------------

    def forget(self) -> None:
        """See `Waiting.forget`."""
        if self._zeromq is None:
            super().forget()

    def _let_go(self) -> None:
        if self._sender is not None:
            self._sender.abandon()
        self._sender = None

    def wait(self, deadline: float) -> bool:
        """See `Waiting.wait`; what is not sent at the end of the program is said."""
        if not self._process[0]:
            return True
        deadline = lifecycle.budget(deadline)
        if not self.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        try:
            sender = self._sender
            if sender is None:
                return True
            while self._say(sender, final=True):
                pass
        finally:
            self.lock.release()
        if sender.drain(deadline):
            return True
        if lifecycle.ending():
            self._finish(sender)
        return False

    def _finish(self, sender: Sender) -> None:
        """The sender's last moment; a message after it has another one."""
        late = sender.accepted > sender.sent
        if late:
            sender.stop()
        with self.lock:
            if self._sender is not sender:
                return
            self._sender = None
        if self._finalizer is not None:
            self._finalizer.detach()
        if late:
            self._leave(sender.accepted - sender.sent)
        else:
            sender.finish()

    def _end(self) -> None:
        if self._process[0] and self._sender is not None:
            self._finish(self._sender)

    def close(self) -> None:
        """See `Waiting.close`."""
        if self._zeromq is None:
            super().close()
        else:
            self._zeromq.close()
