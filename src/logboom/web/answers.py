"""What the operations of the API answer. Runs in a worker process, which may be ended at any moment."""

from __future__ import annotations

import io
import json
import math
import os
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from logboom.errors import LogboomError
from logboom.logset.names import LogSet, files_of, sets_at
from logboom.logset.record import ABSENT, UNKNOWN, Missing, Record, level_name
from logboom.query.asking import Asked, ask, find_mark, marks_of
from logboom.query.changes import compare
from logboom.query.language import LEVELS, And, level_number
from logboom.query.matching import Matcher, Window
from logboom.query.patterns import Pattern, Patterns, message_of
from logboom.query.search import Search
from logboom.query.statistics import count_by, statistics
from logboom.query.table import write_csv, write_jsonl
from logboom.query.times import moment, span

__all__ = ["CLIPPED", "NotThere", "Sets", "as_json", "perform", "question_of", "short"]

CLIPPED: Final = 4096
_TOP: Final = 12
_GROUPED: Final = 200_000
_IDS: Final = (
    "trace_id",
    "traceId",
    "trace",
    "otelTraceID",
    "request_id",
    "requestId",
    "request",
    "correlation_id",
)


class NotThere(LogboomError):  # noqa: N818 - as the sentence reads
    """A record, a set or a mark that is not there (any more)."""


class Sets:
    """The log sets that the page was given, with names that tell them apart.

    Attributes:
        chosen: those that are asked for.
    """

    def __init__(self, places: Iterable[str], wanted: Iterable[str] = ()) -> None:
        found: dict[LogSet, None] = {}
        for place in places:
            try:
                found.update(dict.fromkeys(sets_at(Path(place))))
            except LogboomError:  # nothing was logged there yet
                continue
        self.names = dict(zip(_named([one.path for one in found]), found, strict=True))
        wanted = list(wanted)
        missing = next((name for name in wanted if name not in self.names), None)
        if missing is not None:
            raise NotThere(f"There is no log set {missing}")
        self.chosen = {name: one for name, one in self.names.items() if not wanted or name in wanted}

    @property
    def shown(self) -> list[str]:
        return list(self.chosen)

    @property
    def paths(self) -> list[Path]:
        return [one.path for one in self.chosen.values()]


def _named(paths: list[Path]) -> list[str]:
    """The shortest ends of paths that differ."""
    depth = 1
    longest = max((len(path.parts) for path in paths), default=0)
    while True:
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names) or depth > longest:
            return names
        depth += 1


def perform(job: dict[str, Any]) -> Iterator[tuple[bytes, Any]]:
    """The parts of an answer: `(b"R", the answer)`, or `(b"D", text)` many times.

    Raises:
        LogboomError, OSError: it cannot be given.
    """
    if job["do"] == "sets":
        yield b"R", _sets(job)
        return
    if job["do"] == "record":
        yield b"R", _record(job)
        return
    sets = Sets(job["places"], job["set"])
    with _Question(sets, job) as question:
        if job["do"] == "export":
            yield from _export(job, question)
        else:
            yield b"R", _ANSWERS[job["do"]](job, question, sets)


class _Question:
    """`ask` for a job; its views are closed behind the block."""

    def __init__(self, sets: Sets, job: dict[str, Any]) -> None:
        if not sets.chosen:
            raise NotThere("No log file is here yet")
        self._asked = question_of(sets, job)

    def __enter__(self) -> Asked:
        return self._asked

    def __exit__(self, *_: object) -> None:
        self._asked.close()


def question_of(sets: Sets, job: dict[str, Any], *, pending: bool = True) -> Asked:
    try:
        return ask(
            job["q"], sets.paths, since=job["since"] or None, until=job["until"] or None, pending=pending
        )
    except LogboomError as error:
        if str(error).startswith("--"):  # named as the command's options
            raise LogboomError(str(error)[2:]) from None
        raise


# --- records ---


def id_of(record: Record, names: list[str]) -> str:
    """Names a record for as long as it is there: neither a rotation nor compression changes it."""
    place = record.position & ((1 << 44) - 1)
    return f"{record.time!r}~{short(names[record.set])}~{place:x}~{zlib.crc32(record.text):08x}"


def short(name: str) -> str:
    return f"{zlib.crc32(name.encode('utf-8', 'surrogateescape')):08x}"


