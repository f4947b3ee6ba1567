"""Compressed files in blocks, so that a part of one can be read without the rest.

gzip: members of 256 KiB of text. Each has in its header an extra field `LB` of eight bytes, little-endian:
the length of the whole member, and of its text. Every reader of gzip takes the members as one text.

zstd: frames of 1 MiB of text and, behind them, the seek table of the seekable format (a skippable frame with
each frame's two lengths). `zstdcat` passes over it.

This module chooses between the package `zstandard` and `compression.zstd` (from Python 3.14 on).
"""

from __future__ import annotations

import importlib.util
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, Protocol

__all__ = [
    "GZIP_BLOCK",
    "ZSTD_BLOCK",
    "Member",
    "Packer",
    "has_zstd",
    "members",
    "packer",
    "unpack",
    "unpacking",
]

GZIP_BLOCK: Final = 256 * 1024
ZSTD_BLOCK: Final = 1024 * 1024
_LEVEL: Final = 6
_ZSTD_LEVEL: Final = 3
_HEADER: Final = struct.Struct("<2sBBIBBH2sHII")
_HEAD: Final = _HEADER.size
_FRAME: Final = struct.Struct("<II")
_FOOTER: Final = struct.Struct("<IBI")
_SKIPPABLE: Final = 0x184D2A5E
_SEEKABLE: Final = 0x8F92EAB1
_RAW: Final = -zlib.MAX_WBITS
_GZIP: Final = 16 + zlib.MAX_WBITS
_READ: Final = 1 << 18

ReadAt = Callable[[int, int], bytes]


class Member(NamedTuple):
    """A part that can be unpacked alone: `start`, `length` in the file; `at`, `size` in the text."""

    start: int
    length: int
    at: int
    size: int


class Packer(Protocol):
    """Text in, compressed bytes out; a new member for each block."""

    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class _GzipPacker:
    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes) -> bytes:
        data = self._left + data
        whole = len(data) - len(data) % GZIP_BLOCK
        self._left = data[whole:]
        return b"".join(_gzip_member(data[at : at + GZIP_BLOCK]) for at in range(0, whole, GZIP_BLOCK))

    def finish(self) -> bytes:
        left, self._left = self._left, b""
        return _gzip_member(left)


def _gzip_member(text: bytes) -> bytes:
    body = zlib.compress(text, _LEVEL, wbits=_RAW)
    length = _HEAD + len(body) + 8
    head = _HEADER.pack(b"\x1f\x8b", 8, 4, 0, 0, 255, 12, b"LB", 8, length, len(text))
    return head + body + _FRAME.pack(zlib.crc32(text), len(text))


class _ZstdPacker:
    def __init__(self) -> None:
        self._compress = _zstd().compress
        self._left = b""
        self._table: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        data = self._left + data
        whole = len(data) - len(data) % ZSTD_BLOCK
        self._left = data[whole:]
        return b"".join(self._frame(data[at : at + ZSTD_BLOCK]) for at in range(0, whole, ZSTD_BLOCK))

    def _frame(self, text: bytes) -> bytes:
        frame = self._compress(text)
        self._table.append(_FRAME.pack(len(frame), len(text)))
        return frame

    def finish(self) -> bytes:
        left, self._left = self._left, b""
        last = self._frame(left) if left or not self._table else b""
        table = b"".join(self._table) + _FOOTER.pack(len(self._table), 0, _SEEKABLE)
        return last + _FRAME.pack(_SKIPPABLE, len(table)) + table


def packer(codec: str) -> Packer:
    """The compressor of `gzip` or `zstd`. Raises `ImportError` when the codec's package is missing."""
    return _GzipPacker() if codec == "gzip" else _ZstdPacker()


# --- zstd, from wherever it comes ---


class _Zstd(NamedTuple):
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes, int], bytes]
    stream: Callable[[], Any]


def has_zstd() -> bool:
    """Return True if this interpreter can compress with zstd."""
    return sys.version_info >= (3, 14) or importlib.util.find_spec("zstandard") is not None


