"""The oracle must see every kind of trouble, and none where there is none."""

from __future__ import annotations

import gzip
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from logboom import testing
from logboom.journal import layout
from logboom.sinks.base import Batch, Sink
from logboom.testing import FakeClock, MemorySink, Oracle, SpoolFactory, Writer, log_files

PROGRAM = """
import logging, logging.handlers, os, sys
from pathlib import Path
from logboom.testing import Writer
kind, log, notes, name, count = sys.argv[1:]
if kind == "rotating":
    handler = logging.handlers.RotatingFileHandler(log, maxBytes=20_000, backupCount=1000)
else:
    handler = logging.FileHandler(log)
logger = logging.getLogger()
logger.addHandler(handler)
logger.setLevel("INFO")
writer = Writer(Path(notes), name)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(count)):
    writer.log(logger, size=50)
if kind == "killed":
    writer.payload()
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def oracle(tmp_path: Path) -> Oracle:
    return Oracle(tmp_path / "app.log", tmp_path / "notes")


def payloads(oracle: Oracle, name: str, count: int) -> list[bytes]:
    """`count` lines as a handler would write them, each noted as returned."""
    writer = oracle.writer(name)
    lines = [f"INFO {writer.payload()}\n".encode() for _ in range(count)]
    writer.returned()
    return lines


def run_writers(kind: str, oracle: Oracle, logs: list[Path], count: int) -> list[int]:
    """One process for each of `logs`, all logging at the same time; their exit statuses."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, kind]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    running = []
    for number, log in enumerate(logs):
        process = subprocess.Popen(
            [*command, str(log), str(oracle.notes), f"w{number}", str(count)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        running.append(process)
    for process in running:
        assert process.stdout is not None and process.stdout.readline()
    for process in running:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in running:
        process.communicate(timeout=60)
    return [process.returncode for process in running]


def test_shared_rotating_handler_loses_and_the_oracle_sees_it(tmp_path: Path) -> None:
    """The very loss that logboom is for must be visible, or a green test means nothing.

    It is a matter of luck when the processes come one after the other, so there are some turns.
    """
    for turn in range(10):
        place = tmp_path / str(turn)
        place.mkdir()
        oracle = Oracle(place / "app.log", place / "notes")
        run_writers("rotating", oracle, [oracle.log] * 4, 1500)
        report = oracle.check()
        assert report.noted == 6000
        if report.missing:
            break
    assert report.missing > 0 and not report.ok


def test_shared_append_file_is_exact(oracle: Oracle) -> None:
    """A set-up that is known to be right must not be blamed."""
    run_writers("append", oracle, [oracle.log] * 4, 1000)
    report = oracle.check()
    assert report.ok and report.noted == report.found == 4000 and not report.examples.get("torn")


def test_own_files_are_exact(oracle: Oracle, tmp_path: Path) -> None:
    """Several log files over one notes directory: each oracle would miss the others' records."""
    logs = [tmp_path / f"own{number}.log" for number in range(2)]
    run_writers("append", oracle, logs, 500)
    oracle.log.write_bytes(b"".join(log.read_bytes() for log in logs))
    assert oracle.check().ok


def test_notes_survive_sigkill(oracle: Oracle) -> None:
    """A noted record is expected even when its process was killed right after; the call under way is not."""
    assert run_writers("killed", oracle, [oracle.log], 50) == [-signal.SIGKILL]
    report = oracle.check()
    assert report.ok and report.noted == report.found == 50 and report.unnoted == 0


def test_one_unnoted_record_is_legal_a_second_is_not(oracle: Oracle) -> None:
    """A killed call may have left its record, but a thread has one call under way at a time."""
    writer = oracle.writer("w")
    lines = [f"{writer.payload()}\n" for _ in range(3)]
    oracle.log.write_text(lines[0])
    assert oracle.check().ok and oracle.check().unnoted == 1
    oracle.log.write_text("".join(lines[:2]))
    assert oracle.check().forged == 1 and not oracle.check().ok


def test_missing_and_duplicated_are_counted(oracle: Oracle) -> None:
    """Exactly once has two sides."""
    lines = payloads(oracle, "w", 10)
    oracle.log.write_bytes(b"".join([*lines[:4], lines[3], lines[3], *lines[6:]]))
    report = oracle.check()
    assert (report.missing, report.duplicated, report.found) == (2, 2, 8) and not report.ok


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[:-1],
        lambda line: line[:-5] + b"\n",
        lambda line: line.replace(b":0:", b":1:"),
        lambda line: line[:10] + b"\n" + line[10:],
        lambda line: b"INFO ~" + line,
        lambda line: line[:-1] + line,
        lambda line: b"\0" * 3 + line,
    ],
)
def test_torn_lines_are_seen(oracle: Oracle, damage) -> None:  # type: ignore[no-untyped-def]
    """A line that is cut, mixed, doubled or altered is not a record."""
    (line,) = payloads(oracle, "w", 1)
    strict = Oracle(oracle.log, oracle.notes, prefix=rb"INFO ")
    oracle.log.write_bytes(line)
    assert strict.check().ok
    oracle.log.write_bytes(damage(line))
    report = strict.check()
    assert report.torn > 0 and report.missing == 1


