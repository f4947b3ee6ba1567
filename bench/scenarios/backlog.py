"""A journal that has grown while nobody collected, and what it takes to write it out.

Owns: the measures `peak_rss_mb`, `pss_mb`, `cpu_us`, `rate`, `backlog_mb`, `lost`. For logboom alone.
"""

from __future__ import annotations

import subprocess
import sys
import time

from bench import processes
from bench.contenders import Contender
from bench.crew import Crew
from bench.logset import Tally, census
from bench.spec import Spec
from bench.workload import log_numbered

__all__ = ["run"]

_PATIENCE = 600.0


def run(spec: Spec, contender: Contender) -> dict[str, float]:
    each = spec.records // spec.processes
    spool = contender.directory / ".logboom"
    crew = Crew(
        contender, spec.processes, lambda call, message, writer: log_numbered(call, message, writer, each)
    )
    crew.start()
    crew.release()
    crew.join()
    backlog = sum(path.stat().st_blocks * 512 for path in (spool / "journal").iterdir())
    collector = subprocess.Popen([sys.executable, "-m", "logboom", "collect", str(spool)])
    try:
        measures = _drained(collector.pid, crew.tally, spec.processes * each)
    finally:
        collector.terminate()
        collector.wait(30)
    found = census(contender.directory, spec.processes, each, check_lines=False)
    return measures | {"backlog_mb": backlog / 1e6, "lost": found.lost, "duplicated": found.duplicated}


def _drained(pid: int, tally: Tally, records: int) -> dict[str, float]:
    """Watch `pid` write; rates count from the first bytes in the file, so without the start."""
    deadline = time.monotonic() + _PATIENCE
    while not tally.update() and time.monotonic() < deadline:
        time.sleep(0.002)
    first, started, cpu = tally.total, time.perf_counter(), processes.cpu_seconds(pid)
    pss = 0.0
    while tally.update() < records and time.monotonic() < deadline:
        pss = max(pss, processes.memory(pid)[1])
        time.sleep(0.1 if records > 2_000_000 else 0.01)
    seconds = time.perf_counter() - started
    count = max(tally.total - first, 1)
    return {
        "peak_rss_mb": processes.peak_rss(pid),
        "pss_mb": pss,
        "cpu_us": (processes.cpu_seconds(pid) - cpu) / count * 1e6,
        "rate": count / seconds,
    }
