"""`logboom demo` as a person sees it."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from logboom.demo import run as demo
from logboom.demo import stage
from logboom.demo.oracle import Score
from logboom.demo.stage import Turn
from logboom.demo.table import Kills, Look, draw, look_of, prose, verdict

EXACT = Score(1000, 1000, 0, 0, 0, 0, 0, 12)
WRONG = Score(1000, 998, 2, 0, 0, 0, 0, 12)


COLUMNS = (("standard library", WRONG), ("logboom", EXACT))


def _shown(encoding: str, columns: int) -> str:
    """What a terminal of this width and encoding gets."""
    import termios

    primary, secondary = os.openpty()
    try:
        termios.tcsetwinsize(secondary, (24, columns))
        with open(secondary, "w", encoding=encoding, closefd=False) as out:
            look = look_of(out)
        assert (look.colour, look.width) == (True, columns)
        killed = io.StringIO()
        kills = Kills(killed, look)
        for _ in range(4):
            kills("web worker")
        kills.end()
        text = prose("the quick brown fox " * 20, look) + "\n" + killed.getvalue()
        return f"{draw(COLUMNS, look)}\n{text}{verdict(WRONG, EXACT, look)}"
    finally:
        os.close(primary)
        os.close(secondary)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("columns", [40, 60, 71, 80, 200])
def test_no_line_is_wider_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, encoding: str, columns: int
) -> None:
    """A wrapped table is unreadable; a terminal of 80 columns is usual, and so is half of one."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = _shown(encoding, columns)
    text.encode(encoding)
    plain = re.sub(r"\x1b\[\d+m", "", text)
    assert max(map(len, plain.splitlines())) <= columns
    assert plain.count("web worker") == 4
    for number in ("1,000", "998", "12"):
        assert number in plain


@pytest.mark.parametrize("look", [Look(drawn=True), Look(drawn=False)], ids=["drawn", "ascii"])
def test_the_table_is_aligned_and_plain_in_a_pipe(look: Look) -> None:
    """A table with ragged edges or escape codes in a file is none; a fault is marked without colour, too."""
    lines = draw(COLUMNS, look).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "\x1b" not in "".join(lines)
    bar, mark = ("│", "✗ ") if look.drawn else ("|", "! ")
    assert any("missing" in line and line.split(bar)[2].strip() == mark + "2" for line in lines)


def test_a_pipe_is_plain() -> None:
    """What is redirected into a file is read there, with no terminal to ask."""
    assert look_of(io.StringIO()) == Look(colour=False, drawn=False, width=80)
    assert look_of(io.TextIOWrapper(io.BytesIO(), "utf-8")) == Look(colour=False, drawn=True, width=80)


def test_a_fault_is_red_and_its_absence_green() -> None:
    """The eye must find the wrong number."""
    (missing,) = (
        line
        for line in draw((("a", WRONG), ("b", EXACT)), Look(colour=True)).splitlines()
        if "missing" in line
    )
    assert "\x1b[31m" in missing.split("|")[2]
    assert "\x1b[32m" in missing.split("|")[3]


def test_the_verdict_follows_the_score() -> None:
    """A sentence that praises a wrong count would be a lie, in either column."""
    assert "all 1,000 records" in verdict(WRONG, EXACT, Look())
    assert "standard library: 2 of 1,000 records are missing." in verdict(WRONG, EXACT, Look())
    wrong = verdict(EXACT, WRONG, Look()).splitlines()
    assert "all 1,000 records arrived, this time" in wrong[0] and "wrong" in wrong[1]


def test_what_a_shell_has_set_for_others_does_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With `LOGBOOM_DISABLE=1` in the shell, nothing would be logged, and logboom blamed for it."""
    monkeypatch.setenv("LOGBOOM_DISABLE", "1")
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")
    monkeypatch.setattr(stage, "_KILLS", ())
    turn = stage.play("logboom.RotatingFileHandler", tmp_path, seconds=1.0, kill_collectors=False)
    assert turn.score.noted > 0 and turn.score.missing == 0, turn


@pytest.mark.parametrize(("ours", "status"), [(EXACT, 0), (WRONG, 1)])
def test_the_exit_status_is_that_of_logboom_alone(
    monkeypatch: pytest.MonkeyPatch, ours: Score, status: int
) -> None:
    """The standard handler's losses are expected; logboom's fail the command."""

    def play(handler: str, directory: Path, *, killed: Callable[[str], None], **_: object) -> Turn:
        for kind in ("producer", "producer") if handler.startswith("logging.") else ("collector",):
            killed(kind)
        return Turn(WRONG if handler.startswith("logging.") else ours, "")

    monkeypatch.setattr(demo, "play", play)
    out = io.StringIO()
    assert demo.run(out) == status
    for kinds in ("producer, producer\n", "collector\n"):
        assert "    killed with SIGKILL: " + kinds in out.getvalue()


@pytest.mark.crash
def test_the_demonstration_sees_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put in logboom's place, a handler that surely loses records must end it with status 1."""
    monkeypatch.setattr(stage, "BACKUP_COUNT", 1)
    out = io.StringIO()
    assert demo.run(out, seconds=2.0, handler="logging.handlers.RotatingFileHandler") == 1, out.getvalue()


@pytest.mark.crash
def test_logboom_loses_nothing_and_cleans_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the README tells a new user to run first must succeed and leave nothing behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    out = io.StringIO()
    assert demo.run(out, seconds=2.0) == 0, out.getvalue()
    assert list(tmp_path.iterdir()) == []
