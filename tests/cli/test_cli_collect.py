"""`logboom collect`, `drain` and `stop`: real processes, real signals."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from logboom.cli import stop
from logboom.collector.election import Leadership
from logboom.spool import doorbell


def test_a_supervisor_ends_it_with_sigterm_and_loses_nothing(desk: Any) -> None:
    """That is how systemd stops a service: status 0, and everything that was logged is written."""
    handler = desk.emit("one")
    process = desk.collector()
    for number in range(100):
        desk.log_record(handler, f"more {number}")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert f"collecting {desk.spool} (pid {process.pid})" in errors and "stopped" in errors
    assert len(desk.log.read_text().splitlines()) == 101


def test_a_second_collector_is_refused(desk: Any) -> None:
    """Two writers would write everything twice."""
    desk.emit("one")
    desk.collector()
    second = desk.start("collect", desk.spool)
    _, errors = second.communicate(timeout=20)
    assert second.returncode == 1 and "another collector has this spool" in errors


def test_stay_makes_the_spool_that_a_program_will_use(desk: Any) -> None:
    """A supervisor starts the collector before the first program ever logged."""
    process = desk.collector()
    desk.emit("one")
    desk.until(lambda: desk.status()["written"] == 1, "the record is written")
    assert process.poll() is None


def test_without_stay_a_spool_must_be_there(desk: Any) -> None:
    """A typing error must not make directories."""
    status, _, errors = desk.type("collect", desk.directory / "tpyo")
    assert status == 1 and "no spool belongs to this" in errors and not (desk.directory / "tpyo").exists()


def test_drain_writes_what_waits_without_a_collector(desk: Any) -> None:
    """The way out of every situation in which nothing could be started."""
    desk.emit("one", "two")
    status, out, _ = desk.type("drain", desk.log)
    assert status == 0 and "everything is written" in out
    assert desk.log.read_text() == "INFO one\nINFO two\n"
    assert desk.status()["pending_bytes"] == 0


def test_drain_asks_the_collector_that_lives(desk: Any) -> None:
    """It must not fail because somebody does the work already."""
    desk.emit("one")
    desk.collector()
    desk.emit("two")
    assert desk.type("drain", desk.log)[0] == 0
    assert desk.log.read_text() == "INFO one\nINFO two\n"


def test_drain_says_what_still_waits(desk: Any) -> None:
    """Here somebody holds the lock and does nothing."""
    desk.emit("one")
    leadership = Leadership.seek(desk.spool)
    assert leadership is not None
    status, _, errors = desk.type("drain", "--timeout", "0.1")
    leadership.release()
    assert status == 1 and "bytes still wait" in errors


def test_drain_says_why_nothing_can_be_written(desk: Any) -> None:
    """The output is a directory now: no amount of time helps, and the text must say so."""
    desk.emit("one")
    desk.log.unlink()
    desk.log.mkdir()
    status, _, errors = desk.type("drain", desk.spool, "--timeout", "0.5")
    assert status == 1 and "still wait" in errors and "app.log" in errors.split("still wait")[1]


def test_stop_ends_the_collector_after_it_wrote_everything(desk: Any) -> None:
    """Whoever stops it deletes or moves the files next."""
    handler = desk.emit("one")
    process = desk.collector()
    desk.log_record(handler, "two")
    status, out, _ = desk.type("stop", desk.log)
    assert status == 0 and f"(pid {process.pid}) has ended" in out and "1 program still there" in out
    assert process.wait(10) == 0
    assert desk.log.read_text() == "INFO one\nINFO two\n"
    assert desk.type("stop", desk.log)[:2] == (0, f"{desk.spool}: no collector runs\n")


def test_stop_names_a_collector_that_ends_at_once(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has nothing to write is gone before anybody can ask it for its number."""
    desk.emit("one")
    process = desk.collector()
    ring = doorbell.collector_lives

    def slow_ring(spool: Path, message: bytes = doorbell.WAKE) -> bool:
        heard = ring(spool, message)
        if message == doorbell.STOP:
            process.wait(10)
        return heard

    monkeypatch.setattr(stop, "collector_lives", slow_ring)
    assert f"the collector (pid {process.pid}) has ended" in desk.type("stop", desk.log)[1]


def test_stop_never_signals_a_process_by_a_number_in_a_file(desk: Any) -> None:
    """The collector may be long dead, and its process id another program's: this test's, here."""
    desk.emit("one")
    (desk.spool / "status.json").write_text(f'{{"collector":{{"pid":{os.getpid()}}}}}')
    assert desk.type("stop")[0] == 0


def test_directory_with_logs_is_no_spool(desk: Any) -> None:
    """A collector that takes it for a spool collects nothing, and litters it."""
    desk.emit("one")
    before = sorted(os.listdir(desk.log.parent))
    process = desk.start("collect", "--stay", desk.log.parent)
    desk.until(lambda: desk.status()["written"] == 1, "the record is written")
    process.terminate()
    assert process.wait(20) == 0
    assert sorted(os.listdir(desk.log.parent)) == sorted({*before, "app.log", ".logboom-facts"})


def test_directory_with_other_things_is_no_spool(desk: Any) -> None:
    """Say so, and leave it as it is."""
    (desk.directory / "notes.txt").write_text("mine")
    status, _, errors = desk.type("collect", "--stay", desk.directory)
    assert status == 1 and "no spool belongs to this" in errors
    assert "collector.lock" not in os.listdir(desk.directory)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the doorbell is another one")
def test_who_may_not_ring_is_told_so(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "No collector runs" would be a lie: the answer is not known to this user."""
    desk.emit("one")
    desk.collector()
    real = os.open

    def closed(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if os.path.basename(path) == doorbell.BELL:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", closed)
    status, out, errors = desk.type("stop", desk.spool)
    assert (status, out) == (1, "") and "permission denied" in errors
    status, out, _ = desk.type("status", desk.spool)
    assert status == 1 and "permission denied" in out and "none runs" not in out
    assert desk.status()["collector"]["alive"] is None
