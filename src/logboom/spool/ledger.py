"""What a checkpoint says: its events, and the state that they add up to, over bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Annotated

import msgspec

from logboom.journal.target import StoredTarget
from logboom.sinks.base import Step

__all__ = [
    "Configure",
    "Counts",
    "Intent",
    "Line",
    "State",
    "complete",
    "dismiss",
    "forget",
    "frame",
    "replay",
    "unframe",
]


Position = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Counts(msgspec.Struct, omit_defaults=True):
    """Totals of one target since its checkpoint began."""

    written: int = 0
    dropped: int = 0
    late: int = 0
    damaged: int = 0
    rewritten: int = 0


class Intent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step that is about to be made, and what is true once it is.

    Attributes:
        target: key of the target.
        step: without its bytes; they lie in the target's own file.
        length, crc: of those bytes.
        beside, beside_crc: length and CRC-32 of the step's other bytes, which lie behind them.
        advance: new positions of the producers whose records the step writes.
        counts: the target's totals after it.
    """

    target: str
    step: Step
    length: Annotated[int, msgspec.Meta(ge=0)] = 0
    crc: int = 0
    advance: dict[str, Position] = {}
    counts: Counts = msgspec.field(default_factory=Counts)
    beside: int = 0
    beside_crc: int = 0


class State(msgspec.Struct, omit_defaults=True):
    """Everything before it, in one."""

    positions: dict[str, Position] = msgspec.field(default_factory=dict)
    targets: dict[str, StoredTarget] = msgspec.field(default_factory=dict)
    counts: dict[str, Counts] = msgspec.field(default_factory=dict)
    intents: dict[str, Intent] = msgspec.field(default_factory=dict)


class Configure(msgspec.Struct):
    """A configuration that is in force from now on."""

    target: str
    value: StoredTarget


class Line(msgspec.Struct, omit_defaults=True):
    """One event; all fields but one are None, save that `counts` may be with `done`."""

    snapshot: State | None = None
    intend: Intent | None = None
    done: str | None = None
    abandon: str | None = None
    forget: list[str] | None = None
    configure: Configure | None = None
    dismiss: list[str] | None = None
    counts: Counts | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def frame(line: Line) -> bytes:
    """One line of the file, with its newline."""
    body = _encode(line)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def unframe(line: bytes) -> Line | None:
    """The event of a line without its newline; None when that is damaged."""
    try:
        if int(line[:8], 16) != zlib.crc32(line[9:]):
            return None
        return _decode(line[9:])
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None


def replay(state: State, event: Line) -> State:
    """The state after an event."""
    if event.snapshot is not None:
        return event.snapshot
    if event.intend is not None:
        state.intents[event.intend.target] = event.intend
    if event.done is not None:
        complete(state, event.done, event.counts)
    if event.abandon is not None:
        state.intents.pop(event.abandon, None)
    if event.forget is not None:
        forget(state, event.forget)
    if event.configure is not None:
        state.targets[event.configure.target] = event.configure.value
    if event.dismiss is not None:
        dismiss(state, event.dismiss)
    return state


def complete(state: State, target: str, counts: Counts | None) -> None:
    """The open step of `target` is made."""
    intent = state.intents.pop(target, None)
    if intent is not None:
        state.positions.update(intent.advance)
        state.counts[target] = intent.counts if counts is None else counts


def dismiss(state: State, targets: Iterable[str]) -> None:
    """These targets are forgotten."""
    for target in targets:
        state.targets.pop(target, None)
        state.counts.pop(target, None)


def forget(state: State, producers: Iterable[str]) -> None:
    """These producers are forgotten."""
    for producer in producers:
        state.positions.pop(producer, None)
