"""The project with `PUSHHandler`, under gunicorn, and a `LoggingServer` that is stopped, started and killed.

    push.py [--no-spool] [--kill] [--seconds N]

Counts what arrived. Exit status 1 when a record is missing that should not be: a kill may cost what was in
flight; without a spool, what found no room while the server was away is missing, and counted: in the log, or
on stderr by a program that ended meanwhile. Everything else is there.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from logboom.demo.oracle import Score, count, log_set, read_notes

HERE = Path(__file__).resolve().parent
WORKERS = 4
CONNECTIONS = WORKERS + 1
IN_FLIGHT = 200
SAID = re.compile(rb"(\d+) records (?:dropped|were not sent)")
NOTICES = re.compile(rb"^(start LoggingServer|Listen on .*|.* \d+ records dropped.*)\n", re.MULTILINE)
CLIENTS = 3


class Run:
    """Everything that runs, and where it logs."""

    def __init__(self, directory: Path, spool: bool) -> None:
        self.directory = directory
        self.live = directory / "logs" / "django.log"
        self.notes = directory / "notes"
        self.live.parent.mkdir(parents=True)
        self.notes.mkdir()
        self.stop = threading.Event()
        self.processes: list[subprocess.Popen[bytes]] = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        ours = {
            "DJANGO_SETTINGS_MODULE": "shop.push_settings",
            "SHOP_LOGS": self.live.parent,
            "SHOP_NOTES": self.notes,
            "SHOP_PORT": port,
        }
        if spool:
            ours["SHOP_SPOOL"] = directory / "spool"
        self.environment = os.environ | {name: str(value) for name, value in ours.items()}

    def spawn(self, *arguments: str, keep: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        with (self.directory / "output.txt").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=HERE,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=keep,
            )
        self.processes.append(process)
        return process

    def serve(self) -> subprocess.Popen[bytes]:
        return self.spawn("manage.py", "logboom_pull", "--max-bytes", "50000", "--backup-count", "1000")

    def output(self) -> bytes:
        """What the programs said on stdout and stderr."""
        return (self.directory / "output.txt").read_bytes()

    def files(self) -> Iterator[bytes]:
        """The set, read while it moves."""
        for path in log_set(self.live):
            with contextlib.suppress(FileNotFoundError):
                yield path.read_bytes()

    def arrived(self) -> int:
        """Lines in the set."""
        return sum(text.count(b"\n") for text in self.files())

    def await_traffic(self, lines: int) -> None:
        goal, deadline = self.arrived() + lines, time.monotonic() + 30
        while self.arrived() < goal and time.monotonic() < deadline:
            self.stop.wait(0.05)


def browse(run: Run, port: int) -> None:
    number = 0
    while not run.stop.is_set():
        number += 1
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", f"/order/{number}/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            run.stop.wait(0.1)
        finally:
            connection.close()


def scripts(run: Run) -> None:
    while not run.stop.is_set():
        run.spawn("report.py").wait(60)


def play(run: Run, seconds: float, kill: bool) -> None:
    """Traffic, in which the server is stopped and started twice, and killed once if so asked."""
    server = run.serve()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        options = ["--workers", str(WORKERS), "--bind", f"fd://{listener.fileno()}", "--log-level", "error"]
        web = run.spawn("-m", "gunicorn", *options, "shop.wsgi", keep=(listener.fileno(),))
        threads = [
            threading.Thread(target=browse, args=(run, listener.getsockname()[1])) for _ in range(CLIENTS)
        ]
        threads.append(threading.Thread(target=scripts, args=(run,)))
        for thread in threads:
            thread.start()
        try:
            for how in (signal.SIGTERM, signal.SIGTERM, *((signal.SIGKILL,) if kill else ())):
                run.await_traffic(200)
                server.send_signal(how)
                server.wait(30)
                run.stop.wait(seconds / 8)
                server = run.serve()
            run.await_traffic(200)
        finally:
            run.stop.set()
            for thread in threads:
                thread.join()
        web.send_signal(signal.SIGTERM)
        web.wait(30)


def settled(run: Run, in_flight: int) -> tuple[Score, int]:
    """The count, and how many records programs said that they dropped; once they agree, or after a while."""
    deadline = time.monotonic() + 20
    while True:
        log = b"".join(run.files())
        said = sum(int(number) for number in SAID.findall(log + run.output()))
        score = without_notices(log, run)
        if score.missing <= said + in_flight or time.monotonic() > deadline:
            return score, said
        time.sleep(0.2)


def without_notices(log: bytes, run: Run) -> Score:
    """What the server and the handlers say about themselves are no records of the project."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name, run.live.name)
        copy.write_bytes(NOTICES.sub(b"", log))
        score = count(copy, read_notes(run.notes))
    return dataclasses.replace(score, rotations=len(log_set(run.live)) - 1)


def end(run: Run) -> None:
    run.stop.set()
    for process in reversed(run.processes):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-spool", action="store_true")
    parser.add_argument("--kill", action="store_true", help="the server is killed, too")
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="logboom-push-", ignore_cleanup_errors=True) as name:
        run = Run(Path(name), spool=not arguments.no_spool)
        in_flight = IN_FLIGHT * (CONNECTIONS if arguments.no_spool else 1) if arguments.kill else 0
        try:
            play(run, arguments.seconds, arguments.kill)
            score, said = settled(run, in_flight)
        finally:
            end(run)
        output = run.output().decode("utf-8", "replace")
    print(
        f"{score.noted} records noted, {score.missing} missing, {score.duplicated} twice, {score.torn} torn,"
        f" {score.rotations} rotations"
    )
    if said:
        print(
            f"{said} of them at most were dropped, and said so: the server was away for longer than they wait"
        )
    good = score.noted > 0 and score.missing <= said + in_flight and not (score.duplicated or score.torn)
    if not good:
        print("\n".join(output.splitlines()[-20:]))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
