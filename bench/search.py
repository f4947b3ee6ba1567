"""`python -m bench.search`: how long the questions of a person take, on a generated log set.

    python -m bench.search --records 5000000 --directory /var/tmp/bench-search

The set: ten backups and a live file, programs of three time zones and one that writes JSON, one record in a
thousand late. Its facts are the product's, its index is made by `logboom index`, the compressed sets by the
code that the collector's helper runs. Each question runs in a cold process; its answer is compared with a
full scan. `rg`, `lnav` and DuckDB are measured beside it where they are installed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from logboom.logset import facts
from logboom.logset.sealing import pack_backup
from logboom.platform.files import Directory

__all__ = ["main"]

_BACKUPS: Final = 10
_BATCH: Final = 2000
_LATE: Final = 1000
_START: Final = 1_795_000_000.0
_LEVELS: Final = ((10, "DEBUG", 300), (20, "INFO", 600), (30, "WARNING", 90), (40, "ERROR", 10))
_FORMAT: Final = "%(asctime)s %(levelname)-8s %(name)s %(process)d: %(message)s"
_LOGGERS: Final = ("shop.orders", "shop.cart", "shop.pay", "shop.mail", "web.http", "worker.jobs")
_WORDS: Final = ("paid", "queued", "refused", "retried", "confirmed", "shipped", "cancelled", "archived")
_RUNS: Final = 3


class Scan(NamedTuple):
    """What a full scan of the generated set counted."""

    word: int
    part: int
    errors: int
    records: int


def _kinds() -> list[tuple[int, str, str, int, str | None]]:
    """Level, its name, logger, process, and the zone of its text (None: JSON)."""
    zones = ("UTC", "Europe/Berlin", "Asia/Tokyo", None)
    return [
        (level, name, logger, 100 + process, zones[process])
        for level, name, _ in _LEVELS
        for logger in _LOGGERS
        for process in range(4)
    ]


def _stamps(second: int) -> dict[str | None, str]:
    out: dict[str | None, str] = {
        zone: datetime.fromtimestamp(second, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
        for zone in ("UTC", "Europe/Berlin", "Asia/Tokyo")
    }
    out[None] = datetime.fromtimestamp(second, ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%S")
    return out


def generate(directory: Path, records: int, seed: int = 7) -> None:
    """Write the set with its facts. A day of records, whatever their number."""
    directory.mkdir(parents=True)
    (directory / facts.DIRECTORY).mkdir()
    rng = random.Random(seed)
    kinds = _kinds()
    weights = [weight for _, _, weight in _LEVELS for _ in range(len(_LOGGERS) * 4)]
    each = records // (_BACKUPS + 1) + 1
    step = 86_400 / records
    number, now, stamps, shown = 0, _START, _stamps(int(_START)), int(_START)
    for backup in range(_BACKUPS, -1, -1):
        path = directory / ("app.log" if backup == 0 else f"app.log.{backup}")
        with path.open("wb") as file:
            out = [facts.frame(facts.HEADER, {"logboom_facts": 1, "set": "app.log"})]
            out += _class_frames(kinds)
            place, left = 0, min(each, records - number)
            while left > 0:
                lines: list[bytes] = []
                times: list[float] = []
                codes = rng.choices(range(len(kinds)), weights, k=min(_BATCH, left))
                for code in codes:
                    now += step
                    if int(now) != shown:
                        shown = int(now)
                        stamps = _stamps(shown)
                    when = now - 1.5 if number % _LATE == 0 else now
                    lines.append(_line(kinds[code], when, stamps, number))
                    times.append(when)
                    number += 1
                text = b"".join(lines)
                out.append(
                    facts.pack_batch(place, facts.ends_of(text), [*map(len, lines)], codes, array("d", times))
                )
                file.write(text)
                place += len(text)
                left -= len(lines)
        facts.facts_path(path, path.stat().st_ino).write_bytes(b"".join(out))


def _line(
    kind: tuple[int, str, str, int, str | None], when: float, stamps: dict[str | None, str], number: int
) -> bytes:
    _, name, logger, process, zone = kind
    request = f"{number * 2654435761 % 2**32:08x}{number:08x}"
    message = (
        f"order {number} {_WORDS[number & 7]} by customer {number % 9973} in {number % 311} ms "
        f"request={request} from 10.{number % 250}.{number % 199}.{number % 97} "
        f"path=/api/v2/orders/{number % 4999} status=200"
    )
    millis = int(when % 1 * 1000)
    if zone is None:
        return (
            f'{{"timestamp":"{stamps[None]}.{millis:03d}000Z","level":"{name}","logger":"{logger}",'
            f'"message":"{message}","process":{process},"request":"{request}"}}\n'
        ).encode()
    return f"{stamps[zone]},{millis:03d} {name:8} {logger} {process}: {message}\n".encode()


def _class_frames(kinds: list[tuple[int, str, str, int, str | None]]) -> Iterator[bytes]:
    yield facts.frame(
        facts.FORMAT, {"number": 0, "renderer": "text", "format": _FORMAT, "style": "%", "encoding": "utf-8"}
    )
    yield facts.frame(facts.FORMAT, {"number": 1, "renderer": "json", "names": {}, "encoding": "utf-8"})
    for number, (level, name, logger, process, zone) in enumerate(kinds):
        values = {"number": number, "level": level, "level_name": name, "logger": logger, "process": process}
        yield facts.frame(facts.CLASS, values | {"program": "shop.py", "format": int(zone is None)})


def packed(source: Path, target: Path, codec: str) -> None:
    """The same set with its backups but the newest compressed, as the collector's helper does it."""
    target.mkdir()
    (target / facts.DIRECTORY).mkdir()
    directory = Directory(target)
    for backup in range(_BACKUPS, -1, -1):
        name = "app.log" if backup == 0 else f"app.log.{backup}"
        plain = target / name
        shutil.copyfile(source / name, plain)
        data = facts.facts_path(source / name, (source / name).stat().st_ino).read_bytes()
        facts.facts_path(plain, plain.stat().st_ino).write_bytes(data)
        if backup > 1:
            copy = name + {"gzip": ".gz", "zstd": ".zst"}[codec]
            (target / copy).touch()
            pack_backup(directory, name, copy, codec)
            facts.facts_path(plain, plain.stat().st_ino).unlink()
            plain.unlink()


