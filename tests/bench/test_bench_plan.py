"""What a run consists of."""

from __future__ import annotations

import importlib

from bench.contenders import CONTENDERS
from bench.plan import FULL, QUICK, SCENARIOS, Group, interleave, plan
from bench.spec import Spec


def test_contenders_take_turns() -> None:
    """A disturbance of some seconds must hit all contenders alike."""
    group = Group((Spec("calls", "null"), Spec("calls", "own-file")), rounds=2)
    order = [(number, spec.contender) for number, spec in interleave([group])]
    assert order == [(0, "null"), (0, "own-file"), (1, "null"), (1, "own-file")]


def test_every_spec_can_be_run() -> None:
    """A misspelt name would be found after ten minutes otherwise."""
    for size in (QUICK, FULL):
        for group in plan(size, ()):
            for spec in group.specs:
                assert spec.contender in CONTENDERS
                assert callable(importlib.import_module(f"bench.scenarios.{spec.scenario}").run)


def test_only_named_scenarios_are_planned() -> None:
    """`--only` is how a single number is looked at."""
    for name in SCENARIOS:
        assert plan(QUICK, [name]) == list(SCENARIOS[name](QUICK))
