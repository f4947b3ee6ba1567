r"""The segment format, over bytes: header, lines, the commit rule, positions.

A segment is UTF-8 JSON Lines. Byte by byte:

    +--------------------+----------------------------------------------------------------+
    | first line         | the header: a JSON object, `{"logboom":1,...}` (`Header`)      |
    | a line "{...}"     | control: `{"context":..}`, `{"dropped":..}`, `{"end":true}`    |
    | a line "[...]"     | a record: `[created, context, levelno, name, *columns]`;       |
    |                    | in context 0 no record, but a request to roll the output       |
    | a line of spaces   | filler, at the end of a mapped segment that is full, or where a |
    |                    | record was that is delivered                                   |
    | a tab, or nothing  | who writes here waits until everything is delivered (`REST`),   |
    |                    | and goes on (`WAKE`): nothing is on its way between the two     |
    | zero bytes         | not yet written                                                |
    +--------------------+----------------------------------------------------------------+

Invariants:

- Every byte goes from zero to its final value once. Only when a record is delivered, a collector may replace
  it by filler of the same length: its text must not outlive the log's own retention.
- *Committed* is the prefix before the first zero byte, up to its last newline. JSON escapes NUL, so
  no line holds a zero byte, and a half-copied line still has one.
- A segment is *ended* when an `end` line was read, or when it is mapped (its size was allocated in
  full) and the committed prefix is the whole file.
- A record names its context by number; the context's line stands before it in the same segment.
- New fields come last and have defaults; a reader ignores what it does not know.
- The header of format 1 has one `target`: a file, or with `push` in it the address of a `PUSHHandler`.
  Format 2 has a list, `sinks`, and an empty `target`, which a release that knows format 1 alone can read,
  and see that it is newer. What asks for one file is still written in format 1.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from logboom.errors import JournalError
from logboom.journal.target import Asked, StoredTarget, Target, stored
from logboom.platform.patterns import later

__all__ = [
    "END",
    "FORMAT",
    "LARGEST_SEGMENT",
    "REST",
    "ROLLOVER",
    "SEGMENT_SUFFIX",
    "SMALLEST_SEGMENT",
    "WAKE",
    "Context",
    "Dropped",
    "Header",
    "committed_length",
    "decode_control",
    "decode_header",
    "encode_line",
    "format_for",
    "is_too_deep",
    "pack_position",
    "parse_segment_name",
    "segment_name",
    "unpack_position",
]

FORMAT: Final = 2
SEGMENT_SUFFIX: Final = ".segment"
SMALLEST_SEGMENT: Final = 64 * 1024
END: Final = b'{"end":true}\n'
REST: Final = b"\t\n"
WAKE: Final = b"\n"
ROLLOVER: Final = 0
_OFFSET_BITS: Final = 40
LARGEST_SEGMENT: Final = (1 << _OFFSET_BITS) - 1  # bytes behind it have no position
_DEEPEST: Final = 900  # less than Python's limit for calls, to which the parser keeps
_STRINGS: Final = later(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS: Final = later(rb"[\[\]{}]")


class Header(msgspec.Struct, frozen=True):
    """The first line of a segment.

    Attributes:
        logboom: the format's version; see `format_for`.
        producer: id of one process and one output file: 16 hexadecimal digits from `os.urandom`.
        segment: number of this segment in the producer, from 1; gaps are legal.
        pid, host, program: who wrote it, for people; never used to decide whether it lives.
        created: wall time in seconds.
        mapped: allocated in full and written through `mmap`; else it grows by appends.
        target: the sink that these records are for.
        version: release of logboom that wrote it.
        more: further sinks.
    """

    logboom: int
    producer: str
    segment: int
    pid: int
    host: str
    program: str
    created: float
    mapped: bool
    target: Asked
    version: str = ""
    more: tuple[Asked, ...] = ()

    @property
    def sinks(self) -> tuple[Asked, ...]:
        """All of them."""
        return (self.target, *self.more)


class _Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """The header as it stands in the file."""

    logboom: int
    producer: str
    segment: int
    pid: int
    host: str
    program: str
    created: float
    mapped: bool
    target: StoredTarget
    version: str = ""
    sinks: tuple[StoredTarget, ...] = ()


def format_for(*sinks: Asked) -> int:
    """The lowest format in which a stream can ask for these."""
    return 1 if len(sinks) == 1 and isinstance(sinks[0], Target) else 2


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the records that name it become bytes; written when it changes.

    Attributes:
        context: its number, unique in the producer.
        renderer: `text`, `json`, `message` (the text is finished, in the column `text`), or `bytes`
            (the final bytes, each as the character of that code point, in the column `text`).
        columns: names of the values that follow the first four of a record.
        offset: the producer's UTC offset in seconds, where the rendering depends on it.
        zone: the zone's name (`%Z`).
        encoding, errors, terminator: how text becomes bytes in the file.
        raw: control characters go to the file as they are.
        options: the renderer's own: `format`, `style`, `datefmt`, ...
    """

    context: int
    renderer: str
    columns: tuple[str, ...] = ()
    offset: int = 0
    zone: str = "UTC"
    encoding: str = "utf-8"
    errors: str = "backslashreplace"
    terminator: str = "\n"
    raw: bool = False
    options: dict[str, Any] = {}


