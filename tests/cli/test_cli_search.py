"""`search`, `tail`, `cat`, `sql`, `export` as a person runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.logs import Made, write

from logboom.cli import main, make_parser
from logboom.cli.completion import propose

NOW = 1_795_341_600.0
HOSTILE = "\x1b]0;owned\x07 \u2028 \x9b31m"


def _set(directory: Path) -> Path:
    old = [Made(NOW + n, message=f"old {n}") for n in range(5)]
    new = [Made(NOW + 10 + n, level=40, message=f"new {n}", process=8) for n in range(3)]
    write(directory / "app.log.1", old, codec="gzip")
    return write(directory / "app.log", new)


def _run(*words: object) -> int:
    return main([str(word) for word in words])


def test_the_exit_status_is_greps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts ask `if logboom search ...`: 0 for hits, 1 for none, 2 for trouble."""
    path = _set(tmp_path)
    assert _run("search", "old", path) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert _run("search", "-c", "nothing", path) == 1
    assert capsys.readouterr().out == "0\n"
    assert _run("search", "level:eror", path) == 2
    said = capsys.readouterr().err
    assert "Did you mean error?" in said and "      ^^^^" in said
    assert _run("search", "x", tmp_path / "missing.log") == 2
    assert _run("search", "loger:x", path) == 2
    assert "Did you mean logger?" in capsys.readouterr().err


def test_options_may_stand_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`logboom search QUERY -c FILE` is what people type."""
    path = _set(tmp_path)
    assert _run("search", "level:error", "-c", path) == 0
    assert capsys.readouterr().out == "3\n"
    assert _run("search", "--json", '"new 2"', path, "--fields", "process,message,level") == 0
    assert json.loads(capsys.readouterr().out) == {"process": 8, "message": "new 2", "level": "ERROR"}


def test_context_is_of_the_order_of_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Around a hit, over the border of two files; or of its process alone."""
    path = _set(tmp_path)
    assert _run("search", '"new 0"', "-C", "1", path) == 0
    assert [line[-5:] for line in capsys.readouterr().out.splitlines()] == ["old 4", "new 0", "new 1"]
    assert _run("search", '"new 0"', "-C", "1", "--same-process", path) == 0
    assert [line[-5:] for line in capsys.readouterr().out.splitlines()] == ["new 0", "new 1"]


def test_everything_shown_is_harmless(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A foreign log may hold anything; a terminal obeys escape sequences."""
    path = tmp_path / "foreign.log"
    path.write_text(f"2026-11-22 10:00:00,000 INFO {HOSTILE}\n", "utf-8")
    for words in ("search", "tail", "search --json", "search --patterns", "search --stats"):
        assert _run(*words.split(), "", path) == 0
        shown = capsys.readouterr()
        assert all(char.isprintable() or char in "\n\t" for char in shown.out + shown.err), words


def test_cat_is_the_bytes_of_the_set(tmp_path: Path) -> None:
    """One stream, whatever the compression."""
    path = _set(tmp_path)
    done = subprocess.run([sys.executable, "-m", "logboom", "cat", path], capture_output=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 8 and lines[0].endswith(b"old 0") and lines[-1].endswith(b"new 2")


def test_a_set_without_facts_says_what_it_guesses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A level that was read off a text may be none."""
    path = write(tmp_path / "app.log", [Made(NOW, message="a")], known=False)
    assert _run("search", "", path) == 0
    assert "no facts" in capsys.readouterr().err


def _wait_for(file: Path, what: str) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        text = file.read_text()
        if what in text:
            return text
        os.sched_yield() if hasattr(os, "sched_yield") else None
    raise AssertionError(file.read_text())


def test_tail_follows_a_rotation(tmp_path: Path) -> None:
    """What is appended before and after a roll, each once and in order; it ends when it is interrupted."""
    path = tmp_path / "app.log"
    path.write_text("2026-11-22 10:00:00,000 INFO one\n")
    out = tmp_path / "out"
    with out.open("w") as file:
        child = subprocess.Popen([sys.executable, "-m", "logboom", "tail", "-f", path], stdout=file)
        try:
            _wait_for(out, "one")
            with path.open("a") as log:
                log.write("2026-11-22 10:00:01,000 INFO two\n")
            path.rename(tmp_path / "app.log.1")
            path.write_text("2026-11-22 10:00:02,000 INFO three\n")
            _wait_for(out, "three")
            with path.open("a") as log:
                log.write("2026-11-22 10:00:03,000 INFO four\n")
            shown = _wait_for(out, "four")
            assert [line.split()[-1] for line in shown.splitlines()] == ["one", "two", "three", "four"]
        finally:
            child.terminate()
            child.wait()


def test_sql_is_typed_and_reads_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Levels in their order; and a statement reads no file."""
    pytest.importorskip("duckdb")
    path = _set(tmp_path)
    sql = "select level, count(*) n from logs where level >= 'WARNING'::level group by level"
    assert _run("sql", sql, path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"level": "ERROR", "n": 3}
    assert _run("sql", "select typeof(time) t from logs limit 1", path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"t": "TIMESTAMP WITH TIME ZONE"}
    for statement in (f"select * from read_text('{path}')", f"copy logs to '{tmp_path}/x.csv'"):
        assert _run("sql", statement, path) == 2
    assert not (tmp_path / "x.csv").exists()


def test_export_writes_the_hits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One schema for all forms."""
    path = _set(tmp_path)
    assert _run("export", "--jsonl", "level:error", path) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["message"] for row in rows] == ["new 0", "new 1", "new 2"]
    assert _run("export", "--csv", "level:error", path) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("time,level,levelno,logger")
    duckdb = pytest.importorskip("duckdb")
    assert _run("export", "--parquet", "-o", tmp_path / "x.parquet", "", path) == 0
    with duckdb.connect() as connection:
        (count,) = connection.execute(f"select count(*) from '{tmp_path}/x.parquet'").fetchone()
    assert count == 8


@pytest.mark.parametrize(
    ("line", "shell", "proposed"),
    [
        ("logboom se", "bash", "search"),
        ("logboom search --cou", "zsh", "--count"),
        ("logboom search level>=e", "zsh", "level>=error"),
        ("logboom search level:e", "bash", "error"),
        ("logboom search thr", "zsh", ""),
        ("logboom search logg", "zsh", "logger:"),
    ],
)
def test_completion_knows_commands_options_fields_and_levels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, shell: str, proposed: str
) -> None:
    """As far as a shell can be told."""
    _set(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = propose(line, shell, ["search", "status"], make_parser)
    assert proposed in found if proposed else found == []
