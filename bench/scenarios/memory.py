"""The memory of whoever writes the file, while it works.

Owns: the measures `peak_rss_mb`, `pss_mb` (the largest seen). Needs a contender with a process that writes.
"""

from __future__ import annotations

import time

from bench import processes
from bench.contenders import Contender
from bench.crew import WARM_UP_RECORDS, Crew, wait_until
from bench.spec import Spec
from bench.workload import Call, log_numbered

__all__ = ["run"]

_BURSTS = 10


def run(spec: Spec, contender: Contender) -> dict[str, float]:
    each = max(spec.records // spec.processes // _BURSTS, 1)
    pause = float(spec.options.get("pause", 0.0))

    def work(call: Call, message: str, writer: int) -> None:
        for _ in range(_BURSTS):
            log_numbered(call, message, writer, each)
            time.sleep(pause)

    crew = Crew(contender, spec.processes, work)
    crew.start()
    servants = processes.writer_of(crew.servants())
    crew.release()
    expected = spec.processes * (each * _BURSTS + WARM_UP_RECORDS)
    seen = [0.0]

    def done() -> bool:
        seen.append(max((processes.memory(pid)[1] for pid in servants), default=0.0))
        return crew.tally.update() >= expected

    if not wait_until(done, 100.0, 0.1):
        raise RuntimeError(f"{crew.tally.total} of {expected} records came")
    peak = max(map(processes.peak_rss, processes.writer_of(servants)))
    crew.join()
    return {"peak_rss_mb": peak, "pss_mb": max(seen)}
