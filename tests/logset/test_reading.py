"""Files of every kind: compressed in blocks or not, cut off, foreign, in zones and repeated hours."""

from __future__ import annotations

import gzip
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support.logs import Made, write

from logboom.logset.names import LogSet, files_of, log_files, sets_at
from logboom.logset.opening import OpenFile
from logboom.logset.packing import packer
from logboom.logset.reading import Gap, LogFile, Reading
from logboom.logset.record import Record
from logboom.logset.snapshot import open_set

TEXT = b"".join(b"2026-11-22 10:00:00,%03d INFO shop: order %d\n" % (n % 1000, n) for n in range(40_000))


def _records(path: Path, zone: str | None = None) -> list[Record]:
    file = LogFile(path, (0, 0), Reading(None if zone is None else ZoneInfo(zone)))
    found = []
    for block in file.blocks:
        assert isinstance(block, Gap)
        for loaded in file.parse(block):
            found += map(loaded.record, range(len(loaded)))
    file.close()
    return found


def _at(*parts: int, zone: str = "UTC") -> float:
    return datetime(*parts, tzinfo=ZoneInfo(zone)).timestamp()  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_blocks_are_read_apart_and_by_every_other_reader(tmp_path: Path, codec: str) -> None:
    """`zcat` and a stream reader see one text; here any part of it is read without the rest."""
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / ("app.log.1" + {"gzip": ".gz", "zstd": ".zst"}[codec])
    pack = packer(codec)
    path.write_bytes(
        b"".join(pack.feed(TEXT[n : n + 99_999]) for n in range(0, len(TEXT), 99_999)) + pack.finish()
    )
    if codec == "gzip":
        assert gzip.decompress(path.read_bytes()) == TEXT
        assert subprocess.run(["zcat", path], capture_output=True, check=True).stdout == TEXT
    else:
        with path.open("rb") as file:
            reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            assert reader.read() == TEXT
    opened = OpenFile(path)
    assert opened.members is not None and len(opened.members) > 1
    assert opened.size == len(TEXT)
    for start in (0, 262_143, 1_048_570, len(TEXT) - 5):
        assert opened.read(start, 300_000) == TEXT[start : start + 300_000]


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_of_a_file_that_is_cut_off_everything_before_is_read(tmp_path: Path, codec: str) -> None:
    """A disk that was full, a copy that was interrupted: what is there counts, and it is said."""
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / ("app.log.1" + {"gzip": ".gz", "zstd": ".zst"}[codec])
    data = gzip.compress(TEXT) if codec == "gzip" else zstandard.ZstdCompressor().compress(TEXT)
    path.write_bytes(data[: len(data) // 2])
    opened = OpenFile(path)
    text = b"".join(opened.read(start, length) for start, length in opened.spans())
    assert TEXT.startswith(text)
    assert opened.trouble


def test_several_frames_and_members_of_others_are_all_read(tmp_path: Path) -> None:
    """`zstandard.decompress` stops after the first frame without a word."""
    zstandard = pytest.importorskip("zstandard")
    frames = [zstandard.ZstdCompressor().compress(part) for part in (TEXT[:1000], TEXT[1000:])]
    (tmp_path / "a.log.zst").write_bytes(b"".join(frames))
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]))
    for name in ("a.log.zst", "a.log.gz"):
        opened = OpenFile(tmp_path / name)
        assert opened.read(0, len(TEXT) + 1) == TEXT
        assert opened.read(5, 10) == TEXT[5:15]
        assert opened.trouble == ""


def test_the_files_of_a_set_the_oldest_first() -> None:
    """Numbered, waiting, dated and compressed names; nobody else's."""
    names = [
        "app.log",
        "app.log.2.gz",
        "app.log.10.zst",
        "app.log.1",
        "app.log.0.1",
        "app.log.bak",
        "app.log2",
    ]
    assert files_of("app.log", names) == [
        "app.log.10.zst",
        "app.log.2.gz",
        "app.log.1",
        "app.log.0.1",
        "app.log",
    ]
    dated = ["d.log", "d.log.2026-11-22", "d.log.2026-11-21.gz", "d.log.2026-11-22.1", "d.log-20261123.gz"]
    assert files_of("d.log", dated)[:3] == ["d.log.2026-11-21.gz", "d.log.2026-11-22", "d.log.2026-11-22.1"]


def test_what_a_path_means(tmp_path: Path) -> None:
    """A live file is its set, a backup is itself, a directory is all sets in it."""
    for name in ("app.log", "app.log.1", "app.log.2.gz", "access.log", "notes.txt", ".hidden.log", "x.lock"):
        (tmp_path / name).write_bytes(b"")
    assert sets_at(tmp_path / "app.log") == [LogSet(tmp_path / "app.log")]
    assert sets_at(tmp_path / "app.log.1") == [LogSet(tmp_path / "app.log.1", True)]
    assert [one.path.name for one in sets_at(tmp_path)] == ["access.log", "app.log"]
    assert [path.name for path in log_files(tmp_path / "app.log")] == ["app.log.2.gz", "app.log.1", "app.log"]


