"""Single decisions of the design, measured: `python -m bench.micro [checkpoint|append|segment|...]`.

Owns: small loops over alternatives that were chosen between. Never knows: contenders, whole runs.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import sqlite3
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

__all__ = ["main"]

_ROUNDS: Final = 7
_PRODUCERS: Final = 8
_RECORD: Final = [
    1732269600.123456,
    1,
    20,
    "shop.orders",
    "2026-11-22 10:00:00,123",
    4711,
    "order 000-0000001 paid",
]
Step = Callable[[int], object]


@contextmanager
def _checkpoint(directory: Path) -> Iterator[dict[str, Step]]:
    """Positions of eight producers made durable against SIGKILL."""
    encode = msgspec.json.Encoder().encode
    descriptor = os.open(directory / "checkpoint.jsonl", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    names = [f"{number:016x}" for number in range(_PRODUCERS)]

    def line(number: int) -> None:
        body = encode({"done": dict.fromkeys(names, number)})
        os.write(descriptor, b'{"crc":%d,"body":%b}\n' % (zlib.crc32(body), body))

    steps: dict[str, Step] = {"append a JSON line with its CRC": line}
    connections = []
    for mode in ("off", "normal"):
        connection = sqlite3.connect(directory / f"checkpoint-{mode}.db", isolation_level=None)
        connections.append(connection)
        for pragma in ("locking_mode=exclusive", "journal_mode=wal", f"synchronous={mode}"):
            connection.execute(f"pragma {pragma}")
        connection.execute("create table positions (name text primary key, position integer)")
        steps[f"SQLite WAL transaction of eight rows, synchronous={mode}"] = _transaction(connection, names)
    yield steps
    os.close(descriptor)
    for connection in connections:
        connection.close()


def _transaction(connection: sqlite3.Connection, names: Sequence[str]) -> Step:
    def commit(number: int) -> None:
        connection.execute("begin")
        connection.executemany("replace into positions values (?, ?)", [(name, number) for name in names])
        connection.execute("commit")

    return commit


@contextmanager
def _append(directory: Path) -> Iterator[dict[str, Step]]:
    """A line of 110 bytes into a segment."""
    line = b"x" * 109 + b"\n"
    size = 1 << 20
    mapped = os.open(directory / "mapped", os.O_CREAT | os.O_RDWR)
    os.posix_fallocate(mapped, 0, size)
    segment = mmap.mmap(mapped, size)
    written = os.open(directory / "written", os.O_CREAT | os.O_WRONLY)
    last = size - len(line)

    def write_mapped(_: int) -> None:
        if segment.tell() > last:
            segment.seek(0)
        segment.write(line)

    yield {
        "mm.write": write_mapped,
        "os.write": lambda _: os.write(written, line),
        "os.pwrite": lambda number: os.pwrite(written, line, number * len(line)),
    }
    segment.close()
    os.close(mapped)
    os.close(written)


@contextmanager
def _encode(directory: Path) -> Iterator[dict[str, Step]]:
    """One record as a line of the journal."""
    encoder = msgspec.json.Encoder()
    buffer = bytearray()
    yield {
        "msgspec encode + newline": lambda _: encoder.encode(_RECORD) + b"\n",
        "msgspec encode_into": lambda _: encoder.encode_into(_RECORD, buffer),
        "json.dumps, encoded": lambda _: json.dumps(_RECORD).encode() + b"\n",
    }


@contextmanager
def _decode(directory: Path) -> Iterator[dict[str, Step]]:
    """A thousand records from lines; the figure is for all of them."""
    block = (msgspec.json.encode(_RECORD) + b"\n") * 1000
    typed = msgspec.json.Decoder(list[object])
    yield {
        "msgspec decode_lines": lambda _: typed.decode_lines(block),
        "msgspec decode, line by line": lambda _: [typed.decode(line) for line in block.splitlines()],
        "json.loads, line by line": lambda _: [json.loads(line) for line in block.splitlines()],
    }


@contextmanager
def _segment(directory: Path) -> Iterator[dict[str, Step]]:
    """A segment of 256 KiB made, filled through its mapping with lines of 128 bytes, and deleted."""
    zeros, line = bytes(1 << 16), b"x" * 127 + b"\n"

    def live(number: int, *, zeroed: bool) -> None:
        path, size = directory / f"{number}-{zeroed}", 1 << 18
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
        os.posix_fallocate(descriptor, 0, size)
        for offset in range(0, size if zeroed else 0, len(zeros)):
            os.pwrite(descriptor, zeros, offset)
        with mmap.mmap(descriptor, size) as segment:
            for _ in range(size // len(line)):
                segment.write(line)
        os.close(descriptor)
        path.unlink()

    yield {
        "allocated": lambda number: live(number, zeroed=False),
        "allocated, and zeros written": lambda number: live(number, zeroed=True),
    }


_MEASURES: Final = {
    "checkpoint": _checkpoint,
    "append": _append,
    "segment": _segment,
    "encode": _encode,
    "decode": _decode,
}
_REPEATS: Final = {"decode": 20, "segment": 50}


def _microseconds(step: Step, repeats: int) -> float:
    started = time.perf_counter()
    for number in range(repeats):
        step(number)
    return (time.perf_counter() - started) / repeats * 1e6


def measure(name: str, directory: Path) -> dict[str, float]:
    """Microseconds of each alternative: the median of interleaved rounds."""
    repeats = _REPEATS.get(name, 2000)
    with _MEASURES[name](directory) as steps:
        rounds = [
            {title: _microseconds(step, repeats) for title, step in steps.items()} for _ in range(_ROUNDS)
        ]
    return {title: statistics.median(values[title] for values in rounds) for title in rounds[0]}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.micro", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(_MEASURES)} (all by default)")
    names = parser.parse_args(arguments).names or list(_MEASURES)
    for name in names:
        with tempfile.TemporaryDirectory(prefix="logboom-bench-") as directory:
            sys.stdout.write(f"{name}\n")
            for title, microseconds in measure(name, Path(directory)).items():
                sys.stdout.write(f"  {microseconds:9.2f} µs  {title}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
