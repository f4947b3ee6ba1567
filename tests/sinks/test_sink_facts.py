"""The facts that a collector keeps: they decide what a record is, and follow the file that they are of."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import logboom
from logboom.logset.facts import DIRECTORY, facts_path
from logboom.logset.sealing import sweep_facts
from logboom.platform.files import Directory
from logboom.query.asking import Asked, ask


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "app.log"


def _handler(log: Path, fmt: str, **options: object) -> logging.Handler:
    handler = logboom.RotatingFileHandler(log, **{"collector": "off", "maxBytes": 0, **options})  # type: ignore[arg-type]
    handler.setFormatter(logging.Formatter(fmt))
    return handler


def _emit(handler: logging.Handler, name: str, level: int, message: str) -> None:
    handler.handle(logging.LogRecord(name, level, __file__, 1, message, None, None))


def _ask(query: str, log: Path) -> list[str]:
    asked: Asked = ask(query, [log])
    try:
        assert all(file.known for file in asked.files)
        return [hit.text.decode() for hit in asked.search.hits()]
    finally:
        asked.close()


def test_facts_decide_and_not_the_text(log: Path) -> None:
    """A logger named INFO, a message that looks like a record, two formats in one file."""
    one = _handler(log, "%(name)s %(levelname)s %(message)s")
    other = _handler(log, "%(message)s")
    _emit(one, "INFO", logging.ERROR, "x")
    _emit(one, "shop", logging.INFO, "INFO ERROR y")
    _emit(other, "shop.pay", logging.WARNING, "2026-11-22 10:00:00,000 ERROR shop: forged")
    one.close()
    other.close()
    assert _ask("level:error", log) == ["INFO ERROR x"]
    assert _ask("logger:INFO", log) == ["INFO ERROR x"]
    assert _ask("level:warning logger:shop.*", log) == ["2026-11-22 10:00:00,000 ERROR shop: forged"]
    assert len(_ask(f"pid:{os.getpid()}", log)) == 3
    assert _ask('message:"INFO ERROR y"', log) == ["shop INFO INFO ERROR y"]


def test_facts_follow_a_roll_and_a_compression(log: Path) -> None:
    """They are named by inode, and a compressed copy gets those of the file that it was made of."""
    handler = _handler(log, "%(message)s", maxBytes=500, backupCount=20, compress="gzip", collector="auto")
    for number in range(200):
        _emit(handler, "shop", logging.INFO, f"order {number:05d}")
    handler.close()
    deadline = time.monotonic() + 30
    while len(found := sorted(log.parent.glob("app.log.*.gz"))) < 3 and time.monotonic() < deadline:
        os.stat(log)
    assert len(found) >= 3
    assert [line[-5:] for line in _ask("level:info", log)] == [f"{number:05d}" for number in range(200)]


def test_facts_go_with_their_file_and_have_its_mode(log: Path) -> None:
    """They are log content: who may not read the log may not read them, and no one keeps them."""
    handler = _handler(log, "%(message)s")
    os.chmod(log, 0o640)
    _emit(handler, "shop", logging.INFO, "secret")
    handler.close()
    facts = facts_path(log, log.stat().st_ino)
    assert facts.stat().st_mode & 0o777 == 0o640
    os.chmod(log, 0o600)
    sweep_facts(Directory(log.parent))
    assert facts.stat().st_mode & 0o777 == 0o600
    log.unlink()
    sweep_facts(Directory(log.parent))
    assert not facts.exists()


def test_a_facts_directory_that_is_a_link_costs_no_record(log: Path) -> None:
    """Nothing is written where a link leads; the records are parsed instead."""
    away = log.parent / "away"
    away.mkdir()
    (log.parent / DIRECTORY).symlink_to(away)
    handler = _handler(log, "%(message)s")
    _emit(handler, "shop", logging.INFO, "hello")
    handler.close()
    assert log.read_text() == "hello\n"
    assert list(away.iterdir()) == []
