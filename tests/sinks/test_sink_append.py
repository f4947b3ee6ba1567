"""What is found of an append in a file that others write too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logboom.sinks.file.append import Found, Region, adapted, locate, newline_of, write_all

DATA = b"2026-11-22 10:00:00 one\n2026-11-22 10:00:00 two\n2026-11-22 10:00:01 three\n"
ONE, TWO = 24, 48


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (b"", Found(0)),
        (DATA, Found(len(DATA))),
        (DATA + b"theirs\n", Found(len(DATA))),
        (b"theirs\n" + DATA, Found(len(DATA))),
        (b"theirs\n" + DATA + b"more\n", Found(len(DATA))),
        (b"theirs\n", Found(0)),
        (DATA[:1], Found(1)),
        (DATA[:30], Found(30)),
        (DATA[:TWO], Found(TWO)),
        (DATA[:-1], Found(len(DATA) - 1)),
        (b"theirs\n" + DATA[:5], Found(5)),
        (b"theirs\n" + DATA[:30], Found(30)),
        (DATA[:ONE] + b"theirs\n", Found(ONE)),
        (DATA[:30] + b"theirs\n", Found(ONE, True)),
        (DATA[:30] + b"theirs", Found(ONE, True, True)),
        (b"theirs\n" + DATA[:30] + b"more\n", Found(ONE, True)),
        (DATA[:30] + b"theirs\n" + DATA[ONE:30], Found(30, True)),
        (DATA[:30] + b"theirs\n" + DATA[ONE:], Found(len(DATA), True)),
        (DATA[:30] + b"theirs\n" + DATA[ONE:] + b"more\n", Found(len(DATA), True)),
        (DATA[:30] + b"a\n" + DATA[ONE:60] + b"b\n" + DATA[TWO:], Found(len(DATA), True)),
    ],
)
def test_locate(written: bytes, found: Found) -> None:
    """Every interleaving of a cut append, other writers, and a recovery that was cut as well."""
    assert locate(written, DATA) == found


FOREIGN = st.lists(st.binary(max_size=30).map(lambda b: b"#" + b.replace(b"\n", b".") + b"\n"), max_size=3)


@settings(max_examples=300, deadline=None)
@given(
    lines=st.lists(st.integers(0, 10**6), min_size=1, max_size=12, unique=True),
    before=FOREIGN,
    after=FOREIGN,
    part=st.integers(0, 1000),
    again=st.integers(0, 1000),
)
def test_recovery_ends_with_every_line_once(
    lines: list[int], before: list[bytes], after: list[bytes], part: int, again: int
) -> None:
    """Cut, disturbed, recovered, cut, recovered: each line whole exactly once, others' bytes untouched."""
    data = b"".join(b"record %06d of ours\n" % number for number in lines)
    text = b"".join(before) + data[: part % (len(data) + 1)] + b"".join(after)
    for cut in (again, len(data) * 2):
        found = locate(text, data)
        missing = data[found.kept :]
        text += ((b"\n" if found.fresh_line else b"") + missing)[:cut] if missing else b""
    whole = text.split(b"\n")
    assert [line for line in whole if line in set(data.splitlines())] == data.splitlines()
    for line in before:
        assert line in text


def test_newlines_of_wide_encodings() -> None:
    """A line's start in UTF-16 is an even byte."""
    newline = newline_of("utf-16")
    data = "one\ntwo\u0a00\u0a0a\nthree\n".encode("utf-16-le")
    cut = len("one\ntwo\u0a00\u0a0a".encode("utf-16-le"))
    found = locate(data[:cut] + "theirs\n".encode("utf-16-le"), data, newline)
    assert found == Found(len("one\n".encode("utf-16-le")), True)
    assert newline_of("utf-8") == newline_of("no such codec") == b"\n"


def test_mark_of_the_encoding() -> None:
    """It stands at the beginning of a file, and nowhere else."""
    text = "x\n".encode("utf-16-le")
    assert adapted(text, 0, "utf-16") == b"\xff\xfe" + text
    assert adapted(b"\xff\xfe" + text, 0, "utf-16") == b"\xff\xfe" + text
    assert adapted(b"\xff\xfe" + text, 10, "utf-16") == text
    assert adapted(b"x\n", 0, "utf-8") == b"x\n"


def test_short_writes_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take less than it is given."""
    whole: Callable[..., Any] = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: whole(fd, bytes(data)[:3]))
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    write_all(fd, DATA)
    assert Region(fd, 0, 1000)[0:1000] == DATA
    os.close(fd)
