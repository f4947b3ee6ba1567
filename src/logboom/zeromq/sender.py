"""A queue of messages, and a thread that brings them to a PULL socket.

Owns: the thread, its sleep and its end, the count of what was accepted and what went out. Never knows: when
the queue is too long, what a message says.

A message counts as sent when the peer has read it, or has gone after the system took it: a peer that leaves
in the regular way reads that to its end. What was not taken by then stays here, and goes to the next peer.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import Final

from logboom.errors import LogboomError
from logboom.sinks.pusher import Pusher
from logboom.wire import zmtp

__all__ = ["Sender"]

_MOST: Final = 200
_MOST_BYTES: Final = 64 * 1024
_AGAIN: Final = 0.1
_GLANCE: Final = 0.1
_LONGEST_IDLE: Final = 30.0


class Sender:
    """Connects with the first message. `put` is for one thread at a time; everything else for any.

    A connection without traffic for half a minute is given up: who sends nothing costs nothing.

    Args:
        address: `tcp://host:port` or `ipc://path`.
        alone: without a thread, at the end of a program: `put` and `drain` send, and wait for that; `put`
            until nobody took anything, once.

    Attributes:
        accepted, sent: messages, from the beginning on; what is between them is in memory.
    """

    def __init__(self, address: str, *, alone: bool = False) -> None:
        self.accepted = self.sent = 0
        self._pusher = Pusher(address)
        self._queue: deque[bytes] = deque()
        self._held: list[bytes] = []
        self._change = threading.Condition()
        # A plain lock as a bell: it may be rung from a signal handler that interrupts another ring.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._asleep = False
        self._used = time.monotonic()
        self._closing = self._ended = False
        self._alone, self._failed = alone, False
        self._working = threading.Lock()
        if not alone:
            try:
                threading.Thread(target=self._run, name="logboom-push", daemon=True).start()
            except RuntimeError:  # the interpreter is ending
                self._alone = True

    def put(self, message: bytes) -> None:
        """Queue a message. Does not wait for it."""
        self.accepted += 1
        self._queue.append(message)
        if self._asleep:
            self._ring()
        elif self._alone and not self._failed:
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
        """Without the thread: who waited in vain once keeps what follows for `drain`."""
        if self._working.acquire(timeout=max(0.0, deadline - time.monotonic())):
            try:
                self._failed = not self._work(deadline)
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
        size, take, frame = 0, self._queue.popleft, zmtp.frame
        with contextlib.suppress(IndexError):
            while len(frames) < _MOST and size < _MOST_BYTES:
                made = frame(take())
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
