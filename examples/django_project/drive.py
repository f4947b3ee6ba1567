"""Runs the project under gunicorn with real requests, kills processes, and counts what arrived in the log.

The same traffic goes through the standard library's handler first, and then through logboom's. Exit status 1
when one of logboom's numbers is wrong. Everything is on the loopback interface and in a temporary directory.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from logboom.demo.collector import kill_collector, settled, stop_collector
from logboom.demo.oracle import Score
from logboom.demo.stage import UNSET
from logboom.demo.table import Kills, draw, look_of, prose, verdict

HERE = Path(__file__).resolve().parent
STANDARD = "logging.handlers.RotatingFileHandler"
LOGBOOM = os.environ.get("DEMO_HANDLER", "logboom.RotatingFileHandler")
SECONDS = float(os.environ.get("DEMO_SECONDS", "8"))
WEB_WORKERS = 4
CLIENTS = 4
TIMEOUT = 5.0
# From one start to the next: a fast machine must not outrun the backups that are kept.
REQUEST_EVERY = 0.005
PROGRAM_EVERY = 0.25
SETTLE = 8.0
PAGE_SECONDS = 60.0
KILLS = (
    ("web worker", 0.15),
    ("worker", 0.25),
    ("collector", 0.35),
    ("web worker", 0.45),
    ("worker", 0.55),
    ("collector", 0.65),
    ("web worker", 0.75),
)


@dataclass
class Run:
    """One contender's turn.

    Attributes:
        recent: pids of the web workers that answered last.
        tally: answers, failed requests, commands, scripts.
        kills: is told the kind of each that gets SIGKILL.
    """

    handler: str
    directory: Path
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=50))
    tally: Counter[str] = field(default_factory=Counter)
    kills: Kills = field(default_factory=lambda: Kills(sys.stdout, look_of(sys.stdout)))
    dead: set[int] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def live(self) -> Path:
        return self.directory / "logs" / "django.log"

    @property
    def environment(self) -> dict[str, str]:
        ours = {
            "SHOP_HANDLER": self.handler,
            "SHOP_LOGS": self.live.parent,
            "SHOP_NOTES": self.directory / "notes",
            "XDG_RUNTIME_DIR": self.directory,  # where gunicorn makes its control socket; else in HOME
        }
        kept = {name: value for name, value in os.environ.items() if name not in UNSET}
        return kept | {name: str(value) for name, value in ours.items()}

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


def play(handler: str, directory: Path) -> tuple[Run, Score]:
    """Start everything, keep it busy for `SECONDS` with kills, end it and count."""
    run = Run(handler, directory)
    (directory / "notes").mkdir(parents=True)
    run.live.parent.mkdir()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        try:
            traffic(run, listener)
            run.kills.end()
            score = settled(run.live, directory / "notes", 0.0 if handler == STANDARD else SETTLE)
        finally:
            end(run)
    return run, score


def traffic(run: Run, listener: socket.socket) -> None:
    web = start_web(run, listener)
    port = listener.getsockname()[1]
    threads = [threading.Thread(target=browse, args=(run, port)) for _ in range(CLIENTS)]
    threads += [
        threading.Thread(target=repeat, args=(run, "management commands", "manage.py", "reconcile")),
        threading.Thread(target=repeat, args=(run, "scripts", "report.py")),
    ]
    workers = run.spawn("workers.py", str(SECONDS), str(run.directory / "pids"))
    for thread in threads:
        thread.start()
    try:
        kill_on_time(run, time.monotonic())
    except BaseException:
        run.stop.set()
        listener.close()  # else a request may wait for a server that has ended
        for process in run.processes:
            process.terminate()
        raise
    finally:
        run.stop.set()
        for thread in threads:
            thread.join()
    workers.wait(timeout=20)
    web.send_signal(signal.SIGTERM)
    web.wait(timeout=20)


def start_web(run: Run, listener: socket.socket) -> subprocess.Popen[bytes]:
    """gunicorn on a socket that is open already; returns when it answers."""
    descriptor = listener.fileno()
    options = ["--workers", str(WEB_WORKERS), "--bind", f"fd://{descriptor}", "--log-level", "error"]
    web = run.spawn("-m", "gunicorn", *options, "shop.wsgi", keep=(descriptor,))
    deadline = time.monotonic() + 20
    while not request(run, listener.getsockname()[1], 0):
        if web.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("gunicorn does not answer:\n" + (run.directory / "output.txt").read_text())
    return web


def browse(run: Run, port: int) -> None:
    number = 0
    while not run.stop.is_set():
        number += 1
        begin = time.monotonic()
        run.tally["requests" if request(run, port, number) else "cut off by a kill"] += 1
        run.stop.wait(max(0.0, begin + REQUEST_EVERY - time.monotonic()))


def request(run: Run, port: int, number: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", f"/order/{number}/")
        answer = connection.getresponse()
        run.recent.append(json.loads(answer.read(10_000))["pid"])
        return answer.status == 200
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return False
    finally:
        connection.close()


def repeat(run: Run, kind: str, *arguments: str) -> None:
    while not run.stop.is_set():
        begin = time.monotonic()
        run.spawn(*arguments).wait(timeout=60)
        run.tally[kind] += 1
        run.stop.wait(max(0.0, begin + PROGRAM_EVERY - time.monotonic()))


def kill_on_time(run: Run, begin: float) -> None:
    for kind, part in KILLS:
        time.sleep(max(0.0, begin + part * SECONDS - time.monotonic()))
        if kind == "collector":
            until = begin + (part + 0.1) * SECONDS
            killed = run.handler != STANDARD and kill_collector(run.live, run.dead, until)
        else:
            killed = kill(run, web_pids(run) if kind == "web worker" else worker_pids(run))
        if killed:
            run.kills(kind)
    time.sleep(max(0.0, begin + SECONDS - time.monotonic()))


def kill(run: Run, pids: list[int]) -> bool:
    """SIGKILL the last of these that we have not killed before."""
    victims = [pid for pid in pids if pid not in run.dead]
    if not victims:
        return False
    run.dead.add(victims[-1])
    try:
        os.kill(victims[-1], signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def web_pids(run: Run) -> list[int]:
    return list(run.recent)


def worker_pids(run: Run) -> list[int]:
    path = run.directory / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def end(run: Run) -> None:
    run.stop.set()
    for process in run.processes:
        if process.poll() is None:
            process.terminate()
    for process in run.processes:
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    stop_collector(run.live)


def turn(title: str, handler: str, directory: Path) -> tuple[Run, Score]:
    print(f"  {title}: {handler} ...", flush=True)
    run, score = play(handler, directory)
    tally = ", ".join(f"{kind}: {number:,}" for kind, number in sorted(run.tally.items()) if number)
    print(textwrap.indent(prose(tally, look_of(sys.stdout)), "  "), flush=True)
    return run, score


def show(run: Run, seconds: float | None) -> None:
    """The page for the log set, with what the killed processes logged; `seconds` until it ends by itself."""
    command = [sys.executable, "-m", "logboom", "web", str(run.live)]
    page = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert page.stdout is not None
    try:
        link = page.stdout.readline().removeprefix("logboom: ").strip()
        query = " OR ".join(f"process={pid}" for pid in sorted(run.dead))
        until = (
            "Ctrl-C ends it"
            if seconds is None
            else f"Up for {seconds:.0f} seconds; make demo WEB=1 keeps it up"
        )
        print(f"What the killed processes logged:\n{link}&{urlencode({'q': query})}\n{until}.", flush=True)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            page.wait(seconds)
    finally:
        page.terminate()
        page.wait()


def main() -> int:
    look = look_of(sys.stdout)
    about = (
        f"A Django project: gunicorn with {WEB_WORKERS} workers, 2 multiprocessing workers, a management "
        "command in a loop and a script that calls django.setup(); all log to one rotating set."
    )
    print(f"\n{prose(about, look)}\n")
    with tempfile.TemporaryDirectory(prefix="logboom-django-", ignore_cleanup_errors=True) as name:
        _, standard = turn("standard library", STANDARD, Path(name, "standard"))
        run, ours = turn("logboom", LOGBOOM, Path(name, "logboom"))
        output = (run.directory / "output.txt").read_text("utf-8", "replace").splitlines()
        print(f"\n{draw((('standard library', standard), ('logboom', ours)), look)}\n")
        print(f"{verdict(standard, ours, look)}\n")
        if os.environ.get("DEMO_WEB") or sys.stdout.isatty():
            show(run, None if os.environ.get("DEMO_WEB") else PAGE_SECONDS)
    if not ours.exact:
        print("\n".join(output[-20:]))
    return 0 if ours.exact else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
