"""logboom's own keyword options, the same on every handler.

Owns: their names, defaults and validation. Never knows: how they are carried out.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, Literal, TypedDict

import msgspec

from logboom.errors import ConfigurationError
from logboom.journal.layout import SMALLEST_SEGMENT
from logboom.journal.target import parse_duration, parse_size

__all__ = ["Keywords", "Options", "parse_options"]

WhenFull = Literal["drop_newest", "drop_oldest", "block"]
CollectorMode = Literal["auto", "external", "off"]


class Keywords(TypedDict, total=False):
    """The keyword-only options of all handlers, as a user writes them."""

    compress: Literal["gzip", "zstd"] | None
    max_age: float | str | None
    max_total_size: int | str | None
    file_mode: int | str | None
    spool: str | os.PathLike[str] | None
    spool_max_size: int | str
    when_full: WhenFull
    block_timeout: float | str
    fsync_level: int | str | None
    collector: CollectorMode
    linger: float | str
    flush_timeout: float | str
    close_timeout: float | str
    control_characters: Literal["escape", "raw"]
    names: str | None


class Options(msgspec.Struct, frozen=True):
    """The options, validated. Sizes are bytes, times are seconds.

    Attributes:
        compress: codec of rotated files; the newest backup stays plain.
        max_age: age at which rotated files are deleted.
        max_total_size: size of all rotated files beyond which the oldest are deleted.
        file_mode: permission bits of the log files; None follows the umask.
        spool: directory of the journal; None is `.logboom` beside the log file.
        spool_max_size: quota of the journal; at most a tenth of its disk.
        when_full: what happens at the quota.
        block_timeout: longest wait of a log call under `when_full="block"`.
        fsync_level: records from this level on are synced to disk before the call returns.
        collector: `auto` starts one, `external` expects one, `off` collects in the process.
        linger: how long a collector stays without producers.
        flush_timeout: longest wait of `flush()`.
        close_timeout: longest wait of all handlers together at the end of a program.
        raw: control characters go to the file as they are.
        names: template of the backups' names; None is the standard library's.
    """

    compress: Literal["gzip", "zstd"] | None = None
    max_age: float | None = None
    max_total_size: int | None = None
    file_mode: int | None = None
    spool: Path | None = None
    spool_max_size: int = 10**9
    when_full: WhenFull = "drop_newest"
    block_timeout: float = 1.0
    fsync_level: int | None = None
    collector: CollectorMode = "auto"
    linger: float = 5.0
    flush_timeout: float = 1.0
    close_timeout: float = 2.0
    raw: bool = False
    names: str | None = None

    @property
    def starts_collector(self) -> bool:
        """Whether a collector is started when none runs."""
        return self.collector == "auto"


_SIZES = frozenset(("max_total_size", "spool_max_size"))
_TIMES = frozenset(("max_age", "block_timeout", "linger", "flush_timeout", "close_timeout"))
_CHOICES: dict[str, tuple[object, ...]] = {
    "compress": (None, "gzip", "zstd"),
    "when_full": ("drop_newest", "drop_oldest", "block"),
    "collector": ("auto", "external", "off"),
    "control_characters": ("escape", "raw"),
}


def parse_options(keywords: Keywords) -> Options:
    """Validate what a user wrote.

    Raises:
        ConfigurationError: an unknown option, or a value that cannot work; says what to use.
    """
    given: dict[str, Any] = dict(keywords)
    unknown = sorted(set(given) - Keywords.__optional_keys__)
    if unknown:
        raise ConfigurationError(
            f"unknown option {unknown[0]!r}",
            hint=f"Options are {', '.join(sorted(Keywords.__optional_keys__))}",
        )
    for name, choices in _CHOICES.items():
        if name in given and given[name] not in choices:
            raise ConfigurationError(
                f"{name}={given[name]!r}", hint=f"Use one of {', '.join(map(repr, choices))}"
            )
    for name in (_SIZES & given.keys()) - {"max_total_size"} | (_TIMES & given.keys()) - {"max_age"}:
        if given[name] is None:
            raise ConfigurationError(f"{name}=None", hint="Leave it out for the default")
    for name in _SIZES & given.keys():
        if given[name] is not None:
            given[name] = parse_size(given[name], name)
    for name in _TIMES & given.keys():
        if given[name] is not None:
            given[name] = parse_duration(given[name], name)
    if given.get("spool_max_size", SMALLEST_SEGMENT) < SMALLEST_SEGMENT:
        raise ConfigurationError(
            f"spool_max_size={given['spool_max_size']} would drop every record",
            hint='Use 65536 (64 KiB) or more, such as "1 GB"',
        )
    return Options(**_convert(given))


def _convert(given: dict[str, Any]) -> dict[str, Any]:
    given["raw"] = given.pop("control_characters", "escape") == "raw"
    if given.get("fsync_level") is not None:
        given["fsync_level"] = _level(given["fsync_level"])
    if given.get("file_mode") is not None:
        given["file_mode"] = _mode(given["file_mode"])
    if given.get("spool") is not None:
        given["spool"] = _directory(given["spool"])
    if given.get("compress") == "zstd":
        _check_zstd()
    override = os.environ.get("LOGBOOM_COLLECTOR")
    if override:
        if override not in _CHOICES["collector"]:
            raise ConfigurationError(f"LOGBOOM_COLLECTOR={override!r}", hint="Use auto, external or off")
        given["collector"] = override
    return given


def _check_zstd() -> None:
    from importlib.util import find_spec

    if find_spec("zstandard") is None:
        raise ConfigurationError('compress="zstd" needs a package', hint="Run: pip install logboom[zstd]")


def _level(value: int | str) -> int:
    level = logging.getLevelName(value) if isinstance(value, str) else value
    if not isinstance(level, int) or isinstance(level, bool):
        raise ConfigurationError(
            f"fsync_level={value!r} is not a level", hint='Use a name such as "ERROR", or a number'
        )
    return level


def _directory(value: str | os.PathLike[str]) -> Path:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ConfigurationError(f"spool={value!r} is not a path", hint="Name a directory on a local disk")
    return Path(os.path.abspath(os.fsdecode(value)))


def _mode(value: int | str) -> int:
    try:
        mode = int(value, 8) if isinstance(value, str) else value
    except ValueError:
        mode = -1
    if type(mode) is not int:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise ConfigurationError(f"file_mode={value!r} is not a mode", hint='Use 0o640 or "0640"')
    return mode
