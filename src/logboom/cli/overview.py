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

from logboom.cli.health import collector_pid, disk_trouble, hung, lives
from logboom.cli.terminal import age, plural
from logboom.journal.survey import Stream, survey
from logboom.journal.target import Target
from logboom.spool.checkpoint import Counts, Recorded, read_recorded
from logboom.spool.directory import Spool, homes_in
from logboom.spool.place import place
from logboom.spool.status import LOG, read_status

__all__ = ["last_lines", "overview"]

_QUOTED: Final = 5
_LATE: Final = 10.0
_TOTALS: Final = ("written", "dropped", "late", "damaged", "rewritten")


def overview(spool: Path) -> dict[str, Any]:
    """Everything that `logboom status` shows. Changes nothing."""
    alive = lives(spool)
    said = _said(spool)
    recorded, trouble = _recorded(spool, said)
    others = {home: _recorded(home, _said(home))[0] for home in homes_in(spool)[1:]}
    try:
        elsewhere = {home: one.positions for home, one in others.items()}
        streams = survey(Spool(spool), recorded.positions, elsewhere)
    except OSError as error:
        streams, trouble = [], trouble or f"cannot read the journal: {error.strerror or error}"
    unreadable = [stream.trouble for stream in streams if stream.unreadable]
    if unreadable and not trouble:
        trouble = f"{plural(len(unreadable), 'journal')} {unreadable[0]}: what is pending there is not known"
    producers = [_producer(stream, said) for stream in streams if _counts(stream)]
    oldest = min((s.oldest for s in streams if s.oldest is not None), default=None)
    totals = _totals(recorded, said)
    for home, one in others.items():
        theirs = _said(home)
        totals |= _totals(one, theirs)
        said.sinks |= {key: sink | {"alive": bool(lives(home))} for key, sink in theirs.sinks.items()}
        said.refused |= theirs.refused
    lag = 0.0 if oldest is None else max(0.0, time.time() - oldest)
    known = not unreadable and not trouble
    stuck = hung(spool) if alive else ""
    troubles = [f"the collector {stuck}" if stuck else "", *_disk(spool, recorded), trouble]
    if alive:
        troubles.append(said.collector.trouble)
        if lag > _LATE and not stuck:
            troubles.append(f"a collector runs, and the oldest record has been pending for {age(lag)}")
    troubles = list(filter(None, troubles))
    return {
        "spool": str(spool),
        "collector": _collector(spool, said, alive) | {"hung": stuck},
        "producers": producers,
        "sinks": _sinks(spool, recorded, said, streams),
        "refused": said.refused,
        "pending_bytes": sum(stream.waiting for stream in streams),
        "pending_known": known,
        "lag": lag,
        **{name: sum(getattr(one, name) for one in totals.values()) for name in _TOTALS},
        "dropped": sum(one.dropped for one in totals.values()) + sum(one.dropped for one in streams),
        "troubles": troubles,
        "trouble": "; ".join(troubles),
        "collector_log": last_lines(spool),
    }


def _disk(spool: Path, recorded: Recorded) -> list[str]:
    """Why nothing can be written to the spool or to a log."""
    files = [target for target in recorded.targets.values() if isinstance(target, Target)]
    places = {spool, *(target.path(spool).parent for target in files)}
    return list(dict.fromkeys(filter(None, map(disk_trouble, sorted(places)))))


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


def _collector(spool: Path, said: _Said, alive: bool | None) -> dict[str, Any]:
    values = said.collector if alive else _Collector()
    pid = values.pid or (collector_pid(spool) if alive else None)
    return {"alive": alive, "pid": pid, "since": values.since, "version": values.version}


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


def last_lines(spool: Path, count: int = _QUOTED) -> list[str]:
    """The last lines of the collector's log; none when it cannot be read."""
    try:
        lines = place(spool).read_end(LOG, 65_536).decode("utf-8", "backslashreplace").split("\n")
    except OSError:
        return []
    return [line for line in lines if line][-count:]
