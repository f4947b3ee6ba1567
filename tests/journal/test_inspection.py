"""One segment file: whatever was done to it, what is left of it comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from logboom.journal.inspection import SegmentFile
from logboom.journal.layout import Context, Header, encode_line
from logboom.journal.target import Target

HEAD = encode_line(Header(1, "a" * 16, 1, 7, "host", "program", 1000.0, True, Target(name="app.log")))
CONTEXT = encode_line(Context(1, "message", ("text",)))
LINES = [b'[%d.5,1,20,"root","record %d"]\n' % (1000 + number, number) for number in range(6)]
WHOLE = HEAD + CONTEXT + b"".join(LINES)


def _texts(path: Path) -> tuple[list[str], SegmentFile]:
    segment = SegmentFile(path)
    return [row[4] for rows in segment.rows() for row in rows], segment


def test_a_sound_segment_has_no_gap(tmp_path: Path) -> None:
    """Also with the zeros behind it that every live one has."""
    path = tmp_path / "segment"
    path.write_bytes(WHOLE + bytes(5000))
    texts, segment = _texts(path)
    assert texts == [f"record {number}" for number in range(6)]
    assert segment.gaps == [] and segment.committed == len(WHOLE)


@pytest.mark.parametrize("length", [1, 20, 60])
def test_zeros_anywhere_cost_the_lines_they_hit(tmp_path: Path, length: int) -> None:
    """A hole at any place: no exception, no foreign text, and every line that was not hit."""
    path = tmp_path / "segment"
    begin = len(HEAD) + len(CONTEXT)
    for start in range(begin, len(WHOLE) - length):
        path.write_bytes(WHOLE[:start] + bytes(length) + WHOLE[start + length :])
        texts, segment = _texts(path)
        places = [begin + sum(map(len, LINES[:number])) for number in range(6)]
        hit = [n for n, at in enumerate(places) if at < start + length and start < at + len(LINES[n])]
        left = [f"record {number}" for number in range(6) if number not in hit]
        assert texts == left or (set(texts) >= set(left[:-1]) and set(texts) <= set(left)), start
        assert segment.gaps, start


def test_a_cut_anywhere_leaves_the_whole_lines(tmp_path: Path) -> None:
    """A killed process, a full disk: the end is missing, and that is no damage."""
    path = tmp_path / "segment"
    for end in range(len(HEAD), len(WHOLE)):
        path.write_bytes(WHOLE[:end])
        texts, segment = _texts(path)
        assert texts == [f"record {n}" for n in range(WHOLE[:end].count(b"\n") - 2)]
        assert all(gap.last for gap in segment.gaps)
