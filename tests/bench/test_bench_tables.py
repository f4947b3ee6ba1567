"""What a run becomes on the page: tables, verdicts, plots."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from bench.spec import Row
from bench.summary import Results
from bench.targets import TARGETS, Target, judge

from bench import charts, page, tables

ROOT = Path(__file__).parents[2]


def _results() -> Results:
    values = {"null": 7.0, "own-file": 17.0, "logboom": 9.0, "own-file/json": 30.0, "logboom/json": 15.0}
    rows = [
        Row("calls", name, "1", 0, {"cpu_us": value, "p50_us": value, "p99_us": value, "p999_us": value})
        for name, value in values.items()
    ]
    return Results(rows)


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (0.0, "0"), (12.0, "12"), (0.12345, "0.123"), (123456.7, "123,457")]
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    """A table of sixteen digits is read by nobody."""
    assert tables.number(value) == text


def test_a_variant_is_compared_with_the_reference_of_the_same_variant() -> None:
    """JSON beside text would flatter or wrong everybody."""
    lines = tables.scenario_table(_results(), "calls").splitlines()
    assert next(line for line in lines if line.startswith("| logboom/json")).count("0.50 (0.50 to 0.50)") == 3


@pytest.mark.parametrize(
    ("measured", "more", "state"),
    [
        (0.7, False, "goal"),
        (1.0, False, "must"),
        (1.2, False, "missed"),
        (1.2, True, "goal"),
        (0.5, True, "missed"),
    ],
)
def test_a_verdict_follows_from_the_number(measured: float, more: bool, state: str) -> None:
    """Pass and fail are computed, never typed."""
    limits = (0.9, 1.1) if more else (1.1, 0.8)
    target = Target("a promise", "x", *limits, lambda results: measured, more)
    assert judge(target, Results([])).state == state


def test_a_promise_that_was_not_measured_is_no_pass() -> None:
    """A run of some scenarios must not look as if it had kept every promise."""
    assert {judge(target, Results([])).state for target in TARGETS} == {"not run"}


def test_the_first_promise_is_judged_from_a_run() -> None:
    """The path from rows to a verdict, once in full."""
    verdict = judge(TARGETS[0], _results())
    assert (verdict.measured, verdict.state) == (pytest.approx(0.2), "goal")


def test_only_named_blocks_of_the_page_change() -> None:
    """Prose is written by people, and a run of some scenarios keeps the tables of the others."""
    calls = "a\n<!-- bench:calls -->\nold\n<!-- /bench:calls -->\nb\n"
    text = calls + "<!-- bench:idle -->\nkept\n<!-- /bench:idle -->\n"
    renewed = page.replace(text, {"calls": r"new \1"})
    assert renewed == text.replace("old", r"new \1")


def test_the_papers_are_those_of_the_run_that_is_kept(tmp_path: Path) -> None:
    """A number that is on a page and in no run is a claim; and how busy the machine was belongs to it."""
    full = json.loads((ROOT / "bench/results/full.json").read_text())
    names = ("docs/reference/benchmarks.md", "README.md")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    page.update(tmp_path / names[0], full["about"], Results([Row(**row) for row in full["rows"]]))
    for name in names:
        assert (tmp_path / name).read_text() == (ROOT / name).read_text(), name
    assert f"load average just before was {full['about']['load_before']}" in (ROOT / names[0]).read_text()
    for picture in (tmp_path / "docs/reference").glob("*.svg"):
        assert picture.read_text() == (ROOT / "docs/reference" / picture.name).read_text()


def test_plots_are_well_formed() -> None:
    """A name with a special character must not break the picture."""
    root = ET.fromstring(charts.bars("a < b & c", [("x<y", 1.0), ("z", 0.0)], " x"))
    assert root.tag.endswith("svg")
    assert set(charts.pictures(_results())) == {"call"}
