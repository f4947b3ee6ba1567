"""The way to a PULL socket without a disk: a queue of messages, and a thread that sends them.

A message counts as sent when the peer has read it, or has gone after the system took it: a peer that leaves
in the regular way reads that to its end. What was not taken by then stays here, and goes to the next peer.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from logboom.contrib.waiting import Waiting
from logboom.errors import LogboomError
from logboom.producer import lifecycle
from logboom.sinks.push import Pusher
from logboom.wire import zmtp

__all__ = ["Direct", "Sender"]

# A line, or a line with what is known of its record: time, level, logger, fields.
Outgoing = bytes | tuple[bytes, float, int, str, dict[str, Any]]


_MOST: Final = 200
_MOST_BYTES: Final = 64 * 1024
_AGAIN: Final = 0.1
_GLANCE: Final = 0.1
_LONGEST_IDLE: Final = 30.0
_SHORTEST, _LONGEST = 0.05, 1.0  # seconds that one attempt to send may take


class Sender:
    """Connects with the first message. `put` is for one thread at a time; everything else for any.

    A connection without traffic for half a minute is given up: who sends nothing costs nothing.

    Args:
        address: `tcp://host:port` or `ipc://path`.
        alone: without a thread: `put` and `drain` send, and wait for that. When nobody took anything, `put`
            does not try again for ten times as long as that took.
        timeout: seconds that one attempt may take.

    Attributes:
        accepted, sent: messages, from the beginning on; what is between them is in memory.
    """

    def __init__(self, address: str, *, alone: bool = False, timeout: float = _LONGEST) -> None:
        self.accepted = self.sent = 0
        self._pusher = Pusher(address, timeout)
        self._queue: deque[Outgoing] = deque()
        self._held: list[bytes] = []
        self._change = threading.Condition()
        # A plain lock as a bell: it may be rung from a signal handler that interrupts another ring.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._asleep = False
        self._used = time.monotonic()
        self._closing = self._ended = False
        self._alone, self._again_at = alone, 0.0
        self._working = threading.Lock()
        if not alone:
            try:
                threading.Thread(target=self._run, name="logboom-push", daemon=True).start()
            except RuntimeError:  # the interpreter is ending
                self._alone = True

    def put(self, message: Outgoing) -> None:
        """Queue a message. Does not wait for it."""
        self.accepted += 1
        self._queue.append(message)
        if self._asleep:
            self._ring()
        elif self._alone and time.monotonic() >= self._again_at:
            self._work_here(time.monotonic())

    def drain(self, deadline: float, below: int = 1) -> bool:
        """Wait until fewer than `below` messages are in memory; False when they are not at `deadline`."""
        if self._alone:
            self._work_here(deadline)
        with self._change:
            while self.accepted - self.sent >= below:
                left = deadline - time.monotonic()
                if left <= 0 or self._ended or self._alone:
                    return False
                self._change.wait(left)
        return True

    def finish(self) -> None:
        """End the thread when everything is sent. Nothing may be put any more."""
        self._closing = True
        self._ring()
        if self._alone:
            self._leave()

    def stop(self) -> None:
        """End the thread now, and every `drain`."""
        self._ended = True
        self._ring()
        with self._change:
            self._change.notify_all()

    def abandon(self) -> None:
        """In a forked child: let go of what is the parent's, and leave its connection as it is."""
        self._pusher.abandon()

    def _work_here(self, deadline: float) -> None:
        """Without the thread; what waited in vain stays for the next attempt."""
        begin = time.monotonic()
        if self._working.acquire(timeout=max(0.0, deadline - begin)):
            try:
                done, now = self._work(deadline), time.monotonic()
                self._again_at = 0.0 if done else now + 10 * (now - begin)
            finally:
                self._working.release()

    # -- the thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._work(None):
                self._sleep()
        finally:
            self._leave()

    def _work(self, deadline: float | None) -> bool:
        """Send what is queued; False when this was the end."""
        while not self._ended:
            self._held = self._held or self._gather()
            if not self._held:
                return not self._closing
            data = b"".join(self._held)
            while not self._push(data):
                if self._ended or (deadline is not None and time.monotonic() >= deadline):
                    return False
            self.sent += len(self._held)
            self._held = []
            self._used = time.monotonic()
            with self._change:
                self._change.notify_all()
        return False

    def _gather(self) -> list[bytes]:
        """The next messages, as frames."""
        frames: list[bytes] = []
        size, take = 0, self._queue.popleft
        with contextlib.suppress(IndexError):
            while len(frames) < _MOST and size < _MOST_BYTES:
                message = take()
                made = zmtp.frame(message) if isinstance(message, bytes) else zmtp.record(*message)
                frames.append(made)
                size += len(made)
        return frames

    def _push(self, data: bytes) -> bool:
        try:
            self._pusher.push(data)
        except (OSError, LogboomError):
            self._bell.acquire(timeout=_AGAIN)
            return False
        return True

    def _sleep(self) -> None:
        """Until there is something to send; meanwhile a peer that is leaving is let go."""
        pusher = self._pusher
        self._asleep = True
        try:
            if not (self._queue or self._closing or self._ended):
                self._bell.acquire(timeout=_GLANCE if pusher.connected else -1)
        finally:
            self._asleep = False
        pusher.look()
        if time.monotonic() - self._used > _LONGEST_IDLE and not self._queue:
            pusher.close()

    def _ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # it rings already
            self._bell.release()

    def _leave(self) -> None:
        self._ended = True
        self._pusher.close()
        with self._change:
            self._change.notify_all()


class Direct(Waiting):
    """A queue in front of a thread that sends.

    Args:
        address: `tcp://` or `ipc://`.
        mark: messages that wait in memory at most.
        block_timeout, close_timeout: see `Waiting`.
        notice: makes a message of a sentence.
        threads: False where threads of Python's may never run: each message is then sent by the call itself.
    """

    def __init__(
        self,
        address: str,
        *,
        mark: int,
        block_timeout: float,
        close_timeout: float,
        notice: Callable[[str], bytes],
        threads: bool = True,
    ) -> None:
        self._address = address
        self._mark = mark
        self._notice = notice
        self._threads = threads
        self._sender: Sender | None = None
        self._finalizer: weakref.finalize[..., Direct] | None = None
        super().__init__(block_timeout, close_timeout)

    def send(self, message: Outgoing) -> bool:
        """See `Waiting.send`."""
        if not self._process[0]:  # forked behind Python's back: a second thread here could wait for ever
            self._threads = False
            self.forget()
        with self.lock:
            sender = self._sender or self._begin()
            if self.drops.open:
                self._say(sender)
            if sender.accepted - sender.sent < self._mark:
                sender.put(message)
                self._waited = False
                return True
        return self._send_late(message)

    def _send_late(self, message: Outgoing) -> bool:
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

    def _begin(self) -> Sender:
        """The first message of this process, or after `close`."""
        # A thread that is started while the interpreter ends may never run.
        alone = not self._threads or lifecycle.ending() or sys.is_finalizing()
        timeout = min(_LONGEST, max(_SHORTEST, self._block_timeout))
        sender = Sender(self._address, alone=alone, timeout=timeout)
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
