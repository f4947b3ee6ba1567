"""The set is in time order, also with far more processes than processors."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from harness import Lab, wait_until

PROCESSES, RECORDS = 32, 12_000
PROGRAM = """
import logging, sys, time, logboom
path, begin, count = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
handler = logboom.RotatingFileHandler(path, maxBytes=10_000_000, backupCount=1000, close_timeout=30)
logging.basicConfig(level="INFO", format="%(created).6f %(process)d %(message)s", handlers=[handler])
while time.time() < begin:
    pass
for number in range(count):
    logging.info("order %s paid by %s in %d ms", number, "anna", 12)
"""


def _totals(lab: Lab) -> dict[str, int]:
    """As the command says: on a machine so busy that no collector came, the programs have written all."""
    command = [sys.executable, "-m", "logboom", "status", str(lab.log), "--json"]
    said = subprocess.run(command, env=lab.environ(), capture_output=True, text=True, timeout=60).stdout
    totals: dict[str, int] = json.loads(said)
    return totals


@pytest.mark.slow
def test_thirty_two_processes_at_full_speed(lab: Lab) -> None:
    """At most one line in 10,000 is late, each one is counted, and each process keeps its order."""
    begin = time.time() + 6
    programs = [
        lab.run(sys.executable, "-c", PROGRAM, str(lab.log), str(begin), str(RECORDS))
        for _ in range(PROCESSES)
    ]
    lab.finish(*programs, timeout=90)
    total = PROCESSES * RECORDS
    wait_until(lambda: _totals(lab).get("written") == total, "all is written", 30)
    files = sorted(
        lab.log.parent.glob("app.log*"), key=lambda path: -int(path.suffix[1:].replace("log", "0"))
    )
    late, newest, numbers = 0, 0.0, {}
    for line in (line for path in files for line in path.read_text().splitlines()):
        created, process, _, number, *_ = line.split()
        late += float(created) < newest
        newest = max(newest, float(created))
        assert numbers.get(process, -1) < int(number)
        numbers[process] = int(number)
    assert len(numbers) == PROCESSES and set(numbers.values()) == {RECORDS - 1}
    assert late <= _totals(lab).get("late", 0) <= total // 10_000
