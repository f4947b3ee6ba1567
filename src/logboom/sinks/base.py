"""What a sink promises.

Owns: the protocol between the collector's cycle and a sink. Never knows: sources, checkpoints.

A sink works in *steps*. The cycle asks for the next step, records it as an intent, lets the sink
apply it, and records that it is done. A step that was recorded and perhaps begun when the process
was killed is given to `recover` by the next collector, in a new process: it finds out how far the
step came and finishes it. So each step's effect happens exactly once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from logboom.journal.target import Target

__all__ = ["Outcome", "Sink", "Step"]


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change that a sink is about to make.

    Attributes:
        kind: the sink's own word for it (`append`, `roll`, `compress`, `truncate`, ...).
        count: how many leading lines of the batch it takes; 0 for a step that writes no line.
        data: the exact bytes it adds; the cycle keeps them until the step is done.
        details: what `recover` needs besides, as JSON values.
    """

    kind: str
    count: int = 0
    data: bytes = b""
    details: dict[str, Any] = {}


class Outcome(msgspec.Struct, frozen=True):
    """What became of a step.

    Attributes:
        damaged: lines that somebody else's bytes broke and that were written again.
        rewritten: lines written again because somebody truncated the file below them.
        notes: sentences for the collector's log.
    """

    damaged: int = 0
    rewritten: int = 0
    notes: tuple[str, ...] = ()


class Sink(Protocol):
    """One output of one target. Not thread-safe: the collector's one thread calls it."""

    def plan(self, lines: Sequence[bytes], keys: Sequence[float], now: float) -> Step:
        """The next step towards writing `lines`.

        Args:
            lines: whole output lines in their final order and bytes; not empty.
            keys: for each line its wall time in seconds; never falling.
            now: wall time in seconds.

        Returns:
            A step that takes some leading lines (`count` > 0), or one that must come first (`count` 0).
            Opens files, changes nothing that a reader can see.

        Raises:
            SinkError: nothing can be written now; the batch stays in the journal.
        """
        ...

    def apply(self, step: Step) -> Outcome:
        """Make `step`, which is recorded as an intent. Durable against SIGKILL on return.

        Raises:
            SinkError: it could not be finished (full disk, I/O error); give the same step to
                `recover` later, until it returns.
        """
        ...

    def recover(self, step: Step) -> Outcome:
        """Finish `step`, which another process recorded and may have begun, or finished. Idempotent.

        Raises:
            SinkError: as `apply`.
        """
        ...

    def upkeep(self, now: float) -> Step | None:
        """A step that is due without a record: make the live file, roll by time, compress, delete."""
        ...

    def rollover(self, now: float) -> Step | None:
        """A step that rolls the output because a program asked for it; None when there is nothing to roll."""
        ...

    def truncate(self) -> Step:
        """A step that empties the output, for mode `w`."""
        ...

    def configure(self, target: Target) -> None:
        """A newer configuration of the same output is in force from now on."""
        ...

    def sync(self) -> None:
        """Make everything applied so far durable against power loss."""
        ...

    def status(self) -> dict[str, Any]:
        """Values for `logboom status`: at least `path`, `size`, `rotations`.

        `compressing` is true while `upkeep` has more to do than it did: call it again soon.
        """
        ...

    def close(self) -> None:
        """Give up descriptors and locks; harmless when called again."""
        ...
