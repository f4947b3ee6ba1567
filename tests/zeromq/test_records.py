"""What arrives over the network keeps its own time, level, logger and fields, where the peer gives them."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import zmq
from zmq_lab import serving, wait_for_lines

import logboom
from logboom.errors import SinkError
from logboom.journal.target import Server
from logboom.sinks.base import Batch, Step
from logboom.sinks.push import PushSink
from logboom.wire.zmtp import GREETING, Peer, frame, line_alone, messages, own_record, record
from logboom.zeromq import PUSHHandler

READY = frame(b"\x05READY\x0bSocket-Type\0\0\0\x04PUSH", 4)
FORMATTER = logboom.JSONFormatter(fields=["timestamp", "level", "logger", "message", "lineno"])


def made(message: str, created: float, **more: Any) -> logging.LogRecord:
    fields = {"msg": message, "name": "shop.orders", "levelno": 40, "levelname": "ERROR", "lineno": 17}
    return logging.makeLogRecord(fields | {"created": created, "msecs": 0.0} | more)


def told(log: Path, count: int) -> list[dict[str, Any]]:
    """The records behind the server's own two."""
    lines = wait_for_lines(log, lambda lines: len(lines) >= count + 2)
    return [json.loads(line) for line in lines[2:]]


@pytest.mark.parametrize("spool", [False, True], ids=["direct", "through the disk"])
def test_a_record_keeps_its_own_time_level_logger_and_fields(tmp_path: Path, port: int, spool: bool) -> None:
    """A record that waited an hour for its server is an hour old in the server's log, too."""
    log, address = tmp_path / "a.log", f"tcp://127.0.0.1:{port}"
    options: Any = {"spool": tmp_path / "spool"} if spool else {}
    handler = (
        PUSHHandler(address, close_timeout=20, flush_timeout=20, **options) if spool else PUSHHandler(address)
    )
    handler.setFormatter(logging.Formatter("%(message)s (%(lineno)d)"))
    created = float(int(time.time()) - 3600)
    handler.handle(made("first", created))
    handler.handle(made("second", created + 1.5))
    with serving(
        bind=address,
        filename=log,
        formatter=FORMATTER,
    ):
        first, second = told(log, 2)
        handler.close()
    assert (first["message"], second["message"]) == ("first (17)", "second (17)")
    assert (first["level"], first["logger"], first["lineno"]) == ("ERROR", "shop.orders", 17)
    stamps = [logging.Formatter().converter(created), logging.Formatter().converter(created + 1)]
    for one, stamp in zip((first, second), stamps, strict=True):
        assert time.strftime("%M:%S", stamp) in one["timestamp"]


def test_a_plain_line_has_the_time_of_its_arrival(tmp_path: Path, port: int) -> None:
    """Other programs push lines, and no more."""
    log, address = tmp_path / "a.log", f"tcp://127.0.0.1:{port}"
    with serving(bind=address, filename=log, formatter=logging.Formatter("%(created)f %(name)s %(message)s")):
        before = time.time()
        with zmq.Context() as context, context.socket(zmq.PUSH) as opened:
            opened.connect(address)
            opened.send(b"plain")
            lines = wait_for_lines(log, lambda lines: len(lines) >= 3)
    created, name, message = lines[2].split(" ")
    assert before - 1 <= float(created) <= time.time() and (name, message) == ("logboom", "plain")


@pytest.mark.parametrize(
    ("created", "level", "logger", "fields"),
    [
        (1e300, 20, "a", {}),
        (-5.0, 20, "a", {}),
        (1_800_000_000.0, 2**60, "a" * 100_000, {}),
        (1_800_000_000.0, 20, "a", {"msg": "forged", "args": [1], "exc_info": True, "exc_text": "forged"}),
        (
            1_800_000_000.0,
            20,
            "a",
            {"getMessage": 1, "levelname": "forged", "lineno": "x", "stack_info": "forged"},
        ),
        (
            1_800_000_000.0,
            20,
            "a",
            {"__class__": "forged", "__dict__": {}, "message": "forged", "not one": 1},
        ),
        (1_800_000_000.0, 20, "a\nforged", {"nested": {"a": [1, {"b": None}]}}),
    ],
)
def test_what_a_peer_says_of_a_record_cannot_replace_its_line(
    tmp_path: Path, port: int, created: float, level: int, logger: str, fields: dict[str, Any]
) -> None:
    """Whoever can connect can write to the log: one line for each message, and nothing that is run."""
    log, address = tmp_path / "a.log", f"tcp://127.0.0.1:{port}"
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    with serving(bind=address, filename=log, formatter=formatter) as server:
        with socket.create_connection(("127.0.0.1", port), 10) as peer:
            peer.sendall(
                GREETING + READY + record(b"the line", created, level, logger, fields) + frame(b"next")
            )
            lines = wait_for_lines(log, lambda lines: len(lines) >= 4)
        assert server.intake.counts["received"] == 2
    assert len(lines) == 4
    assert lines[2].endswith(" the line") and lines[3].endswith(" next")
    assert not any(line.startswith("forged") for line in lines)


def test_other_messages_of_two_parts_are_refused_as_ever(tmp_path: Path, port: int) -> None:
    """Only what logboom's own send is taken for more than a line."""
    assert own_record([b"line", b"logboom1[1"]) is None
    assert own_record([b"line", b'logboom1["x",1,"a",{}]']) is None
    assert own_record([b"line", b"other"]) is None and own_record([b"a", b"b", b"c"]) is None


def test_a_peer_that_does_not_ask_gets_the_line_alone() -> None:
    """A PULL socket of another library would take the second part for a line."""
    assert line_alone(record(b"line", 1.0, 20, "a", {})) == frame(b"line")
    assert line_alone(frame(b"line")) == frame(b"line")
    long = record(b"x" * 300, 1.0, 20, "a", {"b": "y" * 300})
    assert line_alone(long) == frame(b"x" * 300)
    assert list(messages(long + frame(b"z") + long[:-1])) == [long, frame(b"z")]


def test_a_batch_goes_on_at_another_kind_of_peer() -> None:
    """A server that asks for records is replaced, in the middle of a batch, by one that does not."""
    lines = [bytes([letter]) * 3_000_000 for letter in b"abc"]
    rows = [[1.0, 1, 20, "shop", "x"]]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        sink = PushSink(Server(kind="push", address=f"tcp://127.0.0.1:{listener.getsockname()[1]}"))
        steps = [sink.plan(Batch([line], [1.0], rows, ["a"], [1], lambda *_: None), 1.0) for line in lines]
        step = Step("push", 3, b"".join(one.data for one in steps))

        def push() -> None:
            while True:
                with contextlib.suppress(SinkError):
                    sink.apply(step)
                    return

        thread = threading.Thread(target=push)
        thread.start()
        taken = []
        for records in (True, False):
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(10)
                state = Peer("PULL", 4_000_000, records=records)
                peer.sendall(GREETING)
                got: list[Any] = []
                while len(got) < (1 if records else 3) and (data := peer.recv(65536)):
                    got += state.receive(data)
                    answer = state.answer()
                    if answer:
                        peer.sendall(answer)
                    if not records and got and got[-1] == lines[-1]:
                        break
                taken.append(got)
                while not records and thread.is_alive() and (data := peer.recv(65536)):
                    state.receive(data)
                    peer.sendall(state.answer())
        thread.join(20)
        assert not thread.is_alive()
        sink.close()
    assert taken[0][0][0] == lines[0] and own_record(taken[0][0]) == (1.0, 20, "shop", {})
    assert taken[1] in (lines[1:], lines[2:]), "none again, and the line alone"