def _read_id(text: str) -> tuple[float, str, str, str]:
    parts = text.split("~")
    try:
        when = float(parts[0])
        if len(parts) != 4 or not math.isfinite(when):
            raise ValueError
    except ValueError:
        raise NotThere("That is no id of a record") from None
    return when, parts[1], parts[2], parts[3]


def _is_it(record: Record, names: list[str], wanted: tuple[float, str, str, str], *, moved: bool) -> bool:
    """Return True if the record has the id; `moved`: it was pending when it got it."""
    when, name, place, text = wanted
    return (
        record.time == when
        and short(names[record.set]) == name
        and f"{zlib.crc32(record.text):08x}" == text
        and (moved or f"{record.position & ((1 << 44) - 1):x}" == place)
    )


def _index_of(records: list[Record], names: list[str], wanted: tuple[float, str, str, str]) -> int | None:
    for moved in (False, True):
        for index, record in enumerate(records):
            if _is_it(record, names, wanted, moved=moved):
                return index
    return None


def as_json(record: Record, names: list[str]) -> dict[str, Any]:
    """A record as a row of the page shows it; a long one is clipped."""
    text = record.text
    message = record.get("message") if len(text) < 1 << 20 else None
    if isinstance(message, str):
        lines = text.count(b"\n") + message.count("\n") * record.kind.layout.open
        shown = message.split("\n", 1)[0]
    else:
        lines = text.count(b"\n")
        shown = text[: CLIPPED + 4].split(b"\n", 1)[0].decode("utf-8", "replace")
    name = record.kind.level_name or _known(record, "level")
    process, program, logger = (_known(record, field) for field in ("process", "program", "logger"))
    return {
        "id": id_of(record, names),
        "time": record.time,
        "level": None if name is None else str(name)[:100],
        "severity": record.kind.level if record.kind.level is not None else level_number(str(name or "")),
        "logger": None if logger is None else str(logger)[:300],
        "process": process if isinstance(process, int) else None,
        "program": None if program is None else str(program)[:300],
        "set": names[record.set],
        "message": shown[:CLIPPED],
        "lines": lines,
        "clipped": len(shown) > CLIPPED,
    }


def _known(record: Record, field: str) -> Any:
    value = record.get(field)
    return None if isinstance(value, Missing) else value


def _within(question: Asked, first: float, last: float) -> Search:
    bounds: Any = Window(first, last)
    return Search(question.views, Matcher(And((question.matcher.tree, bounds))))


