"""Which calls of `doRollover` ask the collector to roll: a program's own, none while a record is written."""

from __future__ import annotations

import logging
import logging.handlers
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import logboom


def everything(directory: Path) -> list[str]:
    """All lines of the log set."""
    return sorted(line for path in directory.glob("app.log*") for line in path.read_text().splitlines())


class CopiedEmit(logboom.TimedRotatingFileHandler):
    """Does what `BaseRotatingHandler.emit` does, with another road to the file at its end."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self.shouldRollover(record):
                self.doRollover()
            super().emit(record)
        except Exception:
            self.handleError(record)


class CopiedIntoAHelper(logboom.TimedRotatingFileHandler):
    """The same, with the standard library's own question and a method between."""

    def _prepare(self, record: logging.LogRecord) -> None:
        if logging.handlers.TimedRotatingFileHandler.shouldRollover(self, record):
            self.doRollover()

    def emit(self, record: logging.LogRecord) -> None:
        self._prepare(record)
        super().emit(record)


@pytest.mark.parametrize("direct", [False, True], ids=["handle", "emit"])
@pytest.mark.parametrize("kind", [CopiedEmit, CopiedIntoAHelper])
def test_a_copy_of_the_standard_emit_rolls_nothing(
    kind: type[logboom.TimedRotatingFileHandler],
    direct: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`rolloverAt` never advances here: each record would roll the file, and retention delete the rest."""
    handler = kind(tmp_path / "app.log", when="S", backupCount=3, collector="off", close_timeout=10)
    handler.rolloverAt = 1
    put: Any = handler.emit if direct else handler.handle
    for number in range(50):
        put(logging.makeLogRecord({"msg": f"{number:02d}", "created": 1_790_000_000.25}))
    handler.close()
    assert everything(tmp_path) == [f"{number:02d}" for number in range(50)]
    assert [path.name for path in tmp_path.glob("app.log*")] == ["app.log"]
    said = capsys.readouterr().err
    assert said.count("doRollover() in") == (kind is CopiedIntoAHelper), "said once, where it was called"


@pytest.mark.parametrize("kind", [logboom.FileHandler, logboom.RotatingFileHandler])
def test_no_record_is_preceded_by_a_rollover(kind: Any, tmp_path: Path) -> None:
    """Beyond the limit, the standard library's answer would make a copied `emit` roll the file."""
    (tmp_path / "app.log").write_text("x" * 5000 + "\n")
    more = {} if kind is logboom.FileHandler else {"maxBytes": 100, "backupCount": 2}
    handler = kind(tmp_path / "app.log", **more)
    assert handler.shouldRollover(logging.makeLogRecord({"msg": "one"})) is False
    handler.close()


def test_a_request_from_elsewhere_counts(tmp_path: Path) -> None:
    """Also one from another handler's `emit`: only this handler's own is part of writing its record."""
    handler = logboom.RotatingFileHandler(
        tmp_path / "app.log", maxBytes=10_000, backupCount=3, collector="off", flush_timeout=10
    )
    handler.handle(logging.makeLogRecord({"msg": "before"}))

    class Other(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            handler.doRollover()

    Other().handle(logging.makeLogRecord({"msg": "roll"}))
    handler.handle(logging.makeLogRecord({"msg": "behind"}))
    handler.close()
    assert (tmp_path / "app.log.1").read_text() == "before\n"
    assert (tmp_path / "app.log").read_text() == "behind\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no signal handler interrupts there")
@pytest.mark.parametrize("shape", ["function", "method", "variadic"])
def test_a_signal_that_interrupts_emit_still_asks(shape: str, tmp_path: Path) -> None:
    """`logrotate` and people send SIGHUP: its handler's request is not part of the record's."""

    class Interrupted(logboom.RotatingFileHandler):
        def emit(self, record: logging.LogRecord) -> None:
            super().emit(record)
            if record.msg == "before":
                os.kill(os.getpid(), signal.SIGUSR1)

        def on_signal(self, number: int, frame: object) -> None:
            self.doRollover()

    handler = Interrupted(tmp_path / "app.log", backupCount=3, collector="off", flush_timeout=10)
    answers: dict[str, Any] = {
        "function": lambda number, frame: handler.doRollover(),
        "method": handler.on_signal,
        "variadic": lambda *_: handler.doRollover(),
    }
    old = signal.signal(signal.SIGUSR1, answers[shape])
    try:
        for text in ("before", "behind"):
            handler.handle(logging.makeLogRecord({"msg": text}))
    finally:
        signal.signal(signal.SIGUSR1, old)
    handler.close()
    assert (tmp_path / "app.log.1").read_text() == "before\n"
    assert (tmp_path / "app.log").read_text() == "behind\n"
