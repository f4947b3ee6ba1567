"""Positions and intents, durable against SIGKILL: `checkpoint.jsonl` and the bytes of open intents.

The file is JSON Lines, each after its CRC-32 in eight hexadecimal digits. A line is one event; the
first is a snapshot of everything before it. A commit is one `write(2)`. A torn last line never
happened. The bytes of an intent are written to a file of their own before the line that names
them, so recovery needs nothing but the two files.

    00c5ab1e {"snapshot":{"positions":{...},"targets":{...},"counts":{...},"intents":{...}}}
    7be9d30f {"intend":{"target":"app.log","step":{...},"advance":{"0f3c...":1099511627776},"counts":{...}}}
    91d02a44 {"done":"app.log"}
    4b1d7e90 {"done":"app.log","counts":{...}}
    5a63f0c1 {"forget":["0f3c..."]}
    c0ffee00 {"configure":{"target":"app.log","value":{...}}}
    5eed0001 {"dismiss":["app.log"]}
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
import zlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from logboom import platform
from logboom.journal.target import Asked, Target, stored
from logboom.platform.failpoints import reach
from logboom.platform.files import Directory
from logboom.sinks.base import Step
from logboom.spool import ledger
from logboom.spool.damaged import DamagedPlace
from logboom.spool.directory import mode_like_log
from logboom.spool.ledger import Configure, Counts, Intent, Line, State, frame, replay, unframe
from logboom.spool.place import place, read, spool_of

__all__ = ["Checkpoint", "Counts", "Intent", "Recorded", "read_recorded"]

_REWRITE_AT = 1024 * 1024
_GO_ON_BELOW = 16 * 1024  # with `collector="off"` it is read for each record
_LARGEST = 32 * 1024 * 1024
_NAME = "checkpoint.jsonl"
_TEMPORARY = "checkpoint.tmp"
_PLANTED = frozenset({errno.ELOOP, errno.EINVAL, errno.EMLINK, errno.EFBIG})


class Recorded(NamedTuple):
    """What a checkpoint says, for somebody who only looks.

    Attributes:
        positions: producer to delivered position (`layout.pack_position`).
        counts: totals by target.
        targets: the configuration in force by target.
    """

    positions: dict[str, int]
    counts: dict[str, Counts]
    targets: dict[str, Asked]


class Checkpoint:
    """What has been delivered, and what was about to be. Opened by the leader alone.

    Args:
        spool: the spool directory.
        mode: permission bits of the files.

    Attributes:
        notes: what was wrong with the file, in sentences; empty when nothing was.
    """

    def __init__(self, spool: Path, mode: int = 0o600) -> None:
        self._fd, self._size, self._data = -1, 0, dict[str, int]()
        self.path = spool / _NAME
        self._held: Directory | None = None
        self.notes: list[str] = []
        self._mode = mode
        self._torn = self._distrusted = False
        self._filled: set[str] = set()  # targets whose file has bytes of a step that may be done
        self._cleared = False
        self._renamed = True  # names of files that a power loss could take back
        self._state = self._load()
        self._targets = {key: value.asked() for key, value in self._state.targets.items()}
        self._fd = self._reopen()

    # -- reading -----------------------------------------------------------------------------------

    @property
    def positions(self) -> Mapping[str, int]:
        """Producer to delivered position (`layout.pack_position`)."""
        return self._state.positions

    @property
    def targets(self) -> Mapping[str, Asked]:
        """The configuration in force of each target."""
        return self._targets

    @property
    def intents(self) -> Mapping[str, Intent]:
        """Steps that were recorded and not marked done."""
        return self._state.intents

    def counts(self, target: str) -> Counts:
        return self._state.counts.setdefault(target, Counts())

    def data(self, intent: Intent) -> bytes | None:
        """The bytes of an open intent, or None when they are damaged."""
        if not intent.length:
            return b""
        try:
            fd = self._place.open(_data_name(intent.target), os.O_RDONLY)
        except OSError:
            return None
        with open(fd, "rb") as file:
            if intent.length > os.fstat(fd).st_size:
                return None
            data = file.read(intent.length)
        return data if len(data) == intent.length and zlib.crc32(data) == intent.crc else None

    def beside(self, intent: Intent) -> bytes:
        """The other bytes of an open intent; none when they are damaged."""
        if not intent.beside:
            return b""
        try:
            fd = self._place.open(_data_name(intent.target), os.O_RDONLY)
        except OSError:
            return b""
        with open(fd, "rb") as file:
            if intent.length + intent.beside > os.fstat(fd).st_size:
                return b""
            file.seek(intent.length)
            beside = file.read(intent.beside)
        sound = len(beside) == intent.beside and zlib.crc32(beside) == intent.beside_crc
        return beside if sound else b""

    # -- writing -----------------------------------------------------------------------------------

    def intend(self, target: str, step: Step, advance: Mapping[str, int], counts: Counts) -> None:
        """Record that `step` will be made now. Raises `OSError`; then nothing was recorded."""
        data, beside = step.data, step.beside
        if data or beside:
            self._filled.add(target)
            _write_whole(self._data_file(target), data + beside)
            reach("checkpoint.data")
            step = msgspec.structs.replace(step, data=b"", beside=b"")
        crc, other = zlib.crc32(data), zlib.crc32(beside)
        intent = Intent(target, step, len(data), crc, dict(advance), counts, len(beside), other)
        self._append(Line(intend=intent))
        self._state.intents[target] = intent
        reach("checkpoint.intended")

    def complete(self, target: str, counts: Counts | None = None) -> None:
        """The open step of `target` is made: its positions and counts hold. Raises `OSError`.

        Args:
            counts: the totals after it, where they became others than was intended.
        """
        self._append(Line(done=target, counts=counts))
        ledger.complete(self._state, target, counts)
        reach("checkpoint.done")

    def abandon(self, target: str) -> None:
        """The open step of `target` cannot be finished: it never happened. Raises `OSError`."""
        self._append(Line(abandon=target))
        self._state.intents.pop(target, None)

    def forget(self, producers: Iterable[str]) -> None:
        """These producers' segments are gone."""
        gone = [producer for producer in producers if producer in self._state.positions]
        if gone:
            self._append(Line(forget=gone))
            ledger.forget(self._state, gone)

    def configure(self, target: str, value: Asked) -> None:
        """Remember the configuration in force."""
        event = Configure(target, stored(value))
        self._append(Line(configure=event))
        self._state.targets[target] = event.value
        self._targets[target] = value

    def dismiss(self, targets: Iterable[str]) -> None:
        """Nobody logs to these any more: their configuration and totals are forgotten."""
        gone = [target for target in targets if target not in self._state.intents]
        if gone:
            self._append(Line(dismiss=gone))
            ledger.dismiss(self._state, gone)
            for target in gone:
                self._targets.pop(target, None)

    def clear(self, undurable: Collection[str] = ()) -> None:
        """Delete the bytes of steps that are done: the log, whose text they are, has a retention of its own.

        Args:
            undurable: targets whose steps are not as durable yet as they have to be.
        """
        for target in self._filled - self._state.intents.keys() - set(undurable):
            with contextlib.suppress(OSError):
                os.ftruncate(self._data_file(target), 0)
                self._filled.discard(target)
        if not self._cleared and not undurable:
            self._cleared = True
            self._remove_others()

    def _remove_others(self) -> None:
        """What a predecessor that was killed has left, of whatever target."""
        kept = {_data_name(target) for target in (*self._state.intents, *self._data)}
        with contextlib.suppress(OSError):
            for name in self._place.names():
                if name.startswith("intent.") and name not in kept:
                    with contextlib.suppress(OSError):
                        self._place.remove(name)

    def release(self, target: str) -> None:
        """Give up the file that is kept for steps of `target`; the next step makes a new one."""
        if target in self._state.intents:
            return
        fd = self._data.pop(target, None)
        if fd is not None:
            os.close(fd)
            self._filled.discard(target)
            with contextlib.suppress(OSError):
                self._place.remove(_data_name(target))

    def sync(self) -> None:
        """Everything recorded is durable against power loss on return.

        Raises:
            OSError: it is not. The next call writes new files: after a failed sync the kernel may take for
                written what it has dropped.
        """
        if self._distrusted:
            self._renew()
        self._distrusted = True
        for fd in self._data.values():
            platform.sync_file(fd)
        platform.sync_file(self._fd)
        if self._renamed:
            platform.sync_directory(self.path.parent)
            self._renamed = False
        self._distrusted = False

    def tidy(self) -> None:
        """Rewrite the file when it has grown."""
        if self._size > _REWRITE_AT:
            self._fd = self._rewrite()

    def close(self) -> None:
        """Give up the descriptors; everything is on the file already."""
        while self._data:
            os.close(self._data.popitem()[1])
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        self._held = None

    def __del__(self) -> None:
        self.close()  # an interrupted one

    # -- the file ----------------------------------------------------------------------------------

    @property
    def _place(self) -> Directory:
        self._held = place(self.path.parent)
        return self._held

    def _append(self, line: Line) -> None:
        raw = frame(line)
        if self._size > 2 * _REWRITE_AT:  # in the middle of a step that makes ever more of them
            with contextlib.suppress(OSError):
                self.tidy()
        if self._torn:
            self._mend()
        self._torn = True
        if os.write(self._fd, raw) != len(raw):
            self._mend()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._torn = False
        self._size += len(raw)

    def _mend(self) -> None:
        """Cut off what a full disk left of a line: one behind it would be taken for damage."""
        os.ftruncate(self._fd, self._size)
        self._torn = False

    def _reopen(self) -> int:
        """Go on in the file as it is, when it is whole and small; else in a new one."""
        if self._size:
            with contextlib.suppress(OSError):  # another user's, perhaps
                return self._place.open(_NAME, os.O_WRONLY | os.O_APPEND)
        return self._rewrite()

    def _rewrite(self) -> int:
        fd = self._place.afresh(_TEMPORARY, os.O_WRONLY | os.O_APPEND, self._mode)
        try:
            raw = frame(Line(snapshot=self._state))
            if os.write(fd, raw) != len(raw):
                raise OSError(errno.ENOSPC, "no space for the checkpoint", str(self.path))
            reach("checkpoint.rewrite")
            self._replace()
        except BaseException:
            os.close(fd)
            raise
        reach("checkpoint.rewritten")
        self._renamed = True
        self._size = len(raw)
        self._torn = False
        return fd

    def _renew(self) -> None:
        """The same in new files; an intent that comes later writes all of its own bytes."""
        self._fd = self._rewrite()
        for intent in self._state.intents.values():
            data, beside = self.data(intent), self.beside(intent)
            if data:
                self.release(intent.target)
                self._place.write(_data_name(intent.target), data + beside, self._data_mode(intent.target))
                self._data_file(intent.target)

    def _replace(self) -> None:
        """Put the new file in the old one's place, which must not be open on Windows."""
        old, self._fd = self._fd, -1
        if old >= 0:
            os.close(old)
        try:
            self._place.replace(_TEMPORARY, _NAME)
        except OSError:
            if old >= 0:
                self._fd = self._place.open(_NAME, os.O_WRONLY | os.O_APPEND)
            raise

    def _data_file(self, target: str) -> int:
        fd = self._data.get(target)
        if fd is None:
            fd = self._data[target] = self._open_data(_data_name(target), self._data_mode(target))
            self._renamed = True
        return fd

    def _open_data(self, name: str, mode: int) -> int:
        """As it is, when it may be written: it may be another user's; else anew."""
        try:
            fd = self._place.open(name, os.O_RDWR)
        except OSError:
            return self._place.afresh(name, os.O_RDWR, mode)
        with contextlib.suppress(PermissionError):
            self._place.give(fd, mode)
        return fd

    def _data_mode(self, target: str) -> int:
        """The bytes are lines of the log, and nobody may read them here who may not there."""
        known = self._targets.get(target)
        if isinstance(known, Target):
            return mode_like_log(self._mode, known.path(spool_of(self.path.parent)), self._place)
        return self._mode if known is None else 0o600 | self._mode & 0o060

    def _load(self) -> State:
        try:
            raw = self._place.read(_NAME, _LARGEST)
        except FileNotFoundError:
            return State()
        except OSError as error:
            if error.errno not in _PLANTED:
                raise
            self._set_planted_aside(error)
            return State()
        state = State()
        bad = 0
        lines = raw.split(b"\n")
        lines.pop()  # empty, or a torn last line that never happened
        for line in lines:
            event = unframe(line)
            if event is None:
                bad += 1
            else:
                state = replay(state, event)
        if bad:
            self._set_aside(raw, bad)
        elif raw.endswith(b"\n") and len(raw) < _GO_ON_BELOW:
            self._size = len(raw)
        return state

    def _set_planted_aside(self, error: OSError) -> None:
        """No checkpoint of ours: a link, a pipe, a file of a size that none has."""
        name = f"checkpoint.{int(time.time())}"
        moved = DamagedPlace(self.path.parent).take(self._place, _NAME, name)
        if not moved:
            self._place.remove(_NAME)
        self.notes.append(
            f"{self.path} is not a checkpoint ({error.strerror or error}) and was "
            f"{'moved to damaged/' if moved else 'removed'}: some records may be delivered again"
        )

    def _set_aside(self, raw: bytes, bad: int) -> None:
        kept = DamagedPlace(self.path.parent).put(f"checkpoint.{int(time.time())}.jsonl", raw)
        self.notes.append(
            f"{bad} damaged lines in {self.path}, kept as {kept}: what they said is not known, "
            "so some records may be delivered again"
        )


def read_recorded(spool: Path) -> Recorded:
    """What is recorded in `spool` now; changes nothing, and passes over damaged lines.

    Raises:
        OSError: the checkpoint is there and cannot be read.
    """
    try:
        lines = read(spool, _NAME, _LARGEST).split(b"\n")[:-1]
    except FileNotFoundError:
        lines = []
    state = State()
    for event in filter(None, map(unframe, lines)):
        state = replay(state, event)
    targets = {key: value.asked() for key, value in state.targets.items()}
    return Recorded(state.positions, state.counts, targets)


def _data_name(target: str) -> str:
    return f"intent.{zlib.crc32(target.encode()):08x}.bytes"


def _write_whole(fd: int, data: bytes) -> None:
    if platform.write_at(fd, data, 0) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
