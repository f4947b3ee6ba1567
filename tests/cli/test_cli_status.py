"""`logboom status`: what it shows is true, with a collector and without."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import Any

import pytest

from logboom.cli.overview import overview
from logboom.cli.terminal import Paint
from logboom.journal.layout import Dropped, encode_line
from logboom.journal.target import Target
from logboom.journal.writer import JournalWriter
from logboom.spool.directory import Spool
from logboom.spool.status import Notebook

REQUIRED = {"collector", "producers", "pending_bytes", "dropped", "written", "late", "damaged"}


def test_where_nobody_ever_logged(desk: Any) -> None:
    """The first thing a person tries is the command in the wrong directory."""
    status, out, errors = desk.type("status")
    assert (status, out) == (1, "")
    assert "no spool is in this directory" in errors and "Name the log file, or the spool" in errors


def test_what_waits_is_counted_without_a_collector(desk: Any) -> None:
    """The journal itself is asked, so nothing that a dead collector wrote can hide what waits."""
    desk.emit("one", "two")
    values = desk.status()
    assert values.keys() >= REQUIRED
    assert values["collector"]["pid"] is None and not values["collector"]["alive"]
    assert values["written"] == 0 and values["pending_bytes"] > 20
    (producer,) = values["producers"]
    assert producer["pid"] == os.getpid() and producer["alive"] and producer["file"] == "app.log"
    assert producer["waiting"] == values["pending_bytes"]


def test_it_says_why_nothing_runs_and_what_to_do(desk: Any) -> None:
    """A person who reads "none runs" asks exactly this."""
    handler = desk.emit("one")
    status, out, _ = desk.type("status", desk.log)
    assert status == 1 and "none runs" in out and f"logboom collect --stay {desk.spool}" in out
    handler.close()
    assert "nothing needs to be done" in desk.type("status", desk.log)[1]


def test_a_program_with_two_journals_stands_there_once(desk: Any) -> None:
    """Two handlers of one file that differ make two journals, and one process is one program."""
    desk.emit("one")
    desk.emit("two", "three", max_age="7 d")
    status, out, _ = desk.type("status")
    rows = [line.split() for line in out.splitlines() if line.split()[:1] == [str(os.getpid())]]
    assert status == 1 and len(rows) == 1, out
    waiting = sum(producer["waiting"] for producer in desk.status()["producers"])
    assert rows[0][1:4] == ["alive", str(waiting), "bytes"], out
    assert "1 program can log here" in out


def test_what_a_dead_program_left_names_the_command_that_writes_it(desk: Any) -> None:
    """After SIGKILL of everything the records are safe, and somebody must be told how to get them."""
    _make_dead_stream(desk, b'[1000.0,1,20,"root"]\n')
    status, out, _ = desk.type("status", desk.spool)
    assert status == 1 and "Run `logboom drain`" in out and re.search(r"ended +21 bytes", out)


def test_a_living_collector_is_shown_and_a_killed_one_is_not(desk: Any) -> None:
    """`status.json` still names the killed one: only the doorbell tells."""
    desk.emit("one")
    process = desk.collector()
    desk.until(lambda: desk.status()["written"] == 1, "the record is written")
    values = desk.status()
    assert values["collector"]["pid"] == process.pid and values["pending_bytes"] == 0 == values["lag"]
    status, out, _ = desk.type("status")
    assert status == 0 and f"pid {process.pid}" in out and "1 written" in out
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert f'"pid":{process.pid}' in (desk.spool / "status.json").read_text()
    assert desk.status()["collector"]["pid"] is None
    assert desk.type("status", "--json")[0] == 0, "all is written, and nothing needs to run"


def test_dropped_records_are_counted_before_and_after_the_log_says_so(desk: Any) -> None:
    """A drop that is only known once a collector ran would be news of yesterday."""
    line = encode_line(Dropped(7, 1000.0, 1001.0, "the spool is full"))
    _make_dead_stream(desk, line)
    assert desk.status()["dropped"] == 7
    assert desk.type("drain", desk.spool)[0] == 0
    assert desk.status()["dropped"] == 7 and desk.status()["pending_bytes"] == 0
    assert "7 records dropped: the spool is full" in desk.log.read_text()


def test_programs_that_ask_for_other_settings_are_named(desk: Any) -> None:
    """The line in the collector's log is gone a week later, the difference is not."""
    desk.emit("one", max_age=60)
    desk.emit("two", max_age=60)
    process = desk.collector()
    desk.until(lambda: desk.status()["written"] == 2, "they are written")
    assert desk.status()["sinks"]["app.log"]["differing"] == []
    assert "settings differ" not in desk.type("status")[1]
    other = desk.emit("three", max_age=90)
    desk.until(lambda: desk.status()["written"] == 3, "the third is written")
    assert desk.status()["sinks"]["app.log"]["differing"] == [os.getpid()]
    assert f"not those of pid {os.getpid()}" in desk.type("status")[1]
    other.close()
    assert process.poll() is None


