"""Values that repeat are rendered once, in bounded memory."""

from __future__ import annotations

from logboom.records.stamps import Memo, Stamps


def test_a_value_is_made_once() -> None:
    """The speed of the collector rests on it."""
    made: list[int] = []
    memo = Memo(lambda value: made.append(value) or str(value))  # type: ignore[func-returns-value]
    assert [memo[1], memo[2], memo[1]] == ["1", "2", "1"]
    assert made == [1, 2]


def test_memory_is_bounded() -> None:
    """A collector lives for months and sees every second once."""
    stamps = Stamps("%H:%M:%S", 3600, "CET")
    assert stamps[0.0] == "01:00:00" and stamps[-1.0] == "00:59:59"
    for second in range(10_000):
        assert stamps[second].startswith("0")
    assert len(stamps) <= 2048


def test_the_zone_is_text_and_no_directive() -> None:
    """`TZ` is the user's, and may hold a percent sign."""
    assert Stamps("%Z|%z|%%Z", -(3600 * 3 + 1800), "%Y")[0.0] == "%Y|-0330|%Z"
