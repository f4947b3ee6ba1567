"""A program that logs in one of many ways and notes for the oracle what returned.

`python producer.py '{"log": ..., "notes": ..., "name": ..., "scenario": ...}'`; see `Setup`.
It prints `ready` when it is about to log, and its exit status is 0 when nothing was raised.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import itertools
import json
import logging
import math
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logboom.testing import Writer

FORMAT = "%(asctime)s %(levelname)s %(name)s %(process)d %(message)s"


@dataclass(frozen=True)
class Setup:
    """What to do: `count` records a thread (0: until killed), with up to `size` characters of filling."""

    log: str
    notes: str
    name: str
    scenario: str = "plain"
    handler: str = "logboom.RotatingFileHandler"
    options: dict[str, Any] = field(default_factory=dict)
    count: int = 100
    size: int = 0
    pace: float = 0.0
    children: int = 3
    method: str = "fork"

    def configure(self) -> logging.Logger:
        module, _, name = self.handler.rpartition(".")
        handler = getattr(importlib.import_module(module), name)(self.log, **self.options)
        handler.setFormatter(logging.Formatter(FORMAT))
        logger = logging.getLogger("shop")
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO)
        return logger

    def writer(self, *parts: object) -> Writer:
        return Writer(Path(self.notes), "-".join(map(str, (self.name, *parts))))

    def work(self, *parts: object, count: int | None = None) -> None:
        """Log `count` records as the writer `name-parts`."""
        count = self.count if count is None else count
        logger, writer, pause = logging.getLogger("shop"), self.writer(*parts), threading.Event()
        rounds = range(count) if count else itertools.count()
        for _ in rounds:
            writer.log(logger, size=random.randint(0, self.size) if self.size else 0)
            if self.pace:
                pause.wait(self.pace)


def fork_child(setup: Setup, *parts: object, leave: int = 0) -> int:
    """`os.fork`; the child works and leaves by `os._exit`."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            setup.work(*parts)
            status = leave
        finally:
            os._exit(status)
    return pid


def reap(*pids: int) -> None:
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    if any(statuses):
        raise SystemExit(f"children left with {statuses}")


def reap_any() -> None:
    with contextlib.suppress(ChildProcessError):
        reap(-1)


def plain(setup: Setup) -> None:
    setup.work()


