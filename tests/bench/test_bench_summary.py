"""The arithmetic that every published number goes through."""

from __future__ import annotations

import pytest
from bench.spec import Row, Spec
from bench.summary import Results, Spread, quantile


def _row(contender: str, number: int, value: float, case: str = "1") -> Row:
    return Row("calls", contender, case, number, {"cpu_us": value})


def test_quantile_is_the_nearest_rank() -> None:
    """A percentile that interpolated would invent times that no call took."""
    values = [float(value) for value in range(1, 1001)]
    assert quantile(values, 0.5) == 501
    assert quantile(values, 0.999) == 1000
    assert quantile([7.0], 0.99) == 7


def test_ratio_is_taken_round_by_round() -> None:
    """A machine that is three times slower in one round must not move the ratio."""
    rows = [_row("logboom", 0, 1), _row("own-file", 0, 2), _row("logboom", 1, 30), _row("own-file", 1, 60)]
    assert Results(rows).ratio("calls", "logboom", "1", "cpu_us", "own-file") == Spread(0.5, 0.5, 0.5, 2)


def test_ratio_takes_the_null_handler_from_both() -> None:
    """The promise about the caller's CPU time is about what a handler adds to the standard library."""
    rows = [_row("null", 0, 7), _row("logboom", 0, 9), _row("own-file", 0, 17)]
    spread = Results(rows).ratio("calls", "logboom", "1", "cpu_us", "own-file", less="null")
    assert spread is not None
    assert spread.median == pytest.approx(0.2)


def test_ratio_compares_two_cases_of_one_contender() -> None:
    """Cost as work grows is a contender beside itself."""
    rows = [_row("logboom", 0, 12, "32"), _row("logboom", 0, 10, "2")]
    spread = Results(rows).ratio("calls", "logboom", "32", "cpu_us", "logboom", to_case="2")
    assert spread is not None
    assert spread.median == pytest.approx(1.2)


def test_rounds_without_the_measure_are_left_out() -> None:
    """A trial that failed has no measures, and must not count as zero."""
    rows = [_row("logboom", 0, 5), Row("calls", "logboom", "1", 1, {}, "it hung")]
    results = Results(rows)
    assert results.spread("calls", "logboom", "1", "cpu_us") == Spread(5, 5, 5, 1)
    assert results.ratio("calls", "logboom", "1", "cpu_us", "own-file") is None
    assert [row.error for row in results.errors()] == ["it hung"]


def test_a_spec_survives_its_json() -> None:
    """A trial's process knows nothing but this text."""
    spec = Spec("calls", "logboom", "2", 2, 5, "json", {"pause": 0.5})
    assert Spec.from_json(spec.to_json()) == spec
    assert spec.label == "logboom/json"
