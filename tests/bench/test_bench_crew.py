"""What is charged to a contender, and what is not."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest
from bench.contenders import Contender
from bench.contenders.stdlib import NullContender
from bench.crew import Crew
from bench.scenarios.throughput import make_old_files
from bench.workload import Call

from bench import processes

pytestmark = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="reads /proc")


def _burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


class _SlowToStart(NullContender):
    def handler(self, writer: int) -> logging.Handler:
        _burn(0.3)
        return super().handler(writer)


class _Broken(NullContender):
    def handler(self, writer: int) -> logging.Handler:
        os._exit(3)


def _crew(contender: type[Contender], directory: Path, seconds: float) -> Crew:
    def work(call: Call, message: str, writer: int) -> None:
        _burn(seconds)

    return Crew(contender(directory), 1, work)


def test_setting_up_is_not_charged(tmp_path: Path) -> None:
    """A start costs once; the promise is about a record."""
    crew = _crew(_SlowToStart, tmp_path, 0.0)
    crew.start()
    crew.release()
    assert crew.join() < 0.15


def test_the_work_is_charged(tmp_path: Path) -> None:
    """The counterpart: a clock that stands still would pass the test above."""
    crew = _crew(NullContender, tmp_path, 0.2)
    crew.start()
    crew.release()
    assert 0.19 < crew.join() < 0.35


def test_a_worker_that_dies_before_the_gate_ends_the_trial(tmp_path: Path) -> None:
    """A run must not wait a minute for each trial of a contender that is broken."""
    with pytest.raises(RuntimeError, match="gate"):
        _crew(_Broken, tmp_path, 0.0).start(timeout=30)


def test_another_process_has_cpu_time_and_memory() -> None:
    """The collector is measured from outside."""
    pid = os.getpid()
    assert processes.cpu_seconds(pid) == pytest.approx(time.process_time(), abs=0.1)
    rss, pss = processes.memory(pid)
    assert processes.peak_rss(pid) >= rss >= pss > 1


def test_old_files_bear_the_names_of_backups(tmp_path: Path) -> None:
    """The cost of many rotated files is only seen when the rotation finds them."""
    make_old_files(NullContender(tmp_path), 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.log.1", "app.log.2", "app.log.3"]
