"""LoggingServer: what it writes, what it refuses, how it ends."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq
from harness import wait_until
from zmq_lab import Processes, lines_of, serving, wait_for_lines

from logboom.errors import ConfigurationError
from logboom.receivers.puller import Puller
from logboom.zeromq import LoggingServer, PUSHHandler, get_logger

Send = Callable[..., None]
NEEDS_IPC = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no ipc://")


@pytest.fixture
def push(port: int) -> Any:
    """A plain PUSH of pyzmq, connected to the port."""
    context = zmq.Context()
    opened = context.socket(zmq.PUSH)
    opened.linger = 5000
    opened.connect(f"tcp://127.0.0.1:{port}")
    yield opened
    opened.close()
    context.term()


def test_the_text_is_written_as_it_came(tmp_path: Path, port: int, push: Any) -> None:
    """The sender has formatted it; and the first two lines say what runs where."""
    log = tmp_path / "django.log"
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=log) as server:
        push.send("as it came: größer\ttab".encode())
        wait_for_lines(log, lambda lines: len(lines) == 3)
    assert lines_of(log) == [
        "start LoggingServer",
        f"Listen on tcp://127.0.0.1:{port}",
        "as it came: größer\ttab",
    ]
    assert server.intake.counts == {"received": 1}


def test_no_message_can_forge_a_line(tmp_path: Path, port: int, push: Any) -> None:
    """Whoever may log a user's input would otherwise let the user write the log."""
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=tmp_path / "a.log"):
        push.send(b"one\n2026-11-22 ERROR forged\x1b[2J\r")
        wait_for_lines(tmp_path / "a.log", lambda lines: len(lines) == 3)
    assert lines_of(tmp_path / "a.log")[2] == "one\\n2026-11-22 ERROR forged\\x1b[2J\\r"


def test_newlines_can_be_indented(tmp_path: Path, port: int, push: Any) -> None:
    """A traceback that came as one message is for people; the rest of it cannot pose as a record."""
    log = tmp_path / "a.log"
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=log, newlines="indent"):
        push.send(b"2026-11-22 ERROR failed\nTraceback\n2026-11-22 ERROR forged\x1b")
        wait_for_lines(log, lambda lines: len(lines) == 5)
    assert lines_of(log)[2:] == [
        "2026-11-22 ERROR failed",
        "    Traceback",
        "    2026-11-22 ERROR forged\\x1b",
    ]


def test_what_is_no_line_is_counted_and_kept(tmp_path: Path, port: int, push: Any) -> None:
    """One wrong program must not end the server of all, nor vanish without a word."""
    log = tmp_path / "a.log"
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=log, max_message_size=1000) as server:
        push.send(b"\xff\xfe")
        push.send(b"")
        push.send_multipart([b"two", b"parts"])
        push.send(b"x" * 200_000)
        push.send(b"fine")
        wait_for_lines(log, lambda lines: "fine" in lines)
    assert server.intake.counts == {
        "received": 5,
        "bad_utf8": 1,
        "empty": 1,
        "multipart": 1,
        "oversized": 1,
    }
    kept = {path.name: path.read_bytes() for path in (tmp_path / ".logboom" / "damaged").iterdir()}
    assert kept["messages.bad_utf8"] == b"\xff\xfe\n" and kept["messages.multipart"] == b"two\0parts\n"
    assert kept["messages.oversized"].startswith(b"xxx")
    told = [line for line in lines_of(log) if "messages refused" in line]
    assert sum(int(line.split()[0]) for line in told) == 4


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, b"\xff" + bytes(8) + b"\x7f\x01" * 40]
)
def test_strangers_are_let_go(garbage: bytes, tmp_path: Path, port: int, push: Any) -> None:
    """A port scanner, or a browser, connects to everything."""
    log = tmp_path / "a.log"
    with serving(bind=f"tcp://127.0.0.1:{port}", filename=log):
        with socket.create_connection(("127.0.0.1", port), 10) as stranger:
            stranger.settimeout(10)
            stranger.sendall(garbage)
            while stranger.recv(100):
                pass
        push.send(b"fine")
        wait_for_lines(log, lambda lines: "fine" in lines)


