"""Run every way through every scenario, and write the counts and the table: `python -m bench.choosing`.

python -m bench.choosing                         all; writes bench/results/choosing.json and the page's table
python -m bench.choosing logzero logboom         only these ways; prints the table and writes nothing
"""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.choosing.ways import WAYS, Way

_ROOT: Final = Path(__file__).parents[2]
_RESULTS: Final = _ROOT / "bench/results/choosing.json"
_PAGE: Final = _ROOT / "docs/explanation/choosing.md"
_RECORD: Final = re.compile(rb"(rec (\d{3})-(\d{7}) x+) ([0-9a-f]{8})")
_BEGUN: Final = re.compile(rb"rec \d{3}-\d{7} x")
_WRITERS: Final = 8
_LIMIT: Final = 60.0


@dataclass(frozen=True)
class Scenario:
    """How 8 processes log, and what happens to them.

    Attributes:
        forked: logging is configured in one process, which forks the 8; otherwise 8 programs.
        count, rate, size: records of each process, records a second (0: no pause), characters of a message.
        outage: "down": the listener starts when half of the records are logged; "killed": it is killed then,
            and started again.
        rotation: "rename", "gzip" (rename and compress at once) or "copytruncate", from outside, three times
            a second.
    """

    title: str
    forked: bool = False
    count: int = 2000
    rate: int = 0
    size: int = 100
    outage: str = ""
    rotation: str = ""


SCENARIOS: Final = {
    "burst": Scenario("burst"),
    "forked": Scenario("burst, forked", forked=True),
    "paced": Scenario("300/s each", count=1200, rate=300),
    "large": Scenario("20 kB records", count=100, size=20_000),
    "down": Scenario("listener down at first", count=1200, rate=300, outage="down"),
    "killed": Scenario("listener killed", count=1200, rate=300, outage="killed"),
    "rename": Scenario("logrotate: rename", count=1200, rate=300, rotation="rename"),
    "gzip": Scenario("rename and gzip", count=1200, rate=300, rotation="gzip"),
    "copytruncate": Scenario("copytruncate", count=1200, rate=300, rotation="copytruncate"),
}


@dataclass(frozen=True)
class Counts:
    """What a run left: records whose call returned, and what is wrong with them in the files."""

    returned: int
    lost: int
    doubled: int
    torn: int
    hung: int


def applies(way: Way, scenario: Scenario) -> bool:
    """Return True if the scenario says something about this way."""
    if scenario.outage:
        return way.listener in ("udp", "tcp", "http")
    if scenario.rotation:
        return not way.rotates
    return scenario.forked or not way.inherited


