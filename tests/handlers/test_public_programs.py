"""Settings of public programs that differ from the usual ones, with the standard library's meaning."""

from __future__ import annotations

import json
import logging
import logging.handlers
from pathlib import Path
from typing import Any

import pytest

import logboom
from logboom.errors import ConfigurationError


def log(handler: logging.Handler, *texts: str, **attributes: Any) -> None:
    for text in texts:
        handler.handle(logging.makeLogRecord({"msg": text} | attributes))


@pytest.mark.parametrize("kind", [logboom.FileHandler, logboom.RotatingFileHandler])
@pytest.mark.parametrize("mode", ["a+", "at", "+a", "a+t", "w+", "wt", "tw+"])
def test_modes_with_letters_that_change_nothing(kind: Any, mode: str, tmp_path: Path) -> None:
    """`"a+"` and `"wt"` are in many configurations: the file is appended to, or emptied."""
    path = tmp_path / "app.log"
    path.write_text("before\n")
    handler = kind(path, mode, collector="off")
    assert handler.mode == mode
    log(handler, "one")
    handler.close()
    assert path.read_text() == ("one\n" if "w" in mode else "before\none\n")


@pytest.mark.parametrize("mode", ["x", "r+", "ab", "aw", "aa", "", "U", "a++"])
def test_other_modes_are_refused(mode: Any, tmp_path: Path) -> None:
    """A file that only one process may make, or that is no text, cannot be shared."""
    with pytest.raises(ConfigurationError, match='"a" or "w"'):
        logboom.FileHandler(tmp_path / "app.log", mode)


def test_a_count_below_zero(tmp_path: Path) -> None:
    """-1 keeps all backups of a timed rotation, and never rolls by size."""
    sized = logboom.RotatingFileHandler(tmp_path / "size.log", maxBytes=10, backupCount=-1, collector="off")
    timed = logboom.TimedRotatingFileHandler(tmp_path / "time.log", when="S", backupCount=-1, collector="off")
    assert sized.backupCount == timed.backupCount == -1
    for number in range(5):
        for handler in (sized, timed):
            log(handler, f"line {number}", created=1_790_000_000.0 + 10 * number)
    sized.close()
    timed.close()
    assert [path.name for path in tmp_path.glob("size.log*")] == ["size.log"]
    assert len(list(tmp_path.glob("time.log*"))) == 5


@pytest.mark.parametrize("when", ["midnight", "MIDNIGHT", "W0", "w6"])
def test_no_interval_of_a_calendars_period_is_one(when: str, tmp_path: Path) -> None:
    """The standard library does not use it there; elsewhere it would roll at each record."""
    handler = logboom.TimedRotatingFileHandler(
        tmp_path / "app.log", when=when, interval=0, utc=True, collector="off"
    )
    theirs = logging.handlers.TimedRotatingFileHandler(
        tmp_path / "b.log", when=when, interval=0, utc=True, delay=True
    )
    start = 1_790_000_000.0
    log(handler, "one", created=start)
    log(handler, "two", created=theirs.computeRollover(int(start)) - 1.0)
    log(handler, "three", created=theirs.computeRollover(int(start)) + 1.0)
    handler.close()
    theirs.close()
    (backup,) = tmp_path.glob("app.log.*")
    assert backup.read_text() == "one\ntwo\n"
    with pytest.raises(ConfigurationError, match="whole number"):
        logboom.TimedRotatingFileHandler(tmp_path / "app.log", when="h", interval=0)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"compress": "gzip"}, 9),
        ({"max_total_size": 40}, 4),
        ({"max_total_size": "1 GB", "max_age": "100 d"}, 9),
        ({"max_age": 10**9}, 9),
        ({}, 0),
        ({"max_age": None, "compress": None}, 0),
    ],
    ids=str,
)
def test_limits_other_than_a_count_mean_rotation(options: dict[str, Any], names: int, tmp_path: Path) -> None:
    """`maxBytes` with `max_total_size` and no `backupCount` let the file grow for ever, in silence."""
    (tmp_path / "app.log.20261122").write_text("an admin's own copy\n")
    handler = logboom.RotatingFileHandler(tmp_path / "app.log", maxBytes=12, collector="off", **options)
    for number in range(10):
        log(handler, f"line {number:04d}")
    handler.close()
    backups = [path for path in tmp_path.glob("app.log.*") if path.name != "app.log.20261122"]
    assert len(backups) == names
    assert (tmp_path / "app.log.20261122").exists()


@pytest.mark.parametrize("created", [1_790_000_000, type("Stamp", (float,), {})(1_790_000_000.25), True])
@pytest.mark.parametrize("formatter", [logboom.JSONFormatter(), logging.Formatter("%(created)f %(message)s")])
def test_created_that_is_another_number(created: Any, formatter: logging.Formatter, tmp_path: Path) -> None:
    """A whole second, or a time of another library's, is the record's time: no other is written."""
    handler = logboom.FileHandler(tmp_path / "app.log", collector="off")
    handler.setFormatter(formatter)
    log(handler, "one", created=created)
    handler.close()
    line = (tmp_path / "app.log").read_text()
    if isinstance(formatter, logboom.JSONFormatter):
        from datetime import datetime

        assert datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp() == float(created)
    else:
        assert float(line.split()[0]) == float(created)


def test_timed_rotation_by_whole_seconds(tmp_path: Path) -> None:
    """Such records roll the file, too."""
    handler = logboom.TimedRotatingFileHandler(tmp_path / "app.log", when="S", collector="off")
    for number in range(3):
        log(handler, str(number), created=1_790_000_000 + 10 * number)
    handler.close()
    assert len(list(tmp_path.glob("app.log.*"))) == 2


@pytest.mark.parametrize("created", [float("nan"), float("inf"), 10**400, None, "now", [1]])
def test_created_that_is_no_time(created: Any, tmp_path: Path) -> None:
    """The record is kept, with the present time."""
    handler = logboom.FileHandler(tmp_path / "app.log", collector="off")
    handler.setFormatter(logboom.JSONFormatter())
    log(handler, "one", created=created)
    handler.close()
    assert json.loads((tmp_path / "app.log").read_text())["message"] == "one"
