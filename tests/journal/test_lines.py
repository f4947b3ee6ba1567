"""Decoding blocks of lines."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.journal.layout import END, REST, WAKE, Context, encode_line
from logboom.journal.lines import LineDecoder

CONTEXT = Context(context=1, renderer="message")
BASE = 5 << 40
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
records = st.tuples(
    st.floats(0, 2e9), st.just(1), st.integers(0, 60), texts, st.one_of(st.none(), texts, st.lists(texts))
).map(lambda row: msgspec.json.encode(row) + b"\n")
controls = st.sampled_from(
    [
        encode_line(CONTEXT),
        END,
        b"   \n",
        b"\n",
        b'{"unknown":1}\n',
        b'{"dropped":1,"since":0.0,"until":1.0,"reason":"x"}\n',
    ]
)


@given(st.lists(st.one_of(records, records, controls)))
def test_block_is_the_sum_of_its_lines(lines: list[bytes]) -> None:
    """Decoding in bulk must say exactly what decoding each line alone says, positions included."""
    bulk = LineDecoder({1: CONTEXT}).decode(b"".join(lines), BASE)
    rows, ends, dropped, place = [], [], [], BASE
    for line in lines:
        one = LineDecoder({1: CONTEXT}).decode(line, place)
        rows += one.rows
        ends += one.ends
        dropped += one.dropped
        place += len(line)
    assert (bulk.rows, bulk.ends, bulk.dropped, bulk.damage) == (rows, ends, dropped, [])
    assert bulk.ended == (END in lines)
    assert len(rows) == sum(line.startswith(b"[") for line in lines)


@given(st.lists(records, min_size=1), st.integers(0), st.binary(min_size=1, max_size=3))
def test_rubbish_between_lines_spares_them(lines: list[bytes], place: int, rubbish: bytes) -> None:
    """A line of rubbish costs itself alone, whatever it is."""
    place %= len(lines) + 1
    rubbish = rubbish.replace(b"\n", b"?").replace(b"\0", b"?") + b"\n"
    block = b"".join([*lines[:place], rubbish, *lines[place:]])
    found = LineDecoder({1: CONTEXT}).decode(block, 0)
    assert len(found.rows) == len(lines)
    assert found.damage == ([] if rubbish.isspace() else found.damage[:1])


@pytest.mark.parametrize("byte", [b"\r", b" ", b"\t", b",", b"[", b"\xff", b'"'])
def test_a_hit_newline_costs_no_line(byte: bytes) -> None:
    """The byte between two lines became another: both are still read, with their own ends."""
    one, two = b'[1.0,1,20,"a","][ ]x[ \\" ["]\n', b'[2.0,1,20,"b"]\n'
    found = LineDecoder({1: CONTEXT}).decode(one[:-1] + byte + two, 0)
    assert [row[3] for row in found.rows] == ["a", "b"]
    assert found.ends == [len(one), len(one + two)]


def test_damage_has_its_place() -> None:
    """What is kept aside must be the bytes that were hit, not their neighbours."""
    block = b'[1.0,1,20,"a"]\n[1.0,1,20\n{"context":x}\n[2.0,1,20,"b"]\n'
    found = LineDecoder({1: CONTEXT}).decode(block, BASE)
    assert [block[start:end] for start, end in found.damage] == [b"[1.0,1,20\n", b'{"context":x}\n']


def test_a_carriage_return_ends_no_line() -> None:
    """As damage inside a record it costs that record alone, and is told as one place."""
    block = b'[1.0,1,20,"a"]\n[1.0,1,20,"b\r[c"]\n[1.0,1,20,"d"]\n'
    found = LineDecoder({1: CONTEXT}).decode(block, 0)
    assert [block[start:end] for start, end in found.damage] == [b'[1.0,1,20,"b\r[c"]\n']
    assert [row[3] for row in found.rows] == ["a", "d"] and found.ends[-1] == len(block)


def test_a_row_of_an_unknown_context_is_damage() -> None:
    """Nobody knows how to render it; it is kept aside instead of being written wrong."""
    decoder = LineDecoder({})
    row = b'[1.0,1,20,"a"]\n'
    assert decoder.decode(row, 0).damage == [(0, len(row))]
    assert len(decoder.decode(encode_line(CONTEXT) + row, 0).rows) == 1


@pytest.mark.parametrize(
    ("tail", "resting"),
    [(REST, True), (WAKE, False), (REST + WAKE, False), (b"      \n", False), (b'[1,1,20,"x","y"]\n', False)],
)
def test_rest_is_the_last_line_or_it_is_over(tail: bytes, resting: bool) -> None:
    """Filler at the end of a full segment must not pass for rest: its writer goes on in the next one."""
    decoder = LineDecoder({1: Context(context=1, renderer="message", columns=("text",))})
    found = decoder.decode(b'[1,1,20,"x","y"]\n' + REST + tail, 0)
    assert found.resting is resting and not found.damage


@pytest.mark.parametrize(
    "line", [b"[1.0,1,20,%s%s]\n" % (b"[" * 100_000, b"]" * 100_000), b'{"x":' * 100_000]
)
def test_brackets_without_end_are_damage(line: bytes) -> None:
    """One such line must cost itself alone, and not every log of the spool."""
    line = line.rstrip() + b"\n"
    sound = b'[1.0,1,20,"n"]\n'
    found = LineDecoder({1: CONTEXT}).decode(sound + line + sound, 0)
    assert len(found.rows) == 2
    assert found.damage == [(len(sound), len(sound) + len(line))]


def test_caller_that_stands_deep_loses_nothing() -> None:
    """A program may flush deep in a recursion: what cannot be read there is no damage."""
    line = b'[1.0,1,20,"n",%s%s]\n' % (b"[" * 40, b"]" * 40)
    damage: list[list[tuple[int, int]]] = []

    def deep() -> None:
        try:
            deep()
        except RecursionError:  # tried again at each level, until there is room
            damage.append(LineDecoder({1: CONTEXT}).decode(line, 0).damage)

    deep()
    assert damage == [[]]