def test_a_public_interface_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`tcp://*` lets every host write to the log: nobody must do that without noticing."""
    with serving(bind="tcp://*:*", filename=tmp_path / "a.log") as server:
        lines = wait_for_lines(tmp_path / "a.log", lambda lines: len(lines) == 3)
    assert lines[2].startswith(f"{server.address} takes messages from every host")
    assert "every host" in capsys.readouterr().err


def test_the_default_is_loopback() -> None:
    """The server that people write binds every interface, without authentication."""
    import inspect

    default = inspect.signature(LoggingServer).parameters["bind"].default
    assert default == "tcp://127.0.0.1:5557"


@pytest.mark.parametrize("option", [{"bind": "5557"}, {"newlines": "drop"}, {"compression": 1}])
def test_an_option_that_cannot_work_is_refused(option: dict[str, Any], tmp_path: Path) -> None:
    """Before it listens, and in words."""
    with pytest.raises(ConfigurationError):
        LoggingServer(**{"bind": "tcp://127.0.0.1:0", "filename": tmp_path / "a.log"} | option)


def test_an_address_in_use_is_an_error(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second server must say so instead of running beside the first."""
    monkeypatch.setattr("logboom.receivers.zeromq._BIND_FOR", 0.05)
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(OSError, match="in use"):
            LoggingServer(f"tcp://127.0.0.1:{port}", tmp_path / "a.log").run()


def test_get_logger_is_a_logger_with_a_shared_file(tmp_path: Path) -> None:
    """A second call must not double every line."""
    one, two = get_logger(str(tmp_path / "a.log")), get_logger(tmp_path / "a.log")
    try:
        assert one is two
        one.info("hello")
        wait_for_lines(tmp_path / "a.log", lambda lines: len(lines) == 1 and lines[0].endswith("INFO hello"))
    finally:
        for handler in one.handlers[:]:
            one.removeHandler(handler)
            handler.close()


def test_get_logger_knows_files_apart(tmp_path: Path) -> None:
    """A dot is not an underscore: the records of one file would go to the other."""
    names = ("a.log", "a_log", "a%2Elog")
    loggers = [get_logger(tmp_path / name) for name in names]
    try:
        for name, logger in zip(names, loggers, strict=True):
            logger.info("for %s", name)
        for name in names:
            (line,) = wait_for_lines(tmp_path / name, lambda lines: len(lines) == 1)
            assert line.endswith(f"INFO for {name}")
    finally:
        for logger in set(loggers):
            for handler in logger.handlers[:]:
                logger.removeHandler(handler)
                handler.close()


def test_a_stopped_server_has_taken_everything(tmp_path: Path, port: int, processes: Processes) -> None:
    """Peers that send without pause while it is stopped and started again: nothing may fall between."""
    log = tmp_path / "django.log"
    code = f"""
import logging, sys
from logboom.zeromq import PUSHHandler
logger = logging.getLogger()
logger.setLevel(logging.INFO)
logger.addHandler(PUSHHandler("tcp://127.0.0.1:{port}", block_timeout=20, close_timeout=20))
number = 0
print("ready", flush=True)
import threading
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
while not ended.is_set():
    logger.info("n %d", number)
    number += 1
logging.shutdown()
print(number, flush=True)
"""
    server = processes.serve(port, log)
    program = processes.program(code)
    assert program.stdout is not None and program.stdout.readline() == "ready\n", processes.errors()
    for round_ in range(3):
        wait_for_lines(log, lambda lines, least=round_: len(lines) > 500 * (least + 1))
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0, processes.errors()
        before = len(lines_of(log))
        server = processes.serve(port, log)
        wait_for_lines(log, lambda lines, before=before: len(lines) > before + 100)
    count = int(program.communicate("\n", timeout=60)[0])
    lines = wait_for_lines(log, lambda lines: sum("] n " in line for line in lines) >= count, 30)
    assert [int(line.split("] n ")[1]) for line in lines if "] n " in line] == list(range(count))
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0


def test_ipc_leaves_no_file_and_takes_a_stale_one(tmp_path: Path, logger: logging.Logger) -> None:
    """A server that was killed leaves its socket's file, which would keep the next one out."""
    path = tmp_path / "log.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    with serving(bind=f"ipc://{path}", filename=tmp_path / "a.log"):
        handler = PUSHHandler(f"ipc://{path}")
        logger.addHandler(handler)
        logger.info("hello")
        wait_for_lines(tmp_path / "a.log", lambda lines: len(lines) == 3)
    assert not path.exists()


