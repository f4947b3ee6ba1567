"""PUSHHandler: what goes over the wire, and what becomes of a process that has one."""

from __future__ import annotations

import logging
import logging.config
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
import zmq
import zmq.asyncio
from harness import PATIENCE, wait_until
from zmq_lab import Processes, serving, wait_for_lines

from logboom.errors import ConfigurationError
from logboom.handlers import PUSHHandler
from logboom.zeromq import default_formatter

Pull = Any
NEEDS_IPC = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no ipc://")


@pytest.fixture
def bare() -> Iterator[Pull]:
    """A plain PULL of pyzmq, and its port."""
    context = zmq.Context()
    opened = context.socket(zmq.PULL)
    opened.linger, opened.rcvtimeo = 0, 10_000
    yield opened, opened.bind_to_random_port("tcp://127.0.0.1")
    opened.close(0)
    context.term()


def take(opened: Pull, count: int) -> list[str]:
    return [opened.recv().decode() for _ in range(count)]


def test_the_formatted_line_is_the_message(bare: Pull, logger: logging.Logger) -> None:
    """A plain pyzmq PULL, or a program in another language, must be able to read it."""
    opened, port = bare
    handler = PUSHHandler(f"tcp://localhost:{port}")
    logger.addHandler(handler)
    logger.info("größer %d", 1)
    (line,) = take(opened, 1)
    assert line.endswith(f" INFO     {__file__}[line:{line.split('[line:')[1].split(']')[0]}] größer 1")
    assert handler.socket.type == zmq.PUSH and handler.ctx is handler.socket.context


@pytest.mark.parametrize("key", ["class", "()"])
def test_it_is_configured_as_djangos_logging_does(key: str, bare: Pull) -> None:
    """The line that people have in their settings works as it is; `formatter` comes before `formatters`."""
    opened, port = bare
    handler = {
        "level": "INFO",
        key: "logboom.zeromq.PUSHHandler",
        "interface_or_socket": f"tcp://localhost:{port}",
    }
    named = f"configured-{port}-{key.strip('()')}"
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"short": {"format": "short %(message)s"}},
        "handlers": {"plain": handler, "short": handler | {"formatter": "short"}},
        "loggers": {named: {"handlers": ["plain", "short"], "level": "DEBUG", "propagate": False}},
    }
    logging.config.dictConfig(config)
    configured = logging.getLogger(named)
    try:
        configured.debug("too low")
        configured.info("hello")
        got = sorted(take(opened, 2))
        assert got[1] == "short hello" and got[0].endswith("] hello")
    finally:
        for each in configured.handlers[:]:
            configured.removeHandler(each)
            each.close()


def test_formatters_by_level_are_each_instances_own(bare: Pull, logger: logging.Logger) -> None:
    """In the original the class's dictionary is shared: who changes one handler changes them all."""
    opened, port = bare

    class Brief(PUSHHandler):
        formatters: ClassVar = {logging.INFO: logging.Formatter("i:%(message)s")}

    one, two = (
        Brief(f"tcp://localhost:{port}"),
        Brief(f"tcp://localhost:{port}", formatters={"ERROR": "e:%(message)s"}),
    )
    one.formatters[logging.INFO] = logging.Formatter("own:%(message)s")
    assert Brief.formatters[logging.INFO]._fmt == two.formatters[logging.INFO]._fmt == "i:%(message)s"
    logger.addHandler(two)
    logger.info("a")
    logger.error("b")
    logger.log(25, "c")
    assert [line.split(" ")[-1] for line in take(opened, 3)] == ["i:a", "e:b", "c"]
    two.setFormatter(logging.Formatter("set:%(message)s"))
    logger.info("d")
    assert take(opened, 1) == ["set:d"]
    one.close()


