"""MultiProcessingLogHandler: by name, without the queue and the thread that it had."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))

from harness import Lab, wait_until

from logboom.handlers import MultiProcessingLogHandler
from logboom.testing import log_files

ORIGINALS = Path(__file__).resolve().parent / "zeromq"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """For programs, which end with the test."""
    made = Lab(tmp_path)
    yield made
    made.close()


def lines_of(log: Path) -> list[str]:
    try:
        return [line for path in log_files(log) for line in path.read_text("utf-8").splitlines()]
    except FileNotFoundError:
        return []


def run(lab: Lab, code: str, *arguments: Any, timeout: float = 60.0) -> subprocess.Popen[str]:
    """A program from its text, in a file as `spawn` needs it, to its end."""
    path = lab.path / f"program{len(list(lab.path.glob('program*')))}.py"
    path.write_text(code)
    program = lab.run(sys.executable, str(path), *map(str, arguments))
    assert program.wait(timeout) == 0, lab.errors()
    return program


MANY = """
import logging, multiprocessing, sys
from logboom.queues import MultiProcessingLogHandler

def work(handler, name):
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if handler not in logger.handlers:
        logger.addHandler(handler)
    for number in range(300):
        logger.info("%s %d", name, number)

if __name__ == "__main__":
    log, method, name = sys.argv[1:]
    handler = MultiProcessingLogHandler(log, maxBytes=20_000, backupCount=1000)
    handler.setFormatter(logging.Formatter("%(message)s"))
    context = multiprocessing.get_context(method)
    children = [context.Process(target=work, args=(handler, f"{name}{n}")) for n in range(3)]
    for child in children:
        child.start()
    work(handler, name)
    for child in children:
        child.join()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_every_start_method_and_other_programs(method: str, lab: Lab) -> None:
    """The original needs a queue that is inherited: that leaves out half of them."""
    run(lab, MANY, lab.log, method, "a")
    run(lab, MANY, lab.log, method, "b")
    wait_until(lambda: len(lines_of(lab.log)) >= 2400, "all of it")
    names = [f"{program}{number}" for program in "ab" for number in ("", 0, 1, 2)]
    expected = [f"{name} {number}" for name in names for number in range(300)]
    assert sorted(lines_of(lab.log)) == sorted(expected)


def test_nothing_is_lost_at_exit(lab: Lab) -> None:
    """The original's thread is a daemon: what is in the queue when the program ends is gone."""
    code = """
import logging, os, sys
from logboom.queues import MultiProcessingLogHandler
logging.getLogger().addHandler(MultiProcessingLogHandler(sys.argv[1]))
for number in range(5000):
    logging.warning("n %d", number)
os._exit(0)
"""
    run(lab, code, lab.log)
    wait_until(lambda: len(lines_of(lab.log)) == 5000, "the tail")


KILLED = """
import logging, multiprocessing, os, signal, sys, threading
sys.path.insert(0, sys.argv[2])

def make(log):
    if sys.argv[3] == "original":
        from originals import MultiProcessingLog
        return MultiProcessingLog(log, "a", 0, 0)
    from logboom.queues import MultiProcessingLogHandler
    return MultiProcessingLogHandler(log)

def work(name):
    for number in range(10**9):
        logging.warning("%s %d %s", name, number, "x" * 2000)

if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    logging.getLogger().addHandler(make(sys.argv[1]))
    pause = threading.Event()
    for round_ in range(int(sys.argv[4])):
        workers = [multiprocessing.Process(target=work, args=(f"w{n}",), daemon=True) for n in range(3)]
        for worker in workers:
            worker.start()
        pause.wait(0.3)
        for worker in workers:
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
    last = multiprocessing.Process(target=logging.warning, args=("the last word",))
    last.start()
    last.join(5)
    if last.is_alive():
        last.kill()
    pause.wait(1.0)
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the original's workers are forked")
def test_a_killed_worker_silences_nobody(lab: Lab) -> None:
    """Nothing is shared between the processes, so nothing can be left locked."""
    run(lab, KILLED, lab.log, ORIGINALS, "logboom", 1)
    wait_until(lambda: "the last word" in lines_of(lab.log), "the survivor's record")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the original's workers are forked")
def test_in_the_original_a_killed_worker_silences_all(lab: Lab) -> None:
    """The trap, on the original: a worker killed while it holds the queue's lock keeps it."""
    pytest.importorskip("zmq")
    run(lab, KILLED, lab.log, ORIGINALS, "original", 8, timeout=90)
    assert "the last word" not in lines_of(lab.log)


def test_what_subclasses_override_is_called(tmp_path: Path) -> None:
    """People hide secrets in `_format_record`, and count in `send`."""

    class Own(MultiProcessingLogHandler):
        sent = 0

        def _format_record(self, record: logging.LogRecord) -> logging.LogRecord:
            record.msg = str(record.msg).replace("secret", "***")
            return super()._format_record(record)

        def send(self, s: logging.LogRecord) -> None:
            self.sent += 1
            self.queue.put_nowait(s)

    handler = Own(tmp_path / "a.log", collector="off")
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.handle(logging.LogRecord("n", logging.INFO, "", 1, "a secret", None, None))
    handler.receive()
    handler.flush()
    handler.close()
    assert (handler.sent, lines_of(tmp_path / "a.log")) == (1, ["INFO a ***"])


def test_a_handler_can_be_an_argument_of_a_process(tmp_path: Path) -> None:
    """With its level, formatter and filters; what is sent is its configuration, never a record."""
    handler = MultiProcessingLogHandler(tmp_path / "a.log", maxBytes=10, backupCount=2, collector="off")
    handler.setLevel(logging.ERROR)
    handler.setFormatter(logging.Formatter("%(message)s"))
    copy = pickle.loads(pickle.dumps(handler))
    assert (copy.level, copy.formatter._fmt, copy._handler.maxBytes) == (logging.ERROR, "%(message)s", 10)
    for each in (handler, copy):
        each.close()


class Tagged(MultiProcessingLogHandler):
    """A constructor of its own, and a word on errors."""

    def __init__(self, log: Path, tag: str) -> None:
        super().__init__(log, maxBytes=10)
        self.tag = tag
        self.seen: list[str] = []

    def send(self, s: logging.LogRecord) -> None:
        s.msg = f"[{self.tag}] {s.msg}"
        super().send(s)

    def handleError(self, record: logging.LogRecord) -> None:
        self.seen.append(str(record.msg))


def test_a_subclass_with_a_constructor_of_its_own_goes_to_children(tmp_path: Path) -> None:
    """`spawn` makes it anew from what it was made of, and with what it has set."""
    handler = Tagged(tmp_path / "app.log", "web")
    copy = pickle.loads(pickle.dumps(handler))
    assert (type(copy), copy.tag, copy._handler.maxBytes) == (Tagged, "web", 10)
    for each in (handler, copy):
        each.close()


def test_errors_are_told_to_the_subclass(tmp_path: Path) -> None:
    """Who overrides `handleError` wants to know of a record that cannot be formatted."""
    handler = Tagged(tmp_path / "app.log", "web")
    handler.handle(logging.makeLogRecord({"msg": "%d", "args": ("seven",)}))
    assert handler.seen == ["[web] %d"]
    handler.close()
