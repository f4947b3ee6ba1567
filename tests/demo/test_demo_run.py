"""`logboom demo` as a person sees it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from logboom.demo import run as demo
from logboom.demo import stage
from logboom.demo.oracle import Score
from logboom.demo.stage import Turn
from logboom.demo.table import draw, verdict

EXACT = Score(1000, 1000, 0, 0, 0, 0, 0, 12)
WRONG = Score(1000, 998, 2, 0, 0, 0, 0, 12)


def test_the_table_is_aligned_and_plain_in_a_pipe() -> None:
    """A table with ragged edges or escape codes in a file is no table."""
    lines = draw((("standard library", WRONG), ("logboom", EXACT)), colour=False).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "\x1b" not in "".join(lines)
    assert any("missing" in line and line.split("|")[2].strip() == "2" for line in lines)


def test_a_fault_is_red_and_its_absence_green() -> None:
    """The eye must find the wrong number."""
    (missing,) = (
        line for line in draw((("a", WRONG), ("b", EXACT)), colour=True).splitlines() if "missing" in line
    )
    assert "\x1b[31m" in missing.split("|")[2]
    assert "\x1b[32m" in missing.split("|")[3]


def test_the_verdict_follows_the_score() -> None:
    """A sentence that praises a wrong count would be a lie."""
    assert "all 1,000 records" in verdict(EXACT, colour=False)
    assert "wrong" in verdict(WRONG, colour=False)


@pytest.mark.parametrize(("ours", "status"), [(EXACT, 0), (WRONG, 1)])
def test_the_exit_status_is_that_of_logboom_alone(
    monkeypatch: pytest.MonkeyPatch, ours: Score, status: int
) -> None:
    """The standard handler's losses are expected; logboom's fail the command."""

    def play(handler: str, directory: Path, *, seconds: float, kill_collectors: bool) -> Turn:
        return Turn(WRONG if handler.startswith("logging.") else ours, {"producer": 3, "collector": 0}, "")

    monkeypatch.setattr(demo, "play", play)
    out = io.StringIO()
    assert demo.run(out) == status
    assert "3 producers killed" in out.getvalue()


@pytest.mark.crash
def test_the_demonstration_sees_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put in logboom's place, a handler that surely loses records must end it with status 1."""
    monkeypatch.setattr(stage, "BACKUP_COUNT", 1)
    out = io.StringIO()
    assert demo.run(out, seconds=2.0, handler="logging.handlers.RotatingFileHandler") == 1, out.getvalue()


@pytest.mark.crash
def test_logboom_loses_nothing_and_cleans_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the README tells a new user to run first must succeed and leave nothing behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    out = io.StringIO()
    assert demo.run(out, seconds=2.0) == 0, out.getvalue()
    assert list(tmp_path.iterdir()) == []
