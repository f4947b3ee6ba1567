"""Whatever runs the program's code at once: every record once, and each worker's in its order."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

Programs = Any

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SETUP = """
import logging
import logboom
logging.basicConfig(
    level=logging.INFO, format="%(message)s",
    handlers=[logboom.RotatingFileHandler("app.log", maxBytes=5_000, backupCount=100)],
)
log = logging.getLogger("program")
"""

THREADS = """
import threading
{setup}
def work(worker):
    for number in range(400):
        log.info("%d %d", worker, number)
threads = [threading.Thread(target=work, args=(n,)) for n in range(10)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""

ASYNCIO = """
import asyncio
{setup}
async def work(worker):
    for number in range(400):
        log.info("%d %d", worker, number)
        await asyncio.sleep(0)
async def main():
    await asyncio.gather(*(work(n) for n in range(10)))
asyncio.run(main())
"""

GEVENT = """
import gevent.monkey
gevent.monkey.patch_all()
import gevent
{setup}
def work(worker):
    for number in range(400):
        log.info("%d %d", worker, number)
        gevent.sleep(0)
gevent.joinall([gevent.spawn(work, n) for n in range(10)])
"""

GEVENT_LATE = """
{setup}
log.info("0 0")
import gevent.monkey
gevent.monkey.patch_all()
import gevent
def work(worker):
    for number in range(worker == 0, 400):
        log.info("%d %d", worker, number)
        gevent.sleep(0)
gevent.joinall([gevent.spawn(work, n) for n in range(10)])
"""

PROCESSES = """
import multiprocessing
{setup}
def work(worker):
    for number in range(400):
        log.info("%d %d", worker, number)
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    processes = [context.Process(target=work, args=(n,)) for n in range(10)]
    for process in processes: process.start()
    for process in processes: process.join()
"""

POOL = """
import concurrent.futures, multiprocessing
{setup}
def work(worker):
    for number in range(400):
        log.info("%d %d", worker, number)
if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(work, range(10)))
"""

PROGRAMS = {
    "threads": THREADS,
    "asyncio": ASYNCIO,
    "gevent": GEVENT,
    "gevent, patched late": GEVENT_LATE,
    "fork": PROCESSES.replace("{method!r}", "'fork'"),
    "spawn": PROCESSES.replace("{method!r}", "'spawn'"),
    "forkserver": PROCESSES.replace("{method!r}", "'forkserver'"),
    "pool": POOL,
}


def in_order(programs: Programs) -> list[str]:
    """All lines of the set, oldest first."""
    files = sorted(programs.directory.glob("app.log.*"), key=lambda path: -int(path.suffix[1:]))
    return [line for path in [*files, programs.log] for line in path.read_text().splitlines()]


@pytest.mark.parametrize("collector", ["auto", "off"])
@pytest.mark.parametrize("kind", PROGRAMS)
def test_each_worker_is_heard_in_full(programs: Programs, kind: str, collector: str) -> None:
    """Threads, tasks, greenlets and processes share one handler's set, over many rotations."""
    if kind.startswith("gevent") and importlib.util.find_spec("gevent") is None:
        pytest.skip("gevent is not installed here")
    # gevent itself warns when it patches late, and about forks in its threads.
    done = programs.run(PROGRAMS[kind].replace("{setup}", SETUP), check=False, LOGBOOM_COLLECTOR=collector)
    assert done.returncode == 0, done.stderr
    lines = in_order(programs)
    for worker in range(10):
        mine = [line for line in lines if line.startswith(f"{worker} ")]
        assert mine == [f"{worker} {number}" for number in range(400)]
    assert len(lines) == 4000
    assert len(list(programs.directory.glob("app.log.*"))) > 1
