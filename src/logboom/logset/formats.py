"""Formats of text that nothing states: recognised by the look of a file's first lines.

A format finds the heads of records; what stands between two heads belongs to the first. It makes of a head
a time, a level, a logger, a process and fields. The time of a line without one is the preceding record's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from logboom.errors import LogboomError
from logboom.logset.layouts import JSON_TIMES, flat
from logboom.logset.record import Kind
from logboom.records import template

__all__ = ["LEVEL_NAMES", "Format", "Line", "load_format", "recognise", "times_of"]

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
LEVEL_NAMES: Final = {
    b"trace": 5,
    b"debug": 10,
    b"info": 20,
    b"notice": 25,
    b"warn": 30,
    b"warning": 30,
    b"err": 40,
    b"error": 40,
    b"severe": 40,
    b"crit": 50,
    b"critical": 50,
    b"fatal": 50,
    b"alert": 55,
    b"emerg": 60,
    b"panic": 60,
}
_WORDS: Final = (
    rb"TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|SEVERE|CRIT(?:ICAL)?|FATAL|ALERT|EMERG|PANIC"
)
_SYSLOG: Final = (60, 55, 50, 40, 30, 25, 20, 10)  # by severity
_ISO: Final = (
    rb"(?P<date>\d{4}-\d\d-\d\d)[T ](?P<clock>\d\d:\d\d:\d\d)(?:[.,](?P<part>\d{1,9}))?"
    rb"(?:[ ]?(?P<zone>Z|UTC|[+-]\d\d:?\d\d)(?![\d.]))?"
)
_APACHE: Final = (
    rb"(?P<day>\d\d)/(?P<month>[A-Z][a-z][a-z])/(?P<year>\d{4})[: ]"
    rb"(?P<clock>\d\d:\d\d:\d\d)(?: (?P<zone>[+-]\d{4}))?"
)
_BSD: Final = rb"(?P<month>[A-Z][a-z][a-z]) +(?P<day>\d{1,2}) (?P<clock>\d\d:\d\d:\d\d)"
_REQUEST: Final = (
    rb'"(?:(?P<method>[A-Z]+) (?P<path>\S+)(?: (?P<protocol>[A-Z]+/[\d.]+))?|[^"]*)" '
    rb"(?P<status>\d{3}) (?P<size>\d+|-)"
)
_SAMPLE: Final = 200
_decode = msgspec.json.Decoder().decode


class Line(NamedTuple):
    """What a head says.

    Attributes:
        time: seconds, or None.
        level, level_name, logger, process: as far as it says them.
    """

    time: float | None
    level: int | None = None
    level_name: str | None = None
    logger: str | None = None
    process: int | None = None


class Clock:
    """Local times of one file, in its order: where an hour comes twice, the one that does not go back."""

    def __init__(self, zone: tzinfo | None, year: int) -> None:
        self.zone = zone
        self.year = year
        self.last = float("-inf")
        self._month = 0
        self._seconds: dict[bytes, tuple[float, float]] = {}

    def moment(self, date: bytes, clock: bytes, part: bytes | None, zone: bytes | None) -> float | None:
        """The time of `2026-11-22`, `10:00:00`, digits behind the point, a zone."""
        key = date + clock + (zone or b"")
        both = self._seconds.get(key)
        if both is None:
            if len(self._seconds) > 10_000:
                self._seconds.clear()
            try:
                both = self._seconds[key] = self._both(date, clock, zone)
            except (ValueError, OverflowError, OSError):
                return None
        fraction = float(b"0." + part) if part else 0.0
        time = both[0] + fraction
        if both[1] != both[0] and time < self.last:
            time = both[1] + fraction
        self.last = max(self.last, time)
        return time

    def without_year(self, month: int, day: bytes, clock: bytes) -> float | None:
        """A time of syslog's, in the year that the lines before it have come to."""
        if self._month and month < self._month - 6:
            self.year += 1
        elif self._month and month > self._month + 6:
            return self.moment(b"%d-%02d-%02d" % (self.year - 1, month, int(day)), clock, None, None)
        self._month = month
        return self.moment(b"%04d-%02d-%02d" % (self.year, month, int(day)), clock, None, None)

    def _both(self, date: bytes, clock: bytes, zone: bytes | None) -> tuple[float, float]:
        shown = datetime.fromisoformat(f"{date.decode()}T{clock.decode()}")
        if zone:
            time = shown.replace(tzinfo=_offset(zone)).timestamp()
            return time, time
        shown = shown.replace(tzinfo=self.zone)
        return shown.timestamp(), shown.replace(fold=1).timestamp()