def test_control_characters_of_a_program_name_are_escaped(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program's arguments are anybody's, and a terminal obeys escape sequences."""
    monkeypatch.setattr("sys.argv", ["evil\x1b]0;x\x07\nnot a line", "\udcff\u009b31m"])
    desk.emit("one")
    _, out, _ = desk.type("status")
    assert r"evil\x1b]0;x\x07\nnot a line \udcff\x9b31m" in out
    assert desk.status()["producers"][0]["program"].startswith("evil\x1b")


@pytest.mark.parametrize(
    ("alive", "connected", "state"),
    [(True, True, "connected"), (True, False, "not connected"), (False, True, "nobody pushes now")],
)
def test_a_server_is_no_file(
    desk: Any, monkeypatch: pytest.MonkeyPatch, alive: bool, connected: bool, state: str
) -> None:
    """A spool of a `PUSHHandler` has no file: what matters is whether anybody takes its records."""
    desk.emit("one")
    sink = {
        "path": "tcp://logs:5557",
        "size": 0,
        "rotations": 0,
        "connected": connected,
        "trouble": "refused\x1b",
    }
    values = overview(desk.spool) | {"sinks": {"tcp://logs:5557": sink}}
    values["collector"] |= {"alive": alive, "pid": 7}
    monkeypatch.setattr("logboom.cli.status.overview", lambda spool: values)
    lines = desk.type("status")[1].splitlines()
    at = lines.index(f"server     tcp://logs:5557: {state}")
    assert lines[at + 1].strip() == r"refused\x1b" and "bytes" not in lines[at]


def test_the_collectors_last_words_are_quoted(desk: Any) -> None:
    """Its troubles are in a file that nobody looks into."""
    desk.emit("one")
    for number in range(8):
        Notebook(desk.spool).note(f"trouble {number}\x1b[2J")
    out = desk.type("status")[1]
    assert "trouble 2" not in out and r"trouble 7\x1b[2J" in out
    assert len(desk.status()["collector_log"]) == 5


def test_no_colour_unless_a_terminal_shows_it(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Escape sequences in a file or a mail are rubbish."""
    desk.emit("one")
    assert "\x1b" not in desk.type("status")[1]
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Paint(_Terminal())("red", "x") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Paint(_Terminal())("red", "x") == "x"


def test_a_file_that_is_no_json_or_no_checkpoint_does_not_stop_it(desk: Any) -> None:
    """It is the command for when something is broken."""
    desk.emit("one")
    (desk.spool / "status.json").write_bytes(b'{"collector":')
    (desk.spool / "checkpoint.jsonl").write_bytes(b"rubbish\n\xff\xfe\n")
    (desk.spool / "journal" / f"{'a' * 16}-00000001.segment").write_bytes(b"\xff rubbish\n" + bytes(64))
    assert desk.status()["pending_bytes"] > 0


def test_status_json_of_any_shape_does_not_stop_it(desk: Any) -> None:
    """Another release may have written it, or a person."""
    desk.emit("one")
    for text in ('{"collector":[],"producers":3,"sinks":[],"totals":{"app.log":7},"refused":9}', "[]", "7"):
        (desk.spool / "status.json").write_text(text)
        assert desk.type("status")[0] == 1


def test_several_spools_are_all_shown_and_one_must_be_named_to_change_it(desk: Any) -> None:
    """A project has more than one log directory; a command that writes must not guess."""
    desk.emit("one")
    Spool.create(desk.directory / "other" / ".logboom")
    out = desk.type("status")[1]
    assert "logs/.logboom" in out and "other/.logboom" in out
    status, _, errors = desk.type("drain")
    assert status == 1 and "2 spools" in errors and "Name the log file, or the spool" in errors


def test_json_is_one_object_of_ascii(desk: Any) -> None:
    """Monitoring parses it, and a terminal may show it."""
    desk.emit("one")
    out = desk.type("status", "--json")[1]
    assert out.isascii() and isinstance(json.loads(out), dict)


def _make_dead_stream(desk: Any, line: bytes) -> None:
    """A journal whose program has ended."""
    spool = Spool.create(desk.spool)
    target = Target(name="app.log", configured=1.0)
    writer = JournalWriter(spool.journal_path, target, mapped=False, mode=0o600)
    segment = writer.roll(None, {}, 100)
    assert segment is not None
    segment.write(line)
    writer.close()


class _Terminal:
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "said",
    [
        {"collector": {"pid": "x", "since": "y", "version": 3, "trouble": [1]}},
        {"collector": {"pid": 1, "since": 1e300, "version": "1", "trouble": ""}},
        {"sinks": {"a": {"rotations": "q", "connected": 1, "trouble": [1]}, "b": 5}},
        {
            "sinks": {"a": {"path": 5}},
            "producers": [{}],
            "refused": {"x": 1},
            "totals": {"a": {"written": "x"}},
        },
        {"producers": [{"producer": 1, "dropped": "many"}]},
        [1],
    ],
)
def test_what_is_not_as_it_should_be_is_left_out(desk: Any, said: Any) -> None:
    """Another release, or anybody who may write there, must not cost a person the answer."""
    desk.emit("one")
    (desk.spool / "status.json").write_text(json.dumps(said))
    status, out, _ = desk.type("status", desk.spool)
    assert status == 1 and "waiting" in out
    assert desk.status()["pending_bytes"] > 0
    process = desk.collector()
    desk.until(lambda: desk.status()["written"] == 1, "the record is written")
    (desk.spool / "status.json").write_text(json.dumps(said))
    assert desk.type("status", desk.spool)[0] == 0
    assert process.poll() is None


def test_drain_without_time_says_what_is(desk: Any) -> None:
    """A script asks whether anything is pending, and cannot wait."""
    desk.emit("one")
    assert desk.type("drain", desk.spool)[0] == 0
    desk.collector()
    assert desk.type("drain", desk.spool, "--timeout", "0")[0] == 0


def test_log_of_a_handler_with_another_spool_is_enough(desk: Any) -> None:
    """A person knows the log file's name."""
    desk.log.parent.mkdir()
    desk.emit("one", spool=desk.directory / "var")
    status, out, _ = desk.type("status", desk.log)
    assert status == 1 and str(desk.directory / "var") in out, "pending, and nobody collects"
    status, _, errors = desk.type("status", desk.log.with_name("other.log"))
    assert status == 1 and "no spool belongs to this" in errors and "spool=" in errors
