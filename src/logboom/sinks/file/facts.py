"""The facts of a set's live file, as its sink writes them (`logset.facts` has the format and its invariants).

They go with the append that they describe: `describe` makes them before the intent, which keeps them, and
`keep` appends them before the lines are. What cannot be kept costs a search its certainty, and no record.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from logboom import platform
from logboom.journal.layout import Context
from logboom.logset import facts
from logboom.platform.failpoints import reach
from logboom.platform.files import Directory, copy_access
from logboom.sinks.base import Batch
from logboom.sinks.file.live import LiveFile

__all__ = ["FactsKeeper"]

_MOST_KEYS: Final = 50_000
_class_of_row = itemgetter(1, 2, 3)
_created = itemgetter(0)
_Key: TypeAlias = tuple[str, tuple[int, int, str]]  # stream, and context, level, logger
_encode = msgspec.json.Encoder().encode


class FactsKeeper:
    """Writes the facts of whatever file is the live one."""

    def __init__(self, directory: Path, name: str, notes: Callable[[str], None]) -> None:
        """Opens nothing yet; `directory` is the log's."""
        self._path = directory / facts.DIRECTORY
        self._name = name
        self._notes = notes
        self._file: tuple[int, int] = (-1, -1)  # device and inode of the log that `_fd` is for
        self._fd = -1
        self._size = 0
        self._access: tuple[int, int, int] | None = None
        self._trouble = ""
        self._planned = False
        self._begin_epoch()

    def describe(
        self, batch: Batch, count: int, live: LiveFile, before: int, data: bytes
    ) -> tuple[bytes, int]:
        """Frames for the first `count` records, and the place in the facts file that they are for.

        Args:
            before: size of the log.
            data: what will be appended to it: the lines, perhaps behind a byte order mark.
        """
        if len(batch.rows) < count or not count:
            return b"", 0
        try:
            self._use(live)
            return self._described(batch, count, before, data), self._size
        except Exception as error:  # of rows and contexts that a program made as it liked
            self._say(f"no facts of {self._name} are kept: {error}")
            self._begin_epoch()
            return b"", 0

    def _described(self, batch: Batch, count: int, before: int, data: bytes) -> bytes:
        if self._planned or len(self._known) > _MOST_KEYS:
            self._begin_epoch()  # what the last plan introduced may not have been written
        rows, lines = batch.rows[:count], batch.lines[:count]
        out: list[bytes] = []
        keys = list(zip(batch.streams, map(_class_of_row, rows), strict=False))
        known = self._known
        codes: list[Any] = list(map(known.get, keys))
        if None in codes:
            self._introduce(batch, rows, keys, out)
            codes = [known[key] for key in keys]
        lengths = list(map(len, lines))
        total = sum(lengths)
        start = len(data) - total
        ends = facts.ends_of(data, start, total)
        out.append(facts.pack_batch(before + start, ends, lengths, codes, list(map(_created, rows))))
        self._planned = True
        return b"".join(out)

    def keep(self, live: LiveFile, frames: bytes, place: int | None) -> None:
        """Append frames of `describe`, of this process or of one that was killed. Never raises `OSError`.

        Args:
            place: where in the facts file; None for its end.
        """
        if not frames:
            return
        reach("facts.before")
        try:
            self._use(live)
            if self._fd < 0:
                self._create(live)
            place = self._size if place is None else place
            if self._size > place:
                os.ftruncate(self._fd, place)
                self._size = place
            self._follow_access(live)
            self._write(frames)
            self._planned = False
        except OSError as error:
            self._say(f"facts of {self._name} are missing: {error.strerror or error}")
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            self._begin_epoch()
        reach("facts.after")

    def forget(self, live: LiveFile) -> None:
        """The log was emptied. Never raises `OSError`."""
        with contextlib.suppress(OSError):
            self._use(live)
            if self._fd >= 0:
                os.ftruncate(self._fd, 0)
                self._size = 0
        self._begin_epoch()

    def move(self, live: LiveFile, inode: int) -> None:
        """The log's bytes are in another file now, with this inode. Never raises `OSError`."""
        with contextlib.suppress(OSError):
            self._use(live)
            if self._fd >= 0:
                self.close()
                old, new = facts.facts_name(live.inode), facts.facts_name(inode)
                platform.replace(self._path / old, self._path / new)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        self._file, self._size, self._access = (-1, -1), 0, None

    # -- the file ----------------------------------------------------------------------------------

    def _use(self, live: LiveFile) -> None:
        """Open the facts of this log, where there are any. Raises `OSError`."""
        if self._file == (live.device, live.inode):
            return
        self.close()
        if self._path.is_dir():
            with (
                contextlib.closing(self._directory(live)) as directory,
                contextlib.suppress(FileNotFoundError),
            ):
                self._fd = directory.open_append(facts.facts_name(live.inode))
                self._size = facts.sound_length(lambda at, length: platform.read_at(self._fd, length, at))
                os.ftruncate(self._fd, self._size)
        self._file = live.device, live.inode
        self._begin_epoch()

    def _directory(self, live: LiveFile) -> Directory:
        """The directory of the facts, which only this user, root or the owner of the log's has made."""
        there, above = self._path.lstat(), self._path.parent.stat()
        user: int = getattr(os, "geteuid", int)()
        if not stat.S_ISDIR(there.st_mode) or there.st_uid not in (above.st_uid, user, 0):
            raise OSError(None, f"{self._path} is not ours")
        directory = Directory(self._path)
        if directory.device != live.device:
            directory.close()
            raise OSError(None, f"{self._path} is on another file system")
        return directory

    def _create(self, live: LiveFile) -> None:
        with contextlib.suppress(FileExistsError):
            self._path.mkdir(0o700)
            # Whoever may look into the log's directory may look into this one: each file has its log's mode.
            self._path.chmod(0o700 | stat.S_IMODE(self._path.parent.stat().st_mode) & 0o075)
        with contextlib.closing(self._directory(live)) as directory:
            self._fd = directory.create(facts.facts_name(live.inode))
        self._size = 0
        self._access = None

    def _follow_access(self, live: LiveFile) -> None:
        """Who may read the log may read its facts."""
        status = live.status()
        access = status.st_mode, status.st_uid, status.st_gid
        if access != self._access:
            copy_access(self._fd, status)
            self._access = access

    def _write(self, frames: bytes) -> None:
        rest = memoryview(frames)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self._size += len(frames)

    # -- classes -----------------------------------------------------------------------------------

    def _begin_epoch(self) -> None:
        """Classes and formats are numbered anew, behind a header."""
        self._known: dict[_Key, int] = {}
        self._classes: dict[bytes, int] = {}
        self._formats: dict[bytes, int] = {}
        self._planned = False

    def _introduce(
        self,
        batch: Batch,
        rows: list[list[Any]],
        keys: list[tuple[str, tuple[int, int, str]]],
        out: list[bytes],
    ) -> None:
        """State the classes that are new, and the formats of these."""
        if not self._known:
            out.append(facts.frame(facts.HEADER, {"logboom_facts": 1, "set": self._name}))
        for key, row in zip(keys, rows, strict=True):
            if key in self._known:
                continue
            stream, (number, level, logger) = key
            context = batch.context(stream, number)
            process, program = batch.origin(stream)
            values = {
                "level": level,
                "level_name": _level_name(context, row),
                "logger": logger,
                "process": process,
                "program": program,
                "format": self._format(context, out),
            }
            said = _encode(values)
            if said not in self._classes:
                if len(self._classes) >= facts.UNKNOWN_CLASS:
                    self._known[key] = facts.UNKNOWN_CLASS
                    continue
                self._classes[said] = len(self._classes)
                out.append(facts.frame(facts.CLASS, {"number": self._classes[said], **values}))
            self._known[key] = self._classes[said]

    def _format(self, context: Context | None, out: list[bytes]) -> int:
        if context is None:
            return -1
        values = {"renderer": context.renderer, "encoding": context.encoding, "raw": context.raw}
        if context.renderer == "text":
            values |= {"format": context.options["format"], "style": context.options["style"]}
        elif context.renderer == "json":
            values |= {"names": context.options.get("fields")}
        said = _encode(values)
        if said not in self._formats:
            self._formats[said] = len(self._formats)
            out.append(facts.frame(facts.FORMAT, {"number": self._formats[said], **values}))
        return self._formats[said]

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._notes(trouble)


def _level_name(context: Context | None, row: list[Any]) -> str | None:
    """The name that the program has for the level, where it came along."""
    if context is None or "levelname" not in context.columns:
        return None
    value = row[4 + context.columns.index("levelname")]
    return value if isinstance(value, str) else None