def test_the_quick_way_gives_the_formatters_own_text(bare: Pull, logger: logging.Logger) -> None:
    """The line is made with the second's time stamp kept; it must be what `Formatter.format` says, always."""
    opened, port = bare
    handler = PUSHHandler(f"tcp://localhost:{port}")
    seen: list[str] = []

    class Beside(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(default_formatter.format(record))

    logger.addHandler(handler)
    logger.addHandler(Beside())
    for number in range(50):
        logger.info("n %d", number)
    try:
        raise ValueError("a\nb")
    except ValueError:
        logger.exception("failed", stack_info=True)
    assert take(opened, 51) == seen


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("localhost:5557", "tcp://localhost:5557"),
        ("tcp://localhost", "tcp://localhost:5557"),
        ("tcp://*:5557", "tcp://localhost:5557"),
        ("inproc://log", "context="),
        pytest.param("ipc:///tmp/" + "x" * 120, "shorter", marks=NEEDS_IPC),
    ],
)
def test_an_address_that_cannot_work_is_refused_at_once(address: str, hint: str) -> None:
    """A misspelt address otherwise means a program that logs into nothing."""
    with pytest.raises(ConfigurationError, match=hint):
        PUSHHandler(address)


def test_a_queue_without_room_is_refused() -> None:
    """ZeroMQ reads 0 as "no limit"; memory has one."""
    with pytest.raises(ConfigurationError, match="at least 1"):
        PUSHHandler("tcp://127.0.0.1:5557", high_water_mark=0)


