"""The file sink dies at every place between two effects, also while it recovers: the set stays exact."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from logboom.journal.target import Rotation, Target
from logboom.sinks.file import append

START = 1_790_000_000.0
LINES = [b"2026-09-21 14:13:20,%03d line %04d\n" % (i, i) for i in range(60)]

BY_SIZE = Target(name="app.log", rotation=Rotation(max_bytes=300, backup_count=20))
BY_TIME = Target(name="app.log", rotation=Rotation(when="S", backup_count=40, utc=True))
BOTH = Target(name="app.log", rotation=Rotation(when="M", max_bytes=300, backup_count=40, utc=True))
PACKED = Target(name="app.log", rotation=Rotation(max_bytes=300, backup_count=20), compress="gzip")
CASES = {"size": BY_SIZE, "time": BY_TIME, "both": BOTH, "gzip": PACKED}


def material(target: Target) -> dict[str, Any]:
    """Lines over some periods of the target, all of them before the clock: no key is ever beyond it."""
    seconds = {"S": 0.15, "M": 9.0}.get(target.rotation.when or "", 0.0)
    return {"lines": LINES, "keys": [START - 600 + i * seconds for i in range(len(LINES))]}


def places(new_rig: Callable[..., Any], target: Target) -> int:
    """How many places an undisturbed run comes by."""
    rig = new_rig(target, **material(target))
    assert rig.run()
    assert rig.content() == b"".join(LINES)
    assert len(rig.archives()) > 3
    return len(rig.places)


@pytest.mark.parametrize("case", CASES)
def test_killed_anywhere(new_rig: Callable[..., Any], case: str) -> None:
    """A kill at any place loses nothing and repeats nothing, and leaves no temporary file."""
    for place in range(1, places(new_rig, CASES[case]) + 1):
        rig = new_rig(CASES[case], **material(CASES[case]))
        assert not rig.run(kill_at=place)
        assert rig.run(), place
        assert rig.content() == b"".join(LINES), place
        assert rig.hidden() == [], place


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("second", [1, 2, 5])
def test_killed_again_while_recovering(new_rig: Callable[..., Any], case: str, second: int) -> None:
    """Recovery is killed as well, early and late, and the third process still finds its way."""
    for place in range(1 + second % 3, places(new_rig, CASES[case]) + 1, 3):
        rig = new_rig(CASES[case], **material(CASES[case]))
        assert not rig.run(kill_at=place)
        rig.run(kill_at=second)
        rig.run(kill_at=second + 1)
        assert rig.run(), place
        assert rig.content() == b"".join(LINES), place
        assert rig.hidden() == [], place


@pytest.mark.parametrize("part", [1, 5, 16, 33, 34, 35, 80, 200])
@pytest.mark.parametrize("again", [0, 1, 40])
def test_killed_inside_a_write(
    new_rig: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, part: int, again: int
) -> None:
    """The kernel leaves a part of a large write; recovery completes it, also when it is cut once more."""
    rig = new_rig(Target(name="app.log"), lines=LINES, keys=[START] * len(LINES), batch=20)
    cuts = [part, again] if again else [part]
    whole = append.write_all

    def cut(fd: int, data: bytes) -> None:
        if not cuts:
            return whole(fd, data)
        os.write(fd, data[: cuts.pop(0)])
        rig.kill_at = len(rig.places) + 1
        return rig.reach("inside a write")

    monkeypatch.setattr(append, "write_all", cut)
    while not rig.run():
        pass
    assert rig.content() == b"".join(LINES)
    assert [outcome for outcome in rig.outcomes if outcome.damaged or outcome.rewritten] == []


@pytest.mark.parametrize("seed", range(60))
def test_random_deaths_and_neighbours(new_rig: Callable[..., Any], seed: int) -> None:
    """Any rotation, deaths at random, and somebody who appends in between."""
    random = Random(seed)
    target = random.choice(list(CASES.values()))
    rig = new_rig(target, **material(target), batch=random.randint(1, 30))
    theirs = []

    def disturb(rig: Any, place: str) -> None:
        if random.random() < 0.1 and rig.live.exists():
            theirs.append(b"#%d\n" % len(theirs))
            with rig.live.open("ab") as file:
                file.write(theirs[-1])

    rig.between = disturb
    while not rig.run(kill_at=random.randint(1, 60)):
        pass
    lines = rig.content().splitlines(keepends=True)
    assert [line for line in lines if not line.startswith(b"#")] == LINES
    assert sorted(line for line in lines if line.startswith(b"#")) == sorted(theirs)
    assert rig.hidden() == []
