"""What stands behind a hole."""

from __future__ import annotations

from pathlib import Path

import pytest

from logboom.journal.layout import encode_line
from logboom.journal.recovery import Gap, find_gap, salvage_target
from logboom.journal.target import Rotation, Target
from logboom.testing import SpoolFactory


def gap(data: bytes, start: int = 0) -> Gap | None:
    return find_gap(lambda size, offset: data[offset : offset + size], start, lambda line: line == b"line\n")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", None),
        (bytes(600_000), None),
        (b"par", Gap(0, 3, True)),
        (b"par" + bytes(5), Gap(0, 3, True)),
        (b"par" + bytes(5) + b"tial", Gap(0, 12, True)),
        (b"par" + bytes(5) + b"tial\n", Gap(0, 13, True)),
        (b"par" + bytes(5) + b"tial\n" + bytes(9), Gap(0, 13, True)),
        (b"par" + bytes(5) + b"tial\nline\n", Gap(0, 13, False)),
        (bytes(600_000) + b"line\n", Gap(0, 600_000, False)),
        (bytes(600_000) + b"ine\n" + bytes(300_000) + b"x", Gap(0, 600_004, False)),
        (bytes(3) + b"x" * 600_000, Gap(0, 600_003, True)),
    ],
)
def test_gap_ends_where_reading_can_go_on(data: bytes, expected: Gap | None) -> None:
    """Each kind of hole, over block limits too: a gap must be neither too short nor swallow a whole line."""
    assert gap(data) == expected
    assert gap(b"before\n" + data, 7) == (
        expected and Gap(expected.start + 7, expected.end + 7, expected.last)
    )


def test_target_is_saved_from_a_damaged_header(tmp_path: Path) -> None:
    """A header hit anywhere but in its target must not cost the segment's records."""
    target = Target(name="a}b.log", rotation=Rotation(max_bytes=5))
    line = encode_line(SpoolFactory(tmp_path, target).header("0" * 16))
    assert salvage_target(b"?" * 20 + line[20:]) == target
    assert salvage_target(b'{"logboom":1}\n') is None
    assert salvage_target(line[: line.index(b"max_bytes")]) is None
