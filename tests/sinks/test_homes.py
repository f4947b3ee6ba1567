"""Several sinks for one record, and a collector of its own for each that may block."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ROOT, wait_until
from sink_rigs import PushRig

from logboom import platform
from logboom.collector import assembly
from logboom.collector.assembly import make_cycle
from logboom.journal.layout import format_for, unpack_position
from logboom.journal.target import Asked, Server, Target
from logboom.spool.allowed import allow
from logboom.spool.checkpoint import read_recorded
from logboom.spool.directory import homes_in, make_home, places_of
from logboom.spool.status import Notebook
from logboom.testing import SpoolFactory
from logboom.zeromq import PUSHHandler

A = "a" * 16
TEXTS = [f"record {number}" for number in range(200)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PushRig]:
    rig = PushRig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture
def suspended() -> Iterator[socket.socket]:
    """It listens, and lets nobody in."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def spool_with(path: Path, *sinks: Asked) -> SpoolFactory:
    """A spool whose streams ask for these, with what a `Producer` makes for them."""
    factory = SpoolFactory(path, *sinks)
    for asked, home in places_of(factory.header(A), path):
        allow(path, asked.address if isinstance(asked, Server) else str(path.parent))
        if home != path:
            make_home(home)
    return factory


def drain(home: Path) -> bool:
    return assembly.drain(home, time.monotonic() + 10)


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


def test_one_record_goes_to_several_sinks(tmp_path: Path, server: PushRig) -> None:
    """Each has a position of its own, so one that is away delays no other and misses nothing."""
    sinks = (Target("a.log"), Server(kind="push", address=server.address), Target("b.log"))
    factory = spool_with(tmp_path / ".logboom", *sinks)
    factory.segment(A, TEXTS)
    homes = homes_in(factory.path)
    assert len(homes) == 3
    assert drain(homes[0])
    assert lines(tmp_path / "a.log") == TEXTS
    assert lines(tmp_path / "b.log") == [] == server.delivered()
    for home in homes[1:]:
        assert drain(home)
    assert lines(tmp_path / "b.log") == TEXTS == [line.decode() for line in server.delivered()]
    for home in homes:
        assert drain(home)
    assert lines(tmp_path / "a.log") == TEXTS == lines(tmp_path / "b.log")
    assert len(server.delivered()) == len(TEXTS)


def test_a_segment_stays_until_every_sink_has_it(tmp_path: Path, server: PushRig) -> None:
    """The first one that is done must not delete what the others have still to read."""
    factory = spool_with(tmp_path / ".logboom", Target("a.log"), Server(kind="push", address=server.address))
    factory.segment(A, TEXTS[:100], ended=True)
    factory.segment(A, TEXTS[100:], 2)
    journal = factory.path / "journal"
    home, apart = homes_in(factory.path)
    first = make_cycle(home, Notebook(home))
    try:
        first.hasty = True
        wait_until(
            lambda: first.step(thorough=True) == 0 and lines(tmp_path / "a.log") == TEXTS, "it has all"
        )
        assert len(list(journal.iterdir())) == 2
        assert drain(apart)
        assert len(server.delivered()) == len(TEXTS)

        def freed() -> bool:
            first.step(thorough=True)
            return len(list(journal.iterdir())) == 1

        wait_until(freed, "the segment that both have is gone")
        wait_until(lambda: first.step() or not list(journal.iterdir()), "the dead stream is gone", 15)
    finally:
        first.close()
    assert drain(apart) and read_recorded(apart).positions == {}


def test_a_collector_that_comes_anew_deletes_nothing_early(tmp_path: Path, server: PushRig) -> None:
    """Its own position is behind the segments that another sink has still to read."""
    factory = spool_with(tmp_path / ".logboom", Target("a.log"), Server(kind="push", address=server.address))
    factory.segment(A, TEXTS[:100], ended=True)
    factory.segment(A, TEXTS[100:150], 2, ended=True)
    paths = [*(factory.path / "journal").iterdir(), factory.segment(A, TEXTS[150:], 3)]
    home, apart = homes_in(factory.path)
    fd = platform.open_file(paths[-1], os.O_RDWR)  # its program lives, so that delivered text is erased
    try:
        assert platform.try_lock(fd)
        before = [path.read_bytes() for path in paths]
        for _ in range(3):
            cycle = make_cycle(home, Notebook(home))
            try:
                for _ in range(30):
                    cycle.step(thorough=True)
            finally:
                cycle.close()
        assert [path.read_bytes() for path in paths] == before
    finally:
        os.close(fd)
    assert drain(home) and drain(apart)
    assert lines(tmp_path / "a.log") == TEXTS == [line.decode() for line in server.delivered()]


