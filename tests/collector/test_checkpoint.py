"""The checkpoint: events survive, torn ones never happened, damage is said."""

from __future__ import annotations

import os
import sys
import zlib
from pathlib import Path

import msgspec
import pytest

from logboom import platform
from logboom.journal.target import Target
from logboom.sinks.base import Step
from logboom.spool import checkpoint as checkpoint_module
from logboom.spool import checkpoint as module
from logboom.spool.checkpoint import Checkpoint, Counts

FILE = "checkpoint.jsonl"
NOTHING_OPEN = f"{zlib.crc32(b'a.log'):08x}"


def reopened(checkpoint: Checkpoint, path: Path) -> Checkpoint:
    checkpoint.close()
    return Checkpoint(path)


def test_intent_is_open_until_it_is_done(tmp_path: Path) -> None:
    """A successor must know what was about to be written, with its bytes, and that nothing more is due."""
    checkpoint = Checkpoint(tmp_path)
    step = Step("append", 2, b"one\ntwo\n", {"ino": 7})
    checkpoint.intend("app.log", step, {"p": 55}, Counts(written=2))

    checkpoint = reopened(checkpoint, tmp_path)
    intent = checkpoint.intents["app.log"]
    assert (intent.step.kind, intent.step.count, intent.step.details) == ("append", 2, {"ino": 7})
    assert checkpoint.data(intent) == b"one\ntwo\n"
    assert dict(checkpoint.positions) == {}

    checkpoint.complete("app.log")
    checkpoint = reopened(checkpoint, tmp_path)
    assert not checkpoint.intents
    assert dict(checkpoint.positions) == {"p": 55}
    assert checkpoint.counts("app.log").written == 2
    checkpoint.close()


def test_every_cut_of_the_file_is_a_moment_that_was(tmp_path: Path) -> None:
    """SIGKILL can leave any prefix of the last write: it must read as the state before that write."""
    checkpoint = Checkpoint(tmp_path)
    moments = [dict(checkpoint.positions)]
    for number in range(4):
        checkpoint.intend("app.log", Step("append", 1, b"x\n"), {"p": number + 1}, Counts(written=number + 1))
        checkpoint.complete("app.log")
        moments.append(dict(checkpoint.positions))
    checkpoint.close()
    whole = (tmp_path / FILE).read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole) + 1):
        (tmp_path / FILE).write_bytes(whole[:cut])
        again = Checkpoint(tmp_path)
        assert dict(again.positions) in moments
        assert again.notes == []
        again.close()


def test_damaged_line_is_kept_aside_and_said(tmp_path: Path) -> None:
    """A flipped byte must not stop the collector, nor be passed over in silence."""
    checkpoint = Checkpoint(tmp_path)
    for producer in ("a", "b", "c"):
        checkpoint.intend("app.log", Step("append", 1, b"x\n"), {producer: 9}, Counts())
        checkpoint.complete("app.log")
    checkpoint.close()
    raw = bytearray((tmp_path / FILE).read_bytes())
    raw[raw.index(b'"b"') + 1] ^= 0x20
    (tmp_path / FILE).write_bytes(raw)

    again = Checkpoint(tmp_path)
    assert {"a", "c"} <= set(again.positions)
    assert "b" not in again.positions
    assert "may be delivered again" in again.notes[0]
    kept = list((tmp_path / "damaged").iterdir())
    assert [path.read_bytes() for path in kept] == [bytes(raw)]
    again.close()


def test_damaged_bytes_of_an_intent_are_noticed(tmp_path: Path) -> None:
    """Bytes that do not match their checksum must never be taken for what was to be written."""
    checkpoint = Checkpoint(tmp_path)
    checkpoint.intend("app.log", Step("append", 1, b"precious\n"), {"p": 1}, Counts())
    (path,) = tmp_path.glob("intent.*.bytes")
    path.write_bytes(b"prefious\n")
    assert checkpoint.data(checkpoint.intents["app.log"]) is None
    checkpoint.abandon("app.log")
    checkpoint = reopened(checkpoint, tmp_path)
    assert not checkpoint.intents
    assert dict(checkpoint.positions) == {}
    checkpoint.close()


def test_grown_file_is_rewritten_with_the_same_state(tmp_path: Path) -> None:
    """A collector that runs for months must not read months of events at its start."""
    checkpoint = Checkpoint(tmp_path)
    checkpoint.configure("app.log", Target(name="app.log", compress="gzip"))
    checkpoint.intend("other.log", Step("append", 1, b"y\n", {"note": "z" * 1000}), {"q": 3}, Counts())
    for number in range(700):
        step = Step("append", 1, b"x\n", {"note": "z" * 2000})
        checkpoint.intend("app.log", step, {"p": number}, Counts(written=number))
        checkpoint.complete("app.log")
    assert (tmp_path / FILE).stat().st_size > 1_000_000
    checkpoint.tidy()
    assert (tmp_path / FILE).stat().st_size < 10_000
    checkpoint.forget(["p", "unknown"])
    checkpoint = reopened(checkpoint, tmp_path)
    assert dict(checkpoint.positions) == {}
    assert checkpoint.targets["app.log"].compress == "gzip"
    assert checkpoint.data(checkpoint.intents["other.log"]) == b"y\n"
    checkpoint.close()