@pytest.mark.skipif(sys.platform == "win32", reason="no ipc://")
@pytest.mark.parametrize("spooled", [False, True], ids=["direct", "spool"])
def test_a_relative_ipc_path_is_where_the_program_began(
    spooled: bool, tmp_path: Path, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon goes to another directory, and the collector that pushes was never here."""
    monkeypatch.chdir(tmp_path)
    options: dict[str, Any] = {"spool": tmp_path / "spool"} if spooled else {}
    handler = PUSHHandler("ipc://log.sock", **options)
    logger.addHandler(handler)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with serving(bind=f"ipc://{tmp_path}/log.sock", filename=tmp_path / "a.log"):
        logger.info("hello")
        wait_for_lines(tmp_path / "a.log", lambda lines: len(lines) == 3)
        handler.close()


def test_the_socket_is_for_messages_of_the_programs_own(bare: Pull, logger: logging.Logger) -> None:
    """What people do with the original's `socket` and `ctx` works; records do not need it."""
    opened, port = bare
    context = zmq.Context()
    handler = PUSHHandler(f"tcp://localhost:{port}", context)
    logger.addHandler(handler)
    assert handler.socket is handler.socket and handler.ctx is context
    handler.socket.send(b"by hand")
    assert take(opened, 1) == ["by hand"]
    handler.socket.close()
    logger.info("a record")
    assert take(opened, 1)[0].endswith("] a record")
    handler.close()
    context.term()


def test_ipc_and_inproc(tmp_path: Path, logger: logging.Logger) -> None:
    """The two other transports that the original takes."""
    context = zmq.Context()
    for address in (f"ipc://{tmp_path}/log.sock", "inproc://log"):
        with context.socket(zmq.PULL) as opened:
            opened.linger, opened.rcvtimeo = 0, 10_000
            opened.bind(address)
            handler = PUSHHandler(address, context)
            logger.addHandler(handler)
            logger.info("by %s", address)
            assert take(opened, 1)[0].endswith(f"by {address}")
            logger.removeHandler(handler)
            handler.close()
    context.term()


def test_a_socket_of_the_users_is_left_open(bare: Pull, logger: logging.Logger) -> None:
    """Who makes a socket closes it."""
    opened, port = bare
    context = zmq.Context()
    with context.socket(zmq.PUSH) as push:
        push.linger = 1000
        push.connect(f"tcp://127.0.0.1:{port}")
        handler = PUSHHandler(push)
        assert handler.socket is push
        logger.addHandler(handler)
        logger.info("mine")
        assert take(opened, 1)[0].endswith("mine")
        handler.close()
        assert not push.closed
    context.term()


def test_a_context_of_asyncio_gives_plain_sockets(logger: logging.Logger) -> None:
    """What its sockets send are promises: no log call waits for them, and records vanish uncounted."""
    context = zmq.asyncio.Context()
    with zmq.Context(context).socket(zmq.PULL) as opened:
        opened.linger, opened.rcvtimeo = 0, 10_000
        opened.bind("inproc://log")
        handler = PUSHHandler("inproc://log", context)
        assert type(handler.socket) is zmq.Socket
        logger.addHandler(handler)
        logger.info("hello")
        assert take(opened, 1)[0].endswith("hello")
        logger.removeHandler(handler)
        handler.close()
    context.term()


def test_a_socket_of_asyncio_is_refused(bare: Pull) -> None:
    """It can send only where its loop runs, and a log call is anywhere."""
    _, port = bare
    context = zmq.asyncio.Context()
    with context.socket(zmq.PUSH) as push, pytest.raises(ConfigurationError, match="plain"):
        push.linger = 0
        push.connect(f"tcp://127.0.0.1:{port}")
        PUSHHandler(push)
    context.term()


def test_a_log_call_does_not_wait_longer_than_it_may(port: int, logger: logging.Logger) -> None:
    """Without a server the original waits for ever in the 1,001st log call."""
    handler = PUSHHandler(
        f"tcp://127.0.0.1:{port}", high_water_mark=10, block_timeout=0.3, close_timeout=0.05
    )
    logger.addHandler(handler)
    longest, total = 0.0, time.monotonic()
    for number in range(200):
        before = time.monotonic()
        logger.info("n %d", number)
        longest = max(longest, time.monotonic() - before)
    assert 0.2 < longest < 3.0 and time.monotonic() - total < 6.0
    assert 150 < handler.dropped < 200


def test_what_was_dropped_is_said_at_its_beginning_and_its_end(port: int, logger: logging.Logger) -> None:
    """A hole in a log must say that it is one, and how large; a long one must not fill the log with that."""
    handler = PUSHHandler(f"tcp://127.0.0.1:{port}", high_water_mark=10, block_timeout=0.01)
    logger.addHandler(handler)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for number in range(100):
        logger.info("n %d", number)
    dropped = handler.dropped
    assert 80 <= dropped < 100
    context = zmq.Context()
    with context.socket(zmq.PULL) as opened:
        opened.linger, opened.rcvtimeo = 0, 10_000
        opened.bind(f"tcp://127.0.0.1:{port}")
        got = take(opened, 100 - dropped)
        assert got == [f"n {number}" for number in range(100 - dropped)]
        sender: Any = handler._outbox._sender
        wait_until(lambda: sender.sent == sender.accepted, "there is room again")

        def said() -> list[str]:
            logger.info("more")
            got.extend(take(opened, 1))
            while opened.poll(0):
                got.extend(take(opened, 1))
            return [line for line in got if "records dropped" in line][1:]

        wait_until(said, "the end is said")
        logger.info("after")
        handler.close()
        told = [line for line in got if "records dropped" in line]
    context.term()
    assert told[0] == f"{dropped} records dropped: nobody took them in time"
    assert told[1] == f"0 records dropped since then; that is over, {dropped} in all"
    assert len(told) == 2


def child(address: str, name: str, count: int) -> None:
    logger = logging.getLogger("child")
    logger.setLevel(logging.INFO)
    logger.addHandler(PUSHHandler(address))
    for number in range(count):
        logger.info("%s %d", name, number)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_every_start_method(method: str, tmp_path: Path, port: int, processes: Processes) -> None:
    """Their ends run no `atexit`: what is queued there is lost without care."""
    log = tmp_path / "django.log"
    code = f"""
import multiprocessing, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
sys.path.insert(0, {str(Path(__file__).parents[1] / "support")!r})
from test_push import child
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    children = [
        context.Process(target=child, args=("tcp://127.0.0.1:{port}", f"c{{n}}", 300)) for n in range(3)
    ]
    for each in children:
        each.start()
    for each in children:
        each.join()
"""
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=log):
        assert processes.program(code).wait(60 * PATIENCE) == 0, processes.errors()
    lines = wait_for_lines(log, lambda lines: len(lines) >= 902)
    assert sorted(line.split("] ")[-1] for line in lines[2:]) == sorted(
        f"c{n} {number}" for n in range(3) for number in range(300)
    )


