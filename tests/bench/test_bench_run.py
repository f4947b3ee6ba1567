"""The run survives its trials."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.spec import Row, Spec

from bench import run


def test_a_trial_that_hangs_is_killed_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A contender that freezes is a result, and must not end the run."""
    monkeypatch.setattr(run, "_TIMEOUT", 0.01)
    row = run.run_trial(Spec("calls", "null"), 3, tmp_path)
    assert (row.round, row.measures, row.error) == (3, {}, "it hung")
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_fails_says_why(tmp_path: Path) -> None:
    """The reason is a worker's, not only that there was one."""
    row = run.run_trial(Spec("no_such_scenario", "null"), 0, tmp_path)
    assert "ModuleNotFoundError" in row.error


def test_results_survive_their_file(tmp_path: Path) -> None:
    """Tables are made again from a saved run."""
    rows = [Row("calls", "null", "1", 0, {"cpu_us": 7.5}), Row("calls", "null", "1", 1, {}, "it hung")]
    run._save(tmp_path / "results.json", {"date": "today"}, rows)
    assert run._load(tmp_path / "results.json") == ({"date": "today"}, rows)