def test_sync_covers_the_names_of_new_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power loss could bring back the file that was replaced, whose segments are gone by then."""
    synced: list[Path] = []
    monkeypatch.setattr(platform, "sync_directory", lambda path: synced.append(Path(path)))
    monkeypatch.setattr(module, "_REWRITE_AT", 300)
    checkpoint = Checkpoint(tmp_path)
    checkpoint.sync()
    assert synced == [tmp_path]
    checkpoint.sync()
    assert len(synced) == 1
    for number, count in ((1, 2), (2, 2), (3, 3)):
        checkpoint.intend("app.log", Step("append", 1, b"x\n"), {"p": number}, Counts())
        checkpoint.complete("app.log")
        if number == 3:
            checkpoint.tidy()
        checkpoint.sync()
        assert len(synced) == count
    checkpoint.close()


def test_sync_covers_the_bytes_of_intents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An intent that survives a power loss without its bytes could be finished by nobody."""
    synced: list[int] = []
    monkeypatch.setattr(platform, "sync_file", lambda fd: synced.append(os.fstat(fd).st_ino))
    checkpoint = Checkpoint(tmp_path)
    checkpoint.intend("app.log", Step("append", 1, b"x\n"), {"p": 1}, Counts())
    checkpoint.sync()
    assert sorted(synced) == sorted(path.stat().st_ino for path in tmp_path.iterdir())
    checkpoint.close()


@pytest.mark.skipif(sys.platform == "win32", reason="the test holds the file that is replaced")
@pytest.mark.parametrize("fails", [1, 2])
def test_a_failed_sync_is_final(fails: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel may have dropped what it could not write: a second sync of the same file proves nothing."""
    checkpoint = Checkpoint(tmp_path)
    checkpoint.intend("a.log", Step("append", 1, b"x\n"), {"p": 1}, Counts())
    checkpoint.complete("a.log")
    checkpoint.intend("b.log", Step("append", 1, b"open\n"), {"p": 2}, Counts())
    before = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    kept = [os.open(path, os.O_RDONLY) for path in tmp_path.iterdir()]  # no number is used again
    real, left = platform.sync_file, [fails]

    def sync(fd: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(5, "Input/output error")
        real(fd)

    with monkeypatch.context() as disk:
        disk.setattr(platform, "sync_file", sync)
        with pytest.raises(OSError, match="Input"):
            checkpoint.sync()
    checkpoint.sync()
    after = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    assert len(before) == 3
    assert [name for name in before if before[name] == after[name]] == ["intent." + NOTHING_OPEN + ".bytes"]
    checkpoint = reopened(checkpoint, tmp_path)
    assert dict(checkpoint.positions) == {"p": 1}
    assert checkpoint.data(checkpoint.intents["b.log"]) == b"open\n"
    checkpoint.close()
    for fd in kept:
        os.close(fd)


def test_files_are_closed_to_others(tmp_path: Path) -> None:
    """The intent's bytes are log lines: nobody may read them who may not read the log."""
    before = os.umask(0)
    try:
        checkpoint = Checkpoint(tmp_path, 0o600)
        checkpoint.intend("app.log", Step("append", 1, b"secret\n"), {}, Counts())
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    checkpoint.close()


@pytest.mark.parametrize("text", [b"", b"\n", b"00000000 {}\n", b"garbage\nmore\n", b"\0" * 4096])
def test_foreign_content_is_no_crash_loop(text: bytes, tmp_path: Path) -> None:
    """After a power loss the file may hold zeros or nothing: the collector must start all the same."""
    (tmp_path / FILE).write_bytes(text)
    checkpoint = Checkpoint(tmp_path)
    assert dict(checkpoint.positions) == {}
    checkpoint.intend("app.log", Step("append"), {"p": 1}, Counts())
    checkpoint.complete("app.log")
    again = reopened(checkpoint, tmp_path)
    assert dict(again.positions) == {"p": 1}
    assert again.notes == []
    again.close()


def test_snapshot_has_only_what_it_needs(tmp_path: Path) -> None:
    """The first line is JSON that a person can read with standard tools."""
    checkpoint = Checkpoint(tmp_path)
    checkpoint.close()
    line = (tmp_path / FILE).read_bytes().splitlines()[0]
    assert msgspec.json.decode(line[9:]) == {"snapshot": {}}


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permission bits")
def test_what_another_user_left_half_written_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who shares the spool may delete that file, but not change its bits: it must not stop him for good."""
    stale = tmp_path / "checkpoint.tmp"
    stale.write_text("half")
    os.link(stale, tmp_path / "its inode stays")
    real, theirs = platform.give_like, stale.stat().st_ino

    def give_like(fd: int, mode: int, directory: str | Path) -> None:
        if os.fstat(fd).st_ino == theirs:
            raise PermissionError(1, "Operation not permitted")
        real(fd, mode, directory)

    monkeypatch.setattr(platform, "give_like", give_like)
    checkpoint = Checkpoint(tmp_path)
    checkpoint.intend("app.log", Step("append", 1, b"one\n"), {"a": 1}, Counts(written=1))
    checkpoint.complete("app.log")
    checkpoint.close()
    assert dict(Checkpoint(tmp_path).positions) == {"a": 1}


def test_file_is_bounded_in_the_middle_of_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that gets nowhere must not fill the disk with what it tries."""
    monkeypatch.setattr(checkpoint_module, "_REWRITE_AT", 2000)
    checkpoint, largest = Checkpoint(tmp_path), 0
    for number in range(300):
        checkpoint.intend("app.log", Step("roll"), {"a": number}, Counts(written=number))
        largest = max(largest, checkpoint.path.stat().st_size)
        checkpoint.complete("app.log")
    assert largest < 6000
    checkpoint.intend("app.log", Step("roll"), {"a": 300}, Counts(written=300))
    checkpoint.close()
    again = Checkpoint(tmp_path)
    assert dict(again.positions) == {"a": 299} and again.intents["app.log"].advance == {"a": 300}
    again.close()