def test_a_server_that_hangs_holds_up_no_file(tmp_path: Path, suspended: socket.socket) -> None:
    """A network may take for ever; the file beside it is written as if it were not there."""
    log, spool = tmp_path / "app.log", tmp_path / "spool"
    address = f"tcp://127.0.0.1:{suspended.getsockname()[1]}"
    program = """
import logging, sys, time, logboom
from logboom.zeromq import PUSHHandler
log, spool, address = sys.argv[1:]
logger = logging.getLogger(); logger.setLevel(logging.INFO)
file = logboom.FileHandler(log, spool=spool, flush_timeout=20)
push = PUSHHandler(address, spool=spool, flush_timeout=0.1, close_timeout=0.1)
logger.addHandler(push); logger.addHandler(file)
slowest = 0.0
for number in range(30):
    logger.info("n %d", number)
    begin = time.monotonic()
    file.flush()
    slowest = max(slowest, time.monotonic() - begin)
    assert sum(1 for _ in open(log)) == number + 1
print(slowest)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, log, spool, address],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "LOGBOOM_COLLECTOR": "auto"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 2.0
    status = run("status", "--json", spool)
    shown = json.loads(status.stdout)
    assert shown["sinks"][address]["connected"] is False
    assert shown["pending_bytes"] > 0
    assert run("stop", spool).returncode == 0
    for home in homes_in(spool):
        leadership = assembly.Leadership.seek(home, time.monotonic() + 5)
        assert leadership is not None, f"a collector of {home} has not ended"
        leadership.release()


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "logboom", *map(str, arguments)]
    return subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_drain_delivers_to_every_sink(tmp_path: Path, server: PushRig) -> None:
    """The command means all that is pending, wherever it goes."""
    spool = tmp_path / "spool"
    handler = PUSHHandler(server.address, spool=spool, collector="external", close_timeout=0)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.handle(logging.makeLogRecord({"msg": "pushed", "levelno": 20, "levelname": "INFO"}))
    handler.close()
    assert run("drain", spool).returncode == 0
    assert server.delivered() == [b"pushed"]


def test_a_supervised_collector_has_every_sink_served(tmp_path: Path, server: PushRig) -> None:
    """Under `collector="external"` nobody else starts the collector of the server."""
    spool = tmp_path / "spool"
    handler = PUSHHandler(server.address, spool=spool, collector="external", close_timeout=0)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.handle(logging.makeLogRecord({"msg": "pushed", "levelno": 20, "levelname": "INFO"}))
    supervised = subprocess.Popen(
        [sys.executable, "-m", "logboom", "collect", "--stay", spool],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: server.delivered() == [b"pushed"], "it is pushed", 20)
        handler.close()
        assert run("stop", spool).returncode == 0
        assert supervised.wait(20) == 0
    finally:
        supervised.kill()
        supervised.wait()


def test_what_one_file_asks_for_is_in_format_1() -> None:
    """Programs of two releases log beside each other: an older collector reads it."""
    assert format_for(Target("app.log")) == 1
    assert format_for(Server(kind="push", address="tcp://127.0.0.1:1")) == 2
    assert format_for(Target("app.log"), Target("b.log")) == 2


def frame(event: str) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(event.encode()), event.encode())


@pytest.mark.parametrize("intent", [False, True], ids=["done", "in the middle of a push"])
def test_push_streams_and_checkpoint_of_format_1(tmp_path: Path, server: PushRig, intent: bool) -> None:
    """What the first release left behind goes on where it was: its own bytes, the address aside."""
    spool, address = tmp_path / ".logboom", server.address
    (spool / "journal").mkdir(parents=True)
    allow(spool, address)
    segment = (
        '{"logboom":1,"producer":"aaaaaaaaaaaaaaaa","segment":1,"pid":1,"host":"testing","program":"testing",'
        '"created":1800000000.0,"mapped":true,'
        f'"target":{{"name":"{address}","configured":1.0,"push":"{address}"}}}}\n'
        '{"context":1,"renderer":"message","columns":["text"]}\n'
    )
    ends = []
    for number in range(1, 7):
        segment += f'[1800000000.0,1,20,"testing","{number}"]\n'
        ends.append((1 << 40) + len(segment))
    path = spool / "journal" / "aaaaaaaaaaaaaaaa-00000001.segment"
    path.write_bytes(segment.encode().ljust(65536, b"\0"))
    checkpoint = frame('{"snapshot":{}}')
    checkpoint += frame(
        f'{{"configure":{{"target":"{address}","value":{{"name":"{address}","configured":1.0,"push":"{address}"}}}}}}'
    )
    checkpoint += frame(
        f'{{"intend":{{"target":"{address}","step":{{"kind":"push","count":3}},"length":12,"crc":2986470232,'
        f'"advance":{{"aaaaaaaaaaaaaaaa":{ends[2]}}},"counts":{{"written":3}}}}}}'
    )
    checkpoint += frame(f'{{"done":"{address}"}}')
    if intent:
        data = b"\x00\x024\n\x00\x025\n"
        checkpoint += frame(
            f'{{"intend":{{"target":"{address}","step":{{"kind":"push","count":2}},"length":8,"crc":{zlib.crc32(data)},'
            f'"advance":{{"aaaaaaaaaaaaaaaa":{ends[4]}}},"counts":{{"written":5}}}}}}'
        )
        (spool / f"intent.{zlib.crc32(address.encode()):08x}.bytes").write_bytes(data + b"\x00\x023\n")
    (spool / "checkpoint.jsonl").write_bytes(checkpoint)
    assert drain(spool)
    assert server.delivered() == [b"4", b"5", b"6"]
    assert read_recorded(spool).counts[address].written == 6
    assert unpack_position(read_recorded(spool).positions[A]) == (1, len(segment))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_collectors_of_two_sinks_lose_nothing(tmp_path: Path, server: PushRig) -> None:
    """The one that finds a segment delivered deletes it, whatever became of the other meanwhile."""
    spool = tmp_path / ".logboom"
    factory = spool_with(spool, Target("a.log"), Server(kind="push", address=server.address))
    count = 0
    for turn in range(12):
        texts = [f"{turn} {number}" for number in range(300)]
        factory.segment(f"{turn:016x}", texts)
        count += len(texts)
        for home in homes_in(spool):
            child = os.fork()
            if not child:
                with contextlib.suppress(BaseException):
                    assembly.drain(home, time.monotonic() + 5)
                os._exit(0)
            deadline = time.monotonic() + 0.004 * (turn % 5)
            while time.monotonic() < deadline:
                pass
            os.kill(child, 9)
            os.waitpid(child, 0)
    for home in homes_in(spool):
        assert drain(home)
    assert sorted(lines(tmp_path / "a.log")) == sorted(
        f"{turn} {number}" for turn in range(12) for number in range(300)
    )
    assert len(set(server.delivered())) == count


def test_a_stream_of_another_sink_is_not_touched(tmp_path: Path) -> None:
    """The file's collector neither reads nor deletes it, and goes when no program logs to a file."""
    address = "tcp://127.0.0.1:9"
    factory = spool_with(tmp_path / ".logboom", Server(kind="push", address=address))
    path = factory.segment(A, TEXTS)
    fd = platform.open_file(path, os.O_RDWR)
    try:
        assert platform.try_lock(fd)
        cycle = make_cycle(factory.path, Notebook(factory.path))
        try:
            for _ in range(5):
                cycle.step(thorough=True)
            assert not cycle.living() and cycle.backlog == 0 and cycle.exhausted
            assert cycle.is_flushed(cycle.flush_mark())
            assert cycle.elsewhere() == set(homes_in(factory.path)[1:])
        finally:
            cycle.close()
    finally:
        os.close(fd)
    assert path.exists()
