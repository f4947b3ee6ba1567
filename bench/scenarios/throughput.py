"""Records a second until all are in the set, CPU time a record with every process counted, and what was lost.

Owns: the measures `rate`, `cpu_us`, `servant_cpu_us`, `leaving_ms` (CPU time of a worker's end), `lost`,
`duplicated`, `torn`, `late`.
"""

from __future__ import annotations

import time

from bench import processes
from bench.contenders import Contender
from bench.crew import WARM_UP_RECORDS, Crew
from bench.logset import Census, Tally, census, last_write
from bench.spec import Spec
from bench.workload import log_numbered

__all__ = ["make_old_files", "run"]

_QUIET = 1.5
OLD_LINE = b"2026-01-01 00:00:00,000 INFO     shop.orders 1 order warm-up paid by nobody in 0 ms\n"


def run(spec: Spec, contender: Contender) -> dict[str, float]:
    each = max(int(spec.records * contender.share) // spec.processes, 1)
    make_old_files(contender, int(spec.options.get("old_files", 0)))
    crew = Crew(
        contender, spec.processes, lambda call, message, writer: log_numbered(call, message, writer, each)
    )
    crew.start()
    servants = crew.servants()
    before = sum(map(processes.cpu_seconds, servants))
    own_before = time.process_time()
    crew.release()
    worker_cpu = crew.join()
    contender.finish()
    own = time.process_time() - own_before
    total = spec.processes * each
    _settle(crew.tally, total + spec.processes * WARM_UP_RECORDS)
    servant_cpu = sum(map(processes.cpu_seconds, servants | crew.servants())) - before
    seconds = max(*crew.returned, last_write(contender.directory)) - crew.began
    found = census(contender.directory, spec.processes, each, check_lines=spec.variant == "text")
    return {
        "rate": found.found / seconds,
        "cpu_us": (worker_cpu + own + servant_cpu) / total * 1e6,
        "servant_cpu_us": (own + servant_cpu) / total * 1e6,
        "leaving_ms": (worker_cpu - sum(crew.cpu_worked) + sum(crew.cpu_before)) / spec.processes * 1e3,
        "records": total,
        "seconds": seconds,
        "lost": found.lost,
        "duplicated": found.duplicated,
        **_shape(spec, contender, found),
    }


def _shape(spec: Spec, contender: Contender, found: Census) -> dict[str, float]:
    """What only lines of the known format tell."""
    if spec.variant != "text":
        return {}
    late = {"late": found.late, "late_share": found.late / max(found.found, 1) * 10_000}
    return {"torn": found.torn, **(late if contender.one_set else {})}


def _settle(tally: Tally, expected: int) -> None:
    """Until all are there, or nothing has come for a while: a contender that loses is not waited for."""
    changed = time.monotonic()
    while (had := tally.total) < expected and time.monotonic() < changed + _QUIET:
        if tally.update() > had:
            changed = time.monotonic()
        time.sleep(0.01)


def make_old_files(contender: Contender, count: int) -> None:
    """Rotated files of earlier days, oldest with the highest number."""
    for number in range(1, count + 1):
        (contender.directory / f"app.log.{number}").write_bytes(OLD_LINE)