def scan(directory: Path, rare: int, part: str) -> Scan:
    """The obvious way."""
    word = hits = errors = total = 0
    token = _token(rare).encode()
    error = re.compile(rb'^\S+ \S+ ERROR    shop\.|"level":"ERROR","logger":"shop\.')
    for path in sorted(directory.glob("app.log*")):
        with path.open("rb") as file:
            for line in file:
                total += 1
                if token in line:
                    word += 1
                if part.encode() in line:
                    hits += 1
                if error.search(line):
                    errors += 1
    return Scan(word, hits, errors, total)


def _token(number: int) -> str:
    return f"{number * 2654435761 % 2**32:08x}{number:08x}"


def _run(command: list[str], directory: Path) -> tuple[float, float, str]:
    """Seconds, megabytes and output of a command in a new process."""
    begin = time.perf_counter()
    child = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdout is not None
    output = child.stdout.read()
    _, _, usage = os.wait4(child.pid, 0)
    child.returncode = 0
    return time.perf_counter() - begin, usage.ru_maxrss / 1024, output.decode("utf-8", "replace")


def main(argv: list[str] | None = None) -> int:
    """Returns 0 when every answer was right, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("--records", type=int, default=5_000_000)
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp/bench-search"))
    parser.add_argument("--json", type=Path, help="also write the rows there")
    parser.add_argument("--only", default="", help="only questions whose name has this in it")
    options = parser.parse_args(argv)
    sets = _sets(options.directory, options.records)
    rows = list(_measure(sets, options.records, options.only))
    for row in rows:
        mark = "" if row["right"] else "  WRONG"
        verdict = (
            "goal" if row["seconds"] <= row["goal"] else "must" if row["seconds"] <= row["must"] else "MISSED"
        )
        beside = f"  rg {row['rg']:.2f} s" if row.get("rg") else ""
        print(
            f"{row['name']:44} {row['seconds']:7.2f} s  must {row['must']:5.2f}  goal {row['goal']:5.2f}  "
            f"{verdict:6} {row['megabytes']:6.0f} MB{beside}{mark}"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0 if all(row["right"] for row in rows) else 1


def _sets(directory: Path, records: int) -> dict[str, Path]:
    directory.mkdir(parents=True, exist_ok=True)
    plain = directory / f"plain-{records}"
    if not plain.exists():
        begin = time.perf_counter()
        generate(directory / "making", records)
        (directory / "making").rename(plain)
        print(f"generated in {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    found = {"plain": plain}
    for codec in ("gzip", "zstd"):
        found[codec] = directory / f"{codec}-{records}"
        if not found[codec].exists():
            begin = time.perf_counter()
            shutil.rmtree(directory / "making", ignore_errors=True)
            packed(plain, directory / "making", codec)
            (directory / "making").rename(found[codec])
            print(f"{codec} in {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    for path in found.values():
        begin = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "logboom", "index", str(path)], check=True, stdout=subprocess.DEVNULL
        )
        print(f"indexed {path.name} in {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    return found


def _measure(sets: dict[str, Path], records: int, only: str) -> Iterator[dict[str, Any]]:
    rare = records // 3
    token = _token(rare)
    part = token[2:13]
    end = _START + 86_400
    since = f"{end - 3600:.0f}"
    counted = scan(sets["plain"], rare, part)
    late = _token(records - 5000)
    word = rf"re:/\b{token}\b/"
    questions = [
        ("whole token, rare, everything: plain", "plain", [word], 1, 0.5, counted.word, token),
        ("whole token, rare, everything: gzip", "gzip", [word], 2, 0.7, counted.word, token),
        ("whole token, rare, everything: zstd", "zstd", [word], 2, 0.7, counted.word, token),
        ("substring, rare, everything: plain", "plain", [part], 2, 0.7, counted.part, part),
        ("substring, rare, everything: zstd", "zstd", [part], 3, 1.5, counted.part, part),
        ("substring, rare, everything: gzip", "gzip", [part], 5, 3, counted.part, part),
        (
            "word of letters, absent, everything: plain",
            "plain",
            ["zebracrossing"],
            2,
            0.7,
            0,
            "zebracrossing",
        ),
        ("whole token, last hour", "gzip", [rf"re:/\b{late}\b/", "--since", since], 0.5, 0.2, 1, ""),
        ("substring, last hour", "gzip", [late[2:13], "--since", since], 0.5, 0.2, 1, ""),
        ("errors of shop: count", "gzip", ["level>=error logger:shop.*", "-c"], 1, 0.3, counted.errors, ""),
        ("errors of shop: last page", "gzip", ["level>=error logger:shop.*", "-n", "200"], 1, 0.3, 200, ""),
        ("histogram and level facets, everything", "gzip", ["--facets"], 1, 0.2, counted.records, ""),
        ("first results on a terminal", "gzip", ["order", "-n", "200"], 0.3, 0.15, 200, ""),
    ]
    for name, kind, arguments, must, goal, expected, needle in questions:
        if only not in name:
            continue
        command = [sys.executable, "-m", "logboom", "search", *arguments]
        if arguments == ["--facets"]:
            command = [sys.executable, "-m", "logboom", "search", "--count-by", "level", ""]
        command.append(".")
        taken = [_run(command, sets[kind]) for _ in range(_RUNS)]
        output = taken[0][2]
        if "-c" in arguments:
            found = int(output)
        elif "--facets" in arguments:
            found = sum(int(line.split()[0].replace(",", "")) for line in output.splitlines())
        else:
            found = output.count("\n")
        row: dict[str, Any] = {
            "name": name,
            "seconds": statistics.median(one[0] for one in taken),
            "megabytes": max(one[1] for one in taken),
            "must": must,
            "goal": goal,
            "right": found == expected,
        }
        if needle and shutil.which("rg"):
            flags = [] if kind == "plain" else ["-z"]
            rg = ["rg", "--no-ignore", "--hidden", "-g", "app.log*", *flags, "-F", needle, "."]
            row["rg"] = statistics.median(_run(rg, sets[kind])[0] for _ in range(_RUNS))
        yield row


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
