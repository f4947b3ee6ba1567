r"""The index of a backup: its facts in few bytes, counts by class and minute, and which words are where.

`sealed` makes of a backup's text and facts the contents of its facts file anew:

    H F C   as before, once
    Z       like B, of about 1 MiB of text; behind the head of a batch its columns, compressed: the times as
            differences of their 64 bits, which are small for times that follow each other
    I       the index: a length (4 bytes) and that much JSON, then the filters:
              blocks: for each Z frame [start, end, place of its filter, its length, {class: records}]
              minutes: {minute: {class: records}}, a minute being seconds since the epoch // 60
              gaps: true when there is text that no facts cover

A filter is a Bloom filter over the words of a block (`[0-9A-Za-z_]+`, in lower case), with 16 bits a word and
four hashes. It tells that a word is not in a block; that a part of a word is not there it cannot tell.
"""

from __future__ import annotations

import re
import struct
import zlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from logboom.logset import facts
from logboom.logset.facts import Batch, Columns, Facts

__all__ = ["Index", "read_index", "sealed", "words"]

_BLOCK: Final = 1 << 20
_BITS: Final = 16
_MULTIPLIERS: Final = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F)
_WORDS: Final = re.compile(rb"[0-9A-Za-z_]+")
_LENGTH: Final = struct.Struct("<I")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def words(text: bytes) -> set[bytes]:
    """The distinct words of a text, in lower case."""
    return set(_WORDS.findall(text.lower()))


