"""The quota: who waits, how long, and what is counted."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from logboom import platform
from logboom.errors import SpoolFullError
from logboom.producer import room as module
from logboom.producer.options import Options
from logboom.producer.room import Drops, Room
from logboom.spool import launch
from logboom.spool.directory import Spool

SIZE = 65536


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return Spool.create(tmp_path / ".logboom").path


def fill(spool: Path, size: int = SIZE) -> Path:
    path = spool / "journal" / "full"
    path.write_bytes(b"x" * size)
    return path


def seconds(room: Room, size: int = SIZE) -> float:
    """How long it took to be refused."""
    begun = time.monotonic()
    with pytest.raises(SpoolFullError):
        room.admit(size, size)
    return time.monotonic() - begun


def admitted(room: Room, size: int = SIZE) -> bool:
    """There is room within a moment."""
    deadline, pause = time.monotonic() + 5.0, threading.Event()
    while time.monotonic() < deadline:
        with contextlib.suppress(SpoolFullError):
            return room.admit(size, size) > 0
        pause.wait(0.005)
    return False


def test_room_is_what_the_quota_leaves(spool: Path) -> None:
    """The quota counts what lies on the disk, not what was written."""
    room = Room(spool, Options(spool_max_size=2 * SIZE))
    room.admit(SIZE, SIZE)
    path = fill(spool)
    room.admit(SIZE, SIZE)
    fill(spool, SIZE + 4096)
    assert seconds(room) < 1.0
    path.unlink()
    assert admitted(room)


def test_no_more_than_a_tenth_of_the_disk(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default of 1 GB must not fill a small disk."""
    monkeypatch.setattr(platform, "disk_size", lambda path: 10 * SIZE)
    room = Room(spool, Options())
    room.admit(SIZE, SIZE)
    assert seconds(room, SIZE + 1) < 1.0


def test_block_waits_once_until_there_is_room(spool: Path) -> None:
    """A full spool costs one wait, not one for each record of a program that logs a thousand a second."""
    path = fill(spool)
    room = Room(spool, Options(spool_max_size=SIZE, when_full="block", block_timeout=0.2))
    assert seconds(room) >= 0.2
    assert seconds(room) < 0.1
    path.unlink()
    assert admitted(room)
    fill(spool)
    assert seconds(room) >= 0.2, "there was room in between: it may wait again"


def test_block_goes_on_as_soon_as_there_is_room(spool: Path) -> None:
    """It waits for room, not for its timeout."""
    path = fill(spool)
    timer = threading.Timer(0.1, path.unlink)
    timer.start()
    begun = time.monotonic()
    Room(spool, Options(spool_max_size=SIZE, when_full="block", block_timeout=30)).admit(SIZE, SIZE)
    assert time.monotonic() - begun < 20
    timer.join()


def test_drop_newest_never_waits(spool: Path) -> None:
    """The default: the program goes on, whatever the disk does."""
    fill(spool)
    assert seconds(Room(spool, Options(spool_max_size=SIZE, block_timeout=30))) < 5


class Watch:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("options", "most"),
    [
        (Options(spool_max_size=SIZE, block_timeout=30), 0.0),
        (Options(spool_max_size=SIZE, when_full="block", block_timeout=2.0), 2.0),
        (Options(spool_max_size=SIZE, when_full="drop_oldest", block_timeout=30), 0.25),
    ],
    ids=lambda value: getattr(value, "when_full", None),
)
def test_nobody_waits_longer_than_agreed(
    spool: Path, options: Options, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default never waits, `block` for its timeout, and room for the newest is made at once or not."""
    fill(spool)
    watch = Watch()
    for name in ("time", "clock"):
        monkeypatch.setattr(module, name, watch)
    monkeypatch.setattr(launch, "make_room", lambda where, room: None)
    room = Room(spool, options)
    with pytest.raises(SpoolFullError):
        room.admit(SIZE, SIZE)
    assert most <= watch.now - 1000.0 <= most + 0.01
    with pytest.raises(SpoolFullError):
        room.admit(SIZE, SIZE)
    assert watch.now - 1000.0 <= most + 0.01


def test_drop_oldest_asks_for_room_once(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room is made by who leads; who asked waits a moment for it."""
    path = fill(spool)
    asked: list[int] = []

    def make_room(where: Path, room: int) -> None:
        asked.append(room)
        path.unlink()

    monkeypatch.setattr(launch, "make_room", make_room)
    Room(spool, Options(spool_max_size=SIZE, when_full="drop_oldest")).admit(SIZE, SIZE)
    assert len(asked) == 1
    assert asked[0] >= SIZE


def test_plenty_of_room_is_not_measured_for_each_segment(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 600 programs a look at the spool is 600 system calls, and each of them rolls."""
    looks: list[int] = []
    used = [0]
    monkeypatch.setattr(Spool, "used_bytes", lambda self: looks.append(1) or used[0])
    monkeypatch.setattr(platform, "disk_size", lambda path: 10**12)
    room = Room(spool, Options())
    for _ in range(10):
        room.admit(SIZE, SIZE)
    assert len(looks) < 5
    used[0] = 10**9 - 2 * SIZE
    room = Room(spool, Options())
    for _ in range(3):
        looks.clear()
        room.admit(SIZE, SIZE)
        assert len(looks) == 1, "near the quota each segment counts"


def test_removed_spool_is_not_full(spool: Path) -> None:
    """That it is gone is said by the one who tries to write there."""
    (spool / "journal").rmdir()
    for path in spool.iterdir():
        path.unlink()
    spool.rmdir()
    Room(spool, Options()).admit(SIZE, SIZE)


class Said:
    """What `Drops` wrote."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.full = False

    def __call__(self, line: bytes) -> None:
        if self.full:
            raise ValueError("full")
        self.lines.append(msgspec.json.decode(line))

    @property
    def counts(self) -> list[int]:
        return [line["dropped"] for line in self.lines]


def test_every_drop_is_said_once() -> None:
    """The log says how many are missing: no more, no fewer."""
    drops, said = Drops(), Said()
    drops.say(said)
    for _ in range(3):
        drops.add("full")
    drops.say(said)
    drops.say(said)
    drops.add("full again")
    drops.say(said)
    assert said.counts == [3, 1]
    assert said.lines[1]["reason"] == "full again"
    assert not drops.pending


def test_what_could_not_be_said_is_said_later() -> None:
    """The segment that is to say it may be full itself."""
    drops, said = Drops(), Said()
    drops.add("full")
    said.full = True
    drops.say(said)
    assert drops.pending
    said.full = False
    drops.add("full")
    drops.say(said)
    assert said.counts == [2]


def test_drop_while_drops_are_said_is_not_forgotten() -> None:
    """Another thread drops at that moment: its record counts the next time."""
    drops, said = Drops(), Said()

    def write(line: bytes) -> None:
        said(line)
        drops.add("meanwhile")

    drops.add("full")
    drops.say(write)
    assert drops.pending
    drops.say(said)
    assert sum(said.counts) == 2


def test_drops_of_many_threads_are_all_counted() -> None:
    """The count is taken without a lock."""
    drops, said = Drops(), Said()

    def drop() -> None:
        for _ in range(2000):
            drops.add("full")
            drops.say(said)

    threads = [threading.Thread(target=drop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drops.say(said)
    assert sum(said.counts) == 8000
