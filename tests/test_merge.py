"""Order across producers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.collector.merge import Merge, Merged

WALL = 1_800_000_000.0
INF = float("inf")


def row(created: float, name: str = "") -> list[Any]:
    return [created, 1, 20, name]


def add(merge: Merge, producer: str, created: list[float], *, wall: float = WALL, mono: float = 0.0) -> None:
    merge.add(producer, [row(c) for c in created], list(range(len(created))), wall, mono)


def names(merged: Merged) -> list[str]:
    assert len(merged.rows) == len(merged.keys) == len(merged.producers) == len(merged.ends)
    assert merged.keys == sorted(merged.keys)
    return merged.producers


def test_producers_are_merged_by_time() -> None:
    """The plain case."""
    merge = Merge()
    add(merge, "a", [1, 3, 5])
    add(merge, "b", [2, 4, 6])
    merged = merge.release(1.0)
    assert [r[0] for r in merged.rows] == [1, 2, 3, 4, 5, 6]
    assert names(merged) == list("ababab") and merged.ends == [0, 0, 1, 1, 2, 2]
    assert merge.pending == 0 and merge.late == 0


def test_records_wait_for_the_window_on_the_monotonic_clock() -> None:
    """A record is held back as long as a slower producer's earlier one may still come, and no longer."""
    merge = Merge()
    add(merge, "a", [10], mono=100.0)
    assert not merge.release(100.0 + merge.window / 2).rows
    add(merge, "b", [9], mono=100.0 + merge.window / 2)
    assert names(merge.release(100.0 + merge.window + 1e-6)) == ["b", "a"]


def test_what_is_below_a_waited_record_goes_with_it() -> None:
    """A fresh record with a low key belongs before the one that has waited; one with a high key stays."""
    merge = Merge()
    add(merge, "a", [10], mono=0.0)
    add(merge, "b", [9, 11], mono=0.03)
    assert names(merge.release(0.03)) == ["b", "a"]
    assert merge.pending == 1 and merge.counts() == {"a": 0, "b": 1}


def test_flush_holds_nothing_back() -> None:
    """`ready=INF` is for flush and exit."""
    merge = Merge()
    add(merge, "a", [10], mono=0.0)
    assert names(merge.release(0.0, ready=INF)) == ["a"]


@pytest.mark.parametrize("ready", [-INF, INF])
def test_floor_bounds_what_is_released(ready: float) -> None:
    """A producer that was not read to its end may have earlier records still."""
    merge = Merge()
    add(merge, "a", [1, 2])
    add(merge, "b", [1.5, 9])
    assert (
        merge.floor(["a"]) == 2 and merge.floor([]) is None and merge.floor(["a", "unread"]) == float("-inf")
    )
    assert names(merge.release(9.0, floor=merge.floor(["a"]), ready=ready)) == ["a", "b", "a"]
    assert names(merge.release(9.0, ready=ready)) == ["b"]


def test_limit_takes_the_lowest() -> None:
    """A bounded batch must be the beginning of the order, and the rest must follow."""
    merge = Merge()
    add(merge, "a", [1, 2, 3, 4])
    add(merge, "b", [1.5, 2.5, 3.5])
    found = []
    while merged := merge.release(9.0, limit=2).rows:
        assert len(merged) <= 2
        found += [r[0] for r in merged]
    assert found == [1, 1.5, 2, 2.5, 3, 3.5, 4] and merge.pending == 0


def test_a_record_from_the_future_holds_nothing_back() -> None:
    """freezegun or a clock step: one odd time must not delay its producer, or reorder it."""
    merge = Merge()
    add(merge, "a", [WALL + 86400, WALL - 1])
    add(merge, "b", [WALL - 2])
    merged = merge.release(1.0)
    assert names(merged) == ["b", "a", "a"] and merged.keys == [WALL - 2, WALL, WALL]
    add(merge, "a", [WALL + 1], wall=WALL + 2, mono=1.0)
    assert merge.release(2.0).keys == [WALL + 1]


def test_late_records_are_counted_and_widen_the_window() -> None:
    """Order is mended by waiting longer, but never longer than a second, and only while it helps."""
    merge = Merge()
    add(merge, "a", [10.0])
    merge.release(1.0)
    add(merge, "b", [9.7], mono=1.0)
    merge.release(2.0)
    assert merge.late == 1 and 0.3 < merge.window <= 1.0
    merge.release(200.0)
    assert merge.window == pytest.approx(0.02)


def test_what_no_window_could_mend_does_not_widen_it() -> None:
    """A journal found after hours, and records that a flush overtook, say nothing about the window."""
    merge = Merge()
    add(merge, "a", [10_000.0])
    merge.release(1.0)
    add(merge, "b", [1.0], mono=1.0)
    merge.release(2.0)
    add(merge, "a", [10_010.0], mono=2.0)
    merge.release(2.0, ready=INF)
    add(merge, "b", [10_009.9], mono=2.0)
    merge.release(3.0)
    assert merge.late == 2 and merge.window == pytest.approx(0.02)


