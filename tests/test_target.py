"""What users write in a configuration, and what it means: sizes, times, codecs, one file's settings."""

from __future__ import annotations

import codecs
import datetime
import os
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.errors import ConfigurationError
from logboom.journal.target import Rotation, Target, check_encoding, parse_duration, parse_size


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        (1.9, 1),
        ("512", 512),
        ("10 MB", 10_000_000),
        ("10MiB", 10 * 2**20),
        ("1.5 kb", 1500),
        (" 2 GiB ", 2 * 2**30),
        ("7 k", 7000),
        ("1 T", 10**12),
        ("3 B", 3),
    ],
)
def test_sizes_mean_what_they_say(written: Any, size: int) -> None:
    """`MB` is 10**6 and `MiB` is 2**20 wherever a size is configured."""
    assert parse_size(written, "maxBytes") == size


@pytest.mark.parametrize("written", [-1, True, None, "", "ten", "10 MBit", "-5", "1 EB", float("nan"), [1]])
def test_what_is_no_size_is_refused_by_name(written: Any) -> None:
    """The error must name the option: a `LOGGING` dictionary has many."""
    with pytest.raises(ConfigurationError, match=r"max_total_size=.* is not a size.*10 MB"):
        parse_size(written, "max_total_size")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0.25, 0.25),
        ("90", 90.0),
        ("200 ms", 0.2),
        ("90 s", 90.0),
        ("2 min", 120.0),
        ("3m", 180.0),
        ("1.5 h", 5400.0),
        ("7 d", 604_800.0),
        ("1 W", 604_800.0),
        (datetime.timedelta(minutes=2), 120.0),
    ],
)
def test_times_mean_what_they_say(written: Any, seconds: float) -> None:
    """Every unit of the reference is understood, a `timedelta` from a Python configuration too."""
    assert parse_duration(written, "max_age") == pytest.approx(seconds)


@pytest.mark.parametrize("written", [-1, False, None, "7 years", "d", "1 h 30 m", datetime.timedelta(-1), {}])
def test_what_is_no_time_is_refused_by_name(written: Any) -> None:
    """A limit that was understood otherwise than it was meant deletes logs."""
    with pytest.raises(ConfigurationError, match=r"max_age=.* is not a time.*7 d"):
        parse_duration(written, "max_age")


@pytest.mark.parametrize(
    ("encoding", "errors", "expected"),
    [
        (None, None, ("utf-8", "backslashreplace")),
        ("locale", None, ("utf-8", "backslashreplace")),
        (None, "strict", ("utf-8", "strict")),
        ("UTF8", None, ("utf-8", "strict")),
        ("latin-1", "replace", ("iso8859-1", "replace")),
    ],
)
def test_no_encoding_is_utf_8_whatever_the_locale(
    encoding: str | None, errors: str | None, expected: tuple[str, str]
) -> None:
    """Two processes with different locales must agree about one file; a named codec keeps its strictness."""
    assert check_encoding(encoding, errors) == expected


@pytest.mark.parametrize(
    ("encoding", "errors", "name"), [("nope", None, "encoding"), (None, "nope", "errors")]
)
def test_unknown_codecs_are_refused_at_once(encoding: str | None, errors: str | None, name: str) -> None:
    """The collector would meet it otherwise, where nobody looks."""
    with pytest.raises(ConfigurationError, match=f"{name}='nope'"):
        check_encoding(encoding, errors)


@pytest.mark.parametrize("encoding", ["rot13", "hex", "base64", "undefined", "idna", "a\ud800", "a\0"])
def test_a_codec_that_writes_no_text_is_refused_at_once(encoding: str) -> None:
    """The standard library refuses the first three as well; the others fail for every record."""
    with pytest.raises(ConfigurationError, match=r"encoding=.*codec for text"):
        check_encoding(encoding, None)


@pytest.fixture
def own_codec() -> Iterator[str]:
    """A program's own codec, which bears Latin-1's name inside, as a copy does."""

    def find(name: str) -> codecs.CodecInfo | None:
        return codecs.lookup("latin-1") if name == "applatin" else None

    codecs.register(find)
    yield "applatin"
    codecs.unregister(find)


def test_a_programs_own_codec_keeps_its_name(own_codec: str) -> None:
    """By another name it may be another codec, or none."""
    assert check_encoding(own_codec, None) == (own_codec, "strict")


def test_one_file_is_one_key() -> None:
    """Handlers that differ in everything but the file share it; another directory is another file."""
    plain = Target("app.log", configured=1.0, mode="w")
    assert plain.key == Target("app.log", rotation=Rotation(max_bytes=5)).key
    assert plain.key != Target("app.log", directory="/elsewhere").key
    assert Target("app.log", directory="/elsewhere").key == os.path.normcase("/elsewhere/app.log")


@pytest.mark.parametrize(
    "change", [{"configured": 9.0}, {"mode": "w"}, {"delay": True}, {"umask_mode": 0o600}]
)
def test_what_differs_between_any_two_processes_is_no_conflict(change: dict[str, Any]) -> None:
    """Else every second process would be told that its settings differ."""
    target = Target("app.log")
    assert msgspec.structs.replace(target, **change).settings() == target.settings()


@pytest.mark.parametrize(
    "change",
    [{"rotation": Rotation(max_bytes=1)}, {"compress": "gzip"}, {"max_age": 1.0}, {"encoding": "latin-1"}],
)
def test_different_rotation_and_retention_are_a_conflict(change: dict[str, Any]) -> None:
    """That is what the newest process decides, and what is said once."""
    target = Target("app.log")
    assert msgspec.structs.replace(target, **change).settings() != target.settings()


_ROTATIONS = st.builds(
    Rotation,
    max_bytes=st.integers(0, 2**40),
    backup_count=st.integers(0, 1000),
    when=st.sampled_from([None, "S", "MIDNIGHT", "W6"]),
    utc=st.booleans(),
)
_TARGETS = st.builds(
    Target,
    st.text(min_size=1),
    directory=st.none() | st.text(),
    rotation=_ROTATIONS,
    compress=st.sampled_from([None, "gzip", "zstd"]),
    max_age=st.none() | st.floats(0, 1e9),
    file_mode=st.none() | st.integers(0, 0o777),
)


@given(_TARGETS)
def test_a_target_survives_the_header(target: Target) -> None:
    """It travels in the first line of each segment to a process that knows nothing else."""
    assert msgspec.json.decode(msgspec.json.encode(target), type=Target) == target


def test_a_field_of_a_later_release_does_no_harm() -> None:
    """Two releases share a spool while an upgrade is rolled out."""
    assert msgspec.json.decode(b'{"name":"app.log","tomorrow":[1]}', type=Target) == Target("app.log")
