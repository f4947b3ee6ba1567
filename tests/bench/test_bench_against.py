"""The comparison with another revision: what it concludes from pairs."""

from __future__ import annotations

import random

import pytest
from bench.against import Comparison

from bench import against


def _pairs(ratio: float, spread: float, count: int = 20) -> list[tuple[float, float]]:
    chance = random.Random(1)
    return [(ratio * chance.uniform(1 - spread, 1 + spread), 1.0) for _ in range(count)]


@pytest.mark.parametrize(
    ("ratio", "spread", "verdict"),
    [
        (1.0, 0.01, "no worse"),
        (0.7, 0.2, "no worse"),
        (1.02, 0.005, "no worse"),
        (1.1, 0.02, "worse"),
        (1.03, 0.1, "undecided"),
    ],
)
def test_a_verdict_needs_the_whole_interval(ratio: float, spread: float, verdict: str) -> None:
    """A single slow run proves nothing, and neither does a single fast one."""
    assert Comparison("call", "µs", _pairs(ratio, spread)).verdict() == verdict


def test_what_slows_a_pair_slows_both() -> None:
    """A machine that is ten times slower for a while is no loss of ours."""
    pairs = [(ours * slow, theirs * slow) for slow in (1, 10) for ours, theirs in _pairs(1.0, 0.01)]
    assert Comparison("call", "µs", pairs).verdict() == "no worse"


@pytest.mark.parametrize(("ratio", "status"), [(1.0, 0), (1.2, 1)])
def test_a_loss_is_the_exit_status(
    ratio: float, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make bench AGAINST=REV` is meant for a script."""
    monkeypatch.setattr(against, "_unpack", lambda revision, place: place)
    monkeypatch.setattr(against, "_check", lambda source: None)
    monkeypatch.setattr(against, "compare", lambda *_: [Comparison("call", "µs", _pairs(ratio, 0.01))])
    assert against.main(["HEAD"]) == status
    assert ("| worse |" in capsys.readouterr().out) == bool(status)
