"""What the project promises about speed and memory, beside what a run measured.

Owns: the promises, as data, and their verdict. Never knows: how anything was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.summary import Results

__all__ = ["TARGETS", "Target", "Verdict", "judge"]

Measure = Callable[[Results], float | None]


@dataclass(frozen=True)
class Target:
    """One promise: `value` of a run against the limits, which are least or most."""

    what: str
    unit: str
    must: float | None
    goal: float | None
    value: Measure
    more_is_better: bool = False


@dataclass(frozen=True)
class Verdict:
    """A target and what became of it; `state` is `goal`, `must`, `missed`, `info` or `not run`."""

    target: Target
    measured: float | None
    state: str


def _ratio(
    scenario: str, case: str, measure: str, to: str = "own-file", *, less: str = "", who: str = "logboom"
) -> Measure:
    def value(results: Results) -> float | None:
        spread = results.ratio(scenario, who, case, measure, to, less=less)
        return None if spread is None else spread.median

    return value


def _median(scenario: str, case: str, measure: str, who: str = "logboom") -> Measure:
    def value(results: Results) -> float | None:
        spread = results.spread(scenario, who, case, measure)
        return None if spread is None else spread.median

    return value


def _over(measure: str) -> Measure:
    """What logboom's start or exit costs above that of a plain `FileHandler`."""

    def value(results: Results) -> float | None:
        ours = results.spread("startup", "logboom", "1", measure)
        plain = results.spread("startup", "own-file", "1", measure)
        return None if ours is None or plain is None else ours.median - plain.median

    return value


def _grown(scenario: str, more: str, fewer: str, measure: str, who: str = "logboom") -> Measure:
    def value(results: Results) -> float | None:
        spread = results.ratio(scenario, who, more, measure, who, to_case=fewer)
        return None if spread is None else spread.median

    return value


def _throughput_targets() -> list[Target]:
    targets = []
    for case in ("1", "4", "32"):
        what = f"CPU time a record, collector included, {case} processes, of own-file"
        targets.append(Target(what, "x", 1.1, 0.8, _ratio("throughput", case, "cpu_us")))
    for case in ("1", "4", "8", "32"):
        rate = _ratio("throughput", case, "rate")
        targets.append(Target(f"records a second, {case} processes, of own-file", "x", 1.0, 1.2, rate, True))
    for peer, factor in (("concurrent-log-handler", 4.0), ("zmq-push-pull", 3.0)):
        for case in ("1", "4", "8", "32"):
            rate = _ratio("throughput", case, "rate", peer)
            what = f"records a second, {case} processes, of {peer}"
            targets.append(Target(what, "x", None, factor, rate, True))
    late = _median("throughput", "32", "late_share")
    return [*targets, Target("lines late, 32 processes", "of 10,000", 1, None, late)]


def _call_targets() -> list[Target]:
    clh = _ratio("calls", "1", "cpu_us", "concurrent-log-handler", less="null")
    return [
        Target(
            "CPU time of a call, less the null handler's, of own-file",
            "x",
            0.5,
            0.25,
            _ratio("calls", "1", "cpu_us", less="null"),
        ),
        Target("the same, of concurrent-log-handler", "x", None, 0.06, clh),
        Target("whole call, median, of own-file", "x", 1.0, 0.6, _ratio("calls", "1", "p50_us")),
        Target(
            "whole call, 99.9th percentile, 2 processes, of own-file",
            "x",
            None,
            1.0,
            _ratio("calls", "2", "p999_us"),
        ),
    ]


def _resource_targets() -> list[Target]:
    visible, meanwhile = _median("latency", "1", "p99_ms"), _median("latency", "1", "servant_percent")
    eight, many = (
        _median("memory", "8 producers", "peak_rss_mb"),
        _median("memory", "500 producers", "peak_rss_mb"),
    )
    backlog = _median("backlog", "1 GB", "peak_rss_mb", "logboom-uncollected")
    idle = _median("idle", "1 producer", "servant_percent")
    return [
        Target("call to visible, a record every 10 ms, p99", "ms", 150, 60, visible),
        Target("the collector meanwhile", "% of a core", None, 2, meanwhile),
        Target("collector's memory, 8 producers", "MB", 80, 60, eight),
        Target("collector's memory, 500 producers", "MB", 160, 120, many),
        Target("collector's memory, a backlog of 1 GB", "MB", 200, 150, backlog),
        Target("import and a handler, over plain logging", "ms", 40, 25, _over("setup_ms")),
        Target("import and a handler, over plain logging", "MB", 6, 4, _over("rss_mb")),
        Target("leaving a program, over plain logging", "ms", 50, None, _over("exit_ms")),
        Target("on disk, an idle producer", "KiB", 128, 64, _median("idle", "1 producer", "disk_kib")),
        Target("idle collector, 1 producer", "% of a core", 0.5, None, idle),
        Target(
            "idle collector, 600 producers",
            "% of a core",
            3,
            1,
            _median("idle", "600 producers", "servant_percent"),
        ),
    ]


def _growth_targets() -> list[Target]:
    files = _grown("throughput", "growth: 1000 files", "growth: 1 file", "cpu_us")
    processes = _grown("throughput", "growth: 32 processes", "growth: 2 processes", "cpu_us")
    backlog = _grown("backlog", "1 GB", "small", "cpu_us", "logboom-uncollected")
    return [
        Target("CPU a record, 32 processes beside 2", "x", 1.25, 1.1, processes),
        Target("CPU a record, 1,000 rotated files beside 1", "x", 1.25, 1.1, files),
        Target("collector's CPU a record, a backlog of 1 GB beside a small one", "x", 1.25, 1.1, backlog),
    ]


TARGETS: Final = (*_call_targets(), *_throughput_targets(), *_resource_targets(), *_growth_targets())


def judge(target: Target, results: Results) -> Verdict:
    measured = target.value(results)
    if measured is None:
        return Verdict(target, None, "not run")
    if _meets(measured, target.goal, target.more_is_better):
        return Verdict(target, measured, "goal")
    if target.must is None:
        return Verdict(target, measured, "short of the goal")
    met = _meets(measured, target.must, target.more_is_better)
    return Verdict(target, measured, "must" if met else "missed")


def _meets(measured: float, limit: float | None, more_is_better: bool) -> bool:
    if limit is None:
        return False
    return measured >= limit if more_is_better else measured <= limit
