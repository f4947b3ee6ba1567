"""Short jobs, of which none has a collector that outlives it: the spool stays bounded, and nothing is lost.

Containers whose collector ends with them, `collector="off"`, and a collector that is killed after each job:
the segments that one job leaves are removed by those that come after it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import Lab, wait_until

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="jobs are forked here"),
]

JOBS = """
import ctypes, json, logging, os, sys
import logboom
import logboom.collector.assembly  # so that a job takes milliseconds
log, first, last, namespace, options = json.loads(sys.argv[1])
if namespace and ctypes.CDLL(None, use_errno=True).unshare(0x20000000):
    sys.exit(77)

def job(number):
    handler = logboom.FileHandler(log, **options)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.Logger("job")
    logger.addHandler(handler)
    logger.info("record %d", number)
    handler.close()

for number in range(first, last):
    if namespace and number > first:
        break
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            job(number)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
"""


class Jobs:
    """Jobs of one kind, one after the other."""

    def __init__(self, lab: Lab, kind: str, **options: object) -> None:
        self.lab, self.kind, self.done = lab, kind, 0
        self.options = options | ({"collector": "off"} if kind == "off" else {})

    def run(self, count: int) -> None:
        step = count if self.kind == "off" else 1
        for _ in range(0, count, step):
            self._run(step)
            if self.kind == "killed":
                self.lab.kill_collector()

    def _run(self, count: int) -> None:
        namespace = self.kind == "namespace"
        setup = [str(self.lab.log), self.done, self.done + count, namespace, self.options]
        environment = self.lab.environ()
        done = subprocess.run(
            [sys.executable, "-c", JOBS, json.dumps(setup)], env=environment, capture_output=True, timeout=120
        )
        if done.returncode == 77:
            pytest.skip("no new PID namespace here")
        assert done.returncode == 0, done.stderr.decode()
        assert done.stderr == b""
        self.done += count

    def lines(self) -> list[str]:
        return self.lab.log.read_text().splitlines() if self.lab.log.exists() else []

    def segments(self) -> int:
        return len(list((self.lab.spool / "journal").iterdir()))


@pytest.mark.parametrize(("kind", "count"), [("off", 150), ("namespace", 45), ("killed", 45)])
def test_short_jobs_leave_a_bounded_spool(kind: str, count: int, tmp_path: Path) -> None:
    """A minutely job filled the spool in ten days: from then on every record was dropped."""
    lab = Lab(tmp_path)
    jobs = Jobs(lab, kind, spool_max_size="1 MB")
    try:
        jobs.run(count)
        if kind != "off":  # that one takes no 5 s
            assert jobs.segments() < count * 3 / 4, "those that come later remove what earlier ones left"
        wait_until(lambda: (lab.drain(), jobs.segments() == 0)[1], "what is left is removed", 20)
        assert jobs.lines() == [f"record {number}" for number in range(jobs.done)]
    finally:
        lab.close()