@NEEDS_IPC
def test_a_leaving_server_leaves_its_successors_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor starts the next one early: it binds the name as soon as the first gives it up."""
    path = tmp_path / "log.sock"
    successors: list[Puller] = []
    first = Puller(f"ipc://{path}", len, 1000)
    monkeypatch.setattr(first, "_listener", Closing(first._listener, path, successors))
    first.close()
    assert path.exists() and len(successors) == 1
    successors[0].close()
    assert not path.exists()


@NEEDS_IPC
def test_a_relative_ipc_path_is_where_the_server_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon goes to another directory, and the file would stay behind."""
    monkeypatch.chdir(tmp_path)
    with serving(bind="ipc://log.sock", filename=tmp_path / "a.log") as server:
        assert (tmp_path / "log.sock").exists() and server.address == f"ipc://{tmp_path}/log.sock"
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
    assert not (tmp_path / "log.sock").exists()


class Closing:
    """A listener; whoever waits for its name has it when it is closed."""

    def __init__(self, real: socket.socket, path: Path, successors: list[Puller]) -> None:
        self._real, self._path, self._successors = real, path, successors

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        self._real.close()
        self._successors.append(Puller(f"ipc://{self._path}", len, 1000))


def test_the_address_that_cannot_be_bound_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Name or service not known` says nothing to who has several."""
    monkeypatch.setattr("logboom.receivers.zeromq._BIND_FOR", 0.05)
    with pytest.raises(OSError, match="tcp://nohost"):
        LoggingServer("tcp://nohost.invalid:5557", tmp_path / "a.log").run()


def test_the_command(tmp_path: Path, port: int, push: Any, processes: Processes) -> None:
    """`python -m logboom.zeromq` is what a supervisor runs; SIGTERM is its regular end."""
    server = processes.serve(port, tmp_path / "a.log")
    push.send(b"hello")
    wait_for_lines(tmp_path / "a.log", lambda lines: "hello" in lines)
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0, processes.errors()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one program there")
def test_ctrl_c_is_the_regular_end(tmp_path: Path, port: int, push: Any, processes: Processes) -> None:
    """The how-to's own program: a `KeyboardInterrupt` in the middle of a read loses what was read."""
    code = f"""
import signal
from logboom.zeromq import LoggingServer
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
LoggingServer("tcp://127.0.0.1:{port}", "a.log").run()
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
print("it has ended")
"""
    server = processes.program(code)
    push.send(b"hello")
    wait_for_lines(tmp_path / "a.log", lambda lines: "hello" in lines)
    server.send_signal(signal.SIGINT)
    assert server.communicate(timeout=30)[0] == "it has ended\n", processes.errors()


def test_ctrl_c_stays_with_who_handles_it(tmp_path: Path) -> None:
    """A program that has its own handler knows why."""
    called: list[int] = []
    server = LoggingServer("tcp://127.0.0.1:*", tmp_path / "a.log")
    before = signal.signal(signal.SIGINT, lambda number, _: (called.append(number), server.stop()))
    try:
        threading.Thread(
            target=lambda: server.listening.wait(10) and signal.raise_signal(signal.SIGINT)
        ).start()
        server.run()
    finally:
        signal.signal(signal.SIGINT, before)
    assert called == [signal.SIGINT]


def test_a_server_runs_again(tmp_path: Path) -> None:
    """A program that embeds it stops and starts it as it likes."""
    server = LoggingServer("tcp://127.0.0.1:*", tmp_path / "a.log")
    for round_ in range(2):
        thread = threading.Thread(target=server.run)
        thread.start()
        assert server.listening.wait(10), round_
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


def test_stop_from_another_thread(tmp_path: Path, port: int) -> None:
    """A program that embeds the server ends it so."""
    server = LoggingServer(f"tcp://127.0.0.1:{port}", tmp_path / "a.log")
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.listening.wait(10)
    server.stop()
    thread.join(10)
    assert not thread.is_alive() and not server.listening.is_set()
    wait_until(lambda: len(lines_of(tmp_path / "a.log")) == 2, "its first words are written")
