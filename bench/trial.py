"""One trial in a process of its own: `python -m bench.trial SPEC DIRECTORY`; measures on stdout, as JSON.

Owns: setting one contender up and ending everything that it started. Never knows: other trials.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType

from bench import processes
from bench.contenders import CONTENDERS
from bench.spec import Spec

__all__ = ["main"]


def run(spec: Spec, directory: Path) -> dict[str, float]:
    scenario: ModuleType = importlib.import_module(f"bench.scenarios.{spec.scenario}")
    contender = CONTENDERS[spec.contender](directory, spec.variant, int(spec.options.get("backups", 10)))
    processes.adopt_orphans()
    contender.start()
    try:
        measures: dict[str, float] = scenario.run(spec, contender)
    finally:
        contender.close()
        processes.end(processes.descendants(os.getpid()))
    return measures


def main(arguments: list[str]) -> int:
    spec, directory = Spec.from_json(arguments[0]), Path(arguments[1])
    measures = run(spec, directory)
    sys.stdout.write(json.dumps(measures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
