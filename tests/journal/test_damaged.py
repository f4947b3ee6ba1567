"""Bytes that could not be read are kept aside, for whoever may look, and stop nobody."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from logboom.spool import damaged
from logboom.spool.damaged import DamagedPlace

POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permission bits")


def test_bytes_are_kept_under_their_name(tmp_path: Path) -> None:
    """So that they are counted once, and can be looked at."""
    place = DamagedPlace(tmp_path)
    assert not place.has("a-1-17")
    kept = place.put("a-1-17", b"[1.0,")
    assert place.has("a-1-17") and kept.read_bytes() == b"[1.0,"


def test_they_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails must not be filled with what it broke."""
    monkeypatch.setattr(damaged, "_KEPT", 5000)  # a file takes a block of the disk
    place = DamagedPlace(tmp_path)
    for name in "abc":
        place.put(name, b"12345678")
    assert sorted(path.name for path in place.path.iterdir()) == ["a", "b"]


@POSIX
@pytest.mark.parametrize(("spool", "expected"), [(0o755, 0o750), (0o2775, 0o2770), (0o700, 0o700)])
def test_they_are_found_by_who_shares_the_spool_and_read_by_their_owner(
    spool: int, expected: int, tmp_path: Path
) -> None:
    """Two users' collectors take turns; what is in a log may be secret all the same."""
    tmp_path.chmod(spool)
    kept = DamagedPlace(tmp_path).put("a", b"secret")
    assert stat.S_IMODE(kept.parent.stat().st_mode) == expected
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@POSIX
def test_place_that_is_closed_to_us_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user made it for himself: every step of ours would end in an error."""
    place = DamagedPlace(tmp_path)
    place.put("a", b"theirs")

    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("stat", "lstat", "scandir", "open"):
        monkeypatch.setattr(os, name, closed)
    assert not place.has("a")
    place.put("b", b"ours")
