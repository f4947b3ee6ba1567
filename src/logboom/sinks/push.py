"""Records as messages to a ZeroMQ PULL socket, as a sink.

Owns: how many records are on their way at once, what counts as delivered. Never knows: where lines come
from, the protocol.

PUSH has no acknowledgement. A step is done when the system has taken its bytes, so what is in the two
systems' buffers is lost when the peer is killed; they are small. When this process is killed in the
middle of a step, the next collector sends the step again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from logboom.errors import LogboomError, SinkError
from logboom.journal.target import Target
from logboom.platform.failpoints import reach
from logboom.sinks.base import Outcome, Step
from logboom.sinks.pusher import Pusher
from logboom.wire import zmtp

__all__ = ["MOST", "PushSink"]

MOST: Final = 100
_MOST_BYTES: Final = 64 * 1024
_USUAL: Final = 1.0
_BRIEF: Final = 0.05


class PushSink:
    """One address. Not thread-safe."""

    def __init__(self, target: Target) -> None:
        """Connects with the first record."""
        self._address = target.push
        self._pusher = Pusher(target.push, _USUAL)

    def plan(self, lines: Sequence[bytes], keys: Sequence[float], now: float) -> Step:
        """See `Sink.plan`."""
        frames: list[bytes] = []
        size = 0
        for line in lines[:MOST]:
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

    def rollover(self, now: float) -> Step | None:
        """There is nothing to roll."""
        return None

    def truncate(self) -> Step:
        """There is nothing to empty."""
        return Step("push")

    def configure(self, target: Target) -> None:
        """The address is the target's name: it never changes."""

    def sync(self) -> None:
        """The peer's disk is out of reach."""

    def status(self) -> dict[str, Any]:
        """See `Sink.status`."""
        return {
            "path": self._address,
            "size": 0,
            "rotations": 0,
            "connected": self._pusher.connected,
        }

    def close(self) -> None:
        """See `Sink.close`."""
        self._pusher.close()
