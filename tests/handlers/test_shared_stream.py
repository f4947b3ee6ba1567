"""Two handlers of one process for one file are one stream: its order is the process's order."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

import logboom
from logboom.producer import waiting


@pytest.fixture(autouse=True)
def no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")


def handler(path: Path, prefix: str, **options: int) -> logboom.RotatingFileHandler:
    made = logboom.RotatingFileHandler(path, **options)
    made.setFormatter(logging.Formatter(f"{prefix} %(message)s"))
    return made


def one_time(message: str) -> logging.LogRecord:
    """Records of one moment: nothing but the order of the calls can order them."""
    return logging.makeLogRecord({"msg": message, "created": 1_800_000_000.5, "process": os.getpid()})


def segments(path: Path) -> list[str]:
    return [entry.name for entry in (path.parent / ".logboom" / "journal").iterdir()]


def test_lines_of_two_handlers_stay_in_the_order_of_the_calls(tmp_path: Path) -> None:
    """A root handler and one of an application for the same file are common in settings."""
    path = tmp_path / "app.log"
    one, two = handler(path, "one"), handler(path, "two")
    expected = []
    for number in range(500):
        for prefix, each in (("one", one), ("two", two)) if number % 2 else (("two", two), ("one", one)):
            each.handle(one_time(str(number)))
            expected.append(f"{prefix} {number}")
    assert len(segments(path)) == 1
    one.close()
    two.handle(one_time("after the other was closed"))
    two.close()
    assert path.read_text().splitlines() == [*expected, "two after the other was closed"]


def test_other_settings_are_another_stream(tmp_path: Path) -> None:
    """A stream's header has one configuration; the newest one decides, as between processes."""
    path = tmp_path / "app.log"
    one, two = handler(path, "one"), handler(path, "two", maxBytes=100_000, backupCount=2)
    one.handle(one_time("x"))
    two.handle(one_time("y"))
    assert len(segments(path)) == 2
    one.close()
    two.close()
    assert sorted(path.read_text().splitlines()) == ["one x", "two y"]


def test_child_of_a_process_with_two_handlers_has_one_stream_too(tmp_path: Path) -> None:
    """The second handler must not take away the stream that the first one opened after the fork."""
    path = tmp_path / "app.log"
    one, two = handler(path, "one"), handler(path, "two")
    one.handle(one_time("parent"))
    child = os.fork()
    if child == 0:
        for number in range(200):
            one.handle(one_time(f"child {number}"))
            two.handle(one_time(f"child {number}"))
        os._exit(0 if len(segments(path)) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    two.handle(one_time("parent"))
    one.close()
    two.close()
    lines = path.read_text().splitlines()
    children = [line for line in lines if "child" in line]
    assert children == [f"{prefix} child {number}" for number in range(200) for prefix in ("one", "two")]
    assert [line for line in lines if "parent" in line] == ["one parent", "two parent"]


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("drained", [True, False], ids=["one by one", "all at once"])
def test_children_and_their_parent_are_one_run_with_mode_w(tmp_path: Path, drained: bool) -> None:
    """A server that configures and forks: its workers log and end one after another, then it logs itself."""
    path = tmp_path / "app.log"
    path.write_text("the run before\n")
    made = logboom.FileHandler(path, mode="w", close_timeout=10)
    for number in range(3):
        child = os.fork()
        if child == 0:
            made.handle(logging.makeLogRecord({"msg": f"child {number}"}))
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        if drained:
            assert waiting.collect_here(tmp_path / ".logboom", float("inf"))
    made.handle(logging.makeLogRecord({"msg": "parent"}))
    made.close()
    assert path.read_text().splitlines() == ["child 0", "child 1", "child 2", "parent"]
