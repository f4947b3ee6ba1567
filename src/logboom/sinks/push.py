"""Records as messages to a ZeroMQ PULL socket: the sink `push`.

PUSH has no acknowledgement. A step is done when the system has taken its bytes, so what is in the two
systems' buffers is lost when the peer is killed; they are small. When this process is killed in the
middle of a step, the next collector sends the step again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from logboom.errors import LogboomError, SinkError
from logboom.journal.target import Server
from logboom.platform.failpoints import reach
from logboom.sinks.base import Batch, Outcome, Sink, Step
from logboom.sinks.pusher import Pusher
from logboom.wire import zmtp

__all__ = ["MOST", "PushSink"]

MOST: Final = 100
_MOST_BYTES: Final = 64 * 1024
_USUAL: Final = 1.0
_BRIEF: Final = 0.05


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
        for line in batch.lines[:MOST]:
            frames.append(zmtp.frame(line))
            size += len(line)
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
