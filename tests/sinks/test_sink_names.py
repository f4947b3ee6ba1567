"""Backups with names of the program's own are rolled, compressed, deleted and recovered as others."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from logboom.journal.target import Rotation, Target

START = 1_790_000_000.0
LINES = [b"line %04d of a log that is rolled often\n" % i for i in range(30)]
NewRig = Callable[..., Any]
SIZED = Target(
    name="app.log",
    compress="gzip",
    rotation=Rotation(max_bytes=130, backup_count=40, names="{stem}.{number:03d}{ext}"),
)
TIMED = Target(
    name="app.log",
    compress="gzip",
    rotation=Rotation(
        when="M", utc=True, backup_count=40, max_bytes=130, names="{stem}-{date:%M.%H_%d-%m-%Y}{ext}"
    ),
)


@pytest.mark.parametrize("target", [SIZED, TIMED], ids=["size", "time"])
def test_killed_anywhere(new_rig: NewRig, target: Target) -> None:
    """Whatever the names are, each record stays once, in order, and no temporary file is left."""
    every = 0 if target is SIZED else 14.0
    keys = [START + every * place for place in range(len(LINES))]

    def new() -> Any:
        return new_rig(target, lines=LINES, keys=keys)

    rig = new()
    assert rig.run()
    form = (
        r"app\.\d{3}\.log(\.gz)?" if target is SIZED else r"app-\d\d\.\d\d_\d\d-\d\d-2026\.log(\.\d+)?(\.gz)?"
    )
    backups = {path.name for path in rig.directory.iterdir()} - {"app.log"}
    assert len(backups) > 5 and sum(name.endswith(".gz") for name in backups) == len(backups) - 1
    assert [name for name in backups if not re.fullmatch(form, name)] == []
    for place in range(1, len(rig.places) + 1, 3):
        rig = new()
        assert not rig.run(kill_at=place)
        assert rig.run(), place
        assert sorted(set(contents(rig))) == sorted(LINES), place
        assert len(contents(rig)) == len(LINES), place
        assert rig.hidden() == [], place


def contents(rig: Any) -> list[bytes]:
    """All lines of the directory's files."""
    lines = []
    for path in rig.directory.iterdir():
        data = path.read_bytes()
        lines += (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines(keepends=True)
    return lines


def test_retention_goes_by_time(new_rig: NewRig) -> None:
    """The minute stands before the day in these names, so the alphabet says nothing."""
    few = msgspec.structs.replace(TIMED.rotation, backup_count=3)
    rig = new_rig(Target(name="app.log", rotation=few))
    for place, line in enumerate(LINES):
        rig.write([line], [START + 3000.0 * place])
        rig.maintain()
    assert sorted(contents(rig)) == LINES[-4:]
