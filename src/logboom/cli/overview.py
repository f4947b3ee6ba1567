"""The state of one spool, as values.

Owns: putting together what the journal, the checkpoint and the collector say; the fields of
`logboom status --json`. Never knows: text, terminals, arguments.

A collector lives only when it listens at the doorbell; what it said of itself before is history. What
waits is counted in the journal, against the checkpoint, so it is true with a collector and without.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom.collector.checkpoint import Counts, Recorded, read_recorded
from logboom.collector.status import LOG
from logboom.journal.spool import Spool
from logboom.journal.survey import Stream, survey
from logboom.launch import collector_lives, read_status
from logboom.target import Target

__all__ = ["last_lines", "overview"]

_QUOTED: Final = 5
_TOTALS: Final = ("written", "dropped", "late", "damaged", "rewritten")


def overview(spool: Path) -> dict[str, Any]:
    """Everything that `logboom status` shows. Changes nothing."""
    lives = collector_lives(spool, b"")
    said = read_status(spool)
    recorded, trouble = _recorded(spool)
    streams = survey(Spool(spool), recorded.positions)
    producers = [_producer(stream, said) for stream in streams if _counts(stream)]
    oldest = min((s.oldest for s in streams if s.oldest is not None), default=None)
    totals = _totals(recorded, said)
    return {
        "spool": str(spool),
        "collector": _collector(said, lives),
        "producers": producers,
        "sinks": _sinks(spool, recorded, said),
        "refused": said.get("refused", {}),
        "pending_bytes": sum(stream.waiting for stream in streams),
        "lag": 0.0 if oldest is None else max(0.0, time.time() - oldest),
        **{name: sum(getattr(one, name) for one in totals.values()) for name in _TOTALS},
        "dropped": sum(one.dropped for one in totals.values()) + sum(one.dropped for one in streams),
        "trouble": trouble,
        "collector_log": last_lines(spool / LOG),
    }


def _counts(stream: Stream) -> bool:
    return stream.alive or stream.waiting > 0 or bool(stream.trouble)


def _collector(said: dict[str, Any], lives: bool) -> dict[str, Any]:
    values = said.get("collector") or {}
    if not lives:
        values = {}
    return {"alive": lives, **{name: values.get(name) for name in ("pid", "since", "version")}}


def _recorded(spool: Path) -> tuple[Recorded, str]:
    try:
        return read_recorded(spool), ""
    except OSError as error:
        return Recorded({}, {}, {}), f"cannot read the checkpoint: {error.strerror or error}"


def _producer(stream: Stream, said: dict[str, Any]) -> dict[str, Any]:
    header = stream.header
    known: dict[str, Any] = next(
        (one for one in said.get("producers", ()) if one.get("producer") == stream.producer), {}
    )
    return {
        "producer": stream.producer,
        "pid": None if header is None else header.pid,
        "host": "" if header is None else header.host,
        "program": "" if header is None else header.program,
        "version": "" if header is None else header.version,
        "file": "" if header is None else header.target.name,
        "alive": stream.alive,
        "waiting": stream.waiting,
        "dropped": known.get("dropped", 0) + stream.dropped,
        "trouble": stream.trouble,
    }


def _totals(recorded: Recorded, said: dict[str, Any]) -> dict[str, Counts]:
    """By target; a count never falls, so the larger of the two is the newer one."""
    totals = {key: msgspec.structs.replace(counts) for key, counts in recorded.counts.items()}
    for key, values in said.get("totals", {}).items():
        counts = totals.setdefault(key, Counts())
        for name in _TOTALS:
            setattr(counts, name, max(getattr(counts, name), int(values.get(name, 0))))
    return totals


def _sinks(spool: Path, recorded: Recorded, said: dict[str, Any]) -> dict[str, Any]:
    sinks: dict[str, Any] = said.get("sinks", {})
    known = {key: _path_of(spool, target) for key, target in recorded.targets.items()}
    return {key: sinks.get(key, {}) | _file(path) for key, path in known.items()} | {
        key: values for key, values in sinks.items() if key not in known
    }


def _path_of(spool: Path, target: Target) -> Path:
    return (spool.parent if target.directory is None else Path(target.directory)) / target.name


def _file(path: Path) -> dict[str, Any]:
    """What is true of a log file now, whatever a collector said of it."""
    try:
        return {"path": str(path), "size": path.stat().st_size}
    except OSError:
        return {"path": str(path), "size": None}


def last_lines(path: Path, count: int = _QUOTED) -> list[str]:
    """The last lines of a text file; none when it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 65_536))
            lines = file.read().decode("utf-8", "backslashreplace").split("\n")
    except OSError:
        return []
    return [line for line in lines if line][-count:]