class Dropped(msgspec.Struct, frozen=True, omit_defaults=True):
    """Records that a producer could not keep, said in the log itself."""

    dropped: int
    since: float
    until: float
    reason: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode  # with a `type`: decoders made here would cost who only writes, too


def encode_line(value: Header | Context | Dropped) -> bytes:
    """One line with its newline. `msgspec` escapes NUL as `\\u0000`, so it holds no zero byte."""
    return _encode(_head(value) if isinstance(value, Header) else value) + b"\n"


def _head(header: Header) -> _Head:
    fields = msgspec.structs.asdict(header)
    del fields["more"]
    if header.logboom == 1:
        return _Head(**fields | {"target": stored(header.target)})
    return _Head(**fields | {"target": StoredTarget(name="")}, sinks=tuple(map(stored, header.sinks)))


def decode_header(line: bytes) -> Header:
    """Raises `JournalError` for damage, and for a format newer than `FORMAT` (its hint says so)."""
    try:
        head = _decode(line, type=_Head)
    except msgspec.MsgspecError as error:
        raise JournalError(f"not a segment header: {error}", offset=0) from None
    except RecursionError:
        _raise_if_too_deep(line)
        raise
    if head.logboom > FORMAT:
        raise JournalError(
            f"segment format {head.logboom} is newer than {FORMAT}", offset=0, hint="Upgrade logboom here"
        )
    fields = msgspec.structs.asdict(head)
    first, *more = [each.asked() for each in fields.pop("sinks") or (head.target,)]
    return Header(**fields | {"target": first}, more=tuple(more))


def decode_control(line: bytes) -> Context | Dropped | None:
    """A control line's value; None for `end` and for kinds that a newer release wrote.

    Raises:
        JournalError: the line is damaged.
    """
    try:
        if line.startswith(b'{"context"'):
            return _decode(line, type=Context)
        if line.startswith(b'{"dropped"'):
            return _decode(line, type=Dropped)
        _decode(line)
    except msgspec.MsgspecError as error:
        raise JournalError(f"damaged control line: {error}") from None
    except RecursionError:
        _raise_if_too_deep(line)
        raise
    return None


def is_too_deep(line: bytes) -> bool:
    """Whether a line that was too deep for the parser would be too deep for any.

    Else it is sound, and it is the calling program that stands deep in calls of its own: who reads it later
    can.
    """
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", line)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest > _DEEPEST


def _raise_if_too_deep(line: bytes) -> None:
    if is_too_deep(line):
        raise JournalError("brackets without end", offset=0) from None


def committed_length(block: bytes) -> int:
    """How many leading bytes of `block` (read from a line's start) are committed whole lines."""
    zero = block.find(0)
    return block.rfind(b"\n", 0, len(block) if zero < 0 else zero) + 1


def segment_name(producer: str, number: int) -> str:
    return f"{producer}-{number:08d}{SEGMENT_SUFFIX}"


def parse_segment_name(name: str) -> tuple[str, int] | None:
    """`(producer, number)`, or None for a name that is not a segment's."""
    stem = name.removesuffix(SEGMENT_SUFFIX)
    producer, _, number = stem.partition("-")
    if stem == name or len(producer) != 16 or not number.isdecimal() or not number.isascii():
        return None
    return producer, int(number)


def pack_position(number: int, offset: int) -> int:
    """A place in a producer's stream as one growing integer: segment number, then byte offset."""
    return number << _OFFSET_BITS | offset


def unpack_position(position: int) -> tuple[int, int]:
    """`(segment number, byte offset)`."""
    return position >> _OFFSET_BITS, position & ((1 << _OFFSET_BITS) - 1)