def test_order_of_a_writer_over_archives(oracle: Oracle) -> None:
    """Order is judged over the whole set, oldest file first, whatever the compression."""
    lines = payloads(oracle, "w", 8)
    directory = oracle.log.parent
    (directory / "app.log.3.gz").write_bytes(gzip.compress(b"".join(lines[:2])))
    (directory / "app.log.2").write_bytes(b"".join(lines[2:4]))
    (directory / "app.log.1").write_bytes(b"".join(lines[4:6]))
    oracle.log.write_bytes(b"".join(lines[6:]))
    assert oracle.check().ok and oracle.check().files == 4
    (directory / "app.log.1").rename(directory / "app.log.4")
    assert oracle.check().out_of_order > 0


def test_a_file_that_moves_away_under_the_reader(oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file compressed between the listing and the opening is no error: the set is read again."""
    lines = payloads(oracle, "w", 4)
    old = oracle.log.parent / "app.log.1"
    old.write_bytes(b"".join(lines[:2]))
    oracle.log.write_bytes(b"".join(lines[2:]))
    read = testing._lines

    def compressed(path: Path) -> Iterator[bytes]:
        if path == old and old.exists():
            old.with_name("app.log.1.gz").write_bytes(gzip.compress(old.read_bytes()))
            old.unlink()
        return read(path)

    monkeypatch.setattr(testing, "_lines", compressed)
    assert oracle.check().ok


def test_a_set_that_never_rests_is_not_found(oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the set goes on waiting: no error, and no "all is there"."""
    oracle.log.write_bytes(b"".join(payloads(oracle, "w", 4)))

    def gone(path: Path) -> Iterator[bytes]:
        raise FileNotFoundError(path)

    monkeypatch.setattr(testing, "_lines", gone)
    report = oracle.check()
    assert (report.noted, report.missing, report.lost) == (4, 4, {"w": 4}) and not report.ok


def test_a_file_that_is_read_twice_by_a_roll_is_read_again(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader came behind a rename: what it saw twice, or not at all, is not what the set holds."""
    lines = payloads(oracle, "w", 4)
    live, old = oracle.log, oracle.log.parent / "app.log.1"
    old.write_bytes(b"".join(lines[:2]))
    live.write_bytes(b"".join(lines[2:]))
    read, left = testing._lines, [1]

    def rolled(path: Path) -> Iterator[bytes]:
        if path == old and left:
            left.clear()
            old.rename(old.with_name("app.log.2"))
            live.rename(old)
            live.write_bytes(b"")
        return read(path)

    monkeypatch.setattr(testing, "_lines", rolled)
    assert oracle.check().ok


def test_zstandard_archives_are_read(oracle: Oracle) -> None:
    """Archives of several frames count as one file."""
    zstandard = pytest.importorskip("zstandard")
    lines = payloads(oracle, "w", 4)
    packed = b"".join(zstandard.compress(line) for line in lines[:2])
    (oracle.log.parent / "app.log.1.zst").write_bytes(packed)
    oracle.log.write_bytes(b"".join(lines[2:]))
    assert oracle.check().ok


def test_forged_records_are_seen(oracle: Oracle) -> None:
    """A record of nobody, or one that no call began, was made up by the machinery."""
    lines = payloads(oracle, "w", 3)
    (oracle.notes / "w.note").unlink()
    oracle.log.write_bytes(b"".join(lines))
    assert oracle.check().forged == 3


def test_late_records_are_counted_and_legal(oracle: Oracle) -> None:
    """Order across writers is a quality, not a promise: it is measured, beyond a tolerance."""
    lines = payloads(oracle, "a", 2) + payloads(oracle, "b", 2)
    oracle.log.write_bytes(b"".join(lines[2:] + lines[:2]))
    strict = Oracle(oracle.log, oracle.notes, tolerance=0.0)
    assert strict.check().late == 2 and strict.check().ok
    assert oracle.check().late == 0


def test_drops_must_be_owned_up_to(oracle: Oracle) -> None:
    """Dropped records are no loss when the log says how many, and only then."""
    lines = payloads(oracle, "w", 10)
    oracle.log.write_bytes(b"".join(lines[:7]) + b"WARNING logboom 3 records dropped: the spool is full\n")
    report = oracle.check()
    assert report.ok and report.dropped == report.missing == 3
    oracle.log.write_bytes(b"".join(lines[:7]) + b"WARNING logboom 2 records dropped: the spool is full\n")
    assert not oracle.check().ok


def test_wait_gives_up_at_the_deadline(oracle: Oracle) -> None:
    """A lost record must end in a report, not in a hang."""
    payloads(oracle, "w", 1)
    report = oracle.wait(0.2)
    assert report.missing == 1 and report.waited >= 0.2


def test_log_files_stand_oldest_first(tmp_path: Path) -> None:
    """The order of the set is the order of reading; foreign neighbours are left out."""
    names = ["a.2026-01-01", "a.2026-01-01.1", "a.2026-01-02.gz", "a.3", "a.2.gz", "a.1", "a"]
    for name in [*names, "a.bak", "a.1.old", "b.1", "a.1.gz.tmp"]:
        (tmp_path / name).touch()
    assert sorted(path.name for path in log_files(tmp_path / "a")) == sorted(names)
    numbered = [path.name for path in log_files(tmp_path / "a") if "-" not in path.name]
    assert numbered == ["a.3", "a.2.gz", "a.1", "a"]
    assert [path.name for path in log_files(tmp_path / "a") if "-" in path.name] == names[:3]


def test_writer_names_are_unique_and_plain(tmp_path: Path) -> None:
    """Two threads under one name would hide each other's losses."""
    Writer(tmp_path, "w-1.a_b").log(logging.getLogger("nowhere"))
    with pytest.raises(FileExistsError):
        Writer(tmp_path, "w-1.a_b")
    with pytest.raises(ValueError):
        Writer(tmp_path, "a:b")


def test_fake_clock_moves_only_when_told() -> None:
    """A step of the wall clock leaves the monotonic one alone."""
    clock = FakeClock(wall=100.0, monotonic=5.0)
    clock.advance(2.0)
    clock.jump(-50.0)
    assert (clock.wall(), clock.monotonic()) == (52.0, 7.0)


def test_memory_sink_recovers_a_step_once() -> None:
    """A step that is recovered after it was applied must not double its lines."""
    sink: Sink = MemorySink()
    step = sink.plan(Batch.of([b"a\n", b"b\n"], [1.0, 1.0]), 1.0)
    sink.apply(step)
    sink.recover(step)
    assert isinstance(sink, MemorySink) and sink.lines == [b"a\n", b"b\n"]


def test_spool_factory_writes_the_format(tmp_path: Path) -> None:
    """Segments made by hand are only of use while they are what the format says."""
    path = SpoolFactory(tmp_path).segment("0123456789abcdef", ["one", "two\n"], ended=True)
    assert layout.parse_segment_name(path.name) == ("0123456789abcdef", 1)
    data = path.read_bytes()
    lines = data[: layout.committed_length(data)].splitlines(keepends=True)
    assert layout.decode_header(lines[0]).mapped and len(data) == 65536
    assert isinstance(layout.decode_control(lines[1]), layout.Context)
    assert [msgspec.json.decode(line)[4] for line in lines[2:4]] == ["one", "two\n"]
    assert lines[4] == layout.END
