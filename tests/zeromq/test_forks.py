"""PUSHHandler in programs that fork: what a child must not inherit, and which way its records take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from zmq_lab import Processes, serving, wait_for_lines

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_first_record_imports_nothing(host: str, tmp_path: Path, port: int, processes: Processes) -> None:
    """A fork while a thread imports leaves the child that module's lock, held for ever."""
    code = f"""
import logging, sys
from logboom.zeromq import PUSHHandler
handler = PUSHHandler("tcp://{host}:{port}", close_timeout=20)
logger = logging.getLogger()
logger.addHandler(handler)
before = set(sys.modules)
logger.warning("first")
handler.close()
print(sorted(set(sys.modules) - before))
"""
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=tmp_path / "a.log"):
        program = processes.program(code)
        assert program.communicate(timeout=60)[0] == "[]\n", processes.errors()
        wait_for_lines(tmp_path / "a.log", lambda lines: len(lines) == 3)


FIRST_IN_CHILD = """
import logging, os, sys
from logboom.zeromq import PUSHHandler
logger = logging.getLogger()
logger.addHandler(PUSHHandler(sys.argv[1], close_timeout=20))
{before}
pid = os.fork()
if pid:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
for number in range(100):
    logger.warning("n %d", number)
assert logger.handlers[0]._outbox._threads
"""


@pytest.mark.parametrize("before", ["", "logger.warning('first'); logger.handlers[0].close()"])
def test_a_handler_that_is_first_used_after_a_fork_sends_as_all_do(
    before: str, tmp_path: Path, port: int, processes: Processes
) -> None:
    """gunicorn with `--preload`: by ZeroMQ's own socket the regular stop of a server could cost records."""
    log = tmp_path / "a.log"
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=log):
        code = FIRST_IN_CHILD.format(before=before)
        assert processes.program(code, f"tcp://127.0.0.1:{port}").wait(60) == 0, processes.errors()
        wait_for_lines(log, lambda lines: sum("] n " in line for line in lines) == 100)


GIVEN = """
import os, sys, logging, zmq
from logboom.zeromq import PUSHHandler
context = zmq.Context()
push = context.socket(zmq.PUSH)
push.linger = 0
push.bind(sys.argv[1])
logging.getLogger().addHandler(PUSHHandler(push))
pid = os.fork()
if pid:
    os.waitpid(pid, 0)
else:
    logging.warning("from the child")
os._exit(0)
"""


def test_a_socket_that_is_bound_is_the_parents(port: int, processes: Processes) -> None:
    """The child would connect to the parent's PUSH, and all that it logs would go nowhere."""
    assert processes.program(GIVEN, f"tcp://127.0.0.1:{port}").wait(60) == 0
    assert "bound to tcp://127.0.0.1:" in processes.errors()