def threads(setup: Setup) -> None:
    workers = [threading.Thread(target=setup.work, args=(number,)) for number in range(setup.children)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def fork(setup: Setup) -> None:
    """Children and parent log at once, the children on what they inherit."""
    setup.work("before")
    pids = [fork_child(setup, number) for number in range(setup.children)]
    setup.work("after")
    reap(*pids)


def fork_and_wait(setup: Setup) -> None:
    """The parent logs nothing; its child does, and leaves by `os._exit`."""
    reap(fork_child(setup))


def fork_in_thread(setup: Setup) -> None:
    def run(number: int) -> None:
        setup.work("thread", number)
        reap(fork_child(setup, number))

    workers = [threading.Thread(target=run, args=(number,)) for number in range(setup.children)]
    for worker in workers:
        worker.start()
    setup.work("main")
    for worker in workers:
        worker.join()


def fork_grandchild(setup: Setup) -> None:
    setup.work("parent")
    pid = os.fork()
    if pid == 0:
        setup.work("child")
        reap(fork_child(setup, "grandchild"))
        setup.work("child", "again")
        os._exit(0)
    reap(pid)


def fork_grandchild_silent(setup: Setup) -> None:
    """The process between the two never logs."""
    setup.work("parent")
    pid = os.fork()
    if pid == 0:
        reap(fork_child(setup, "grandchild"))
        os._exit(0)
    setup.work("parent", "again")
    reap(pid)


def fork_while_logging(setup: Setup) -> None:
    """Forks at arbitrary moments of log calls in other threads."""
    workers = [threading.Thread(target=setup.work, args=("thread", number)) for number in range(2)]
    for worker in workers:
        worker.start()
    reap(*[fork_child(setup, number) for number in range(setup.children)])
    for worker in workers:
        worker.join()


def fork_in_c(setup: Setup) -> None:
    """As uWSGI does: Python's fork hooks do not run."""
    libc = ctypes.PyDLL(None)
    setup.work("before")
    pids = []
    for number in range(setup.children):
        pid = libc.fork()
        if pid == 0:
            setup.work(number)
            os._exit(0)
        pids.append(pid)
    setup.work("after")
    reap(*pids)


def fork_as_pid_one(setup: Setup) -> None:
    """A container's first process forks into a new PID namespace: parent and child are both process 1."""
    libc = ctypes.PyDLL(None, use_errno=True)
    setup.work("before")
    if os.getpid() != 1 or libc.unshare(0x20000000):  # CLONE_NEWPID, for the children to come
        raise SystemExit(f"pid {os.getpid()}, {os.strerror(ctypes.get_errno())}")
    child = os.fork() if setup.method == "fork" else libc.fork()
    if child == 0:
        setup.work("child")
        os._exit(0 if os.getpid() == 1 else 1)
    setup.work("parent")
    reap(child)


def fork_storm(setup: Setup) -> None:
    """Many short children, of which each logs at once and dies by `os._exit`."""
    setup.work("parent")
    for number in range(setup.children):
        reap(fork_child(setup, number))


def crowd(setup: Setup) -> None:
    """Children that all live, and hold their segments, until the end of the input."""
    reader, writer = os.pipe()
    pids = []
    for number in range(setup.children):
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            setup.work(number)
            os.read(reader, 1)
            os._exit(0)
        pids.append(pid)
    sys.stdin.read()
    os.close(writer)
    reap(*pids)


def _child(setup: Setup, number: int) -> None:
    setup.configure()
    setup.work(number)


def pool(setup: Setup) -> None:
    """`multiprocessing` with `method`; each child configures logging again, as Django does."""
    setup.work("parent")
    context = multiprocessing.get_context(setup.method)
    children = [context.Process(target=_child, args=(setup, number)) for number in range(setup.children)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    if any(child.exitcode for child in children):
        raise SystemExit("a child failed")


def pool_and_stay(setup: Setup) -> None:
    """As `pool`, and the parent, which has not logged, lives on when its children have ended."""
    context = multiprocessing.get_context(setup.method)
    children = [context.Process(target=_child, args=(setup, number)) for number in range(setup.children)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    print("joined", flush=True)
    sys.stdin.read()


def log_pool_and_stay(setup: Setup) -> None:
    """As `pool_and_stay`, and the parent has logged before."""
    setup.work("parent")
    pool_and_stay(setup)


def os_exit(setup: Setup) -> None:
    setup.work()
    os._exit(0)


def daemonise(setup: Setup) -> None:
    """The classic daemoniser: two forks, a session, and every descriptor is closed."""
    setup.work("before")
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        os.read(reader, 1)  # until the last descriptor of the daemon is closed
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    setup.work("between")
    os.closerange(0, 4096)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    setup.work("daemon")
    os._exit(0)


def daemon_pauses(setup: Setup) -> None:
    """A daemon without a descriptor that logs again after a silence longer than any grace of a collector.

    Its clock stands still (freezegun), so that no look at the segment, once a second, can save it.
    """
    plain_factory, moment = logging.getLogRecordFactory(), math.floor(time.time()) + 0.5

    def frozen(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = plain_factory(*args, **kwargs)
        record.created = moment
        return record

    logging.setLogRecordFactory(frozen)
    setup.work("before")
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        os.read(reader, 1)
        reap_any()
        return
    setup.work("early")
    for number in set(range(3, 4096)) - {writer}:
        with contextlib.suppress(OSError):
            os.close(number)
    threading.Event().wait(8.0)
    setup.work("late")
    os._exit(0)


def signal_handler(setup: Setup) -> None:
    """A signal handler that logs inside log calls."""
    logger, inner = logging.getLogger("shop"), setup.writer("handler")
    busy = False

    def handle(*_: object) -> None:
        nonlocal busy
        if not busy:  # a handler inside a handler would be a second writer
            busy = True
            inner.log(logger, size=random.randint(0, setup.size or 1))
            busy = False

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    setup.work("main")
    signal.setitimer(signal.ITIMER_REAL, 0)


def finalizer(setup: Setup) -> None:
    """A `__del__` that logs, run by the garbage collector in the middle of anything."""
    logger, inner = logging.getLogger("shop"), setup.writer("del")

    class Loud:
        def __init__(self) -> None:
            self.myself = self

        def __del__(self) -> None:
            inner.log(logger)

    outer = setup.writer("main")
    for _ in range(setup.count):
        Loud()
        outer.log(logger)


def gevent_greenlets(setup: Setup) -> None:
    import gevent

    jobs = [gevent.spawn(setup.work, number) for number in range(setup.children)]
    gevent.joinall(jobs, raise_error=True)


def asyncio_tasks(setup: Setup) -> None:
    import asyncio

    async def nothing() -> None:
        pass

    async def work(number: int) -> None:
        writer, logger = setup.writer(number), logging.getLogger("shop")
        for _ in range(setup.count):
            writer.log(logger, size=setup.size)
            await asyncio.create_task(nothing())  # lets the others run

    async def main() -> None:
        await asyncio.gather(*map(work, range(setup.children)))

    asyncio.run(main())


def zygote(setup: Setup) -> None:
    """Forks a child that logs for ever for each line on stdin, and prints its pid."""
    for number, _ in enumerate(sys.stdin):
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            setup.work(number)
            os._exit(1)
        print(pid, flush=True)


def phases(setup: Setup) -> None:
    """For each line on stdin, `<phase> [<count>]`: logs as the writer `<name>-<phase>`, and answers."""
    for line in sys.stdin:
        phase, *count = line.split()
        setup.work(phase, count=int(count[0]) if count else None)
        print(line.strip(), flush=True)


def leaky(setup: Setup) -> None:
    """As `phases`, with descriptors that every child inherits, below and above what is opened later."""
    fd = os.open(setup.notes, os.O_RDONLY)
    os.set_inheritable(fd, True)
    os.dup2(fd, 900)
    phases(setup)


def idle_child(setup: Setup) -> None:
    """As `phases`, beside a child of C's `fork` that never logs and keeps what it inherited."""
    setup.work("parent")
    reader, writer = os.pipe()
    pid = ctypes.PyDLL(None).fork()
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    phases(setup)
    os.close(writer)
    reap(pid)


def flush_beside(setup: Setup) -> None:
    """Prints the longest time that a log call took while another thread was in `flush()` or `close()`."""
    logger = logging.getLogger("shop")
    (handler,) = logger.handlers
    setup.work("before")
    sys.stdin.readline()  # the collector is stopped now

    def flush() -> None:
        with handler.lock:  # type: ignore[union-attr]  # as `logging.shutdown` does
            handler.flush()

    flusher = threading.Thread(target=flush)
    flusher.start()
    writer, longest, breath = setup.writer("beside"), 0.0, threading.Event()
    while flusher.is_alive():
        start = time.perf_counter()
        writer.log(logger)
        longest = max(longest, time.perf_counter() - start)
        breath.wait(0.001)
    print(f"{longest:.3f}", flush=True)
    handler.close()
    setup.work("closed")


def future(setup: Setup) -> None:
    """One record claims to be of tomorrow; what follows must not wait for it."""
    plain_factory = logging.getLogRecordFactory()

    def tomorrow(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = plain_factory(*args, **kwargs)
        record.created += 86400.0
        return record

    setup.work("before")
    logging.setLogRecordFactory(tomorrow)
    setup.work("tomorrow")
    logging.setLogRecordFactory(plain_factory)
    phases(setup)


def clock_steps(setup: Setup) -> None:
    """The wall clock jumps an hour, a day, to 1970, and back, under a running program."""
    true_time = time.time
    for number, step in enumerate((0.0, 3600.0, -86400.0, 86400.0, -true_time() + 10, 0.0)):
        time.time = lambda step=step: true_time() + step  # type: ignore[misc]
        if hasattr(time, "time_ns"):
            time.time_ns = lambda: int(time.time() * 1e9)  # type: ignore[misc]
        setup.work(number)


def main() -> None:
    setup = Setup(**json.loads(sys.argv[1]))
    if setup.scenario == "gevent_greenlets":
        from gevent import monkey

        monkey.patch_all()
    if setup.scenario == "zygote":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    setup.configure()
    print("ready", flush=True)
    globals()[setup.scenario](setup)


if __name__ == "__main__":
    main()