def test_keys_of_a_producer_never_fall() -> None:
    """The clock went back an hour: the producer's order stays, also across releases."""
    merge = Merge()
    add(merge, "a", [5000.0])
    assert merge.release(1.0).keys == [5000.0]
    add(merge, "a", [1400.0, 1401.0], mono=1.0)
    assert merge.release(2.0).keys == [5000.0, 5000.0] and merge.late == 0


def test_what_waits_is_all_that_is_kept() -> None:
    """A producer that never pauses must not grow the merge by what was released long ago."""
    merge = Merge()
    for tick in range(1000):
        add(merge, "a", [float(tick)], mono=tick / 100)
        merge.release(tick / 100)
    assert 0 < merge.pending < 5 and len(merge._streams["a"].arrivals) < 5


def test_who_is_far_ahead_is_told_by_records_and_by_bytes() -> None:
    """Either alone would let a reader fill the memory: many small records, or few large ones."""
    merge = Merge()
    add(merge, "few", [1, 2])
    merge.add("large", [row(1), row(2)], [1, 2], WALL, 0.0, 3001)
    add(merge, "many", [1, 2, 3, 4, 5])
    assert merge.above(4, 3000) == ["large", "many"]
    merge.release(1.0, limit=4)
    assert merge.above(3, 3000) == ["many"] and merge.size == 1501


def test_forget_drops_a_producer() -> None:
    """Short-lived producers must not grow the merge."""
    merge = Merge()
    add(merge, "a", [1])
    merge.release(1.0)
    merge.forget("a")
    merge.forget("never")
    assert merge.counts() == {} and merge.pending == 0


HOUR = 3600.0
steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "release", "flush", "limit", "step"]),
        st.integers(0, 3),
        st.lists(st.sampled_from([0.0, 0.001, 0.3, -0.2, HOUR, -HOUR]), max_size=6),
        st.sampled_from([0.0, 0.005, 0.03, 1.2]),
    ),
    max_size=40,
)


@given(steps)
def test_every_record_once_in_its_producers_order(steps: list[tuple[str, int, list[float], float]]) -> None:
    """Whatever clocks do: each record once, producers in append order, keys rising, nothing waits long."""
    merge, wall, mono = Merge(), WALL, 0.0
    sent: dict[str, int] = {}
    got: dict[str, int] = {}
    oldest: dict[tuple[str, int], float] = {}

    def take(merged: Merged) -> None:
        names(merged)
        for producer, end, values in zip(merged.producers, merged.ends, merged.rows, strict=True):
            assert end == got.get(producer, 0) + 1 == values[3]
            got[producer] = end
            del oldest[producer, end]

    for action, which, offsets, passed in steps:
        wall, mono = wall + passed, mono + passed
        producer = f"p{which}"
        if action == "add":
            first = sent.get(producer, 0) + 1
            ends = list(range(first, first + len(offsets)))
            rows = [row(wall + offset, end) for offset, end in zip(offsets, ends, strict=True)]  # type: ignore[arg-type]
            merge.add(producer, rows, ends, wall, mono, 100 * len(rows))
            sent[producer] = sent.get(producer, 0) + len(ends)
            oldest |= {(producer, end): mono for end in ends}
        elif action == "step":
            wall += offsets[0] if offsets else 0.0
        else:
            ready = INF if action == "flush" else -INF
            take(merge.release(mono, ready=ready, limit=3 if action == "limit" else None))
            if action == "release":
                assert all(mono - since <= 1.0 + 1e-6 for since in oldest.values())
            if action == "flush":
                assert not oldest
        assert merge.pending == len(oldest) == sum(merge.counts().values())
        assert merge.size == 100 * len(oldest)
        assert 0.02 <= merge.window <= 1.0
    take(merge.release(mono + 1.01))
    assert got == {producer: count for producer, count in sent.items() if count}


def test_active_are_those_of_whom_something_came_within_the_window() -> None:
    """An empty stream counts as well: what it said last may already be released."""
    merge = Merge()
    add(merge, "a", [1], mono=0.0)
    add(merge, "b", [2], mono=0.015)
    assert merge.active(0.016) == ["a", "b"]
    assert names(merge.release(0.02, ready=INF)) == ["a", "b"]
    assert merge.active(0.021) == ["b"]
    assert merge.active(0.036) == []


def test_ready_lets_out_what_did_not_wait_and_nothing_above() -> None:
    merge = Merge()
    add(merge, "a", [1, 5], mono=0.0)
    add(merge, "b", [3], mono=0.0)
    assert names(merge.release(0.001, ready=3)) == ["a", "b"]
    assert names(merge.release(0.002)) == []
    assert names(merge.release(0.021)) == ["a"]