FORKING = """
import logging, os, sys
from logboom.zeromq import PUSHHandler
logger = logging.getLogger()
logger.setLevel(logging.INFO)
logger.addHandler(PUSHHandler(sys.argv[1]))
for number in range(250):
    logger.info("before %d", number)
pid = os.fork()
for number in range(500):
    logger.info("%s %d", "child" if pid == 0 else "parent", number)
if pid:
    os.waitpid(pid, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_logs_after_a_fork(tmp_path: Path, port: int, processes: Processes) -> None:
    """The original hangs there: its socket's thread is in the parent alone."""
    log = tmp_path / "django.log"
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=log):
        assert processes.program(FORKING, f"tcp://127.0.0.1:{port}").wait(30) == 0, processes.errors()
    lines = wait_for_lines(log, lambda lines: len(lines) >= 1252)
    counts = {who: sum(f"] {who} " in line for line in lines) for who in ("before", "child", "parent")}
    assert counts == {"before": 250, "child": 500, "parent": 500}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("first", "fork"),
    [
        ("import ctypes, logboom", "logboom.flush() and ctypes.PyDLL(None).fork()"),
        ("import ctypes, sys; sys.modules['uwsgi'] = ctypes", "ctypes.CDLL(None).fork()"),
    ],
    ids=["fork in C", "uWSGI"],
)
def test_a_child_that_was_forked_without_pythons_knowledge(
    first: str, fork: str, tmp_path: Path, port: int, processes: Processes
) -> None:
    """No hook of Python's runs, and the locks are as they were.

    The interpreter's own as well: only under uWSGI, which is known by its module, may it be held.
    """
    log = tmp_path / "django.log"
    code = f"{first}\n{FORKING.replace('os.fork()', fork)}"
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=log):
        assert processes.program(code, f"tcp://127.0.0.1:{port}").wait(30) == 0, processes.errors()
    lines = wait_for_lines(log, lambda lines: len(lines) >= 1252)
    counts = {who: sum(f"] {who} " in line for line in lines) for who in ("before", "child", "parent")}
    assert counts == {"before": 250, "child": 500, "parent": 500}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_original_loses_what_a_child_logs_after_a_fork(
    tmp_path: Path, port: int, processes: Processes
) -> None:
    """The trap, on the original: the child's records do not arrive, or its end hangs."""
    code = FORKING.replace(
        "from logboom.zeromq", f"sys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom originals"
    )
    log = tmp_path / "django.log"
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=log):
        program = processes.program(code, f"tcp://127.0.0.1:{port}")
        try:
            program.wait(5)
        except subprocess.TimeoutExpired:
            for each in psutil.Process(program.pid).children():
                each.kill()
            program.kill()
    lines = wait_for_lines(log, lambda lines: len(lines) > 250)
    assert sum("] child " in line for line in lines) < 500


def test_a_server_that_starts_late(tmp_path: Path, port: int, logger: logging.Logger) -> None:
    """Programs and their server are started by different hands: the order must not matter."""
    handler = PUSHHandler(f"tcp://127.0.0.1:{port}")
    logger.addHandler(handler)
    for number in range(300):
        logger.info("n %d", number)
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=tmp_path / "late.log"):
        wait_for_lines(tmp_path / "late.log", lambda lines: len(lines) == 302)
    assert handler.dropped == 0


