r"""Facts: what the collector knows of each record of a log file, kept beside the log.

`<directory of the log>/.logboom-facts/<inode in hexadecimal>.facts` belongs to the log file with that inode,
so it needs no change when the file is renamed. The directory is on the file system of the log, or its files
are not used. It holds no locks, and whoever may read the log may read its facts.

A file is a row of frames, little-endian:

    kind (1 byte) | length of the payload (4) | CRC-32 of the payload (4) | payload

    H  JSON: {"logboom_facts": 1, "set": "app.log"}: a collector begins to write; class and format numbers
       start anew behind it. Of a compressed file it has "packed": {"size", "ends"}, to know that file by
    F  JSON: {"number", "renderer", "format", "style", "names", "encoding"}: a format
    C  JSON: {"number", "level", "level_name", "logger", "process", "program", "format"}: a class of records
    B  a batch of records that stand in the file one behind the other:
         offset (8), length (4), count (4): where in the file, bytes, records
         ends (4): CRC-32 over the first and the last 64 bytes of those bytes
         first, last (8, 8): lowest and highest time, seconds since the epoch in UTC
         flags (1): 1 = lengths have 4 bytes; 2 = classes have a second plane
         lengths (2 or 4 each) | classes, low byte of each | [high byte of each] | times (8 each, a double)
    Z  a batch whose columns are compressed, and
    I  an index: only in files of backups (`logset.index`)

Invariants:

- A batch is appended before its bytes are appended to the log, and after the intent that holds both. So a
  batch in a facts file describes bytes that are in the log, or that the next collector puts there.
- Bytes of the log that no batch covers are not logboom's, or not known; they are parsed.
- A batch replaces earlier ones that begin at or behind its offset, or reach over it: the log was truncated.
- A batch holds only for bytes whose ends have its checksum; one that reaches over the end of the log holds
  for nothing. So facts of another file whose inode came again are never believed.
- A frame that is cut off or damaged ends the file; a collector cuts it off before it appends.
- Class 65535 says that the class is not known.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

__all__ = [
    "BATCH",
    "CLASS",
    "DIRECTORY",
    "FORMAT",
    "HEADER",
    "INDEX",
    "PACKED",
    "UNKNOWN_CLASS",
    "Batch",
    "Columns",
    "Facts",
    "encode",
    "ends_of",
    "facts_name",
    "facts_path",
    "frame",
    "frames",
    "moved",
    "pack_batch",
    "packed",
    "payload_of",
    "read_batch",
    "sound_length",
    "unpack_columns",
]

DIRECTORY: Final = ".logboom-facts"
VERSION: Final = 1
HEADER, FORMAT, CLASS, BATCH, PACKED, INDEX = b"HFCBZI"
UNKNOWN_CLASS: Final = 0xFFFF
_FRAME: Final = struct.Struct("<BII")
_BATCH: Final = struct.Struct("<QIIIddB")
_WIDE, _PLANES = 1, 2
_ENDS: Final = 64
_READ: Final = 4 << 20
BATCH_HEAD: Final = _BATCH.size
encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def facts_name(inode: int) -> str:
    return f"{inode:x}.facts"


def facts_path(log: Path, inode: int) -> Path:
    """Where the facts of the file with this inode are; `log` is any file of its directory."""
    return log.parent / DIRECTORY / facts_name(inode)


def frame(kind: int, payload: bytes | dict[str, Any]) -> bytes:
    """One frame; a dictionary becomes JSON."""
    body = payload if isinstance(payload, bytes) else encode(payload)
    return _FRAME.pack(kind, len(body), zlib.crc32(body)) + body


def ends_of(text: bytes, start: int = 0, length: int | None = None) -> int:
    """The checksum of both ends of a run of bytes."""
    end = len(text) if length is None else start + length
    return zlib.crc32(text[max(end - _ENDS, start) : end], zlib.crc32(text[start : min(start + _ENDS, end)]))


class Batch(NamedTuple):
    """A batch as it lies in a facts file; its columns are read when they are needed.

    Attributes:
        offset, length, records, ends, first, last: as in the file.
        place, size: of its columns in the facts file.
        flags: of the columns.
        epoch: which `H` frame its classes belong to.
        packed: the columns are compressed.
    """

    offset: int
    length: int
    records: int
    ends: int
    first: float
    last: float
    flags: int
    place: int
    size: int
    epoch: int
    packed: bool = False

    @property
    def end(self) -> int:
        return self.offset + self.length


def pack_batch(
    offset: int, text_ends: int, lengths: Sequence[int], classes: Sequence[int], times: Sequence[float]
) -> bytes:
    """The frame of a batch."""
    flags = 0
    try:
        sizes = array("H", lengths)
    except OverflowError:
        sizes, flags = array("I", lengths), _WIDE
    stamps = array("d", times)  # exact: no time is rounded
    try:
        planes = bytes(classes)
    except ValueError:
        planes = bytes([one & 255 for one in classes]) + bytes([one >> 8 for one in classes])
        flags |= _PLANES
    head = _BATCH.pack(offset, sum(lengths), len(lengths), text_ends, min(stamps), max(stamps), flags)
    return frame(BATCH, b"".join((head, _little(sizes).tobytes(), planes, _little(stamps).tobytes())))


def _little(values: array[Any]) -> array[Any]:
    if sys.byteorder == "big":
        values = array(values.typecode, values)
        values.byteswap()
    return values


class Columns(NamedTuple):
    """What a batch says of each of its records; `high` is empty where one byte holds every class."""

    lengths: array[int]
    low: bytes
    high: bytes
    times: array[float]


def read_batch(batch: Batch, data: bytes) -> Columns:
    """The columns of a batch, from `size` bytes at `place` of its facts file."""
    return unpack_columns(batch.records, batch.flags, unpacked(batch.records, data) if batch.packed else data)


def packed(payload: bytes) -> bytes:
    """The payload of a `Z` frame for that of a `B` frame.

    The times become the differences of their 64 bits, and of these all lowest bytes stand together.
    """
    body = payload[BATCH_HEAD:]
    count = _BATCH.unpack_from(payload)[2]
    times = len(body) - 8 * count
    raw = array("q", body[times:])
    deltas = _little(array("q", [raw[0], *(b - a for a, b in pairwise(_little(raw)))])).tobytes()
    mixed = body[:times] + b"".join(deltas[byte::8] for byte in range(8))
    return payload[:BATCH_HEAD] + zlib.compress(mixed)


def unpacked(count: int, data: bytes) -> bytes:
    """The columns of a `Z` frame as those of a `B` frame."""
    body = zlib.decompress(data)
    times = len(body) - 8 * count
    mixed = bytearray(8 * count)
    for byte in range(8):
        mixed[byte::8] = body[times + byte * count : times + (byte + 1) * count]
    deltas = array("q", bytes(mixed))
    return body[:times] + _little(array("q", accumulate(_little(deltas)))).tobytes()


def unpack_columns(count: int, flags: int, data: bytes) -> Columns:
    width = 4 if flags & _WIDE else 2
    lengths = array("I" if flags & _WIDE else "H")
    lengths.frombytes(data[: count * width])
    place = count * width
    low = data[place : place + count]
    place += count
    high = data[place : place + count] if flags & _PLANES else b""
    place += len(high)
    times = array("d")
    times.frombytes(data[place : place + 8 * count])
    return Columns(_little(lengths), low, high, _little(times))


def frames(read_at: Callable[[int, int], bytes], start: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """`(kind, place of the payload, payload)` of each whole and sound frame.

    Args:
        read_at: `(place, length)` -> bytes.
    """
    buffer, base, place = b"", start, start
    while True:
        have = base + len(buffer) - place
        need = _FRAME.size
        if have >= need:
            kind, length, check = _FRAME.unpack_from(buffer, place - base)
            need += length
        if have < need:
            buffer = read_at(place, max(need, _READ))
            base = place
            if len(buffer) < need:
                return
            if have < _FRAME.size:
                continue
        begin = place - base + _FRAME.size
        payload = buffer[begin : begin + length]
        if zlib.crc32(payload) != check:
            return
        yield kind, place + _FRAME.size, payload
        place += need


def batch_at(place: int, payload: bytes, epoch: int, *, packed: bool = False) -> Batch:
    """The batch of a `B` frame whose payload stands at `place`."""
    offset, length, count, ends, first, last, flags = _BATCH.unpack_from(payload)
    columns = place + _BATCH.size
    size = len(payload) - _BATCH.size
    return Batch(offset, length, count, ends, first, last, flags, columns, size, epoch, packed)


def payload_of(data: bytes) -> bytes:
    """The payload of one frame."""
    return data[_FRAME.size :]


def moved(data: bytes, shift: int) -> bytes:
    """The same frames for a log in which the bytes stand `shift` further on."""
    out = []
    for kind, _, payload in frames(lambda place, length: data[place : place + length]):
        if kind == BATCH:
            offset = _BATCH.unpack_from(payload)[0] + shift
            payload = struct.pack("<Q", offset) + payload[8:]
        out.append(frame(kind, payload))
    return b"".join(out)


def sound_length(read_at: Callable[[int, int], bytes]) -> int:
    """How many leading bytes of a facts file are whole, sound frames."""
    end = 0
    for _, place, payload in frames(read_at):
        end = place + len(payload)
    return end


class Facts:
    """What a facts file says; it may be read on when it has grown.

    Attributes:
        batches: in the order of the log.
        epochs: for each its classes and its formats, as dictionaries by number.
        header: the last one.
        index: its payload, or None.
    """

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.epochs: list[tuple[dict[int, Any], dict[int, Any]]] = []
        self.header: dict[str, Any] = {}
        self.index: bytes | None = None
        self.read = 0

    def take(self, read_at: Callable[[int, int], bytes]) -> None:
        """Read what is new. Raises `ValueError`, `KeyError` when it is not as it should be."""
        for kind, place, payload in frames(read_at, self.read):
            if kind in (BATCH, PACKED) and self.epochs:
                self._take_batch(batch_at(place, payload, len(self.epochs) - 1, packed=kind == PACKED))
            elif kind == HEADER:
                self.header = _decode(payload)
                if self.header.get("logboom_facts", 0) > VERSION:
                    raise ValueError("written by a newer release")
                self.epochs.append(({}, {}))
            elif kind == INDEX:
                self.index = payload
            elif kind in (CLASS, FORMAT) and self.epochs:
                value = _decode(payload)
                self.epochs[-1][0 if kind == CLASS else 1][value["number"]] = value
            self.read = place + len(payload)

    def _take_batch(self, batch: Batch) -> None:
        batches = self.batches
        while batches and (batches[-1].end > batch.offset or batches[-1].offset >= batch.offset):
            batches.pop()
        batches.append(batch)
