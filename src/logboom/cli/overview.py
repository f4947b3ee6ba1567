"""The state of one spool, as values.

Owns: putting together what the journal, the checkpoint and the collector say; the fields of
`logboom status --json`. Never knows: text, terminals, arguments.

A collector lives only when it listens at the doorbell; what it said of itself before is history. What
waits is counted in the journal, against the checkpoint, so it is true with a collector and without.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom import platform
from logboom.journal.survey import Stream, survey
from logboom.journal.target import Target
from logboom.spool.checkpoint import Counts, Recorded, read_recorded
from logboom.spool.directory import Spool, homes_in
from logboom.spool.launch import DOORBELL, collector_lives, read_status
from logboom.spool.status import LOG

__all__ = ["last_lines", "overview"]

_QUOTED: Final = 5
_TOTALS: Final = ("written", "dropped", "late", "damaged", "rewritten")


def overview(spool: Path) -> dict[str, Any]:
    """Everything that `logboom status` shows. Changes nothing."""
    lives = _lives(spool)
    said = _said(spool)
    recorded, trouble = _recorded(spool, said)
    others = {home: _recorded(home, _said(home))[0] for home in homes_in(spool)[1:]}
    streams = survey(Spool(spool), recorded.positions, {home: one.positions for home, one in others.items()})
    producers = [_producer(stream, said) for stream in streams if _counts(stream)]
    oldest = min((s.oldest for s in streams if s.oldest is not None), default=None)
    totals = _totals(recorded, said)
    for home, one in others.items():
        theirs = _said(home)
        totals |= _totals(one, theirs)
        said.sinks |= {key: sink | {"alive": bool(_lives(home))} for key, sink in theirs.sinks.items()}
        said.refused |= theirs.refused
    return {
        "spool": str(spool),
        "collector": _collector(said, lives),
        "producers": producers,
        "sinks": _sinks(spool, recorded, said, streams),
        "refused": said.refused,
        "pending_bytes": sum(stream.waiting for stream in streams),
        "lag": 0.0 if oldest is None else max(0.0, time.time() - oldest),
        **{name: sum(getattr(one, name) for one in totals.values()) for name in _TOTALS},
        "dropped": sum(one.dropped for one in totals.values()) + sum(one.dropped for one in streams),
        "trouble": trouble or (said.collector.trouble if lives else ""),
        "collector_log": last_lines(spool / LOG),
    }


def _lives(spool: Path) -> bool | None:
    """Whether a collector listens; None where this user is not permitted to know."""
    if collector_lives(spool, b""):
        return True
    return False if platform.may_ring(spool / DOORBELL) else None


class _Collector(msgspec.Struct):
    pid: int | None = None
    since: float | None = None
    version: str | None = None
    trouble: str = ""


class _Producer(msgspec.Struct):
    producer: str
    position: int = 0
    dropped: int = 0


class _Sink(msgspec.Struct):
    path: str = ""
    size: int | None = None
    rotations: int | None = 0
    unrotated: str | None = ""
    connected: bool | None = None
    trouble: str | None = ""


class _Said(msgspec.Struct):
    """`status.json`, as far as it has the shape that it should have: anybody may have written there."""

    collector: _Collector = msgspec.field(default_factory=_Collector)
    producers: list[_Producer] = []
    sinks: dict[str, dict[str, Any]] = {}
    refused: dict[str, str] = {}
    totals: dict[str, Counts] = {}


def _said(spool: Path) -> _Said:
    said, values = _Said(), read_status(spool)
    for field in msgspec.structs.fields(_Said):
        with contextlib.suppress(msgspec.ValidationError):
            setattr(
                said, field.name, msgspec.convert(values.get(field.name, field.default_factory()), field.type)
            )
    said.sinks = {key: values for key, values in said.sinks.items() if _is_sink(values)}
    return said


def _is_sink(values: dict[str, Any]) -> bool:
    try:
        msgspec.convert(values, _Sink)
    except msgspec.ValidationError:
        return False
    return True


def _counts(stream: Stream) -> bool:
    return stream.alive or stream.waiting > 0 or bool(stream.trouble)


def _collector(said: _Said, lives: bool | None) -> dict[str, Any]:
    values = said.collector if lives else _Collector()
    return {"alive": lives, "pid": values.pid, "since": values.since, "version": values.version}


def _recorded(spool: Path, said: _Said) -> tuple[Recorded, str]:
    """What is delivered: by the checkpoint, or for who may not read it, by the collector's last word."""
    try:
        return read_recorded(spool), ""
    except OSError as error:
        positions = {one.producer: one.position for one in said.producers}
        return Recorded(positions, {}, {}), f"cannot read the checkpoint: {error.strerror or error}"


def _producer(stream: Stream, said: _Said) -> dict[str, Any]:
    header = stream.header
    known = next((one for one in said.producers if one.producer == stream.producer), _Producer(""))
    return {
        "producer": stream.producer,
        "pid": None if header is None else header.pid,
        "host": "" if header is None else header.host,
        "program": "" if header is None else header.program,
        "version": "" if header is None else header.version,
        "file": "" if header is None else header.target.name,
        "journal": None if header is None else "mapped" if header.mapped else "written",
        "alive": stream.alive,
        "waiting": stream.waiting,
        "dropped": known.dropped + stream.dropped,
        "trouble": stream.trouble,
    }


def _totals(recorded: Recorded, said: _Said) -> dict[str, Counts]:
    """By target; a count never falls, so the larger of the two is the newer one."""
    totals = {key: msgspec.structs.replace(counts) for key, counts in recorded.counts.items()}
    for key, values in said.totals.items():
        counts = totals.setdefault(key, Counts())
        for name in _TOTALS:
            setattr(counts, name, max(getattr(counts, name), getattr(values, name)))
    return totals


def _sinks(spool: Path, recorded: Recorded, said: _Said, streams: list[Stream]) -> dict[str, Any]:
    known = {key: target for key, target in recorded.targets.items() if isinstance(target, Target)}
    return {
        key: said.sinks.get(key, {}) | _file(target.path(spool)) | {"differing": _differing(target, streams)}
        for key, target in known.items()
    } | {key: values for key, values in said.sinks.items() if key not in known}


def _differing(target: Target, streams: list[Stream]) -> list[int]:
    """Pids of the living programs that ask for other settings of this file than those in force."""
    headers = [stream.header for stream in streams if stream.alive and stream.header is not None]
    settings = target.settings()
    return sorted(
        {one.pid for one in headers if one.target.key == target.key and one.target.settings() != settings}
    )


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