def _zstd() -> _Zstd:
    if sys.version_info >= (3, 14):
        try:
            from compression import zstd  # type: ignore[import-not-found,unused-ignore]
        except ImportError:  # built without it
            return _zstandard()

        options = {
            zstd.CompressionParameter.compression_level: _ZSTD_LEVEL,
            zstd.CompressionParameter.checksum_flag: 1,
        }
        return _Zstd(
            lambda data: bytes(zstd.compress(data, options=options)),
            lambda data, size: bytes(zstd.decompress(data)),
            zstd.ZstdDecompressor,
        )
    return _zstandard()


def _zstandard() -> _Zstd:
    import zstandard

    def decompress(data: bytes, size: int) -> bytes:
        # `decompress` stops after a frame; the members that are given here are one frame each.
        return bytes(zstandard.ZstdDecompressor().decompress(data, max_output_size=max(size, 1)))

    return _Zstd(
        lambda data: bytes(zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compress(data)),
        decompress,
        lambda: zstandard.ZstdDecompressor().decompressobj(),
    )


# --- reading ---


def members(codec: str, read_at: ReadAt, size: int) -> list[Member] | None:
    """The members of a file that was written in blocks; None for any other, and for one that is cut off."""
    return _gzip_members(read_at, size) if codec == "gzip" else _zstd_members(read_at, size)


def _gzip_members(read_at: ReadAt, size: int) -> list[Member] | None:
    found: list[Member] = []
    place = at = 0
    while place < size:
        head = read_at(place, _HEAD)
        if len(head) < _HEAD:
            return None
        magic, _, flags, _, _, _, extra, name, width, length, text = _HEADER.unpack(head)
        if (
            magic != b"\x1f\x8b"
            or flags != 4
            or extra != 12
            or name != b"LB"
            or width != 8
            or length <= _HEAD
        ):
            return None
        found.append(Member(place, length, at, text))
        place, at = place + length, at + text
    return found if place == size and found else None


def _zstd_members(read_at: ReadAt, size: int) -> list[Member] | None:
    footer = read_at(size - _FOOTER.size, _FOOTER.size) if size > _FOOTER.size else b""
    if len(footer) < _FOOTER.size:
        return None
    count, descriptor, magic = _FOOTER.unpack(footer)
    width = _FRAME.size + (4 if descriptor & 0x80 else 0)
    begin = size - _FOOTER.size - count * width - _FRAME.size
    if magic != _SEEKABLE or begin < 0:
        return None
    table = read_at(begin, count * width + _FRAME.size)
    if _FRAME.unpack_from(table)[0] != _SKIPPABLE:
        return None
    found: list[Member] = []
    place = at = 0
    for index in range(count):
        length, text = _FRAME.unpack_from(table, _FRAME.size + index * width)
        found.append(Member(place, length, at, text))
        place, at = place + length, at + text
    return found if place == begin else None


def unpack(codec: str, data: bytes, size: int) -> bytes:
    """The text of one member. Raises `ValueError` when it is damaged."""
    try:
        text = zlib.decompress(data, _GZIP) if codec == "gzip" else _zstd().decompress(data, size)
    except Exception as error:  # each package has an error class of its own
        if isinstance(error, ImportError):
            raise
        raise ValueError(f"damaged {codec} data: {error}") from None
    if len(text) != size:
        raise ValueError(f"damaged {codec} data: {len(text)} bytes of text, not {size}")
    return text


def unpacking(codec: str, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The text of a whole file of any kind of members, also of one that is cut off.

    Raises:
        ValueError: at a damaged or cut place, after everything before it was given.
    """
    make = (lambda: zlib.decompressobj(_GZIP)) if codec == "gzip" else _zstd().stream
    stream, begun = make(), False
    try:
        for block in blocks:
            while block:
                if stream.eof:
                    block = block.lstrip(b"\0") if codec == "gzip" and not begun else block
                    stream, begun = make(), False
                    if not block:
                        break
                begun = True
                text = stream.decompress(block)
                if text:
                    yield text
                block = stream.unused_data if stream.eof else b""
                begun = not stream.eof
    except Exception as error:
        if isinstance(error, (GeneratorExit, ImportError)):
            raise
        raise ValueError(f"damaged {codec} data: {error}") from None
    if begun:
        raise ValueError(f"the {codec} data is cut off")
