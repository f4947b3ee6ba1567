"""Fault 10: the clock jumps an hour, a day, to 1970, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import Lab

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("handler", ["RotatingFileHandler", "TimedRotatingFileHandler"])
def test_clock_steps(handler: str, tmp_path: Path) -> None:
    """No loss, each writer's order, nothing held back for hours; retention by age deletes nothing early."""
    options = {"backupCount": 1000, "maxBytes": 10_000, "max_age": "30 d"}
    if handler.startswith("Timed"):
        options["when"] = "S"
    lab = Lab(tmp_path, **options)
    try:
        lab.finish(lab.start("p", "clock_steps", count=100, size=100, handler=f"logboom.{handler}"))
        report = lab.verdict(10)
        assert report.noted == 600 and report.files > 3
        beside = lab.start("q", count=100, size=100, handler=f"logboom.{handler}")
        lab.finish(beside)
        lab.verdict(5)
    finally:
        lab.close()


def test_record_of_tomorrow_rolls_nothing(tmp_path: Path) -> None:
    """A timed rollover is due by the collector's clock: one record from the future must not bring it."""
    lab = Lab(tmp_path, when="MIDNIGHT")
    try:
        program = lab.start("p", "future", count=5, handler="logboom.TimedRotatingFileHandler")
        lab.phase(program, "after")
        lab.leave(program)
        assert lab.verdict(5).files == 1
    finally:
        lab.close()