class Run:
    """One way in one scenario, in a directory of its own."""

    def __init__(self, way: Way, scenario: Scenario, directory: Path) -> None:
        self.way, self.scenario, self.directory = way, scenario, directory
        self.path, self.notes = directory / "app.log", directory / "notes"
        self.notes.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.processes: list[subprocess.Popen[bytes]] = []
        self.listener: subprocess.Popen[bytes] | None = None
        self.sink: int = subprocess.DEVNULL

    def go(self) -> Counts:
        try:
            if self.way.listener and self.scenario.outage != "down":
                self.listen()
            each = [list(range(_WRITERS))] if self.scenario.forked else [[n] for n in range(_WRITERS)]
            for writers in each:
                self.start("worker", json.dumps(self.spec(writers)), stdout=self.sink)
            hung = self.watch()
            self.settle()
            return self.count(hung)
        finally:
            for process in [*self.processes, *filter(None, [self.listener])]:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
            if self.sink >= 0:
                os.close(self.sink)

    def spec(self, writers: list[int]) -> dict[str, Any]:
        values = {name: getattr(self.scenario, name) for name in ("count", "rate", "size")}
        place = {"path": str(self.path), "port": self.port, "notes": str(self.notes)}
        return {"way": self.way.name, "writers": writers, **values, **place}

    def start(self, module: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"bench.choosing.{module}", *arguments]
        settings: dict[str, Any] = {"stderr": subprocess.DEVNULL, "cwd": _ROOT, "start_new_session": True}
        process: subprocess.Popen[bytes] = subprocess.Popen(command, **(settings | options))
        if module == "worker":
            self.processes.append(process)
        return process

    def listen(self) -> None:
        if self.way.listener == "pipe":
            reading, self.sink = os.pipe()
            self.listener = self.start("listener", "pipe", "0", str(self.path), stdin=reading)
            os.close(reading)
            return
        self.listener = self.start("listener", self.way.listener, str(self.port), str(self.path))
        deadline = time.monotonic() + 10
        kind = socket.SOCK_DGRAM if self.way.listener == "udp" else socket.SOCK_STREAM
        while time.monotonic() < deadline:  # until the port is taken
            with socket.socket(socket.AF_INET, kind) as probe:
                try:
                    probe.bind(("127.0.0.1", self.port))
                except OSError:
                    return
            time.sleep(0.01)

    def watch(self) -> int:
        """Kill two processes and do what the scenario has, until all have ended; returns how many hung."""
        total, turned = _WRITERS * self.scenario.count, False
        victims: list[int] = []
        deadline, next_rotation = time.monotonic() + _LIMIT, time.monotonic()
        while any(process.poll() is None for process in self.processes):
            done = sum(len(numbers) for numbers, _ in self.noted().values())
            if len(victims) < 2 and done > total * (0.3 + 0.2 * len(victims)):
                # The one that has logged least is certain to be still at work.
                pids = [pid for _, pid in sorted(self.noted().values(), key=lambda each: len(each[0]))]
                victims.append(next(pid for pid in pids if pid not in victims))
                os.kill(victims[-1], signal.SIGKILL)
            if self.scenario.outage and not turned and done > total / 2:
                turned = True
                if self.listener:
                    self.listener.kill()
                    self.listener.wait()
                self.listen()
            if self.scenario.rotation and time.monotonic() > next_rotation:
                self.rotate()
                next_rotation = time.monotonic() + 0.3
            if time.monotonic() > deadline:
                return sum(process.poll() is None for process in self.processes)
            time.sleep(0.02)
        return 0

    def rotate(self) -> None:
        number = 1 + sum(path.name.startswith("app.log-") for path in self.directory.iterdir())
        backup = self.directory / f"app.log-{number:04d}"
        if not self.path.exists():
            return
        if self.scenario.rotation == "copytruncate":
            shutil.copyfile(self.path, backup)
            os.truncate(self.path, 0)
            return
        self.path.rename(backup)
        if self.scenario.rotation == "gzip":
            with backup.open("rb") as source, gzip.open(f"{backup}.gz", "wb") as target:
                shutil.copyfileobj(source, target)
            backup.unlink()

    def noted(self) -> dict[int, tuple[list[int], int]]:
        """For each process the numbers of the records whose call returned, and its process id."""
        found = {}
        for path in self.notes.iterdir():
            first, _, rest = path.read_bytes().partition(b"\n")
            if first.startswith(b"pid "):
                found[int(path.name)] = ([int(line) for line in rest.split(b"\n")[:-1]], int(first[4:]))
        return found

    def files(self) -> list[Path]:
        names = (path for path in self.directory.iterdir() if re.match(r"app.*\.log", path.name))
        return [path for path in names if path.is_file() and path.suffix not in (".lock", ".sqlite")]

    def settle(self) -> None:
        """Wait until nothing has been written for a while."""
        size, since = -1, time.monotonic()
        while time.monotonic() < since + 2:
            now = sum(path.stat().st_size for path in self.files())
            if now != size:
                size, since = now, time.monotonic()
            time.sleep(0.05)

    def count(self, hung: int) -> Counts:
        found: Counter[tuple[int, int]] = Counter()
        begun = 0
        for path in self.files():
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            for body, writer, number, checksum in _RECORD.findall(data):
                if zlib.crc32(body) == int(checksum, 16):
                    found[int(writer), int(number)] += 1
            begun += len(_BEGUN.findall(data))
        noted = {(writer, number) for writer, (numbers, _) in self.noted().items() for number in numbers}
        whole = sum(found.values())
        return Counts(len(noted), len(noted - found.keys()), whole - len(found), begun - whole, hung)


