"""Rows of a text context: batches, hostile values, codecs, and rows that cannot be rendered."""

from __future__ import annotations

import builtins
import contextlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.journal.layout import Context
from logboom.records.rendering import render_notice, renderer_for

OPTIONS = {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s", "style": "%"}
OPTIONS |= {"time": "%Y-%m-%d %H:%M:%S", "msecs": "%s,%03d"}
COLUMNS = ("msecs", "levelname", "message")
CREATED = 1763805600.25
HEAD = "2025-11-22 11:00:00,250 INFO app: "
ANY = st.text(st.sampled_from("ab1 \n\r\x00\x1b\x85\u2028é\t[:{\x7f2"), max_size=30)
FORGED = "2025-11-22 11:00:00,250 INFO app: forged"


def context(**changes: Any) -> Context:
    options = OPTIONS | changes.pop("options", {})
    return Context(1, "text", changes.pop("columns", COLUMNS), 3600, "CET", options=options, **changes)


def row(message: object = "paid", *tails: object, name: str = "app") -> list[Any]:
    return [CREATED, 1, 20, name, 250.0, "INFO", message, *tails]


def text(*rows: list[Any], **changes: Any) -> str:
    return b"".join(renderer_for(context(**changes))(rows)).decode()


def test_a_batch_gives_one_line_for_each_row_in_order() -> None:
    """The sink counts rows by lines."""
    lines = renderer_for(context())([row("one"), row("two"), row("three\ttabs")])
    assert lines == [f"{HEAD}{m}\n".encode() for m in ("one", "two", "three\ttabs")]
    assert renderer_for(context())([row("é"), row("2")]) == [f"{HEAD}é\n".encode(), f"{HEAD}2\n".encode()]
    assert renderer_for(context())([]) == []


BATCH = st.lists(
    st.one_of(
        st.builds(row, ANY),
        st.builds(row, ANY, st.one_of(st.none(), ANY, st.just(f"x\n{FORGED}")), st.one_of(st.none(), ANY)),
        st.just([CREATED]),
        st.builds(lambda message: [CREATED, 1, 20, "app", "no number", "INFO", message], ANY),
        st.just([CREATED, 1, 20, "app", "no number", None, []]),
    ),
    max_size=6,
)


@given(BATCH, st.sampled_from(["utf-8", "utf-16", "latin-1", "ascii"]), st.booleans())
def test_a_row_renders_the_same_in_any_batch(rows: list[list[Any]], encoding: str, raw: bool) -> None:
    """How rows fall into batches depends on timing; the file must not."""
    render = renderer_for(context(encoding=encoding, errors="strict", raw=raw))
    assert render(rows) == [line for one in rows for line in render([one])]


@given(BATCH)
def test_no_value_can_forge_a_record(rows: list[list[Any]]) -> None:
    """A line that starts like a record is a record, and there are as many as rows."""
    whole = text(*rows)
    heads = [line for line in whole.splitlines() if re.match(r"\d+-\d+-\d+", line)]
    assert len(heads) == len(rows)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", whole)


def test_a_format_with_newlines_of_its_own_keeps_them() -> None:
    """Multi-line formats are the user's choice; values are not."""
    options = {"format": "%(levelname)s\n  %(message)s\n%(name)s", "style": "%"}
    assert text(row("a\nb"), options=options) == "INFO\n  a\n b\n app\n"
    assert text(row("a\nb"), options=options, one_line=True) == "INFO\n  a\\nb\n app\n"


def test_a_traceback_follows_a_format_that_ends_its_line() -> None:
    """The standard formatter adds a newline only where there is none."""
    options = {"format": "%(message)s\n", "style": "%"}
    assert text(row("paid", "Traceback", "Stack"), options=options) == "paid\n\tTraceback\n\tStack\n"


def test_raw_keeps_everything() -> None:
    """Who wants colours and newlines in the file can have them."""
    assert text(row("\x1b[1ma\nb", "tail\x00\n" + FORGED, None), raw=True) == (
        f"{HEAD}\x1b[1ma\nb\ntail\x00\n{FORGED}\n"
    )


@pytest.mark.parametrize(
    "bad",
    [
        [CREATED, 1, 20, "app", "x", "INFO", "paid"],
        [CREATED, 1, 20, "app", [1], "INFO", "paid"],
        [1e300, 1, 20, "app", 1.0, "INFO", "paid"],
        ["x", 1, 20, "app", 1.0, "INFO", "paid"],
        [CREATED, 1, 20, "app", 1.0],
        [CREATED, 1, 20, "app", 1.0, "INFO", "paid", 5, 6],
        [],
    ],
)
def test_a_row_that_cannot_be_rendered_is_written_plainly(bad: list[Any]) -> None:
    """A record is never lost, and its neighbours are not harmed."""
    first, second, third = text(row("before"), bad, row("after")).splitlines()
    assert (first, third) == (f"{HEAD}before", f"{HEAD}after")
    assert "[logboom: " in second
    assert "paid" not in bad or "paid" in second


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_records_do_not_repeat_the_byte_order_mark(encoding: str) -> None:
    """A mark in the middle of a file is a character of the next line."""
    (line,) = renderer_for(context(encoding=encoding))([row("é")])
    assert line.decode({"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(encoding, "utf-8")
                       if encoding != "latin-1" else encoding) == f"{HEAD}é\n"  # fmt: skip


def test_what_the_codec_lacks_is_escaped_and_not_lost() -> None:
    """With `errors="strict"` the producer's log call returned long ago."""
    assert text(row("é"), encoding="ascii", errors="strict") == f"{HEAD}\\xe9\n"


def test_a_terminator_of_ones_own_is_used() -> None:
    """`handler.terminator` may be any text."""
    assert text(row("a"), row("b"), terminator="\r\n") == f"{HEAD}a\r\n{HEAD}b\r\n"
    assert text(row("a"), terminator="") == f"{HEAD}a"


def test_messages_and_finished_bytes_pass_as_they_are() -> None:
    """The producer has applied the escape rule and the codec already."""
    message = Context(1, "message", ("text",), encoding="utf-16-le", terminator="!")
    assert renderer_for(message)([[CREATED, 1, 20, "app", "é"]]) == ["é!".encode("utf-16-le")]
    finished = Context(1, "bytes", ("text",))
    assert renderer_for(finished)([[CREATED, 1, 20, "app", "\x00\xff\n"]]) == [b"\x00\xff\n"]
    assert b"TypeError" in renderer_for(message)([[CREATED, 1, 20, "app", 5]])[0].decode("utf-16-le").encode()


@pytest.mark.parametrize(
    "unknown",
    [
        Context(1, "hologram", ("text",)),
        Context(1, "text", (), options={"format": "%(a", "style": "%"}),
        Context(1, "text", (), options={"format": "%(message)s", "style": "%"}),
        Context(1, "json", (), options={}),
    ],
)
def test_a_context_from_a_newer_release_loses_nothing(unknown: Context) -> None:
    """An old collector may meet what it does not know before it hands over."""
    (line,) = renderer_for(unknown)([[CREATED, 1, 20, "app", "paid"]])
    assert line.startswith(b"2025-11-22 10:00:00 20 app paid [logboom: ") and line.endswith(b"]\n")


@pytest.mark.parametrize(
    ("given_context", "expected"),
    [
        (None, "2025-11-22 10:00:00,250 WARNING logboom: 12 records dropped\n"),
        (context(), "2025-11-22 11:00:00,250 WARNING logboom: 12 records dropped\n"),
        (Context(1, "message", ("text",)), "2025-11-22 10:00:00,250 WARNING logboom: 12 records dropped\n"),
        (
            context(
                columns=("lineno", "request_id"), options={"format": "%(lineno)d%(request_id)s", "style": "%"}
            ),
            "0\n",
        ),
    ],
)
def test_logbooms_own_records_are_in_the_files_format(given_context: Context | None, expected: str) -> None:
    """A log reader parses every line in the same way."""
    assert render_notice(given_context, CREATED, 30, "logboom", "12 records dropped").decode() == expected


HOSTILE = st.text(st.sampled_from("%({$})'\"\\#\n]:!_ams"), max_size=6)
CALLS = st.sampled_from(["{ran(1)}", "%({ran(1)})s", "{message!r:{ran(1)}}", "__import__('builtins').ran(1)"])
FORMATS = st.tuples(HOSTILE, CALLS, HOSTILE).map("".join)


@given(FORMATS, st.sampled_from("%{$"), st.lists(FORMATS, max_size=2), FORMATS)
def test_no_text_of_a_context_runs_as_code(form: str, style: str, columns: list[str], other: str) -> None:
    """A format from a journal is compiled; who can write a journal may choose text, and not what runs."""
    ran: list[int] = []
    builtins.ran = ran.append  # type: ignore[attr-defined]
    options = OPTIONS | {"format": form, "style": style, "time": other, "msecs": other}
    hostile = Context(1, "text", ("message", *columns), 3600, other, options=options)
    try:
        with contextlib.suppress(Exception):
            renderer_for(hostile)([[CREATED, 1, 20, "app", "paid", *columns]])
    finally:
        del builtins.ran  # type: ignore[attr-defined]
    assert ran == []


@pytest.mark.parametrize("renderer", ["text", "json", "message", "unheard-of"])
@pytest.mark.parametrize("encoding", ["undefined", "idna", "no-such-codec", "rot13"])
def test_no_codec_stops_a_renderer(renderer: str, encoding: str) -> None:
    """One file's bad encoding must not keep the records of all files in a spool."""
    options = {"format": "%(message)s", "style": "%", "fields": {"message": "message"}, "timestamp": "iso"}
    context = Context(1, renderer, ("message",), encoding=encoding, errors="strict", options=options)
    line = renderer_for(context)([[1.5, 1, 20, "app", f"{'x' * 100}..y"]])[0]
    assert f"{'x' * 100}..y".encode() in line and line.endswith(b"\n")
