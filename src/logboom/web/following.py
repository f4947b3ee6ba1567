"""The records that come, for a page: batches that are bounded, and positions to go on from.

A position names the file of each set and the byte up to which its text was read:
`SET.INODE.HEAD.OFFSET;...`, where SET and HEAD are checksums of the set's name and of the file's first line.
It stays valid across rotation, compression and a restart of the server.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from logboom.logset.follow import Follower
from logboom.logset.names import LogSet
from logboom.logset.opening import OpenFile
from logboom.logset.reading import Block, Gap, LogFile, Reading
from logboom.logset.record import Record
from logboom.logset.snapshot import SetView
from logboom.query.asking import Asked
from logboom.web.answers import NotThere, Sets, as_json, question_of, short

__all__ = ["follow"]

_TAIL: Final = 200
_BATCH: Final = 400  # ten a second: more cannot be read, and a browser shows them without effort
_BEHIND: Final = 4 << 20
_PAUSE: Final = 0.1
_ALIVE: Final = 5.0
_OFFSET: Final = (1 << 44) - 1


class _Place(NamedTuple):
    inode: int
    head: int
    offset: int


def follow(job: dict[str, Any]) -> Iterator[tuple[bytes, Any]]:
    """Batches until the reader goes; of a poll, the one batch that is there now. Raises as `ask`."""
    sets = Sets(job["places"], job["set"])
    if not sets.chosen:
        raise NotThere("No log file is here yet")
    question = question_of(sets, job, pending=False)
    try:
        live = _Live(question, sets.shown, list(sets.chosen.values()))
        batch = live.resume(job["position"]) if job["position"] else live.begin()
        if job["do"] == "poll":
            yield b"R", batch
            return
        yield b"D", batch
        last = time.monotonic()
        while True:
            looked = time.monotonic()
            fresh = live.look()
            if fresh is not None:
                yield b"D", fresh
                last = looked
            elif looked - last > _ALIVE:
                yield b"D", None  # alive
                last = looked
            time.sleep(max(_PAUSE - (time.monotonic() - looked), 0.01))
    finally:
        question.close()


class _Live:
    def __init__(self, question: Asked, names: list[str], sets: list[LogSet]) -> None:
        self._question, self._names, self._sets = question, names, sets
        self._reading = Reading()
        self._followers: list[Follower] = []

    def begin(self) -> dict[str, Any]:
        """The last records, of all files as they are now."""
        found = self._question.search.last_hits(_TAIL)
        self._follow()
        return self._batch(found, None)

    def resume(self, position: str) -> dict[str, Any]:
        """What came since a position."""
        places = _read(position)
        found: list[Record] = []
        for name, view in zip(self._names, self._question.views, strict=True):
            place = places.get(short(name))
            since = None if place is None else _since(view, place)
            if since is None:
                why = "The log moved on too far: what came meanwhile is not shown"
                return self.begin() | {"gap": {"records": None, "why": why}}
            found += since
        self._follow()
        return self._bounded(found)

    def look(self) -> dict[str, Any] | None:
        """What is new; None when nothing is."""
        skipped = [_skip(follower.file) for follower in self._followers]
        found = [record for follower in self._followers for record in follower.look()]
        lost = sum(follower.lost for follower in self._followers)
        for follower in self._followers:
            follower.lost = 0
        batch = self._bounded(found)
        if any(skipped) or lost:
            batch["gap"] = {"records": None, "why": "More came than can be shown live"}
        return batch if batch["records"] or batch["gap"] else None

    def _follow(self) -> None:
        views = self._question.views
        self._followers = [
            Follower(LogSet(one.path), view, self._reading)
            for one, view in zip(self._sets, views, strict=True)
        ]

    def _bounded(self, found: list[Record]) -> dict[str, Any]:
        hits = sorted(filter(self._question.matcher.judge, found), key=lambda record: record.key)
        more = len(hits) - _BATCH
        gap = {"records": more, "why": "More came than can be shown live"} if more > 0 else None
        return self._batch(hits[-_BATCH:], gap)

    def _batch(self, records: list[Record], gap: dict[str, Any] | None) -> dict[str, Any]:
        rows = [as_json(record, self._names) for record in records]
        return {"position": self._position(), "records": rows, "gap": gap}

    def _position(self) -> str:
        parts = []
        for name, follower in zip(self._names, self._followers, strict=True):
            file = follower.file
            place = _Place(0, 0, 0)
            if file is not None:
                place = _Place(file.file.status.st_ino, _head(file.file), file.file.size or 0)
            parts.append(f"{short(name)}.{place.inode:x}.{place.head:x}.{place.offset:x}")
        return ";".join(parts)


def _read(position: str) -> dict[str, _Place]:
    places = {}
    for part in position.split(";"):
        try:
            name, inode, head, offset = part.split(".")
            places[name] = _Place(int(inode, 16), int(head, 16), int(offset, 16))
        except ValueError:
            raise NotThere("That is no position") from None
    return places


def _head(file: OpenFile) -> int:
    """A checksum of the first line, or 0 while there is none."""
    line, newline, _ = file.read(0, 512).partition(b"\n")
    return zlib.crc32(line) if newline or len(line) == 512 else 0


def _since(view: SetView, place: _Place) -> list[Record] | None:
    """The records behind a place, which the view is then read up to; None when they are lost, or too many."""
    files = view.files
    first = 0
    if place.inode:
        known = [
            index
            for index, file in enumerate(files)
            if _head(file.file) == place.head and (file.file.size is None or file.file.size >= place.offset)
        ]
        same = [index for index in known if files[index].file.status.st_ino == place.inode]
        if not place.head and not same:  # it was empty; nothing of it can have been rotated away unread
            same = [index for index, file in enumerate(files) if file.file.status.st_ino == place.inode]
        if not (same or known):
            return None
        first = (same or known)[-1]
    newer = files[first:]
    if sum(file.file.size or _BEHIND for file in newer) - place.offset > _BEHIND:
        return None
    found: list[Record] = []
    for index, file in enumerate(newer):
        records = _all(file)
        if index == 0 and place.inode:
            records = [record for record in records if record.position & _OFFSET >= place.offset]
        found += records
    return found


def _all(file: LogFile) -> list[Record]:
    found: list[Record] = []
    for block in file.blocks:
        loaded = file.load(block) if isinstance(block, Block) else None
        runs = [loaded] if loaded is not None else file.parse(Gap(block.start, block.end))
        for run in runs:
            found += map(run.record, range(len(run)))
    return found


def _skip(file: LogFile | None) -> bool:
    """Pass over most of what was appended when it is too much to show; returns True if it did."""
    if file is None or file.file.codec is not None or file.file.size is None:
        return False
    size = os.fstat(file.file.fd).st_size
    if size - file.file.size <= _BEHIND:
        return False
    at = size - _BEHIND // 4
    text = file.file.read(at, _BEHIND // 4)
    file.file.size = at + text.find(b"\n") + 1
    return True