def _records(job: dict[str, Any], question: Asked, sets: Sets) -> dict[str, Any]:
    names, limit = sets.shown, job["limit"]
    more_before = more_after = False
    if job["around"]:
        wanted = _read_id(job["around"])
        half = max(limit // 2, 1)
        earlier, more_before = _before(question, names, wanted, half)
        later, more_after = _after(question, names, wanted, half)
        found = [*earlier, *_find(question, names, wanted), *later]
    elif job["before"]:
        found, more_before = _before(question, names, _read_id(job["before"]), limit)
        more_after = True
    elif job["after"]:
        found, more_after = _after(question, names, _read_id(job["after"]), limit)
        more_before = True
    else:
        found = question.search.last_hits(limit + 1)
        more_before, found = len(found) > limit, found[-limit:]
    if not found and not (job["before"] or job["after"]):
        question.check_unseen()
    return {
        "records": [as_json(record, names) for record in found],
        "more_before": more_before,
        "more_after": more_after,
        "notes": question.notes,
    }


def _before(
    question: Asked, names: list[str], wanted: tuple[float, str, str, str], limit: int
) -> tuple[list[Record], bool]:
    search = _within(question, -math.inf, math.nextafter(wanted[0], math.inf))
    most = limit + 100
    while True:
        found = search.last_hits(most)
        index = _index_of(found, names, wanted)
        if index is None:
            index = sum(record.time < wanted[0] for record in found)
        if index > limit or len(found) < most:
            return found[max(index - limit, 0) : index], index > limit
        most *= 4


def _after(
    question: Asked, names: list[str], wanted: tuple[float, str, str, str], limit: int
) -> tuple[list[Record], bool]:
    hits = _within(question, wanted[0], math.inf).hits()
    same: list[Record] = []
    later: list[Record] = []
    for record in hits:
        if record.time > wanted[0]:
            later.append(record)
            break
        same.append(record)
    index = _index_of(same, names, wanted)
    found = same[index + 1 :] if index is not None else same
    found += later
    found += islice(hits, max(limit + 1 - len(found), 0))
    return found[:limit], len(found) > limit


def _find(question: Asked, names: list[str], wanted: tuple[float, str, str, str]) -> list[Record]:
    window = Window(wanted[0], math.nextafter(wanted[0], math.inf))
    same = list(Search(question.views, Matcher(window)).hits())
    index = _index_of(same, names, wanted)
    return [] if index is None else [same[index]]


def _record(job: dict[str, Any]) -> dict[str, Any]:
    wanted = _read_id(job["id"])
    sets = Sets(job["places"])
    one = next((name for name in sets.names if short(name) == wanted[1]), None)
    if one is None:
        raise NotThere("The log set of this record is not here any more")
    sets.chosen = {one: sets.names[one]}
    with _Question(sets, {"q": "", "since": "", "until": ""}) as question:
        found = _find(question, [one], wanted)
        if not found:
            raise NotThere("This record is not in the log any more: its file was probably rotated away")
        record, text = found[0], found[0].text
        shown = text[: job["most"]].decode("utf-8", "replace")
        values = record.values() if len(text) < 1 << 24 else {}
        return {
            "record": as_json(record, [one]),
            "text": shown,
            "size": len(text),
            "fields": [_field(name, value) for name, value in values.items() if name != "time"],
        }


def _field(name: str, value: Any) -> dict[str, Any]:
    """A field for people, and the query that finds its value; None where a query cannot."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    plain = isinstance(value, (str, int, float)) and not isinstance(value, bool) and len(text) <= 300
    only = f"{name}={_quoted(text)}" if plain and "\n" not in text and name.isascii() else None
    if name in ("level", "message"):
        only = only and only.replace("=", ":", 1) if name == "level" else only
    return {"name": name, "value": text[: 4 * CLIPPED], "only": only}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# --- counts ---


def _sets(job: dict[str, Any]) -> dict[str, Any]:
    sets = Sets(job["places"])
    listed = []
    for name, one in sets.names.items():
        files = [one.path.name] if one.alone else files_of(one.path.name, os.listdir(one.path.parent))
        size = 0
        for file in files:
            try:
                size += (one.path.parent / file).stat().st_size
            except OSError:
                continue
        listed.append({"name": name, "path": str(one.path), "files": len(files), "bytes": size})
    fields, levels, marks, notes = set[str](), set[str](), [], ["No log file is here yet"]
    if sets.chosen:
        with _Question(sets, {"q": "", "since": "", "until": ""}) as question:
            fields = question.names | {"level", "logger", "process", "program", "exc", "message", "time"}
            levels = {name.lower() for name in ("debug", "info", "warning", "error", "critical")}
            marks = [{"name": name, "time": when} for when, name in marks_of(question.views)[-100:]]
            notes = question.notes
    return {
        "sets": listed,
        "fields": sorted(fields),
        "levels": sorted(levels, key=lambda name: LEVELS[name]),
        "marks": marks,
        "notes": notes,
        "now": time.time(),
    }


def _overview(job: dict[str, Any], question: Asked, sets: Sets) -> dict[str, Any]:
    found = statistics(question.search, job["steps"])
    histogram = found.histogram
    per_set: Counter[str] = Counter()
    if len(question.views) > 1:
        for view, name in zip(question.views, sets.shown, strict=True):
            per_set[name] = Search([view], question.matcher).count()
    else:
        per_set[sets.shown[0]] = found.records
    return {
        "records": found.records,
        "first": None if math.isnan(found.first) else found.first,
        "last": None if math.isnan(found.last) else found.last,
        "start": histogram.start,
        "step": histogram.step,
        "counts": [dict(one) for one in histogram.counts],
        "levels": _values(found.levels),
        "loggers": _values(found.loggers, _TOP),
        "programs": _values(found.programs, _TOP),
        "sets": _values(per_set),
    }


def _values(counts: Counter[Any], most: int | None = None) -> list[dict[str, Any]]:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], str(one[0])))[:most]
    return [{"value": _shown(value), "records": count} for value, count in ordered if count]


def _shown(value: Any) -> str | None:
    """A value as a facet shows it; None where records have none, or it is not known."""
    return None if value in (ABSENT, UNKNOWN, "") else str(value)[:1000]


def _facet(job: dict[str, Any], question: Asked, sets: Sets) -> dict[str, Any]:
    counts = count_by(question.search, job["field"])
    merged: Counter[Any] = Counter()
    for value, count in counts.items():
        merged[_shown(value)] += count
    part = job["search"].lower()
    listed = Counter({value: count for value, count in merged.items() if part in (value or "").lower()})
    return {
        "field": job["field"],
        "total": merged.total(),
        "distinct": len(merged),
        "values": _values(listed, job["limit"]),
    }


# --- patterns ---


def _patterns(job: dict[str, Any], question: Asked, sets: Sets) -> dict[str, Any]:
    top = Patterns(question.search.hits()).top()
    return {
        "patterns": [_pattern(one, sets.shown) for one in top[: job["limit"]]],
        "distinct": len(top),
        "records": sum(one.records for one in top),
    }


def _pattern(one: Pattern, names: list[str]) -> dict[str, Any]:
    return {
        "text": one.text,
        "level": one.level,
        "logger": one.logger,
        "records": one.records,
        "first": one.first,
        "last": one.last,
        "example": as_json(one.example, names),
    }


def _changes(job: dict[str, Any], question: Asked, sets: Sets) -> dict[str, Any]:
    now = time.time()

    def marks(name: str) -> float | None:
        return find_mark(question.views, name)

    try:
        if job["before"] or job["after"]:
            one, other = (span(job[word], now, None, marks) for word in ("before", "after"))
        elif job["new_since"]:
            since = moment(job["new_since"], now, None, marks)
            one, other = (-math.inf, since), (since, math.inf)
        else:
            raise ValueError("Say since when (new_since), or which two windows (before and after)")
    except ValueError as error:
        raise LogboomError(str(error)) from None
    seconds, found = compare(question, one, other, now)
    listed = list(found)
    return {
        "changes": [
            {
                "change": change.what,
                "before": change.before,
                "after": change.after,
                "rate_before": change.before / seconds[0] * 3600,
                "rate_after": change.after / seconds[1] * 3600,
                "pattern": _pattern(change.pattern, sets.shown),
            }
            for change in listed[: job["limit"]]
        ],
        "before": [_finite(end) for end in one],
        "after": [_finite(end) for end in other],
        "total": len(listed),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _groups(job: dict[str, Any], question: Asked, sets: Sets) -> dict[str, Any]:
    field = job["field"] or next((name for name in _IDS if name in question.names), None)
    groups: dict[str, dict[str, Any]] = {}
    if field is not None:
        for record in question.search.last_hits(_GROUPED):
            value = record.get(field)
            if isinstance(value, Missing) or value is None or value == "":
                continue
            group = groups.setdefault(str(value)[:300], {"records": 0, "first": record.time, "severity": 0})
            if not group["records"]:
                group |= {"programs": set(), "level": None, "message": message_of(record)[:300]}
            group["records"] += 1
            group["last"] = record.time
            name, level = record.kind.level_name, record.kind.level or 0
            if group["level"] is None or level > group["severity"]:
                group |= {"level": name or level_name(level), "severity": level}
            if record.kind.program and len(group["programs"]) < 5:
                group["programs"].add(record.kind.program)
    latest = sorted(groups.items(), key=lambda one: -one[1]["last"])[: job["limit"]]
    return {
        "field": field,
        "groups": [{"value": value, **one, "programs": sorted(one["programs"])} for value, one in latest],
    }


def _export(job: dict[str, Any], question: Asked) -> Iterator[tuple[bytes, str]]:
    names = [view.path.name for view in question.views]
    hits = question.search.hits()
    first = True
    while some := list(islice(hits, 500)):
        out = io.StringIO(newline="")
        if job["format"] == "jsonl":
            write_jsonl(some, names, out)
        elif job["format"] == "csv":
            write_csv(some, names, out)
        else:
            out.writelines(record.text.decode("utf-8", "replace") + "\n" for record in some)
        text = out.getvalue()
        yield b"D", text if first or job["format"] != "csv" else text.split("\n", 1)[1]
        first = False


_ANSWERS: Final[dict[str, Callable[[dict[str, Any], Asked, Sets], dict[str, Any]]]] = {
    "records": _records,
    "overview": _overview,
    "facet": _facet,
    "patterns": _patterns,
    "changes": _changes,
    "groups": _groups,
}
