"""Medians and ratios over rounds.

Owns: quantiles, `Results`. Never knows: where rows come from, tables.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.spec import Row

__all__ = ["Results", "Spread", "quantile"]


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value below which `part` of `ordered` (sorted, not empty) lies: the nearest rank."""
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


@dataclass(frozen=True)
class Spread:
    """The median of some values, with the least and the largest."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        if not values:
            return None
        return cls(statistics.median(values), min(values), max(values), len(values))


class Results:
    """Rows, asked for by scenario, contender and case."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)

    def rounds(self, scenario: str, contender: str, case: str, measure: str) -> dict[int, float]:
        """The measure of each round that has it."""
        return {
            row.round: row.measures[measure]
            for row in self.rows
            if (row.scenario, row.contender, row.case) == (scenario, contender, case)
            and measure in row.measures
        }

    def spread(self, scenario: str, contender: str, case: str, measure: str) -> Spread | None:
        return Spread.of(list(self.rounds(scenario, contender, case, measure).values()))

    def ratio(
        self,
        scenario: str,
        contender: str,
        case: str,
        measure: str,
        to: str,
        *,
        less: str = "",
        to_case: str = "",
    ) -> Spread | None:
        """`contender` over `to`, round by round: what slowed one round down slowed both.

        Args:
            less: a contender whose own value is taken from both first.
            to_case: the case of `to`, where it is another.
        """
        ours = self.rounds(scenario, contender, case, measure)
        theirs = self.rounds(scenario, to, to_case or case, measure)
        base = self.rounds(scenario, less, case, measure) if less else {}
        common = [number for number in ours if number in theirs and (not less or number in base)]
        pairs = [
            (ours[number] - base.get(number, 0), theirs[number] - base.get(number, 0)) for number in common
        ]
        return Spread.of([our / their for our, their in pairs if their])

    def contenders(self, scenario: str) -> list[str]:
        return list(dict.fromkeys(row.contender for row in self.rows if row.scenario == scenario))

    def cases(self, scenario: str) -> list[str]:
        return list(dict.fromkeys(row.case for row in self.rows if row.scenario == scenario))

    def errors(self) -> list[Row]:
        return [row for row in self.rows if row.error]
