"""A process that writes one log set with its intents in a file: what the kill tests kill.

Usage: sink_driver.py HOME NAME. HOME/logs is the set; NAME is a case of `cases`; prints "done" at the end.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path

from logboom.journal.target import Rotation, Target
from logboom.sinks.base import Batch, Step
from logboom.sinks.file.sink import FileSink

START = 1_790_000_000.0


def cases(name: str) -> tuple[Target, list[bytes], list[float], int]:
    """Target, lines, keys and the size of a batch."""
    if name == "large":
        lines = [b"%07d %s\n" % (i, b"x" * 1000) for i in range(16_000)]
        return Target(name="app.log"), lines, [START] * len(lines), len(lines)
    lines = [b"2026-09-21 14:13:20 line %04d\n" % i for i in range(60)]
    rotation = Rotation(max_bytes=300, backup_count=4 if name == "few" else 20)
    if name == "time":
        rotation = Rotation(when="S", max_bytes=300, utc=True)
    target = Target(name="app.log", rotation=rotation, compress=None if name == "few" else "gzip")
    return target, lines, [START + i / 8 for i in range(60)], 7


class Book:
    """Position and intent, replaced atomically."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        self.intent: Step | None = None
        if path.exists():
            kept = json.loads(path.read_text())
            self.position = kept["position"]
            if kept["intent"] is not None:
                kind, count, data, details = kept["intent"]
                self.intent = Step(kind, count, base64.b64decode(data), details)

    def save(self, intent: Step | None) -> None:
        self.intent = intent
        step = intent and [intent.kind, intent.count, base64.b64encode(intent.data).decode(), intent.details]
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"position": self.position, "intent": step}))
        fresh.replace(self.path)

    def done(self) -> None:
        assert self.intent is not None
        self.position += self.intent.count
        self.save(None)


def main(home: Path, name: str) -> None:
    target, lines, keys, batch = cases(name)
    book = Book(home / "book.json")
    sink = FileSink(target, home / "logs", notes=lambda note: None, state=home / "period.json")
    if book.intent is not None:
        sink.recover(book.intent)
        book.done()
    while book.position < len(lines):
        at = slice(book.position, book.position + batch)
        book.save(sink.plan(Batch.of(lines[at], keys[at]), START))
        os.write(1, b"intended\n")
        assert book.intent is not None
        sink.apply(book.intent)
        book.done()
        while (step := sink.upkeep(START)) is not None or sink.status()["compressing"]:
            if step is not None:
                book.save(step)
                sink.apply(step)
                book.done()
    sink.close()
    print("done")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