LINES = {
    "gunicorn": (
        b"[2026-11-22 10:00:00 +0100] [123] [ERROR] Worker failed\n"
        b"Traceback (most recent call last):\nValueError: x\n",
        _at(2026, 11, 22, 9),
        {"level": 40, "process": 123, "message": "Worker failed", "exc": "ValueError"},
    ),
    "nginx access": (
        b'10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /api/x HTTP/1.1" 500 12 "-" "curl"\n',
        _at(2026, 11, 22, 10),
        {"status": 500, "path": "/api/x", "method": "GET", "size": 12, "host": "10.0.0.1"},
    ),
    "nginx error": (
        b"2026/11/22 10:00:00 [error] 99#7: *1 open() failed\n",
        _at(2026, 11, 22, 10),
        {"level": 40, "process": 99, "message": "*1 open() failed"},
    ),
    "Django's server": (
        b'[22/Nov/2026 10:00:00] "GET /shop HTTP/1.1" 404 179\n',
        _at(2026, 11, 22, 10),
        {"status": 404, "path": "/shop"},
    ),
    "Django's verbose": (
        b"WARNING 2026-11-22 10:00:00,250 views 12 34 slow\n",
        _at(2026, 11, 22, 10) + 0.25,
        {"level": 30},
    ),
    "RFC 5424": (
        b"<165>1 2026-11-22T10:00:00.5Z host app 77 ID47 - hello\n",
        _at(2026, 11, 22, 10) + 0.5,
        {"level": 25, "program": "app", "message": "hello"},
    ),
    "JSON": (
        b'{"ts": 1795341600.5, "level": "error", "name": "shop", "msg": "no", "a": {"b": 1}}\n',
        1795341600.5,
        {"level": 40, "logger": "shop", "message": "no", "a.b": 1},
    ),
    "stdlib": (b"ERROR:shop.x:bad\n", None, {"level": 40, "logger": "shop.x", "message": "bad"}),
}


@pytest.mark.parametrize("name", LINES)
def test_a_foreign_format_is_recognised(tmp_path: Path, name: str) -> None:
    """Usual formats need no configuration."""
    data, time, values = LINES[name]
    (tmp_path / "x.log").write_bytes(data * 3)
    found = _records(tmp_path / "x.log", "UTC")
    assert len(found) == 3
    assert time is None or [one.time for one in found] == [time] * 3
    assert {name: found[0].get(name) for name in values} == values


def test_an_hour_that_comes_twice_does_not_go_back(tmp_path: Path) -> None:
    """02:30 comes twice in Berlin at the end of October."""
    shown = ("02:10", "02:50", "02:05", "02:40", "03:00")
    lines = [f"2026-10-25 {clock}:00,000 INFO x\n" for clock in shown]
    (tmp_path / "x.log").write_text("".join(lines))
    times = [one.time for one in _records(tmp_path / "x.log", "Europe/Berlin")]
    begin = datetime(2026, 10, 25, 0, 10, tzinfo=UTC).timestamp()
    assert times == [begin, begin + 2400, begin + 3300, begin + 5400, begin + 6600]


def test_the_year_of_syslog_is_counted_back_from_the_files_time(tmp_path: Path) -> None:
    """Its lines have none: this file of January goes back over New Year."""
    path = tmp_path / "syslog"
    path.write_bytes(
        b"Dec 30 10:00:00 h app[1]: a\nDec 31 23:00:00 h app[1]: b\nJan  2 01:00:00 h app[2]: c\n"
    )
    changed = _at(2027, 1, 2, 1)
    os.utime(path, (changed, changed))
    found = _records(path, "UTC")
    assert [one.time for one in found] == [_at(2026, 12, 30, 10), _at(2026, 12, 31, 23), changed]
    assert found[0].get("program") == "app"


def test_a_line_without_a_time_has_the_preceding_ones(tmp_path: Path) -> None:
    """A line of another program between JSON lines has its place, and its time."""
    (tmp_path / "x.jsonl").write_bytes(b'{"ts": 1795341600}\nSegmentation fault\n{"ts": 1795341700}\n')
    assert [one.time for one in _records(tmp_path / "x.jsonl")] == [1795341600, 1795341600, 1795341700]


def test_facts_of_another_file_are_not_believed(tmp_path: Path) -> None:
    """Inodes come again: a file with the same number and other bytes is parsed."""
    made = [Made(1_795_341_600.0 + n, message="a") for n in range(5)]
    path = write(tmp_path / "app.log", made)
    data = path.read_bytes()
    assert LogFile(path, (0, 0), Reading()).known
    path.write_bytes(data.replace(b": a", b": b"))
    assert not LogFile(path, (0, 0), Reading()).known


def test_bytes_behind_the_facts_are_parsed(tmp_path: Path) -> None:
    """`echo >> app.log`: what no facts cover is a record all the same."""
    path = write(tmp_path / "app.log", [Made(1_795_341_600.0, message="ours")])
    with path.open("ab") as file:
        file.write(b"2026-11-22 11:00:00,000 ERROR theirs: x\n")
    view = open_set(LogSet(path))
    assert [type(block).__name__ for block in view.files[0].blocks] == ["Block", "Gap"]
    view.close()
