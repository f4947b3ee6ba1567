"""What others do to a spool in mid-run: noise at the doorbell, a directory that closes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from everybody import NOBODY, EverybodysPython
from harness import Lab, pause, wait_until

RING = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
print(flush=True)
while True:
    try:
        os.write(fd, bytes(range(256)).replace(b"s", b"") * 8)
    except BlockingIOError:
        pass
    except BrokenPipeError:
        break
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a FIFO")
def test_doorbell_spam(lab: Lab) -> None:
    """Who may log may ring: without end, and with bytes that mean nothing. Records arrive all the same."""
    program = lab.start("p", "phases", count=200)
    lab.phase(program, "before")
    pid = wait_until(lab.collector_pid, "a collector lives")
    spam = lab.run(sys.executable, "-c", RING, str(lab.spool / "doorbell"))
    assert spam.stdout is not None
    spam.stdout.readline()
    try:
        for number in range(5):
            lab.phase(program, f"during{number}")
        lab.verdict(10)
        assert lab.collector_pid() == pid
        assert psutil.Process(pid).memory_info().rss < 100e6
        lab.phase(program, "last")
        lab.verdict(10)
        lab.leave(program)
    finally:
        spam.kill()


PROGRAM = """
import logging, sys, time
import logboom
handler = logboom.FileHandler(sys.argv[1], close_timeout=10)
handler.setFormatter(logging.Formatter("%(message)s"))
logger = logging.getLogger("app")
logger.addHandler(handler)
for line in sys.stdin:
    begun = time.monotonic()
    for number in range(200):
        logger.error("%s %d", line.strip(), number)
    print(time.monotonic() - begun, flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="runs programs as another user")
@pytest.mark.parametrize("closed", ["logs", "logs/.logboom", "logs/.logboom/journal"])
def test_directory_without_x_in_mid_run(closed: str, open_path: Path, everybody: EverybodysPython) -> None:
    """`chmod -x` stops delivery: no call raises or waits, and what was logged is there when it is open."""
    logs = open_path / "logs"
    logs.mkdir()
    os.chown(logs, NOBODY, NOBODY)
    command = everybody.command("-c", PROGRAM, logs / "app.log")
    with subprocess.Popen(
        **command,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        assert program.stdin is not None and program.stdout is not None and program.stderr is not None
        said, answers = program.stdin, program.stdout

        def log(text: str) -> float:
            said.write(f"{text}\n")
            said.flush()
            return float(answers.readline())

        def there() -> list[str]:
            return (logs / "app.log").read_text().splitlines()

        log("before")
        wait_until(lambda: len(there()) == 200, "the first records are in the file")
        place = open_path / closed
        mode = place.stat().st_mode & 0o7777
        place.chmod(mode & ~0o111)
        try:
            pause(1.1)  # past the second in which no directory is looked at
            assert log("during") < 1.5
        finally:
            place.chmod(mode)
        pause(1.1)
        log("after")
        said.close()
        assert program.wait(30) == 0
        expected = [f"{when} {number}" for when in ("before", "during", "after") for number in range(200)]
        wait_until(lambda: len(there()) >= len(expected), "the records are in the file")
        assert there() == expected
        assert "removed" not in program.stderr.read()