def _offset(zone: bytes) -> tzinfo:
    if zone in (b"Z", b"UTC"):
        return UTC
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    delta = timedelta(hours=hours, minutes=minutes)
    return timezone(-delta if zone[:1] == b"-" else delta)


Reader = Callable[[Clock, re.Match[bytes]], Line]


class Format:
    """One way to write records.

    Args:
        name: for people.
        head: what the first line of a record looks like, from the line's start.
        read: head -> `Line`.
        many: a record may have further lines (a traceback); else each line is one.
    """

    open = False
    guessed = True
    encoding = "utf-8"

    def __init__(
        self,
        name: str,
        head: bytes,
        read: Reader,
        *,
        many: bool = True,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._head = head
        self.read = read
        self.many = many
        self._rename = dict(fields or {})

    @cached_property
    def head(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?m:^)" + self._head)

    @cached_property
    def fields(self) -> set[str]:
        return {self._rename.get(group, group) for group in self._groups}

    @cached_property
    def _groups(self) -> list[str]:
        return [group for group in self.head.groupindex if group not in _TIME_GROUPS and group != "level"]

    def extract(self, text: bytes, kind: Kind) -> Mapping[str, Any]:
        match = self.head.match(text)
        if match is None:
            return {}
        out: dict[str, Any] = {}
        for group in self._groups:
            value = match[group]
            if value is not None and value != b"-":
                out[self._rename.get(group, group)] = _value(value)
        return out


class JsonLines(Format):
    """One object a line."""

    open = True

    def __init__(self) -> None:
        super().__init__("JSON Lines", rb"\{[^\n]*", self._read, many=False)
        self.fields = {"message", "level", "logger"}

    def extract(self, text: bytes, kind: Kind) -> Mapping[str, Any]:
        try:
            value = _decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return {}
        if not isinstance(value, dict):
            return {}
        out = flat(value)
        self.fields.update(out)
        return out

    def _read(self, clock: Clock, match: re.Match[bytes]) -> Line:
        try:
            value = _decode(match[0])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return Line(None)
        if not isinstance(value, dict):
            return Line(None)
        out = flat(value)
        time = next((t for name in JSON_TIMES if (t := _json_time(out.get(name), clock)) is not None), None)
        level, name = _json_level(out.get("level"), out.get("levelno"))
        logger, process = out.get("logger"), out.get("process")
        return Line(
            time,
            level,
            name,
            logger if isinstance(logger, str) else None,
            process if isinstance(process, int) else None,
        )


_iso_time = cache(lambda: re.compile(_ISO))


def _json_time(value: Any, clock: Clock) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        for unit in (1.0, 1e3, 1e6, 1e9):
            if 1e8 < value / unit < 1e10:
                return float(value / unit)
        return float(value)
    if isinstance(value, str):
        match = _iso_time().match(value.encode("utf-8", "replace"))
        if match is not None:
            return clock.moment(match["date"], match["clock"], match["part"], match["zone"])
    return None


def _json_level(value: Any, number: Any) -> tuple[int | None, str | None]:
    if isinstance(value, str):
        known = LEVEL_NAMES.get(value.lower().encode("utf-8", "replace"))
        if known is None and isinstance(number, int):
            known = number
        return known, value
    if isinstance(value, int) and not isinstance(value, bool):
        return value, None
    return (number, None) if isinstance(number, int) else (None, None)


def _value(raw: bytes) -> Any:
    text = raw.decode("utf-8", "surrogateescape")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 and text[0] != "0" else text


_TIME_GROUPS: Final = frozenset(("date", "clock", "part", "zone", "day", "month", "year", "priority", "time"))


def _group(match: re.Match[bytes], name: str) -> bytes | None:
    return match[name] if name in match.re.groupindex else None


def _time_of(clock: Clock, match: re.Match[bytes]) -> float | None:
    groups = match.re.groupindex
    if "date" in groups:
        return clock.moment(
            match["date"].replace(b"/", b"-"), match["clock"], _group(match, "part"), _group(match, "zone")
        )
    if "month" not in groups:
        return None
    month = _MONTHS.get(match["month"], 0)
    if not month:
        return None
    if "year" not in groups:
        return clock.without_year(month, match["day"], match["clock"])
    date = b"%s-%02d-%s" % (match["year"], month, match["day"])
    return clock.moment(date, match["clock"], None, _group(match, "zone"))


def _read_head(clock: Clock, match: re.Match[bytes]) -> Line:
    level, logger, process = _group(match, "level"), _group(match, "logger"), _group(match, "process")
    number = None if level is None else LEVEL_NAMES.get(level.lower())
    priority = _group(match, "priority")
    if number is None and priority is not None:
        number = _SYSLOG[int(priority) & 7]
    return Line(
        _time_of(clock, match),
        number,
        None if level is None else level.decode("ascii", "replace"),
        None if logger is None else logger.decode("utf-8", "replace"),
        None if process is None else int(process),
    )


_JSON: Final = JsonLines()
_FORMATS: Final = (
    _JSON,
    Format(
        "gunicorn's error log",
        rb"\[" + _ISO + rb"\] \[(?P<process>\d+)\] \[(?P<level>" + _WORDS + rb")\] ?(?P<message>[^\n]*)",
        _read_head,
    ),
    Format(
        "an access log (nginx, Apache, gunicorn)",
        rb"(?P<host>\S+) (?P<ident>\S+) (?P<user>\S+) \["
        + _APACHE
        + rb"\] "
        + _REQUEST
        + rb'(?: "(?P<referer>[^"]*)" "(?P<agent>[^"]*)")?[^\n]*',
        _read_head,
        many=False,
    ),
    Format(
        "nginx's error log",
        rb"(?P<date>\d{4}/\d\d/\d\d) (?P<clock>\d\d:\d\d:\d\d) \[(?P<level>[a-z]+)\] "
        rb"(?P<process>\d+)#(?P<thread>\d+): "
        rb"(?P<message>[^\n]*)",
        _read_head,
    ),
    Format(
        "Django's development server",
        rb"\[" + _APACHE + rb"\] (?:" + _REQUEST + rb")?(?P<message>[^\n]*)",
        _read_head,
    ),
    Format(
        "syslog (RFC 5424)",
        rb"<(?P<priority>\d{1,3})>1 "
        + _ISO
        + rb" (?P<host>\S+) (?P<program>\S+) (?P<pid>\S+) (?P<msgid>\S+) "
        rb"(?:-|\[.*?\]) ?(?P<message>[^\n]*)",
        _read_head,
        many=False,
    ),
    Format(
        "syslog",
        rb"(?:<(?P<priority>\d{1,3})>)?"
        + _BSD
        + rb" (?P<host>\S+) (?P<program>[^\s:\[]+)(?:\[(?P<process>\d+)\])?: ?(?P<message>[^\n]*)",
        _read_head,
        many=False,
    ),
    Format(
        "syslog (ISO times)",
        rb"(?:<(?P<priority>\d{1,3})>)?(?P<date>\d{4}-\d\d-\d\d)T(?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<part>\d{1,9}))?"
        rb"(?P<zone>Z|[+-]\d\d:?\d\d) (?P<host>\S+) (?P<program>[^\s:\[]+)"
        rb"(?:\[(?P<process>\d+)\])?: (?P<message>[^\n]*)",
        _read_head,
        many=False,
    ),
    Format(
        "a time, a level, a message",
        rb"\[?"
        + _ISO
        + rb"\]?(?:[ \t|:-]+(?:\[?(?P<level>"
        + _WORDS
        + rb")\]?(?=[\s:|\]-]|$)))[ \t|:-]*(?P<message>[^\n]*)",
        _read_head,
    ),
    Format(
        "a time, a logger, a level, a message",
        rb"\[?"
        + _ISO
        + rb"\]?[ \t|:-]+(?P<logger>[\w.]+)[ \t|:-]+\[?(?P<level>"
        + _WORDS
        + rb")\]?(?=[\s:|]|$)[ \t|:-]*(?P<message>[^\n]*)",
        _read_head,
    ),
    Format(
        "a level, a time, a message (Django)",
        rb"\[?(?P<level>" + _WORDS + rb")\]?[ \t:]+\[?" + _ISO + rb"\]? ?(?P<message>[^\n]*)",
        _read_head,
    ),
    Format("a time, a message", rb"\[?" + _ISO + rb"\]?[ \t]*(?P<message>[^\n]*)", _read_head),
    Format(
        "LEVEL:logger:message",
        rb"(?P<level>" + _WORDS + rb"):(?P<logger>[\w.]+):(?P<message>[^\n]*)",
        _read_head,
    ),
)
PLAIN: Final = Format("lines", rb"(?P<message>[^\n]*)", lambda clock, match: Line(None), many=False)


def recognise(sample: bytes, extra: Format | None = None) -> Format:
    """The format that most lines of a file's beginning have, and of two that fit alike the stricter one."""
    if extra is not None:
        return extra
    lines = sample.split(b"\n")[: _SAMPLE + 1]
    lines = [line for line in (lines[:-1] if len(lines) > 1 else lines) if line.strip()]
    if not lines:
        return PLAIN
    best, most = PLAIN, 0
    for one in _FORMATS:
        count = sum(one.head.match(line) is not None for line in lines)
        if one.name == "a time, a message" and count <= most * 1.25:
            continue
        if count > most:
            best, most = one, count
    return best if most * 20 >= len(lines) else PLAIN


def times_of(format: Format, text: bytes) -> Iterator[re.Match[bytes]]:
    """The heads in a text."""
    return format.head.finditer(text)


_STRPTIME: Final = "%Y-%m-%d %H:%M:%S,%f"


def load_format(path: Path) -> Format:
    """A format of one's own, from a TOML or JSON file.

    `pattern` is a regular expression with the groups `time`, `level`, `logger`, `process`, `message` and any
    others, or `format` is a format string of `logging` (`style` names its kind); `time` is a format of
    `strptime`; `name` is for people; `multiline = false` makes each line a record.

    Raises:
        LogboomError: it cannot be read, or makes no sense.
    """
    import json
    import tomllib

    try:
        raw = path.read_text("utf-8")
        data = json.loads(raw) if raw.lstrip().startswith("{") else tomllib.loads(raw)
    except (OSError, ValueError) as error:
        raise LogboomError(f"the format in {path} cannot be read: {error}") from None
    pattern = data.get("pattern")
    if pattern is None and isinstance(data.get("format"), str):
        pattern = _pattern_of(data["format"], data.get("style", "%"))
    if not isinstance(pattern, str):
        raise LogboomError(
            f"{path} has neither a pattern nor a format", hint='Write pattern = "(?P<time>...) ..."'
        )
    try:
        compiled = pattern.encode()
        re.compile(compiled)
        known = Format(
            str(data.get("name", path.name)),
            compiled,
            _own_reader(data.get("time", _STRPTIME)),
            many=bool(data.get("multiline", True)),
        )
    except re.error as error:
        raise LogboomError(f"the pattern in {path}: {error}") from None
    return known


def _pattern_of(fmt: str, style: str) -> str:
    parts = template.parse(fmt, style)
    if parts is None:
        raise LogboomError(f"the format string {fmt!r} cannot be taken apart")
    names = {"asctime": "time", "levelname": "level", "name": "logger"}
    pieces, seen = [], set()
    for index, part in enumerate(parts):
        pieces.append(re.escape(part.literal))
        if part.field:
            name = names.get(part.field, part.field)
            last = not any(one.field for one in parts[index + 1 :])
            body = r"\d+" if part.field in template.INT_FIELDS else "[^\\n]*" + ("" if last else "?")
            pieces.append(f"(?P<{name}>{body})" if name not in seen else body)
            pieces.append(" *" if part.spec else "")
            seen.add(name)
    return "".join(pieces)


def _own_reader(layout: str) -> Reader:
    zoned = "%z" in layout

    def read(clock: Clock, match: re.Match[bytes]) -> Line:
        line = _read_head(clock, match)
        text = _group(match, "time")
        if text is None:
            return line
        try:
            shown = datetime.strptime(text.decode("utf-8", "replace"), layout)
        except ValueError:
            return line
        if zoned or shown.tzinfo is not None:
            return line._replace(time=shown.timestamp())
        day, moment = shown.strftime("%Y-%m-%d").encode(), shown.strftime("%H:%M:%S").encode()
        return line._replace(time=clock.moment(day, moment, b"%06d" % shown.microsecond, None))

    return read
