"""What lies in a spool's journal: who writes each stream, what of it is pending, how much room that takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from logboom import platform
from logboom.errors import JournalError
from logboom.journal.layout import (
    Dropped,
    Header,
    committed_length,
    decode_control,
    decode_header,
    parse_segment_name,
    segment_name,
    unpack_position,
)
from logboom.spool.directory import DEAD_SUFFIX, Spool, places_of

__all__ = ["Stream", "survey", "undelivered_bytes"]

_BLOCK: Final = 1024 * 1024
_DROPPED: Final = b'{"dropped"'


class Stream(NamedTuple):
    """One producer's journal.

    Attributes:
        producer: its id.
        header: of its newest segment that can be read, or None.
        alive: somebody can still write to it: its lock is held.
        waiting: bytes of records that are committed and not delivered.
        oldest: when the oldest of them was made (wall time), or None.
        dropped: records that it says it dropped, and that the log does not say yet.
        trouble: why it cannot be read, or an empty string.
    """

    producer: str
    header: Header | None = None
    alive: bool = False
    waiting: int = 0
    oldest: float | None = None
    dropped: int = 0
    trouble: str = ""


def survey(
    spool: Spool, positions: Mapping[str, int], elsewhere: Mapping[Path, Mapping[str, int]] | None = None
) -> list[Stream]:
    """Every stream of `spool`.

    Args:
        positions: producer to packed delivered position; what is before it does not wait.
        elsewhere: the same of sinks with a home of their own, by home.
    """
    known = {spool.root: positions} | dict(elsewhere or {})
    return [_look(spool, producer, numbers, known) for producer, numbers in spool.segments().items()]


def undelivered_bytes(spool: Spool, positions: Mapping[str, int]) -> int:
    """Bytes on the disk of what is not delivered: what the quota counts.

    Nothing of a segment counts that holds no pending record: neither what a dead program left, which is about
    to be removed, nor what a living one has reserved. What cannot be read counts in full.

    Args:
        positions: as for `survey`.
    """
    return sum(
        _undelivered(spool.journal_path, name, size, positions) for name, size in spool.allocated().items()
    )


def _undelivered(directory: Path, name: str, size: int, positions: Mapping[str, int]) -> int:
    parsed = parse_segment_name(name.removesuffix(DEAD_SUFFIX))
    if parsed is None:
        return size
    producer, number = parsed
    first, offset = unpack_position(positions.get(producer, 0))
    if number != first:
        return 0 if number < first else size
    try:
        with open(platform.open_for_reading(directory / name), "rb") as file:
            pending = any(line.startswith((b"[", _DROPPED)) for line in _committed_lines(file, offset))
    except OSError:
        return size
    return max(0, size - offset) if pending else 0


def _delivered(stream: Stream, spool: Path, known: Mapping[Path, Mapping[str, int]]) -> tuple[int, int]:
    """Up to where all sinks have it: segment and offset."""
    homes = [spool] if stream.header is None else [home for _, home in places_of(stream.header, spool)]
    return unpack_position(min(known.get(home, {}).get(stream.producer, 0) for home in homes))


def _look(spool: Spool, producer: str, numbers: list[int], known: Mapping[Path, Mapping[str, int]]) -> Stream:
    stream = Stream(producer)
    for number in numbers:
        try:
            with _open(spool.journal_path, segment_name(producer, number)) as file:
                stream = _with_header(stream, file)
                first, offset = _delivered(stream, spool.root, known)
                if number == numbers[-1]:
                    stream = stream._replace(alive=not spool.owner_gone(file.fileno()))
                if number >= first and not stream.trouble:
                    stream = _with_waiting(stream, file, offset if number == first else 0)
        except FileNotFoundError:
            continue
        except OSError as error:
            stream = stream._replace(trouble=f"cannot be read: {error.strerror or error}")
    return stream


def _open(directory: Path, name: str) -> BinaryIO:
    try:
        return open(platform.open_for_reading(directory / name), "rb")
    except FileNotFoundError:
        return open(platform.open_for_reading(directory / (name + DEAD_SUFFIX)), "rb")


def _with_header(stream: Stream, file: BinaryIO) -> Stream:
    line = file.readline(_BLOCK)
    try:
        return stream._replace(header=decode_header(line))
    except (JournalError, UnicodeError) as error:
        return stream._replace(trouble=str(error) if getattr(error, "hint", "") else stream.trouble)


def _with_waiting(stream: Stream, file: BinaryIO, offset: int) -> Stream:
    waiting, dropped, oldest = stream.waiting, stream.dropped, stream.oldest
    for line in _committed_lines(file, offset):
        if line.startswith(b"["):
            waiting += len(line)
            oldest = _created(line) if oldest is None else oldest
        elif line.startswith(_DROPPED):
            waiting += len(line)
            dropped += _count(line)
    return stream._replace(waiting=waiting, dropped=dropped, oldest=oldest)


def _committed_lines(file: BinaryIO, offset: int) -> Iterator[bytes]:
    size = _BLOCK
    while True:
        file.seek(offset)
        block = file.read(size)
        length = committed_length(block)
        if not length and (len(block) < size or 0 in block):
            return
        size = _BLOCK if length else size * 2
        offset += length
        yield from block[:length].splitlines(keepends=True)


def _created(line: bytes) -> float | None:
    with contextlib.suppress(ValueError):
        return float(line[1 : line.index(b",")])
    return None


def _count(line: bytes) -> int:
    with contextlib.suppress(JournalError, UnicodeError, msgspec.MsgspecError):
        value = decode_control(line)
        return value.dropped if isinstance(value, Dropped) else 0
    return 0
