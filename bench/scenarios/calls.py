"""What one log call costs its caller: CPU time of the thread, and the distribution of wall time.

Owns: the measures `cpu_us`, `p50_us`, `p99_us`, `p999_us`.
"""

from __future__ import annotations

from array import array
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any

from bench.contenders import Contender
from bench.crew import Crew
from bench.spec import Spec
from bench.summary import quantile
from bench.workload import Call, cpu_of_calls, wall_of_calls

__all__ = ["run"]


def run(spec: Spec, contender: Contender) -> dict[str, float]:
    each = max(int(spec.records * contender.share), 100)
    cpu: Any = RawArray("d", spec.processes)
    spent = contender.directory.parent / f"{contender.directory.name}.spent"
    spent.mkdir()

    def work(call: Call, message: str, writer: int) -> None:
        cpu[writer] = cpu_of_calls(call, message, each)
        (spent / str(writer)).write_bytes(wall_of_calls(call, message, each).tobytes())

    crew = Crew(contender, spec.processes, work)
    crew.start()
    crew.release()
    crew.join()
    contender.finish()
    wall = sorted(nanoseconds / 1e3 for file in spent.iterdir() for nanoseconds in _numbers(file))
    return {
        "cpu_us": sum(cpu) / spec.processes * 1e6,
        "p50_us": quantile(wall, 0.5),
        "p99_us": quantile(wall, 0.99),
        "p999_us": quantile(wall, 0.999),
    }


def _numbers(file: Path) -> array[int]:
    return array("q", file.read_bytes())
