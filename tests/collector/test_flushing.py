"""A flush mark is reached when what was there at its moment is delivered, and not before."""

from __future__ import annotations

import math
from dataclasses import dataclass

from logboom.collector.flushing import FlushMark


@dataclass
class Stream:
    exhausted: bool = True
    last: int = 0


def test_waits_for_what_was_written_before_it() -> None:
    """`flush()` says True only when all is in the files."""
    streams = {"a": Stream(last=10), "b": Stream(last=0)}
    mark = FlushMark(1.0)
    assert not mark.is_reached(streams, {})
    mark.observe(streams, 2.0)
    assert not mark.is_reached(streams, {"a": 9})
    assert mark.is_reached(streams, {"a": 10})


def test_does_not_wait_for_what_came_after_it() -> None:
    """A process that logs without a pause must not keep another one from leaving."""
    streams = {"a": Stream(last=10)}
    mark = FlushMark(1.0)
    mark.observe(streams, 2.0)
    streams["a"].last = 500
    mark.observe(streams, 2.0)
    assert mark.is_reached(streams, {"a": 10})


def test_stream_that_is_never_read_to_its_end_is_not_waited_for_for_ever() -> None:
    """A collector that is to stop beside a program that logs faster than anybody reads."""
    streams = {"a": Stream(exhausted=False, last=19)}
    mark = FlushMark(1.0, {"a": 20})
    mark.observe(streams, 2.0)
    assert mark.seen_at == math.inf
    streams["a"].last = 21
    mark.observe(streams, 3.0)
    assert mark.seen_at == 3.0
    assert not mark.is_reached(streams, {"a": 20})
    assert mark.is_reached(streams, {"a": 21})


def test_stream_that_was_not_read_to_its_end_is_waited_for() -> None:
    """The budget of one read may be smaller than what was there."""
    streams = {"a": Stream(exhausted=False, last=10)}
    mark = FlushMark(1.0)
    mark.observe(streams, 2.0)
    assert not mark.is_reached(streams, {"a": 10})
    streams["a"] = Stream(last=30)
    mark.observe(streams, 2.0)
    assert not mark.is_reached(streams, {"a": 10})
    assert mark.is_reached(streams, {"a": 30})


def test_is_seen_when_each_stream_was_read_to_its_end() -> None:
    """From then on a look helps only when what is held back has waited its time."""
    streams = {"a": Stream(last=10), "b": Stream(exhausted=False, last=5)}
    mark = FlushMark(1.0)
    mark.observe(streams, 2.0)
    assert mark.seen_at == math.inf
    streams["b"].exhausted = True
    mark.observe(streams, 3.0)
    mark.observe(streams, 4.0)
    assert mark.seen_at == 3.0
    without = FlushMark(1.0)
    without.observe({"b": Stream(exhausted=False)}, 2.0, excluded={"b"})
    assert without.seen_at == 2.0


def test_failing_target_does_not_hold_the_others() -> None:
    """One full disk must not make every program's exit slow."""
    streams = {"a": Stream(last=10), "b": Stream(last=5)}
    mark = FlushMark(1.0)
    mark.observe(streams, 2.0)
    assert mark.is_reached(streams, {"a": 10}, excluded={"b"})
