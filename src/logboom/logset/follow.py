"""A set as it grows: what is new at each look, across rotation, compression and truncation."""

from __future__ import annotations

import os
from pathlib import Path

from logboom.logset.names import LogSet, codec_of, files_of
from logboom.logset.reading import Block, Gap, LogFile, Reading
from logboom.logset.record import Record
from logboom.logset.snapshot import SetView

__all__ = ["Follower"]


class Follower:
    """Follows one set from the end of what a view of it has.

    Attributes:
        lost: files that were deleted before they could be read.
    """

    def __init__(self, one: LogSet, view: SetView, reading: Reading) -> None:
        self._one = one
        self._number = view.number
        self._reading = reading
        self._file: LogFile | None = None
        self._generation = len(view.files)
        self.lost = 0
        if view.files and view.files[-1].file.name == one.path.name:
            self._file = view.files.pop()

    @property
    def file(self) -> LogFile | None:
        """The file that is followed; `file.file.size` is up to where it was read."""
        return self._file

    def look(self) -> list[Record]:
        """The records that are new since the last look, in the order of the files."""
        found = self._grown()
        newer = self._newer()
        if newer:
            found += self._grown()  # what came between the last look and the roll
        for path, inode in newer:
            try:
                file = LogFile(path, (self._number, self._generation), self._reading)
            except OSError:
                continue
            if file.file.status.st_ino != inode:
                file.close()  # renamed meanwhile: the next look finds it
                break
            self._generation += 1
            found += self._records(file, file.blocks)
            self._keep(file)
        return found

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _keep(self, file: LogFile) -> None:
        if self._file is not None:
            self._file.close()
        self._file = file

    def _grown(self) -> list[Record]:
        """What was appended to the file that is followed, also where it has another name by now."""
        file = self._file
        if file is None or file.file.codec is not None:
            return []
        status = os.fstat(file.file.fd)
        if status.st_size < (file.file.size or 0):  # truncated: it begins anew
            try:
                fresh = LogFile(file.file.path, (self._number, self._generation), self._reading)
            except OSError:
                return []
            self._generation += 1
            self._keep(fresh)
            return self._records(fresh, fresh.blocks)
        return self._records(file, file.grow())

    def _newer(self) -> list[tuple[Path, int]]:
        """Files of the set that are newer than the one that is followed, the oldest first."""
        directory = self._one.path.parent
        try:
            names = files_of(self._one.path.name, os.listdir(directory))
        except FileNotFoundError:
            return []
        known = None if self._file is None else self._file.file.status.st_ino
        newer: list[tuple[Path, int]] = []
        met = known is None
        for name in names:
            try:
                status = os.stat(directory / name, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if status.st_ino == known:
                newer, met = [], True
            elif codec_of(name) is None:
                newer.append((directory / name, status.st_ino))
        if not met:
            # What is followed was compressed or deleted; only the live file is surely newer.
            self.lost += len(newer) > 1
            newer = newer[-1:]
        elif known is None:
            newer = newer[-1:]
        return newer

    def _records(self, file: LogFile, blocks: list[Block | Gap]) -> list[Record]:
        found: list[Record] = []
        for block in blocks:
            if isinstance(block, Block):
                loaded = file.load(block)
                if loaded is not None:
                    found += map(loaded.record, range(len(loaded)))
                    continue
                block = Gap(block.start, block.end)
            for some in file.parse(block):
                found += map(some.record, range(len(some)))
        return found
