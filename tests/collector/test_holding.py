"""Who is waited for."""

from __future__ import annotations

import math
from types import SimpleNamespace

from logboom.collector.holding import BIRTH, ready_until
from logboom.collector.merge import Merge

LISTED = 1_800_000_000.0
LOOKED = LISTED + 1.0


def stream(*, gone: bool = False, resting: bool = False, last: int = 1) -> SimpleNamespace:
    return SimpleNamespace(gone=gone, resting=resting, last=last)


def waiting(**came: float) -> Merge:
    """A merge that took a record of each stream at that monotonic time."""
    merge = Merge()
    for number, (name, moment) in enumerate(came.items()):
        merge.add(name, [[LOOKED - 1 + number / 10, 1, 20, ""]], [1], LOOKED, moment)
    return merge


def test_one_stream_alone_waits_for_nobody_but_the_newborn() -> None:
    """A program that starts has its first record on the way before anybody can see its journal."""
    assert ready_until(waiting(a=1.0), {"a": stream()}, 1.0, LISTED, -math.inf) == LISTED - BIRTH
    assert ready_until(waiting(), {}, 1.0, LISTED, -math.inf) == LISTED - BIRTH
    assert ready_until(waiting(a=1.0), {"a": stream()}, 1.0, LISTED, -math.inf, hasty=True) == math.inf


def test_one_that_says_nothing_is_company() -> None:
    """Also when it has said nothing since this collector began."""
    streams = {"a": stream(), "silent": stream(last=77)}
    assert ready_until(waiting(a=1.0), streams, 1.0, LISTED, -math.inf) == -math.inf
    assert ready_until(waiting(a=1.0), streams, 1.0, LISTED, -math.inf, hasty=True) == math.inf
    assert ready_until(waiting(a=1.0, silent=1.0), streams, 1.0, LISTED, -math.inf, hasty=True) == -math.inf


def test_two_that_write_wait_for_each_other() -> None:
    streams = {"a": stream(resting=True), "b": stream()}
    assert ready_until(waiting(a=1.0, b=1.0), streams, 1.0, LISTED, LOOKED) == -math.inf


def test_those_that_rest_or_are_gone_are_not_waited_for() -> None:
    streams = {"a": stream(resting=True), "b": stream(gone=True)}
    merge = waiting(a=1.0, b=1.0, vanished=1.0)
    assert ready_until(merge, streams, 1.0, LISTED, LOOKED) == LOOKED - BIRTH


def test_those_that_said_nothing_for_a_while_are_not_waited_for() -> None:
    """A program that ends beside idle ones does not wait for what they might say."""
    merge = waiting(a=1.0, idle=0.5)
    streams = {"a": stream(resting=True), "idle": stream(), "silent": stream(last=77)}
    assert ready_until(merge, streams, 1.0, LISTED, LOOKED) == LOOKED - BIRTH
    assert ready_until(merge, streams, 0.5 + merge.window / 2, LISTED, LOOKED) == -math.inf


def test_one_without_a_record_is_waited_for() -> None:
    """Its journal is there, so its first record is on the way."""
    streams = {"a": stream(resting=True), "newborn": stream(last=0)}
    assert ready_until(waiting(a=1.0), streams, 1.0, LISTED, LOOKED) == -math.inf
    streams["newborn"].gone = True
    assert ready_until(waiting(a=1.0, b=1.0), streams, 1.0, LISTED, LOOKED) == LOOKED - BIRTH


def test_nothing_is_known_without_a_look_at_all() -> None:
    """An idle stream is looked at seldom: it may have begun to write."""
    streams = {"a": stream(resting=True), "b": stream(resting=True)}
    assert ready_until(waiting(a=1.0, b=1.0), streams, 1.0, LISTED, -math.inf) == -math.inf
