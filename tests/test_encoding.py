"""Codecs and the escape rule."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.records.encoding import bom, encode_text, escape, has_controls

ANY = st.text(st.sampled_from("ab1 \n\r\x00\x1b\x85\u2028\u2029é\t[:{\x7f\x9f"), max_size=30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\rc\x00d", "a\\nb\\rc\\x00d"),
        ("\x1b[31m\x7f\x85\u2028\u2029", "\\x1b[31m\\x7f\\x85\\u2028\\u2029"),
        ("tab\tand nbsp\xa0 and \U0001f600\u200d", "tab\tand nbsp\xa0 and \U0001f600\u200d"),
    ],
)
def test_control_characters_become_visible(text: str, expected: str) -> None:
    """The table of the escape rule, and what it must leave alone."""
    assert escape(text) == expected


@given(ANY)
def test_an_escaped_value_is_one_line_for_every_reader(text: str) -> None:
    """`splitlines` knows all the line ends that any tool believes in."""
    escaped = escape(text)
    assert len(escaped.splitlines()) <= 1 and not has_controls(escaped)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "UTF16", "utf-32", "latin-1", "utf-16-le"]
)
def test_records_after_a_mark_read_back(encoding: str) -> None:
    """The mark stands once at the start of a file, so records must not bring their own."""
    data = bom(encoding) + encode_text("é1\n", encoding, "strict") + encode_text("é2\n", encoding, "strict")
    assert data.decode(encoding) == "é1\né2\n"


def test_marks_are_the_codecs_own() -> None:
    """A file that the standard library began must look the same."""
    for encoding in ("utf-8-sig", "utf-16", "utf-32", "utf-8", "latin-1"):
        assert bom(encoding) == "".encode(encoding)
    assert sys.byteorder == "little" or bom("utf-16") == b"\xfe\xff"


def test_what_the_codec_lacks_is_a_matter_for_its_error_handler() -> None:
    """`errors=` of a handler means the same as for a file."""
    assert encode_text("é", "ascii", "backslashreplace") == b"\\xe9"
    with pytest.raises(UnicodeEncodeError):
        encode_text("é", "ascii", "strict")
