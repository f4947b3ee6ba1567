"""What a sink promises.

A sink works in *steps*. The collector asks for the next step, records it as an intent, lets the sink
apply it, and records that it is done. A step that was recorded and perhaps begun when the process
was killed is given to `recover` by the next collector, in a new process: it finds out how far the
step came and finishes it. So each step's effect happens exactly once, where the sink can tell.

`Sink` is what every sink has. The protocols behind it are what some can do besides; a sink that cannot leaves
the method out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec

from logboom.journal.layout import Context

__all__ = ["Batch", "Configures", "Empties", "Outcome", "Rolls", "Sink", "Step", "Syncs", "Tends"]


class Batch(NamedTuple):
    """Records in their final order; lists of one length, not empty.

    Attributes:
        lines: each as its program's formatter makes it, terminator included.
        times: wall time in seconds; never falling.
        rows: `[created, context, level, logger, *columns]`, decoded.
        streams: which stream each is of; `(stream, position)` names a record for good.
        positions: packed position after it, in its stream.
        context: `(stream, number)` -> how the rows that name it are to be read (`Context.columns`).
        origin: stream -> process id and program that it is of, as far as they are known.
    """

    lines: list[bytes]
    times: list[float]
    rows: list[list[Any]]
    streams: list[str]
    positions: list[int]
    context: Callable[[str, int], Context | None]
    origin: Callable[[str], tuple[int | None, str | None]] = lambda stream: (None, None)

    @classmethod
    def of(cls, lines: Sequence[bytes], times: Sequence[float]) -> Batch:
        """A batch of which nothing but the lines and times is known."""
        return cls(list(lines), list(times), [], [], [], lambda stream, number: None)

    @property
    def levels(self) -> list[int]:
        """The numeric level of each."""
        return [row[2] for row in self.rows]

    @property
    def loggers(self) -> list[str]:
        """The logger's name of each."""
        return [row[3] for row in self.rows]


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change that a sink is about to make.

    Attributes:
        kind: the sink's own word for it (`append`, `roll`, `compress`, `truncate`, ...).
        count: how many leading records of the batch it takes; 0 for a step that takes none.
        data: the exact bytes it adds; the collector keeps them until the step is done.
        details: what `recover` needs besides, as JSON values.
        beside: bytes that go with it into another file; kept as `data` is.
    """

    kind: str
    count: int = 0
    data: bytes = b""
    details: dict[str, Any] = {}
    beside: bytes = b""


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


class Sink(ABC):
    """Where the records of streams are delivered. Not thread-safe: the collector's one thread calls it.

    Attributes:
        again: after a crash a step may be made twice: the other side cannot be asked how far it came.
    """

    again: bool = False

    @abstractmethod
    def plan(self, batch: Batch, now: float) -> Step:
        """Return the next step towards delivering `batch`.

        It takes some leading records (`count` > 0), or must come first (`count` 0). Planning opens files or
        connections, and changes nothing that a reader can see.

        Args:
            now: wall time in seconds.

        Raises:
            SinkError: nothing can be delivered now; the batch stays in the journal.
        """

    @abstractmethod
    def apply(self, step: Step) -> Outcome:
        """Make `step`, which is recorded as an intent. Durable against SIGKILL on return.

        Raises:
            SinkError: it could not be finished (full disk, server away); give the same step to
                `recover` later, until it returns.
        """

    @abstractmethod
    def recover(self, step: Step) -> Outcome:
        """Finish `step`, which another process recorded and may have begun, or finished.

        Raises:
            SinkError: as `apply`.
        """

    @abstractmethod
    def status(self) -> dict[str, Any]:
        """Return values for `logboom status`: at least `path`.

        `compressing` is true while `upkeep` has more to do than it did: call it again soon.
        """

    @abstractmethod
    def close(self) -> None:
        """Give up descriptors, connections and locks; harmless when called again."""


@runtime_checkable
class Tends(Protocol):
    """A sink with something to do when no record comes."""

    def upkeep(self, now: float) -> Step | None:
        """Return a step that is due: make the live file, roll by time, compress, delete."""
        ...


@runtime_checkable
class Rolls(Protocol):
    """A sink that rolls when a program asks for it."""

    def rollover(self, now: float) -> Step | None:
        """Return the step that rolls; None when there is nothing to roll."""
        ...


@runtime_checkable
class Empties(Protocol):
    """A sink that a run of mode `w` empties."""

    def truncate(self) -> Step:
        """Return the step that empties it."""
        ...


@runtime_checkable
class Configures(Protocol):
    """A sink whose settings may change while it is open."""

    def configure(self, target: Any) -> None:
        """Go on with newer settings of the same sink."""
        ...


@runtime_checkable
class Syncs(Protocol):
    """A sink that can make what it has taken durable against power loss."""

    def sync(self) -> None:
        """Make everything applied so far durable."""
        ...
