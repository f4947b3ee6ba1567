"""PUSHHandler(spool=...): records wait on disk, whatever dies."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest
import zmq
from harness import wait_until
from zmq_lab import Processes, lines_of, serving, wait_for_lines

from logboom.errors import ConfigurationError
from logboom.zeromq import PUSHHandler

PRODUCER = """
import logging, sys, threading
from logboom.zeromq import PUSHHandler
address, spool = sys.argv[1:3]
count = int(sys.argv[3]) if len(sys.argv) > 3 and sys.argv[3] else None
logger = logging.getLogger()
logger.setLevel(logging.INFO)
options = {"block_timeout": 20, "close_timeout": 20} if spool == "no" else {"spool": spool}
handler = PUSHHandler(address, **options)
if len(sys.argv) > 4:
    handler.setFormatter(logging.Formatter(sys.argv[4]))
logger.addHandler(handler)
ended = threading.Event()
print("ready", flush=True)
if count is None:
    threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
number = 0
while number < count if count is not None else not (ended.is_set() if spool == "no" else ended.wait(0.0002)):
    logger.info("n %d", number)
    number += 1
logging.shutdown()
print(number, flush=True)
"""


def numbers(lines: list[str]) -> list[int]:
    return [int(line.split("] n ")[1]) for line in lines if "] n " in line]


def test_records_wait_on_disk_for_a_server(tmp_path: Path, port: int, processes: Processes) -> None:
    """The program has ended long before there is a server; none of it was in anybody's memory."""
    address, log = f"tcp://127.0.0.1:{port}", tmp_path / "django.log"
    program = processes.program(PRODUCER, address, str(tmp_path / "spool"), "2500")
    assert program.wait(30) == 0, processes.errors()
    with serving(bind=address, filename=log):
        wait_for_lines(log, lambda lines: len(lines) >= 2502)
    assert numbers(lines_of(log)) == list(range(2500))


def test_a_plain_pull_reads_it(tmp_path: Path, logger: logging.Logger) -> None:
    """What goes over the wire is the same with and without a spool: the formatted line, newlines and all."""
    context = zmq.Context()
    with context.socket(zmq.PULL) as opened:
        opened.linger, opened.rcvtimeo = 0, 15_000
        port = opened.bind_to_random_port("tcp://127.0.0.1")
        handler = PUSHHandler(
            f"tcp://127.0.0.1:{port}", spool=tmp_path / "spool", formatters={"ERROR": "e:%(message)s"}
        )
        logger.addHandler(handler)
        logger.info("größer\n%d", 1)
        logger.error("x" * 70_000)
        logger.log(25, "")
        got = [opened.recv().decode() for _ in range(3)]
        handler.flush()
        handler.close()
    context.term()
    assert got[0].endswith("] größer\n1") and got[1] == "e:" + "x" * 70_000 and got[2].endswith("] ")


def test_inproc_with_a_spool_is_refused(tmp_path: Path) -> None:
    """The collector is another process."""
    with zmq.Context() as context, pytest.raises(ConfigurationError, match="another process"):
        PUSHHandler("inproc://log", context, spool=tmp_path)


@pytest.mark.slow
def test_a_server_that_is_stopped_and_started_loses_nothing(
    tmp_path: Path, port: int, processes: Processes
) -> None:
    """The regular restart of a server, under traffic: nothing missing, nothing twice."""
    address, log = f"tcp://127.0.0.1:{port}", tmp_path / "django.log"
    server = processes.serve(port, log)
    program = processes.program(PRODUCER, address, str(tmp_path / "spool"))
    for _ in range(4):
        before = len(lines_of(log))
        wait_for_lines(log, lambda lines, before=before: len(lines) > before + 300)
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0, processes.errors()
        server = processes.serve(port, log)
    output = program.communicate("\n", timeout=60)[0]
    count = int(output.split()[-1])
    lines = wait_for_lines(log, lambda lines: len(numbers(lines)) >= count, 30)
    assert numbers(lines) == list(range(count))


@pytest.mark.slow
@pytest.mark.parametrize("spool", ["no", "spool"])
@pytest.mark.parametrize(
    "format", ["%(asctime)s %(pathname)s] %(message)s", "] %(message)s"], ids=["usual", "short"]
)
def test_a_server_that_is_killed_loses_at_most_what_was_in_flight(
    format: str, spool: str, tmp_path: Path, port: int, processes: Processes
) -> None:
    """The page says 200 records: under full load, too, and a buffer has room for many short lines."""
    address, log = f"tcp://127.0.0.1:{port}", tmp_path / "django.log"
    server = processes.serve(port, log)
    place = spool if spool == "no" else str(tmp_path / spool)
    program = processes.program(PRODUCER, address, place, "", format)
    kills = 3
    for _ in range(kills):
        before = len(lines_of(log))
        wait_for_lines(log, lambda lines, before=before: len(lines) > before + 300)
        server.kill()
        server.wait(20)
        server = processes.serve(port, log)
    count = int(program.communicate("\n", timeout=60)[0].split()[-1])
    wait_for_lines(log, lambda lines: numbers(lines)[-1:] == [count - 1], 30)
    seen = Counter(numbers(lines_of(log)))
    assert not [number for number, times in seen.items() if times > 1]
    assert count - len(seen) <= 200 * kills


@pytest.mark.slow
@pytest.mark.crash
def test_the_sending_side_may_die_at_any_time(tmp_path: Path, port: int, processes: Processes) -> None:
    """Producers and the collector that pushes are killed: nothing is missing; a step may come again."""
    address, log = f"tcp://127.0.0.1:{port}", tmp_path / "django.log"
    spool = tmp_path / "spool"
    with serving(bind=address, filename=log, maxBytes=0):
        victim = processes.program(PRODUCER, address, str(spool), "1000000", "killed %(message)s")
        wait_for_lines(log, lambda lines: any(line.startswith("killed ") for line in lines))
        programs = [processes.program(PRODUCER, address, str(spool), "20000") for _ in range(2)]
        kills = 0
        while any(program.poll() is None for program in programs):
            kills += kill_collectors(spool)
            before = len(lines_of(log))
            wait_until(lambda before=before: len(lines_of(log)) > before + 500 or ended(programs), "traffic")
            victim.kill()
        # The last of these may have come when nobody was left to see it.
        drain = processes.start("-m", "logboom", "drain", str(spool))
        assert drain.wait(60) == 0, processes.errors()
        wait_for_lines(log, lambda lines: len(numbers(lines)) >= 40_000)
    lines = lines_of(log)
    seen = Counter(numbers(lines))
    assert len(seen) == 20_000 and min(seen.values()) >= 2 and kills > 0
    killed = Counter(int(line.split()[2]) for line in lines if line.startswith("killed "))
    assert killed and killed.keys() == set(range(len(killed)))
    assert sum(seen.values()) - 40_000 + sum(killed.values()) - len(killed) <= 100 * kills


def ended(programs: list[subprocess.Popen[str]]) -> bool:
    return all(program.poll() is not None for program in programs)


def kill_collectors(spool: Path) -> int:
    """SIGKILL to the collector of this spool, by its command line."""
    count = 0
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        ours = any(Path(word).is_relative_to(spool) for word in words)  # the home of a sink, too
        if ours and "-c" in words and words[0] != sys.argv[0]:
            process.kill()
            count += 1
    return count