def measure(names: list[str]) -> dict[str, dict[str, Counts]]:
    counts: dict[str, dict[str, Counts]] = {}
    for name in names:
        counts[name] = {}
        for key, scenario in SCENARIOS.items():
            if not applies(WAYS[name], scenario):
                continue
            with tempfile.TemporaryDirectory(prefix="choosing-", ignore_cleanup_errors=True) as directory:
                counts[name][key] = Run(WAYS[name], scenario, Path(directory)).go()
            print(f"{name:32} {key:13} {counts[name][key]}", file=sys.stderr, flush=True)
    return counts


def cell(counts: Counts | None) -> str:
    """`3.1 %`, with what is doubled, torn or hung in brackets."""
    if counts is None:
        return ""
    share = 100 * counts.lost / max(counts.returned, 1)
    text = f"{share:.0f} %" if share >= 10 else f"{share:.1f} %" if share >= 0.1 else "< 0.1 %"
    if not counts.lost:
        text = "0"
    others = {"doubled": counts.doubled, "torn": counts.torn, "hung": counts.hung}
    more = [f"{number} {kind}" for kind, number in others.items() if number]
    return f"{text} ({', '.join(more)})" if more else text


def table(counts: dict[str, dict[str, Counts]]) -> str:
    lines = ["| lost | " + " | ".join(scenario.title for scenario in SCENARIOS.values()) + " |"]
    lines.append("| --- |" + " --- |" * len(SCENARIOS))
    for name, row in counts.items():
        lines.append(f"| {name} | " + " | ".join(cell(row.get(key)) for key in SCENARIOS) + " |")
    return "\n".join(lines)


def versions() -> dict[str, str]:
    packages = sorted({way.package for way in WAYS.values()} - {""})
    return {package: importlib.metadata.version(package) for package in packages}


def releases(packages: Iterable[str]) -> dict[str, str]:
    """Ask pip's index for the day of each package's newest release; nothing for one that it does not tell."""
    from pip._internal.models.index import PyPI

    found = {}
    for package in packages:
        request = urllib.request.Request(f"{PyPI.simple_url}/{package}/")
        request.add_header("Accept", "application/vnd.pypi.simple.v1+json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                files = json.load(answer)["files"]
        except (OSError, ValueError):
            continue
        found[package] = max((file.get("upload-time", "") for file in files), default="")[:10]
    return found


def write_page(counts: dict[str, dict[str, Counts]], facts: dict[str, Any]) -> None:
    """Put the table between the page's markers."""
    text = _PAGE.read_text("utf-8")
    named = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    note = f"CPython {facts['python']}; {named}"
    made = f"<!-- bench:choosing -->\n{table(counts)}\n\n{note}.\n<!-- /bench:choosing -->"
    text = re.sub(r"<!-- bench:choosing -->.*<!-- /bench:choosing -->", lambda _: made, text, flags=re.DOTALL)
    for package, day in facts["releases"].items():
        said = f"{facts['versions'][package]}, {day}"
        mark = f"<!-- release:{package} -->"
        text = re.sub(rf"\| [^|]*{mark}", lambda _, said=said, mark=mark: f"| {said} {mark}", text)  # type: ignore[misc]
    _PAGE.write_text(text, "utf-8")


def main(names: list[str]) -> None:
    if unknown := set(names) - WAYS.keys():
        sys.exit(f"no such way: {', '.join(unknown)}; there are {', '.join(WAYS)}")
    counts = measure(names or list(WAYS))
    print(table(counts))
    if not names:
        facts: dict[str, Any] = {
            "command": "python -m bench.choosing",
            "date": time.strftime("%Y-%m-%d"),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "versions": versions(),
            "releases": releases(versions()),
            "scenarios": {key: asdict(scenario) for key, scenario in SCENARIOS.items()},
        }
        raw = {name: {key: asdict(each) for key, each in row.items()} for name, row in counts.items()}
        _RESULTS.write_text(json.dumps(facts | {"counts": raw}, indent=1) + "\n", "utf-8")
        write_page(counts, facts)


if __name__ == "__main__":
    main(sys.argv[1:])
