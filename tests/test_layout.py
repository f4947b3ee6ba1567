"""The byte table of `journal/layout.py`, against segments that a writer really made."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.errors import JournalError
from logboom.journal import layout
from logboom.journal.layout import Context, Dropped, Header, committed_length
from logboom.journal.segment import Segment
from logboom.journal.target import Target
from logboom.journal.writer import JournalWriter

TARGET = Target("app.log")
CONTEXT = layout.encode_line(Context(1, "text", ("msg",)))
RECORDS = [msgspec.json.encode([1.5 + n, 1, 20, "shop", f"order {n} \0 \n é"]) + b"\n" for n in range(3)]


def _segment(directory: Path, *, mapped: bool) -> tuple[JournalWriter, Segment]:
    writer = JournalWriter(directory, TARGET, mapped=mapped, mode=0o600)
    segment = writer.roll(None, {1: CONTEXT}, 0)
    assert segment is not None
    for record in RECORDS:
        segment.write(record)
    return writer, segment


@pytest.mark.parametrize("mapped", [True, False])
def test_lines_stand_where_the_table_says(mapped: bool, tmp_path: Path) -> None:
    """Header at byte 0, then control lines, then records, then zeros: other tools may rely on it."""
    writer, segment = _segment(tmp_path, mapped=mapped)
    data = segment.path.read_bytes()
    header_end = data.index(b"\n") + 1
    assert data.startswith(b'{"logboom":1,')  # one file is all that it asks for
    header = layout.decode_header(data[:header_end])
    assert (header.producer, header.segment, header.mapped) == (writer.producer, 1, mapped)
    assert segment.path.name == layout.segment_name(writer.producer, 1)
    records_at = header_end + len(CONTEXT)
    assert data[header_end:records_at] == CONTEXT
    end = records_at + sum(map(len, RECORDS))
    assert data[records_at:end] == b"".join(RECORDS)
    assert data[end:] == (bytes(64 * 1024 - end) if mapped else b"")
    assert committed_length(data) == segment.written() == end
    writer.close()


@pytest.mark.parametrize("mapped", [True, False])
def test_an_ended_segment_says_so_in_its_bytes(mapped: bool, tmp_path: Path) -> None:
    """A reader leaves a segment only past its end: filler to the last byte, or an `end` line."""
    writer, segment = _segment(tmp_path, mapped=mapped)
    end = segment.written()
    segment.end()
    data = segment.path.read_bytes()
    assert data[end:] == (b" " * (64 * 1024 - end - 1) + b"\n" if mapped else layout.END)
    assert committed_length(data) == len(data)
    with pytest.raises(ValueError):
        segment.write(RECORDS[0])
    assert segment.path.read_bytes() == data
    writer.close()


def test_a_record_is_five_or_more_values_in_their_places() -> None:
    """Time, context, level and logger come first, whatever the columns."""
    for record in RECORDS:
        created, context, level, name, *columns = msgspec.json.decode(record)
        assert (context, level, name, len(columns)) == (1, 20, "shop", 1)
        assert created >= 1.5
        assert record.count(b"\n") == 1 and b"\0" not in record


@given(st.lists(st.text(max_size=20), max_size=6), st.data())
def test_a_half_copied_line_is_not_committed(texts: list[str], data: st.DataObject) -> None:
    """A copy that was cut anywhere, or whose bytes came out of order, still has a zero in it."""
    lines = [msgspec.json.encode([text]) + b"\n" for text in texts]
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))
    ends = [0, *itertools.accumulate(map(len, lines))]
    expected = max(end for end in ends if end <= cut)
    assert committed_length(whole[:cut] + bytes(9)) == expected
    assert committed_length(whole[:cut] + b"\0" + whole[cut + 1 :]) == expected


@given(st.tuples(*[st.integers(0, 2**24)] * 2), st.tuples(*[st.integers(0, 2**39)] * 2))
def test_positions_grow_with_the_stream(numbers: tuple[int, int], offsets: tuple[int, int]) -> None:
    """Positions are compared as integers: a later segment is always behind an earlier one."""
    places = [*zip(numbers, offsets, strict=True)]
    packed = [layout.pack_position(*place) for place in places]
    assert [layout.unpack_position(one) for one in packed] == places
    assert (packed[0] < packed[1]) == (places[0] < places[1])


def test_segment_names_are_told_from_all_others() -> None:
    """What else lies in the directory is never read, and never deleted."""
    name = layout.segment_name("0123456789abcdef", 7)
    assert name == "0123456789abcdef-00000007.segment"
    assert layout.parse_segment_name(name) == ("0123456789abcdef", 7)
    for other in (
        f".{name}.tmp",
        f"{name}.dead",
        "README",
        "0123-00000001.segment",
        f"x{name}",
        "a-b.segment",
    ):
        assert layout.parse_segment_name(other) is None


def test_a_newer_format_is_refused_with_a_hint() -> None:
    """Its records stay where they are, for a release that can read them."""
    header = Header(layout.FORMAT + 1, "0" * 16, 1, 1, "host", "program", 0.0, True, TARGET)
    with pytest.raises(JournalError, match="newer") as caught:
        layout.decode_header(layout.encode_line(header))
    assert "Upgrade" in caught.value.hint


@pytest.mark.parametrize("line", [b"", b"{}\n", b'{"logboom":"1"}\n', b"\xff\n", b"[1]\n"])
def test_what_is_no_header_is_damage_at_byte_0(line: bytes) -> None:
    """Damage must be told from a newer format, and must not raise anything else."""
    with pytest.raises(JournalError) as caught:
        layout.decode_header(line)
    assert caught.value.offset == 0 and not caught.value.hint


def test_control_lines() -> None:
    """Kinds of a later release are passed over; damage is not."""
    for value in (Context(3, "text", ("msg",), offset=-3600), Dropped(5, 1.0, 2.0, "full")):
        assert layout.decode_control(layout.encode_line(value)) == value
    assert layout.decode_control(layout.END) is None
    assert layout.decode_control(b'{"tomorrow":1}\n') is None
    for damaged in (b'{"context":"x"}\n', b'{"dropped":1}\n', b'{"end":tr\n'):
        with pytest.raises(JournalError):
            layout.decode_control(damaged)


def test_the_schema_only_grows() -> None:
    """Journals of released versions must stay readable: new fields come last, with defaults."""
    header = ("logboom", "producer", "segment", "pid", "host", "program", "created", "mapped", "target")
    context = ("context", "renderer", "columns", "offset", "zone", "encoding", "errors", "terminator", "raw")
    assert Header.__struct_fields__[: len(header)] == header
    assert Context.__struct_fields__[: len(context)] == context
    assert len(Header.__struct_defaults__) == len(Header.__struct_fields__) - len(header)
    assert len(Context.__struct_defaults__) == len(Context.__struct_fields__) - 2


@pytest.mark.parametrize("head", [b'{"context":', b'{"dropped":', b'{"anything":'])
def test_brackets_without_end_are_damage(head: bytes) -> None:
    """A parser that gives up at some depth must not give up the collector."""
    line = head + b"[" * 100_000 + b"\n"
    with pytest.raises(JournalError):
        layout.decode_control(line)
    with pytest.raises(JournalError):
        layout.decode_header(line)