def test_many_threads(tmp_path: Path, port: int, logger: logging.Logger) -> None:
    """ZeroMQ's sockets are for one thread: two that send at once break them."""
    log = tmp_path / "django.log"
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=log):
        handler = PUSHHandler(f"tcp://127.0.0.1:{port}")
        logger.addHandler(handler)

        def work(name: int) -> None:
            for number in range(200):
                logger.info("%d %d", name, number)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        handler.close()
    lines = wait_for_lines(log, lambda lines: len(lines) >= 1202)
    assert len({line.split("] ")[-1] for line in lines[2:]}) == 1200


def test_without_pyzmq_the_error_says_what_to_install(processes: Processes) -> None:
    """`ModuleNotFoundError: zmq` tells nobody which extra it was."""
    code = """
import sys
sys.modules["zmq"] = None
import logboom.zeromq
for use in (lambda: logboom.zeromq.PUBLogger, lambda: logboom.zeromq.SUBLogger):
    try:
        use()
    except ImportError as error:
        print(error)
"""
    program = processes.program(code)
    assert program.communicate(timeout=30)[0].count("pip install logboom[zmq]") == 2


@pytest.mark.parametrize("spool", ["", "spool"])
def test_pushing_and_pulling_need_no_pyzmq(
    spool: str, tmp_path: Path, port: int, processes: Processes
) -> None:
    """Both ends speak the protocol themselves: what they do not use must not have to be installed."""
    log, address = tmp_path / "a.log", f"tcp://127.0.0.1:{port}"
    server = processes.program(f"""
import sys
sys.modules["zmq"] = None
from logboom.cli import main
sys.exit(main(["pull", "--bind", {address!r}, "--file", {str(log)!r}]))
""")
    program = processes.program(f"""
import logging, sys
sys.modules["zmq"] = None
from logboom.zeromq import PUSHHandler
options = {{"spool": {str(tmp_path / "spool")!r}}} if {spool!r} else {{}}
handler = PUSHHandler({address!r}, close_timeout=20, **options)
logging.getLogger().addHandler(handler)
logging.warning("pushed")
logging.shutdown()
""")
    assert program.wait(40) == 0, processes.errors()
    wait_for_lines(log, lambda lines: any("pushed" in line for line in lines))
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0, processes.errors()


def test_what_is_left_in_memory_at_the_end_is_said(port: int, processes: Processes) -> None:
    """A script that ends while the server is away must not lose its records without a word."""
    code = f"""
import logging
from logboom.zeromq import PUSHHandler
logging.getLogger().addHandler(PUSHHandler("tcp://127.0.0.1:{port}", close_timeout=0.2))
for number in range(30):
    logging.warning("n %d", number)
"""
    assert processes.program(code).wait(30) == 0
    assert processes.errors() == "logboom: at most 30 records were not sent: nobody took them in time\n"


def test_a_program_that_logs_at_its_very_end_ends(tmp_path: Path, port: int, processes: Processes) -> None:
    """Behind `logging.shutdown` a new thread may never run: waiting for it would be for ever."""
    code = f"""
import atexit
atexit.register(lambda: logging.warning("behind the end"))  # before logging's own: it runs after that
import logging
from logboom.zeromq import PUSHHandler
logging.getLogger().addHandler(PUSHHandler("tcp://127.0.0.1:{port}"))
class Last:
    def __del__(self):
        logging.warning("from a finalizer")
last = Last()
last.itself = last
logging.warning("first")
atexit.register(lambda: logging.warning("at the end"))
"""
    log = tmp_path / "django.log"
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=log):
        assert processes.program(code).wait(30) == 0, processes.errors()
    lines = wait_for_lines(log, lambda lines: len(lines) >= 6)
    ends = [line.split("] ")[-1] for line in lines[2:]]
    assert ends == ["first", "at the end", "behind the end", "from a finalizer"]
