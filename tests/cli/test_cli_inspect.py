"""`logboom inspect`: what can be read is shown and exported, and nothing is changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import logboom


def _segment(desk: Any) -> Path:
    (path,) = (desk.spool / "journal").iterdir()
    return Path(path)


def test_a_live_segment_is_described(desk: Any) -> None:
    """Reading it beside its writer is the point: it answers "has my record been taken?"."""
    desk.emit("one", "two")
    before = _segment(desk).read_bytes()
    status, out, _ = desk.type("inspect", _segment(desk))
    assert status == 0 and "records    2" in out and "not ended" in out
    assert "app.log" in out and "%(levelname)s %(message)s" in out
    assert _segment(desk).read_bytes() == before


def test_exported_text_is_what_the_log_will_say(desk: Any) -> None:
    """Whoever exports does so because the log cannot be written."""
    desk.emit("one", "two\nlines")
    status, out, _ = desk.type("inspect", "--export", "text", _segment(desk))
    desk.type("drain")
    assert status == 0 and out == desk.log.read_text()


def test_exported_json_has_the_columns_by_name(desk: Any) -> None:
    """The array of a record is the journal's business; a person gets names."""
    desk.emit("one")
    _, out, _ = desk.type("inspect", "--export", "jsonl", _segment(desk))
    values = json.loads(out)
    assert values["message"] == "one" and values["levelname"] == "INFO" and values["levelno"] == 20


def test_a_traceback_is_exported(desk: Any) -> None:
    """The text of an exception follows the named columns."""
    handler = desk.handler()
    desk.log_record(handler, "failed", exc_text="Traceback: here")
    _, out, _ = desk.type("inspect", "--export", "jsonl", _segment(desk))
    assert json.loads(out)["exception"] == "Traceback: here"


def test_json_records_are_exported_by_their_own_names(desk: Any) -> None:
    """A record of `JSONFormatter` has other columns, `extra` among them."""
    handler = desk.handler()
    handler.setFormatter(logboom.JSONFormatter())
    desk.log_record(handler, "hello", order=7)
    status, out, errors = desk.type("inspect", "--export", "jsonl", _segment(desk))
    assert (status, errors) == (0, "") and json.loads(out)["extra"] == {"order": 7}
    assert json.loads(desk.type("inspect", "--export", "text", _segment(desk))[1])["extra"] == {"order": 7}


def test_damage_costs_the_line_it_hit_and_is_reported(desk: Any) -> None:
    """One record is unreadable, the others come out, and the exit status says so."""
    desk.emit("one", "two", "three")
    damaged = _damage(desk, b'"two"', b'\xff\xfetwo"')
    status, out, errors = desk.type("inspect", damaged, "--export", "text")
    assert status == 1 and out == "INFO one\nINFO three\n" and "hold no whole record" in errors
    status, out, _ = desk.type("inspect", damaged)
    assert status == 1 and "records    2" in out and "damage" in out


def test_a_hole_of_zeros_is_stepped_over(desk: Any) -> None:
    """A power loss leaves blocks of zeros; what is behind them is still there."""
    desk.emit("one", "two", "three")
    damaged = _damage(desk, b'"two"', bytes(5))
    _, out, _ = desk.type("inspect", damaged, "--export", "text")
    assert out == "INFO one\nINFO three\n"


def test_a_half_written_record_is_no_damage(desk: Any) -> None:
    """So ends every segment of a killed program, and a live one looks the same for an instant."""
    desk.emit("one")
    used = _segment(desk).read_bytes().rstrip(b"\0")
    torn = desk.directory / "torn.segment"
    torn.write_bytes(used + b"[17000.0,1" + bytes(100))
    status, out, _ = desk.type("inspect", torn)
    assert status == 0 and "unfinished" in out and "records    1" in out


def test_a_damaged_header_does_not_hide_the_records(desk: Any) -> None:
    """The header is one line of many."""
    desk.emit("one")
    damaged = _damage(desk, b'{"logboom":1', b'{"logb\xffom":1')
    status, out, _ = desk.type("inspect", damaged)
    assert status == 1 and "header     damaged" in out and "records    1" in out


def test_a_newer_format_and_a_missing_file_say_what_to_do(desk: Any) -> None:
    """Half-understood is worse than not read."""
    desk.emit("one")
    newer = _damage(desk, b'{"logboom":1', b'{"logboom":9')
    status, _, errors = desk.type("inspect", newer)
    assert status == 1 and "Upgrade logboom" in errors
    status, _, errors = desk.type("inspect", "missing.segment")
    assert status == 1 and "missing.segment: No such file or directory" in errors


def test_any_other_file_is_not_taken_for_a_segment(desk: Any) -> None:
    """A wrong path gets an answer, not a traceback."""
    for data in (b"", b"no newline", bytes(5000), b"\xff\xfe\n" * 100, b'[1,2,3,"x"]\n{"context":"x"}\n'):
        path = desk.directory / "other"
        path.write_bytes(data)
        for more in ((), ("--export", "jsonl"), ("--export", "text")):
            status, out, errors = desk.type("inspect", path, *more)
            assert (status, out) == (1, "") and "no journal segment" in errors


def _damage(desk: Any, old: bytes, new: bytes) -> Path:
    data = _segment(desk).read_bytes()
    assert old in data
    path: Path = desk.directory / "damaged.segment"
    path.write_bytes(data.replace(old, new, 1))
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files")
def test_what_is_no_file_is_not_waited_for(desk: Any) -> None:
    """A FIFO says nothing until somebody writes to it, and /dev/zero never ends."""
    os.mkfifo(desk.directory / "fifo")
    for path in (desk.directory / "fifo", "/dev/zero"):
        status, _, errors = desk.type("inspect", path)
        assert status == 1 and "not a file" in errors