def _filter(found: set[bytes]) -> bytes:
    size = max(8, -(-len(found) * _BITS // 8))
    bits, modulus = bytearray(size), size * 8
    one, two, three, four = _MULTIPLIERS
    for word in found:
        number = zlib.crc32(word)
        for place in (
            (number * one & 0xFFFFFFFF) % modulus,
            (number * two & 0xFFFFFFFF) % modulus,
            (number * three & 0xFFFFFFFF) % modulus,
            (number * four & 0xFFFFFFFF) % modulus,
        ):
            bits[place >> 3] |= 1 << (place & 7)
    return bytes(bits)


class Index:
    """What an index says.

    Attributes:
        minutes: minute -> class -> records.
        whole: every byte of the text is in a block.
    """

    def __init__(self, payload: bytes) -> None:
        """Raises `ValueError`, `KeyError`, `struct.error` when it is damaged."""
        (length,) = _LENGTH.unpack_from(payload)
        values = _decode(payload[_LENGTH.size : _LENGTH.size + length])
        self._filters = memoryview(payload)[_LENGTH.size + length :]
        self._blocks: list[list[Any]] = values["blocks"]
        self._starts = [block[0] for block in self._blocks]
        self.whole: bool = not values["gaps"]
        self.minutes: dict[int, dict[int, int]] = {
            int(minute): {int(code): count for code, count in counts.items()}
            for minute, counts in values["minutes"].items()
        }

    def may_hold(self, start: int, end: int, tokens: Sequence[tuple[bytes, ...]]) -> bool:
        """Return False if of one of `tokens` no alternative stands whole between the two places."""
        place = bisect_left(self._starts, start)
        if place >= len(self._starts) or self._blocks[place][0] != start or self._blocks[place][1] != end:
            return True
        _, _, at, size, _ = self._blocks[place]
        bits = self._filters[at : at + size]
        return all(any(_holds(bits, word) for word in token) for token in tokens)

    def classes(self, start: int) -> dict[int, int] | None:
        """How many records of each class the block has that begins at `start`."""
        place = bisect_left(self._starts, start)
        if place >= len(self._starts) or self._starts[place] != start:
            return None
        return {int(code): count for code, count in self._blocks[place][4].items()}


def _holds(bits: memoryview, word: bytes) -> bool:
    number, modulus = zlib.crc32(word), len(bits) * 8
    for multiplier in _MULTIPLIERS:
        place = (number * multiplier & 0xFFFFFFFF) % modulus
        if not bits[place >> 3] & 1 << (place & 7):
            return False
    return True


def read_index(payload: bytes) -> Index | None:
    """The index of a facts file; None when it is damaged."""
    try:
        return Index(payload)
    except (ValueError, KeyError, TypeError, struct.error):
        return None


def sealed(
    said: Facts,
    read_facts: Callable[[int, int], bytes],
    read_text: Callable[[int, int], bytes],
    size: int,
    header: dict[str, Any],
) -> Iterator[bytes]:
    """The contents of the facts file of a backup that will not change any more.

    Args:
        said: its facts until now.
        read_facts, read_text: `(place, length)` -> bytes of the facts file, and of the backup's text.
        size: of the text.
        header: what the first frame says.
    """
    yield facts.frame(facts.HEADER, header)
    classes, moved = _one_epoch(said)
    yield from classes
    blocks: list[list[Any]] = []
    filters: list[bytes] = []
    minutes: dict[int, Counter[int]] = {}
    at = covered = 0
    for run in _runs(said.batches, size):
        start, end = run[0].offset, run[-1].end
        text = read_text(start, end - start)
        if len(text) < end - start or not _same(run, start, text):
            continue
        columns, codes = _columns(run, read_facts, moved)
        batch = facts.pack_batch(start, facts.ends_of(text), columns.lengths, codes, columns.times)
        try:
            yield facts.frame(facts.PACKED, facts.packed(facts.payload_of(batch)))
        except OverflowError:  # times on both sides of 1970
            yield batch
        bits = _filter(words(text))
        blocks.append([start, end, at, len(bits), dict(Counter(codes))])
        filters.append(bits)
        at += len(bits)
        covered += end - start
        _count_minutes(minutes, columns.times, codes)
    values = {"blocks": blocks, "minutes": minutes, "gaps": covered < size}
    head = _encode(values)
    yield facts.frame(facts.INDEX, b"".join((_LENGTH.pack(len(head)), head, *filters)))


def _same(run: list[Batch], start: int, text: bytes) -> bool:
    return all(facts.ends_of(text, one.offset - start, one.length) == one.ends for one in run)


def _one_epoch(said: Facts) -> tuple[list[bytes], list[dict[int, int]]]:
    """The classes and formats of all epochs numbered as one; and for each epoch old number -> new."""
    out: list[bytes] = []
    formats: dict[bytes, int] = {}
    numbers: dict[bytes, int] = {}
    moved: list[dict[int, int]] = []
    for classes, their_formats in said.epochs:
        of_format: dict[int, int] = {}
        for number, values in their_formats.items():
            key = _encode({**values, "number": 0})
            if key not in formats:
                formats[key] = len(formats)
                out.append(facts.frame(facts.FORMAT, {**values, "number": formats[key]}))
            of_format[number] = formats[key]
        of_class: dict[int, int] = {}
        for number, values in classes.items():
            values = {**values, "format": of_format.get(values.get("format", -1), -1)}
            key = _encode({**values, "number": 0})
            if key not in numbers:
                if len(numbers) >= facts.UNKNOWN_CLASS:
                    continue
                numbers[key] = len(numbers)
                out.append(facts.frame(facts.CLASS, {**values, "number": numbers[key]}))
            of_class[number] = numbers[key]
        moved.append(of_class)
    return out, moved


def _runs(batches: Sequence[Batch], size: int) -> Iterator[list[Batch]]:
    run: list[Batch] = []
    for batch in batches:
        if batch.end > size:
            break
        if run and (batch.offset != run[-1].end or batch.end - run[0].offset > _BLOCK):
            yield run
            run = []
        run.append(batch)
    if run:
        yield run


def _columns(
    run: list[Batch], read_facts: Callable[[int, int], bytes], moved: list[dict[int, int]]
) -> tuple[Columns, list[int]]:
    lengths, times, codes = array("I"), array("d"), list[int]()
    for batch in run:
        one = facts.read_batch(batch, read_facts(batch.place, batch.size))
        lengths.extend(array("I", one.lengths))
        times.extend(one.times)
        numbers = [a | b << 8 for a, b in zip(one.low, one.high, strict=True)] if one.high else list(one.low)
        new = moved[batch.epoch]
        codes += [new.get(number, facts.UNKNOWN_CLASS) for number in numbers]
    return Columns(lengths, b"", b"", times), codes


def _count_minutes(minutes: dict[int, Counter[int]], times: Sequence[float], codes: Sequence[int]) -> None:
    for (minute, code), count in Counter(
        zip((int(time // 60) for time in times), codes, strict=True)
    ).items():
        minutes.setdefault(minute, Counter())[code] += count
