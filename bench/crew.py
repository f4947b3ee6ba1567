"""Workers: forked, warmed up, released at the same moment, counted to the last microsecond of CPU.

Owns: the processes of a trial and the gate before them. Never knows: contenders' insides, measures' names.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from multiprocessing.sharedctypes import RawArray
from typing import Any

from bench import processes
from bench.contenders import Contender
from bench.logset import Tally
from bench.workload import Call, log_warm_up

__all__ = ["Crew", "Work", "wait_until"]

_fork = multiprocessing.get_context("fork")
Work = Callable[[Call, str, int], None]
WARM_UP_RECORDS = 5


def wait_until(condition: Callable[[], bool], timeout: float, interval: float = 0.005) -> bool:
    """Whether `condition` came true within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(interval)
    return met or condition()


class Crew:
    """Workers that each run `work(call, message, writer)` once the gate is open.

    Attributes:
        began: wall time in seconds at which the gate was opened.
        cpu_before: CPU seconds that each worker had spent at the gate.
        cpu_worked: CPU seconds that each worker had spent when its last call had returned.
        returned: wall time in seconds at which each worker's last call returned.
    """

    def __init__(self, contender: Contender, size: int, work: Work) -> None:
        self.contender = contender
        self.size = size
        self.work = work
        self.began = 0.0
        self.cpu_before: Any = RawArray("d", size)
        self.cpu_worked: Any = RawArray("d", size)
        self.returned: Any = RawArray("d", size)
        self._warm = _fork.Semaphore(0)
        self._gate = _fork.Event()
        self._reaped_before = 0.0
        self.tally = Tally(contender.directory)
        self._workers = [_fork.Process(target=self._run, args=(writer,)) for writer in range(size)]

    def start(self, timeout: float = 60.0) -> None:
        """Fork, and wait until everybody is warm and what they logged is in the files."""
        for worker in self._workers:
            worker.start()
        deadline = time.monotonic() + timeout
        for _ in self._workers:
            while not self._warm.acquire(timeout=0.2):
                if time.monotonic() > deadline or any(worker.exitcode for worker in self._workers):
                    raise RuntimeError("a worker did not come to the gate")
        if self.contender.keeps:
            wait_until(lambda: self.tally.update() >= self.size * WARM_UP_RECORDS, 5.0)

    def release(self) -> None:
        self._reaped_before = _reaped_cpu()
        self.began = time.time()
        self._gate.set()

    def join(self) -> float:
        """Wait for all; the CPU seconds that they spent from the gate to their last."""
        for worker in self._workers:
            worker.join()
            if worker.exitcode:
                raise RuntimeError(f"a worker left with {worker.exitcode}")
        return _reaped_cpu() - self._reaped_before - float(sum(self.cpu_before))

    def pids(self) -> set[int]:
        return {worker.pid for worker in self._workers if worker.pid}

    def servants(self) -> set[int]:
        """Everybody under this process who is no worker: a contender's server, a collector."""
        return processes.descendants(os.getpid()) - self.pids()

    def _run(self, writer: int) -> None:
        call = self.contender.attach(writer)
        log_warm_up(call, self.contender.message, WARM_UP_RECORDS)
        self._warm.release()
        self._gate.wait()
        self.cpu_before[writer] = time.process_time()
        self.work(call, self.contender.message, writer)
        self.returned[writer] = time.time()
        self.cpu_worked[writer] = time.process_time()
        self.contender.detach()


def _reaped_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
