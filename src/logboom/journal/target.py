"""What a stream asks for: what all sinks have in common, and the settings of each sink.

Units: sizes are bytes, times are seconds, unless a name says otherwise.
"""

from __future__ import annotations

import codecs
import datetime
import encodings
import math
import os
import re
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

from logboom.errors import ConfigurationError
from logboom.platform.patterns import later

__all__ = [
    "Asked",
    "Common",
    "Rotation",
    "Server",
    "StoredTarget",
    "Target",
    "parse_duration",
    "parse_size",
    "stored",
]

Compression = Literal["gzip", "zstd"]

_SIZE = later(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)\s*", re.IGNORECASE)
_SIZE_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE_UNITS |= {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_LARGEST = 2**53  # whatever a program asks for, its header can be written and read
_TRIAL = "2026-11-22 10:00:00,123 INFO a..b: paid\n"
_DURATION = later(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_DURATION_UNITS = {
    "": 1.0,
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}


class Rotation(msgspec.Struct, frozen=True, omit_defaults=True):
    """When the live file is rolled, and how many backups stay.

    Attributes:
        max_bytes: roll before the live file would reach this size; 0 never rolls by size.
        backup_count: how many rotated files stay (files, not days); 0 keeps all of a timed rotation,
            and means "never roll" for a rotation by size alone, as in the standard library.
        when: None, or the unit of a timed rotation in the standard library's letters
            (`S`, `M`, `H`, `D`, `MIDNIGHT`, `W0` to `W6`), upper case.
        interval: how many units; for `S`, `M`, `H`, `D`.
        at_time: seconds after midnight at which `MIDNIGHT` and `W0` to `W6` roll; None for the midnight at
            which the day ends: it is not named (0 is the one at which the weekday begins).
        utc: the schedule and the names are in UTC instead of local time.
        zone: the producer's `TZ` environment variable when it was configured, or an empty string for
            the machine's own zone (used when `utc` is false).
        names: template of the backups' names (`journal/names.py`); empty for the standard library's.
        keep_all: rolls by size without a count of backups, too: other options limit them.
    """

    max_bytes: int = 0
    backup_count: int = 0
    when: str | None = None
    interval: int = 1
    at_time: int | None = None
    utc: bool = False
    zone: str = ""
    keep_all: bool = False
    names: str = ""


class Common(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a stream says to each of its sinks.

    Attributes:
        configured: wall time in seconds when the handler was made; the newest configuration is in force.
        linger: seconds that a collector stays without producers.
        synced: some records are synced to disk, so the output is too, before a segment goes.
    """

    configured: float = 0.0
    linger: float = 5.0
    synced: bool = False

    def settings(self) -> dict[str, Any]:
        """The fields in which two configurations of one sink can be in conflict."""
        fields = msgspec.to_builtins(self)
        for volatile in ("configured", "mode", "delay", "umask_mode"):
            fields.pop(volatile, None)
        return dict(fields)


class Target(Common, frozen=True, omit_defaults=True):
    """The sink `file`: everything a collector needs to write one log set.

    Attributes:
        name: the live file's name: one path component.
        directory: absolute directory of the live file, or None for the spool's parent.
        mode: `a`, or `w`: the first producer of a run empties the file.
        encoding: codec of the file; the journal itself is always UTF-8.
        errors: error handler of the codec.
        rotation: when to roll.
        compress: codec of rotated files but the newest, or None.
        max_age: rotated files older than this many seconds are deleted; None keeps them.
        max_total_size: rotated files beyond this many bytes in total are deleted, oldest first.
        file_mode: permission bits of the log files, or None for 0o666 less the producer's umask,
            which is then in `umask_mode`.
        delay: the live file is made with the first record, not at configuration.
    """

    kind: ClassVar[str] = "file"

    name: str
    directory: str | None = None
    mode: str = "a"
    encoding: str = "utf-8"
    errors: str = "backslashreplace"
    rotation: Rotation = Rotation()
    compress: Compression | None = None
    max_age: float | None = None
    max_total_size: int | None = None
    file_mode: int | None = None
    umask_mode: int = 0o644
    delay: bool = False

    @property
    def key(self) -> str:
        """What tells the targets of one spool apart, however their file is spelled."""
        return os.path.normcase(self.name if self.directory is None else f"{self.directory}/{self.name}")

    def path(self, spool: Path) -> Path:
        """The log file that a spool's target names."""
        return (spool.parent if self.directory is None else Path(self.directory)) / self.name


class Server(Common, frozen=True, omit_defaults=True):
    """A sink that is no file, and may block: each has a collector process of its own.

    Attributes:
        kind: which sink it is (`sinks/kinds.py`): `push`, ...
        address: where the records go.
        options: the sink's own, as JSON values.
    """

    kind: str
    address: str
    options: dict[str, Any] = {}

    @property
    def key(self) -> str:
        """What tells the sinks of one spool apart."""
        return self.address

    @property
    def name(self) -> str:
        """How people know it."""
        return self.address


Asked: TypeAlias = Target | Server


class StoredTarget(Target, frozen=True, omit_defaults=True):
    """A target as it stands in headers and checkpoints.

    Format 1 had one struct for all: of a `PUSHHandler` the address is in `push`, and in `name` as well.
    """

    push: str = ""
    kind: str = "file"  # type: ignore[misc]
    address: str = ""
    options: dict[str, Any] = {}

    def asked(self) -> Asked:
        """The target that it stands for."""
        common = {name: getattr(self, name) for name in Common.__struct_fields__}
        if self.kind != "file" or self.push:
            kind = "push" if self.push else self.kind
            return Server(kind=kind, address=self.push or self.address, options=self.options, **common)
        return Target(**{name: getattr(self, name) for name in Target.__struct_fields__})


def stored(asked: Asked) -> StoredTarget:
    """`asked` as it is to stand in a file."""
    fields = {name: getattr(asked, name) for name in type(asked).__struct_fields__}
    if isinstance(asked, Target):
        return StoredTarget(**fields)
    old: dict[str, Any] = (
        {"name": asked.address, "push": asked.address} if asked.kind == "push" else {"name": ""}
    )
    return StoredTarget(**old, **fields)


def parse_size(value: int | float | str, option: str) -> int:
    """Bytes from a number or a string such as `"10 MB"` (10**6) or `"10 MiB"` (2**20).

    Raises:
        ConfigurationError: it is neither, or negative.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf:
        return min(int(value), _LARGEST)
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ConfigurationError(
            f"{option}={value!r} is not a size", hint='Use bytes or a string like "10 MB"'
        )
    return int(min(float(match[1]) * _SIZE_UNITS[match[2].lower().removesuffix("b")], _LARGEST))


def parse_duration(value: int | float | str | datetime.timedelta, option: str) -> float:
    """Seconds from a number, a `timedelta` or a string such as `"7 d"`, `"90 s"`, `"1.5 h"`.

    Raises:
        ConfigurationError: it is none of these, or negative.
    """
    if isinstance(value, datetime.timedelta):
        value = value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(min(value, _LARGEST))
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    unit = None if match is None else _DURATION_UNITS.get(match[2].lower())
    if match is None or unit is None:
        raise ConfigurationError(
            f"{option}={value!r} is not a time", hint='Use seconds or a string like "7 d"'
        )
    return min(float(match[1]) * unit, float(_LARGEST))


def _codec_name(encoding: str) -> str:
    """The name that every process knows the codec by; a program's own codec has only the one it gave.

    Raises:
        Exception: what the codec raises for a line that every codec of text takes.
    """
    _TRIAL.encode(encoding)
    known = encodings.search_function(encoding.lower()) is not None
    return codecs.lookup(encoding).name if known else encoding


def check_encoding(encoding: str | None, errors: str | None) -> tuple[str, str]:
    """The codec and its error handler: UTF-8 with `backslashreplace` when none is named.

    Raises:
        ConfigurationError: Python knows no such codec for text or no such error handler.
    """
    try:
        name = "utf-8" if encoding in (None, "locale") else _codec_name(str(encoding))
    except Exception as error:
        raise ConfigurationError(
            f"encoding={encoding!r}: {error}", hint="Use a codec for text that Python knows"
        ) from None
    if errors is None:
        errors = "backslashreplace" if encoding in (None, "locale") else "strict"
    try:
        codecs.lookup_error(errors)
    except (LookupError, UnicodeError) as error:
        raise ConfigurationError(
            f"errors={errors!r}: {error}", hint="Use an error handler of codecs"
        ) from None
    return name, errors
