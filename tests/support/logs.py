"""Log sets made by hand, with facts or without; and the slow, obvious way to search them."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from logboom.logset import facts
from logboom.logset.index import sealed
from logboom.logset.packing import packer

LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
FORMAT = "%(asctime)s %(levelname)s %(name)s %(process)d: %(message)s"
BARE = "%(name)s %(levelname)s %(message)s"


@dataclass
class Made:
    """One record, and how it is written: `format` is FORMAT, BARE, or "json"."""

    time: float
    level: int = 20
    logger: str = "shop"
    process: int = 7
    message: str = ""
    traceback: str = ""
    format: str = FORMAT
    zone: str = "UTC"
    extra: dict = field(default_factory=dict)

    def text(self) -> bytes:
        """The record as the file has it, without its newline."""
        message = _escaped(self.message)
        if self.format == "json":
            stamp = datetime.fromtimestamp(self.time, ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            values = {"timestamp": stamp, "level": LEVELS[self.level], "logger": self.logger}
            values |= {"process": self.process, "message": self.message}
            if self.extra:
                values["extra"] = self.extra
            if self.traceback:
                values["exception"] = {"type": "ValueError", "text": self.traceback}
            return json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")
        shown = datetime.fromtimestamp(self.time, ZoneInfo(self.zone))
        asctime = f"{shown:%Y-%m-%d %H:%M:%S},{shown.microsecond // 1000:03d}"
        head = self.format % {
            "asctime": asctime,
            "levelname": LEVELS[self.level],
            "name": self.logger,
            "process": self.process,
            "message": message,
        }
        return (head + ("\n" + self.traceback if self.traceback else "")).encode("utf-8", "backslashreplace")


def _escaped(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def write(
    path: Path,
    records: list[Made],
    *,
    codec: str | None = None,
    known: bool = True,
    batch: int = 3,
    seal: bool = False,
) -> Path:
    """Write a file of a set, with its facts when it is `known`; `batch` records at a time."""
    lines = [record.text() + b"\n" for record in records]
    text = b"".join(lines)
    if codec is None:
        path.write_bytes(text)
    elif codec == "gzip-plain":
        path = path.with_name(path.name + ".gz")
        path.write_bytes(gzip.compress(text))
    else:
        path = path.with_name(path.name + {"gzip": ".gz", "zstd": ".zst"}[codec])
        pack = packer(codec)
        path.write_bytes(pack.feed(text) + pack.finish())
    if known:
        _write_facts(path, records, lines, packed=codec is not None, batch=batch)
        if seal:
            _seal(path, text)
    return path


def _write_facts(path: Path, records: list[Made], lines: list[bytes], *, packed: bool, batch: int) -> None:
    header: dict = {"logboom_facts": 1}
    if packed:
        data = path.read_bytes()
        width = min(64, len(data))
        ends = zlib.crc32(data[len(data) - width :], zlib.crc32(data[:width]))
        header["packed"] = {"size": len(data), "ends": ends}
    out = [facts.frame(facts.HEADER, header)]
    formats: dict[str, int] = {}
    classes: dict[tuple, int] = {}
    place = 0
    for begin in range(0, len(records), batch):
        numbers = []
        for record in records[begin : begin + batch]:
            if record.format not in formats:
                formats[record.format] = len(formats)
                values = {"number": formats[record.format], "encoding": "utf-8"}
                values |= (
                    {"renderer": "json", "names": {}}
                    if record.format == "json"
                    else {"renderer": "text", "format": record.format, "style": "%"}
                )
                out.append(facts.frame(facts.FORMAT, values))
            key = (record.level, record.logger, record.process, record.format)
            if key not in classes:
                classes[key] = len(classes)
                out.append(
                    facts.frame(
                        facts.CLASS,
                        {
                            "number": classes[key],
                            "level": record.level,
                            "level_name": LEVELS[record.level],
                            "logger": record.logger,
                            "process": record.process,
                            "program": "made.py",
                            "format": formats[record.format],
                        },
                    )
                )
            numbers.append(classes[key])
        some = lines[begin : begin + batch]
        text = b"".join(some)
        times = [record.time for record in records[begin : begin + batch]]
        out.append(facts.pack_batch(place, facts.ends_of(text), [len(line) for line in some], numbers, times))
        place += len(text)
    place_of = facts.facts_path(path, os.stat(path).st_ino)
    place_of.parent.mkdir(exist_ok=True)
    place_of.write_bytes(b"".join(out))


def _seal(path: Path, text: bytes) -> None:
    """Give the file an index."""
    place = facts.facts_path(path, os.stat(path).st_ino)
    data = place.read_bytes()

    def read(start: int, length: int) -> bytes:
        return data[start : start + length]

    said = facts.Facts()
    said.take(read)
    parts = sealed(said, read, lambda start, length: text[start : start + length], len(text), said.header)
    place.write_bytes(b"".join(parts))
