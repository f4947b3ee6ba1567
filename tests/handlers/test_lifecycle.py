"""The end of a program: one wait for all, however many hooks call."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from logboom.platform.process import this_process
from logboom.producer import lifecycle


class Producer:
    """Notes until when it was to wait."""

    def __init__(self, close_timeout: float, answer: bool = True) -> None:
        self.close_timeout = close_timeout
        self.answer = answer
        self.deadlines: list[float] = []
        self.forgotten = 0

    def wait(self, deadline: float) -> bool:
        self.deadlines.append(deadline)
        return self.answer

    def forget(self) -> None:
        self.forgotten += 1


@pytest.fixture(autouse=True)
def alone() -> None:
    """No producers but the test's own, in a process that is not about to end."""
    this_process.reset()


def test_all_share_the_longest_close_timeout() -> None:
    """Ten handlers must not make the end of a program ten times as long."""
    producers = [Producer(1.0), Producer(3.0)]
    for producer in producers:
        lifecycle.register(producer)
    begun = time.monotonic()
    lifecycle._finish()
    (one,), (two,) = (set(producer.deadlines) for producer in producers)
    assert one == two
    assert begun + 3.0 <= one <= time.monotonic() + 3.0


def test_second_hook_waits_no_second_time() -> None:
    """Both `atexit` and the finalizers of `multiprocessing` run in a program that imported it."""
    producer = Producer(2.0, answer=False)
    lifecycle.register(producer)
    lifecycle._finish()
    lifecycle._finish()
    assert len(set(producer.deadlines)) == 1
    assert lifecycle.budget(time.monotonic() + 60) == producer.deadlines[0]


def test_flush_asks_everybody() -> None:
    """One handler that cannot deliver must not keep the others from being asked."""
    producers = [Producer(1.0, answer=False), Producer(1.0)]
    for producer in producers:
        lifecycle.register(producer)
    assert not lifecycle.flush(1.0)
    assert all(len(producer.deadlines) == 1 for producer in producers)
    lifecycle.unregister(producers[0])
    assert lifecycle.flush(1.0)


def test_dropped_handler_is_not_kept() -> None:
    """A program that configures logging a thousand times keeps one set of handlers."""
    producer = Producer(1.0)
    lifecycle.register(producer)
    del producer
    assert lifecycle.flush(0.0)
    assert len(this_process.producers) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_forked_child_begins_anew() -> None:
    """A child of a parent that is about to end has its own time, and nothing of the parent's."""
    producer = Producer(1.0)
    lifecycle.register(producer)
    lifecycle._finish()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if producer.forgotten == 1 and this_process.exit_deadline is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert producer.forgotten == 0


LATE_IMPORTS = """
import logging, sys
from pathlib import Path
import logboom
from logboom.spool import doorbell
from logboom.spool.directory import Spool
from logboom.platform import Doorbell
directory = Path(sys.argv[1])
handler = logboom.RotatingFileHandler(directory / "app.log", maxBytes=9999, backupCount=2, close_timeout=0)
handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(message)s"))
bell = Doorbell(Spool.create(directory / ".logboom").path / doorbell.BELL, 0o600)  # a collector lives
try:
    raise ValueError("what the standard library imports to format it")
except ValueError:
    logging.Formatter().formatException(sys.exc_info())
before = set(sys.modules)
logger = logging.getLogger("shop")
logger.addHandler(handler)
for text in ("one", "x" * 100_000):
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("%s", text)
logger.error(object(), extra={"more": {1, 2}})
handler.close()
logger.error("late")
print(*sorted(set(sys.modules) - before))
"""


def test_a_log_call_and_a_close_import_nothing(tmp_path: Path) -> None:
    """Imports fail while the interpreter ends, and wait for a lock that a fork may have taken along."""
    command = [sys.executable, "-c", LATE_IMPORTS, str(tmp_path)]
    environment = os.environ | {"LOGBOOM_COLLECTOR": "external"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "\n"


def test_producer_of_a_stream_is_waited_for_though_its_handler_is_gone() -> None:
    """A handler that was dropped without `close` has records on their way all the same."""
    deadlines = []
    for _ in range(2):
        producer = Producer(1.0)
        deadlines.append(producer.deadlines)
        lifecycle.register(producer, ("spool", "app.log"))
        del producer
    lifecycle._finish()
    assert deadlines[1], "the last one of a stream speaks for it"
    assert not deadlines[0], "and no other one is kept"


def test_closed_producer_is_kept_no_longer() -> None:
    producer = Producer(1.0)
    gone = weakref.ref(producer)
    lifecycle.register(producer, "stream")
    lifecycle.unregister(producer)
    del producer
    assert gone() is None
