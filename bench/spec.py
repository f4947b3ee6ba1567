"""One trial as a value: what is measured, of whom, how large; and its result.

Owns: `Spec`, `Row`, their JSON. Never knows: how a trial runs.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Row", "Spec"]


@dataclass(frozen=True)
class Spec:
    """What one trial does.

    Attributes:
        scenario: name of the module in `bench.scenarios`.
        contender: name in `bench.contenders.CONTENDERS`.
        case: what distinguishes it from other sizes of the same scenario in tables: "4", "500".
        processes: how many log at the same moment.
        records: how many each contender logs in total, before its `share` is taken.
        variant: one of `bench.workload.VARIANTS`.
        options: the scenario's own.
    """

    scenario: str
    contender: str
    case: str = "1"
    processes: int = 1
    records: int = 10_000
    variant: str = "text"
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The contender with its variant, as tables call it."""
        return self.contender if self.variant == "text" else f"{self.contender}/{self.variant}"

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Spec:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Row:
    """What one trial measured; `error` says why it did not."""

    scenario: str
    contender: str
    case: str
    round: int
    measures: dict[str, float]
    error: str = ""
