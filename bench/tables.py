"""Results as Markdown tables.

Owns: which measures a table has, numbers as text. Never knows: files, plots.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from bench.spec import Row
from bench.summary import Results, Spread
from bench.targets import TARGETS, judge

__all__ = ["everything", "markdown", "number", "one_line", "scenario_table", "short_table", "targets_table"]

_REFERENCE: Final = "own-file"
# scenario -> (measure, heading, show the ratio to the reference)
_COLUMNS: Final[dict[str, tuple[tuple[str, str, bool], ...]]] = {
    "calls": (
        ("cpu_us", "CPU µs", False),
        ("p50_us", "median µs", True),
        ("p99_us", "p99 µs", True),
        ("p999_us", "p99.9 µs", True),
    ),
    "throughput": (
        ("rate", "records/s", True),
        ("cpu_us", "CPU µs a record", True),
        ("servant_cpu_us", "of it the writer's", False),
        ("leaving_ms", "CPU ms to leave", False),
        ("lost", "lost", False),
        ("duplicated", "twice", False),
        ("torn", "torn", False),
        ("late_share", "late of 10,000", False),
    ),
    "latency": (
        ("p50_ms", "p50 ms", False),
        ("p99_ms", "p99 ms", False),
        ("servant_percent", "writer's CPU %", False),
    ),
    "memory": (("peak_rss_mb", "peak RSS MB", False), ("pss_mb", "PSS MB", False)),
    "backlog": (
        ("backlog_mb", "backlog MB", False),
        ("peak_rss_mb", "peak RSS MB", False),
        ("rate", "records/s", False),
        ("cpu_us", "CPU µs a record", False),
        ("lost", "lost", False),
    ),
    "idle": (("disk_kib", "KiB a producer", False), ("servant_percent", "collector's CPU %", False)),
    "startup": (
        ("setup_ms", "import and handler ms", False),
        ("setup_cpu_ms", "of it CPU", False),
        ("rss_mb", "RSS MB", False),
        ("exit_ms", "exit ms", False),
        ("missing_at_exit", "missing after exit", False),
    ),
}


def number(value: float | None) -> str:
    """Three significant digits, thousands apart."""
    if value is None:
        return ""
    if value == int(value) and abs(value) < 1000:
        return str(int(value))
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def scenario_table(results: Results, scenario: str) -> str:
    """One line a contender and case: medians, and ratios to the reference with their spread."""
    columns = _COLUMNS[scenario]
    heading = ["contender", "case"]
    for _, title, compare in columns:
        heading += [title, f"of {_REFERENCE}"] if compare else [title]
    rows = []
    for case in results.cases(scenario):
        for contender in results.contenders(scenario):
            cells = _cells(results, scenario, contender, case)
            if any(cells):
                rows.append([contender, case, *cells])
    return markdown(heading, rows)


def _cells(results: Results, scenario: str, contender: str, case: str) -> list[str]:
    cells = []
    for measure, _, compare in _COLUMNS[scenario]:
        spread = results.spread(scenario, contender, case, measure)
        cells.append(number(spread.median if spread else None))
        if compare:
            reference = _REFERENCE + contender.removeprefix(contender.partition("/")[0])
            cells.append(_with_spread(results.ratio(scenario, contender, case, measure, reference)))
    return cells


def _with_spread(spread: Spread | None) -> str:
    if spread is None:
        return ""
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"


def short_table(results: Results) -> str:
    """For a first page: ratios to the reference, and what was lost."""
    columns = (("throughput", "4", "rate"), ("throughput", "32", "rate"), ("throughput", "4", "cpu_us"))
    rows = []
    for contender in results.contenders("throughput"):
        if "/" in contender or not results.spread("throughput", contender, "4", "rate"):
            continue
        ratios = (results.ratio(s, contender, case, measure, _REFERENCE) for s, case, measure in columns)
        call = results.ratio("calls", contender, "1", "p50_us", _REFERENCE)
        lost = results.spread("throughput", contender, "32", "lost")
        cells = [f"{ratio.median:.2f}" if ratio else "" for ratio in (call, *ratios)]
        rows.append([contender, *cells, number(lost.median if lost else None)])
    heading = (
        "contender",
        "median call",
        "records/s, 4",
        "records/s, 32",
        "CPU a record, 4",
        "lost, 32",
    )
    return markdown(heading, rows)


def targets_table(results: Results) -> str:
    rows = []
    for target in TARGETS:
        verdict = judge(target, results)
        limits = [_limit(limit, target.unit) for limit in (target.must, target.goal)]
        rows.append([target.what, *limits, _limit(verdict.measured, target.unit), verdict.state])
    return markdown(("what", "must", "goal", "measured", "verdict"), rows)


def _limit(value: float | None, unit: str) -> str:
    return "" if value is None else f"{number(round(value, 3))} {unit}"


def everything(results: Results) -> str:
    """All tables of what was run, and what failed."""
    parts = [
        f"## {scenario}\n\n{scenario_table(results, scenario)}"
        for scenario in _COLUMNS
        if results.cases(scenario)
    ]
    parts.append(f"## Promises\n\n{targets_table(results)}")
    parts += [f"FAILED {one_line(row)}" for row in results.errors()]
    return "\n\n".join(parts)


def one_line(row: Row) -> str:
    name = f"{row.scenario} {row.contender} ({row.case}) round {row.round}:"
    shown = row.error or ", ".join(f"{key} {number(value)}" for key, value in row.measures.items())
    return f"{name} {shown}"
