"""One contender's turn: processes that log, kills at fixed times, the count.

Owns: the traffic of `logboom demo` and its kills. Never knows: how the result is shown.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logboom.demo.collector import kill_collector, settled, stop_collector
from logboom.demo.oracle import Score

__all__ = ["UNSET", "Turn", "play"]

PROCESSES = 4
SECONDS = 4.0
MAX_BYTES = 20_000
BACKUP_COUNT = 1000
# What a person's shell may have set for other programs: here it would be a wrong count.
UNSET = ("LOGBOOM_COLLECTOR", "LOGBOOM_DISABLE")
_SETTLE = 6.0
_KILLS = (("producer", 0.15), ("producer", 0.3), ("collector", 0.4), ("producer", 0.55), ("collector", 0.7))


@dataclass
class Turn:
    """What one contender went through.

    Attributes:
        score: the count over its log set.
        complaints: what the processes wrote to stderr.
    """

    score: Score
    complaints: str


@dataclass
class _Stage:
    handler: str
    live: Path
    notes: Path
    end: float
    complaints: Any
    killed: Callable[[str], None]
    started: int = 0
    producers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    dead_collectors: set[int] = field(default_factory=set)


def play(
    handler: str,
    directory: Path,
    *,
    seconds: float = SECONDS,
    kill_collectors: bool = True,
    killed: Callable[[str], None] = lambda kind: None,
) -> Turn:
    """Let `PROCESSES` log through `handler` for `seconds`, with kills, and count.

    Args:
        handler: dotted name of a handler class with `filename`, `maxBytes` and `backupCount`.
        directory: an empty directory for the log set and the notes.
        kill_collectors: whether the collector is killed too; for a handler that has one.
        killed: is told "producer" or "collector" whenever one got SIGKILL.
    """
    notes, logs = directory / "notes", directory / "logs"
    notes.mkdir(parents=True)
    logs.mkdir()
    with (directory / "stderr").open("wb") as complaints:
        stage = _Stage(handler, logs / "app.log", notes, time.monotonic() + seconds, complaints, killed)
        try:
            _run(stage, seconds, kill_collectors)
            score = settled(stage.live, notes, _SETTLE if kill_collectors else 0.0)
        finally:
            _clear(stage)
    return Turn(score, (directory / "stderr").read_text("utf-8", "replace"))


def _run(stage: _Stage, seconds: float, kill_collectors: bool) -> None:
    begin = stage.end - seconds
    for _ in range(PROCESSES):
        _start(stage)
    for kind, part in _KILLS:
        time.sleep(max(0.0, begin + part * seconds - time.monotonic()))
        if kind == "producer":
            _replace_oldest(stage)
        elif kill_collectors:
            until = begin + (part + 0.15) * seconds
            if kill_collector(stage.live, stage.dead_collectors, until):
                stage.killed(kind)
    for producer in stage.producers:
        producer.wait(timeout=seconds + 10)


def _replace_oldest(stage: _Stage) -> None:
    victim = stage.producers.pop(0)
    if victim.poll() is None:
        victim.kill()
        stage.killed("producer")
    victim.wait()
    _start(stage)


def _start(stage: _Stage) -> None:
    stage.started += 1
    spec = {
        "logging": _configuration(stage.handler, stage.live),
        "notes": str(stage.notes),
        "writer": f"process-{stage.started}",
        "seconds": max(0.0, stage.end - time.monotonic()),
    }
    command = [sys.executable, "-P", "-m", "logboom.demo.producer", json.dumps(spec)]
    environment = {name: value for name, value in os.environ.items() if name not in UNSET}
    stage.producers.append(
        subprocess.Popen(command, env=environment, stdout=stage.complaints, stderr=stage.complaints)
    )


def _configuration(handler: str, live: Path) -> dict[str, Any]:
    file = {"class": handler, "filename": str(live), "maxBytes": MAX_BYTES, "backupCount": BACKUP_COUNT}
    return {
        "version": 1,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(process)d %(message)s"}},
        "handlers": {"file": {**file, "formatter": "plain"}},
        "root": {"handlers": ["file"], "level": "INFO"},
    }


def _clear(stage: _Stage) -> None:
    for producer in stage.producers:
        if producer.poll() is None:
            producer.kill()
        producer.wait()
    stop_collector(stage.live)
