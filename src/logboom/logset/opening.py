"""One file of a set, open: its text at any place, whatever its compression; of one cut off, what there is.

A file that is open stays readable while it is renamed, compressed or deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from logboom import platform
from logboom.logset.names import codec_of
from logboom.logset.packing import Member, members, unpack, unpacking

__all__ = ["OpenFile"]

_BLOCK: Final = 1 << 20
_GROUP: Final = 1 << 20


class OpenFile:
    """The text of a file.

    Attributes:
        path, name: where it was opened.
        status: as it was opened.
        codec: None, `gzip`, `zstd`.
        size: bytes of text up to which is read; None for a compressed file that has no blocks.
        trouble: why the text ends early, or an empty string.
        members: of a file that was compressed in blocks.
    """

    fd = -1

    def __init__(self, path: Path) -> None:
        """Raises `OSError`."""
        self.path, self.name = path, path.name
        self.fd = platform.open_for_reading(path)
        self.status = os.fstat(self.fd)
        self.codec = codec_of(path.name)
        self.trouble = ""
        self.members: list[Member] | None = None
        self.size: int | None = self.status.st_size
        self._last: tuple[int, bytes] = (-1, b"")
        self._stream: Iterator[bytes] | None = None
        self._stream_at = 0
        self._left = b""
        if self.codec is not None:
            self.members = members(self.codec, self._read_raw, self.status.st_size)
            self.size = None
            if self.members is not None:
                self.size = sum(member.size for member in self.members)

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()

    def read(self, start: int, length: int) -> bytes:
        """Text from `start`; less than `length` bytes where it ends. Raises `OSError`."""
        if self.codec is None:
            if self.size is not None:
                length = min(length, self.size - start)
            return self._read_raw(start, length) if length > 0 else b""
        if self.members is not None:
            return self._read_members(start, length)
        return self._read_stream(start, length)

    def spans(self) -> Iterator[tuple[int, int]]:
        """`(start, length)` of parts that are read well at once; for a stream the length is a guess."""
        if self.members is not None:
            start = end = 0
            for member in self.members:
                end = member.at + member.size
                if end - start >= _GROUP:
                    yield start, end - start
                    start = end
            if end > start:
                yield start, end - start
        elif self.size is not None:
            for start in range(0, self.size, _BLOCK):
                yield start, min(_BLOCK, self.size - start)
        else:
            start = 0
            while self.read(start, 1):
                yield start, _BLOCK
                start += _BLOCK

    def _read_raw(self, start: int, length: int) -> bytes:
        blocks = []
        while length > 0:
            block = platform.read_at(self.fd, length, start)
            if not block:
                break
            blocks.append(block)
            start += len(block)
            length -= len(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def _read_members(self, start: int, length: int) -> bytes:
        assert self.members is not None and self.codec is not None
        end, out = start + length, []
        low, high = 0, len(self.members)
        while low < high:
            middle = (low + high) // 2
            if self.members[middle].at + self.members[middle].size <= start:
                low = middle + 1
            else:
                high = middle
        for index in range(low, len(self.members)):
            member = self.members[index]
            if member.at >= end:
                break
            text = self._member(index, member)
            out.append(text[max(start - member.at, 0) : end - member.at])
        return out[0] if len(out) == 1 else b"".join(out)

    def _member(self, index: int, member: Member) -> bytes:
        if self._last[0] == index:
            return self._last[1]
        assert self.codec is not None
        try:
            text = unpack(self.codec, self._read_raw(member.start, member.length), member.size)
        except ValueError as error:
            self.trouble = str(error)
            text = b"\n" * member.size  # what follows keeps its place
        self._last = index, text
        return text

    def _read_stream(self, start: int, length: int) -> bytes:
        """The text of one long member can only be read from its beginning."""
        if self._stream is None or start < self._stream_at:
            assert self.codec is not None
            self._stream = unpacking(self.codec, self._raw_blocks())
            self._stream_at, self._left = 0, b""
        parts, have = [self._left], len(self._left)
        while self._stream_at + have < start + length:
            block = self._next()
            if block is None:
                break
            have += len(block)
            parts.append(block)
            if self._stream_at + have <= start:
                self._stream_at += have
                parts, have = [], 0
        text = b"".join(parts)
        skip = max(start - self._stream_at, 0)
        self._stream_at, self._left = self._stream_at + skip, text[skip:]
        return self._left[:length]

    def _next(self) -> bytes | None:
        assert self._stream is not None
        try:
            return next(self._stream, None)
        except ValueError as error:
            self.trouble = str(error)
            return None

    def _raw_blocks(self) -> Iterator[bytes]:
        place = 0
        while block := self._read_raw(place, _BLOCK):
            place += len(block)
            yield block
