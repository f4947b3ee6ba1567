"""What it costs when nothing is logged: disk for each producer, CPU of whoever waits to write.

Owns: the measures `disk_kib` (a producer), `servant_percent` (of a core), `servants`.
"""

from __future__ import annotations

import time
from pathlib import Path

from bench import processes
from bench.contenders import Contender
from bench.crew import Crew
from bench.spec import Spec
from bench.workload import Call

__all__ = ["run"]

_SETTLE = 2.0


def run(spec: Spec, contender: Contender) -> dict[str, float]:
    seconds = float(spec.options.get("seconds", 10.0))

    def work(call: Call, message: str, writer: int) -> None:
        time.sleep(_SETTLE + seconds + 0.5)

    crew = Crew(contender, spec.processes, work)
    crew.start()
    crew.release()
    time.sleep(_SETTLE)
    servants = processes.writer_of(crew.servants())
    before = sum(map(processes.cpu_seconds, servants))
    started = time.perf_counter()
    disk = _allocated(contender.directory / ".logboom")
    time.sleep(seconds)
    cpu = sum(map(processes.cpu_seconds, servants)) - before
    elapsed = time.perf_counter() - started
    processes.writer_of(servants)
    crew.join()
    return {
        "disk_kib": disk / 1024 / spec.processes,
        "servant_percent": cpu / elapsed * 100,
        "servants": len(servants),
    }


def _allocated(directory: Path) -> int:
    """Bytes that the files of the journal occupy, as `du` counts them."""
    return sum(path.stat().st_blocks * 512 for path in (directory / "journal").glob("*"))
