"""From call to visible: one process, one record every 10 ms, and a reader that looks every half millisecond.

Owns: the measures `p50_ms`, `p99_ms`, `servant_percent`. The CPU of a contender whose writer is a thread
of the parent is not told apart from the reader's, and is left out.
"""

from __future__ import annotations

import time
from multiprocessing.sharedctypes import RawArray
from typing import Any

from bench import processes
from bench.contenders import Contender
from bench.crew import WARM_UP_RECORDS, Crew
from bench.logset import Tally
from bench.spec import Spec
from bench.summary import quantile
from bench.workload import Call

__all__ = ["run"]

_INTERVAL = 0.010
_LOOK = 0.0005
_PATIENCE = 5.0


def run(spec: Spec, contender: Contender) -> dict[str, float]:
    called: Any = RawArray("d", spec.records)

    def work(call: Call, message: str, writer: int) -> None:
        due = time.perf_counter()
        for number in range(spec.records):
            due += _INTERVAL
            time.sleep(max(due - time.perf_counter(), 0))
            called[number] = time.perf_counter()
            call(message, f"{writer:03d}-{number:07d}", "alice", 12)

    crew = Crew(contender, 1, work)
    crew.start()
    servants = crew.servants()
    cpu = sum(map(processes.cpu_seconds, servants))
    started = time.perf_counter()
    crew.release()
    seen = _watch(crew.tally, spec.records)
    elapsed = time.perf_counter() - started
    cpu = sum(map(processes.cpu_seconds, servants)) - cpu
    crew.join()
    contender.finish()
    delays = sorted((when - start) * 1e3 for start, when in zip(called, seen, strict=False))
    if len(seen) < spec.records:
        raise RuntimeError(f"{len(seen)} of {spec.records} records were seen")
    measures = {"p50_ms": quantile(delays, 0.5), "p99_ms": quantile(delays, 0.99)}
    return measures | ({"servant_percent": cpu / elapsed * 100} if servants else {})


def _watch(tally: Tally, records: int) -> list[float]:
    """When each record was first seen, in the order of the file."""
    seen: list[float] = []
    patience = time.perf_counter() + records * _INTERVAL + _PATIENCE
    while len(seen) < records and (now := time.perf_counter()) < patience:
        total = tally.update() - WARM_UP_RECORDS
        now = time.perf_counter()
        seen.extend([now] * (total - len(seen)))
        time.sleep(_LOOK)
    return seen
