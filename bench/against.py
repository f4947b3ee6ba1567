"""`python -m bench.against REV`: this tree beside another revision of it, in one run.

Each round runs the same trial with both, one directly behind the other, so that whatever slows the machine
slows both. What counts is the ratio within each pair; its confidence interval is a bootstrap of the pairs.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.run import ROOT, run_trial, say
from bench.spec import Spec
from bench.summary import quantile

__all__ = ["Comparison", "main"]

WORSE: Final = 1.03
_RESAMPLES: Final = 4000
_CONFIDENCE: Final = 0.95

Measure = Callable[[Mapping[str, float]], float]


@dataclass
class Comparison:
    """One cost, where less is better, in pairs of `(this tree's, the other revision's)`."""

    what: str
    unit: str
    pairs: list[tuple[float, float]] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios: above 1 this tree costs more."""
        return statistics.median(ours / theirs for ours, theirs in self.pairs)

    def interval(self) -> tuple[float, float]:
        """The confidence interval of `ratio`."""
        ratios = [ours / theirs for ours, theirs in self.pairs]
        chance = random.Random(0)
        medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES))
        beside = (1 - _CONFIDENCE) / 2
        return quantile(medians, beside), quantile(medians, 1 - beside)

    def verdict(self) -> str:
        """`no worse`, `worse`, or `undecided`: the limit lies within the interval."""
        low, high = self.interval()
        return "no worse" if high < WORSE else "worse" if low > WORSE else "undecided"


_COSTS: Final[dict[str, list[tuple[str, str, Measure]]]] = {
    "calls": [
        ("log call, CPU time", "µs", lambda measures: measures["cpu_us"]),
        ("log call, median", "µs", lambda measures: measures["p50_us"]),
    ],
    "throughput": [
        ("throughput, time a record", "µs", lambda measures: 1e6 / measures["rate"]),
        ("throughput, CPU time a record", "µs", lambda measures: measures["cpu_us"]),
    ],
}


def _specs(contenders: Sequence[str], calls: int, records: int) -> list[Spec]:
    sizes = {"calls": calls, "throughput": records}
    return [
        Spec(scenario, contender, str(count), count, size)
        for contender in contenders
        for scenario, size in sizes.items()
        for count in (1, 4)
    ]


def _unpack(revision: str, place: Path) -> Path:
    """The other revision's `src`."""
    archive = subprocess.run(
        ["git", "archive", "--format=tar", revision, "src"], cwd=ROOT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(place, filter="data")
    return place / "src"


def _check(source: Path) -> None:
    """What is measured must be what is meant, wherever another logboom is installed."""
    command = [sys.executable, "-c", "import logboom; print(logboom.__file__)"]
    environment = os.environ | {"PYTHONPATH": str(source)}
    found = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    if not Path(found.stdout.strip()).is_relative_to(source):
        raise SystemExit(f"bench: {source} is not what is imported, but {found.stdout.strip()}")


def compare(
    specs: Sequence[Spec], sources: tuple[Path, Path], directory: Path, least: int, most: int
) -> list[Comparison]:
    """Rounds of pairs: at least `least`, then more of what is undecided, until there are `most`."""
    compared = [
        [
            Comparison(f"{spec.contender}, {what}, {spec.case}", unit)
            for what, unit, _ in _COSTS[spec.scenario]
        ]
        for spec in specs
    ]
    for number in range(most):
        for spec, comparisons in zip(specs, compared, strict=True):
            if number >= least and all(one.verdict() != "undecided" for one in comparisons):
                continue
            order = (0, 1) if number % 2 else (1, 0)  # neither is always the first
            found = {which: _measured(spec, number, directory, sources[which]) for which in order}
            for comparison, (_, unit, measure) in zip(comparisons, _COSTS[spec.scenario], strict=True):
                ours, theirs = measure(found[0]), measure(found[1])
                comparison.pairs.append((ours, theirs))
                say(f"{number + 1}/{most} {comparison.what}: {ours:.3g} and {theirs:.3g} {unit}")
    return [one for comparisons in compared for one in comparisons]


def _measured(spec: Spec, number: int, directory: Path, source: Path) -> dict[str, float]:
    row = run_trial(spec, number, directory, source)
    if row.error or row.measures.get("lost") or row.measures.get("duplicated"):
        raise SystemExit(f"bench: {source}: {spec.label}: {row.error or row.measures}")
    return row.measures


def table(compared: Sequence[Comparison], revision: str) -> str:
    """Markdown."""
    lines = [
        f"| what, processes | here | {revision} | ratio | {_CONFIDENCE:.0%} interval | pairs | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in compared:
        ours, theirs = (statistics.median(pair[which] for pair in one.pairs) for which in (0, 1))
        low, high = one.interval()
        lines.append(
            f"| {one.what} | {ours:.3g} {one.unit} | {theirs:.3g} {one.unit} | {one.ratio:.3f} | "
            f"{low:.3f} to {high:.3f} | {len(one.pairs)} | {one.verdict()} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 where something is certainly more than 3 % worse."""
    parser = argparse.ArgumentParser(prog="python -m bench.against", description=__doc__)
    parser.add_argument("revision", help="of this repository")
    parser.add_argument("--contenders", default="logboom", help="names, with commas")
    parser.add_argument("--rounds", type=int, default=12, help="pairs of each, at least")
    parser.add_argument("--most", type=int, default=40, help="pairs of what is undecided, at most")
    parser.add_argument("--calls", type=int, default=20_000, help="calls of a trial")
    parser.add_argument("--records", type=int, default=60_000, help="records of a throughput trial")
    parser.add_argument("--directory", type=Path, default=None, help="where the log files go")
    options = parser.parse_args(arguments)
    place = Path(tempfile.mkdtemp(prefix="logboom-against-", dir=options.directory))
    try:
        sources = ROOT / "src", _unpack(options.revision, place)
        for source in sources:
            _check(source)
        specs = _specs(options.contenders.split(","), options.calls, options.records)
        compared = compare(specs, sources, place, options.rounds, max(options.most, options.rounds))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    sys.stdout.write(table(compared, options.revision) + "\n")
    return int(any(one.verdict() == "worse" for one in compared))


if __name__ == "__main__":
    sys.exit(main())
