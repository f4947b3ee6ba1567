r"""The bytes of ZeroMQ's protocol, ZMTP 3.1, as far as PUSH and PULL need them. No sockets.

    greeting   FF 00*8 7F  03 01  "NULL" 00*16  00  00*31                    64 bytes, in both directions
    frame      flags  length (1 byte, or 8 with flag 02)  body               flag 01: more, 04: command
    command    name length, name, data                                       READY, PING, PONG, ERROR

A PULL socket of logboom says in its READY that it takes records (`X-Logboom`; others ignore that). To such a
peer a message has two parts, the line and what is known of its record; to every other it is the line alone.

Why not ZeroMQ's own sockets at these two ends: a PUSH never says how much of what it took is still in the
memory of the process, and a PULL that is closed takes with it what its peers are sending.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from logboom.errors import LogboomError

__all__ = [
    "GREETING",
    "PING",
    "Message",
    "Oversized",
    "Peer",
    "PeerError",
    "boundary",
    "frame",
    "line_alone",
    "messages",
    "own_record",
    "record",
]

GREETING: Final = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
_MORE: Final = 0x01
_LONG: Final = 0x02
_COMMAND: Final = 0x04
_LARGEST_COMMAND: Final = 64 * 1024
_MOST_PARTS: Final = 100
_LONG_LENGTH: Final = struct.Struct(">Q")
_PROPERTY: Final = b"X-Logboom"
_RECORD: Final = b"logboom1"
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(tuple[float, int, str, dict[str, Any]]).decode


class PeerError(LogboomError):
    """The other side speaks something else, or refuses."""


class Oversized(NamedTuple):
    """A message that is too long: its beginning; the rest was passed over."""

    start: bytes
    length: int


Message = bytes | list[bytes] | Oversized


def frame(body: bytes, flags: int = 0) -> bytes:
    """One message of one part."""
    if len(body) < 256:
        return bytes((flags, len(body))) + body
    return struct.pack(">BQ", flags | _LONG, len(body)) + body


PING: Final = frame(b"\x04PING\0\0", _COMMAND)


def record(line: bytes, created: float, level: int, logger: str, fields: Mapping[str, Any]) -> bytes:
    """One message of two parts: a line, and what is known of its record."""
    try:
        known = _encode([created, level, logger, fields])
    except (TypeError, ValueError, UnicodeError, OverflowError, RecursionError):  # a field of no JSON type
        known = _encode([created, level, logger.encode("utf-8", "backslashreplace").decode(), {}])
    return frame(line, _MORE) + frame(_RECORD + known)


def own_record(message: list[bytes]) -> tuple[float, int, str, dict[str, Any]] | None:
    """Time, level, logger and fields of a message of two parts that `record` made; None for any other."""
    if len(message) != 2 or not message[1].startswith(_RECORD):
        return None
    try:
        return _decode(message[1][len(_RECORD) :])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def boundary(frames: bytes, position: int) -> int:
    """The start of the message in which `position` lies: before it, everything is whole."""
    return sum(map(len, messages(frames[:position])))


def messages(frames: bytes) -> Iterator[bytes]:
    """The whole messages, each with the heads of its parts."""
    start = place = 0
    while True:
        head, length = _head(frames, place)
        if not head or place + head + length > len(frames):
            return
        more = frames[place] & _MORE
        place += head + length
        if not more:
            yield frames[start:place]
            start = place


def line_alone(message: bytes) -> bytes:
    """A message as it goes to a peer that takes no records."""
    if not message[0] & _MORE:
        return message
    head, length = _head(message, 0)
    return frame(message[head : head + length])


def _head(data: bytes, start: int) -> tuple[int, int]:
    """Lengths of a frame's head and body; a head of 0 bytes while it is not whole."""
    if len(data) >= start + 2 and not data[start] & _LONG:
        return 2, data[start + 1]
    if len(data) >= start + 9:
        return 9, _LONG_LENGTH.unpack_from(data, start + 1)[0]
    return 0, 0


def _ready(kind: bytes, *, records: bool) -> bytes:
    said = ((b"Socket-Type", kind), (b"Identity", b""), (_PROPERTY, b"1"))[: 2 + records]
    properties = b"".join(
        bytes((len(name),)) + name + struct.pack(">I", len(value)) + value for name, value in said
    )
    return frame(b"\x05READY" + properties, _COMMAND)


class Peer:
    """The other end of one connection: send `GREETING`, give it what comes, send what `answer` returns.

    Args:
        kind: what we are, `PUSH` or `PULL`.
        largest: bytes, at least 255; of a longer message only the beginning is kept.
        records: say that messages with what is known of their records are taken.

    Attributes:
        takes_records: the other end has said so.
        ready: messages may be sent.
        answers: it answers each `PING`, behind all that came before.
        pongs: how often it has.
    """

    def __init__(self, kind: str, largest: int = _LARGEST_COMMAND, *, records: bool = False) -> None:
        self.ready = self.answers = self.takes_records = False
        self._records = records
        self.pongs = 0
        self._kind = kind.encode()
        self._other = b"PULL" if kind == "PUSH" else b"PUSH"
        self._largest = max(largest, 255)
        self._greeted = False
        self._data = b""
        self._answer = b""
        self._skip = 0
        self._missing = 0
        self._chunks: list[bytes] = []
        self._chunked = 0
        self._parts: list[bytes] = []
        self._refused = False

    def answer(self) -> bytes:
        """What is to be sent now."""
        answer, self._answer = self._answer, b""
        return answer

    @property
    def whole(self) -> bool:
        """Whether no message is half there."""
        return not (self._data or self._parts or self._skip or self._refused)

    def claim(self, free: int) -> int:
        """Return the bytes of memory that the message takes which is half there, once it is whole.

        One of several parts may become as long as any other: beyond `free` bytes it claims that at once.
        """
        parts = sum(map(len, self._parts))
        size = len(self._data) + self._chunked + self._missing + parts
        several = bool(parts) or (bool(self._data) and self.ready and bool(self._data[0] & _MORE))
        return self._largest if several and size > free else size

    def receive(self, data: bytes) -> list[Message]:
        """Take bytes of the peer; returns the messages that are whole with them.

        Raises:
            PeerError: it is no ZeroMQ socket of the kind that fits.
        """
        if self._skip:
            data, self._skip = data[self._skip :], max(0, self._skip - len(data))
        if len(data) < self._missing:  # put together once, when the frame is whole
            self._missing -= len(data)
            self._chunks.append(data)
            self._chunked += len(data)
            return []
        if self._chunks:
            data = b"".join([*self._chunks, data])
            self._chunks.clear()
            self._chunked = 0
        self._data += data
        self._missing = 0
        if not self._greeted:
            if len(self._data) < len(GREETING):
                self._suspect()
                return []
            self._greet()
        return self._split()

    def _suspect(self) -> None:
        """A browser, or a program of another protocol, is told from its first bytes."""
        if self._data and (self._data[0] != 0xFF or (len(self._data) > 9 and self._data[9] != 0x7F)):
            raise PeerError("it does not speak ZeroMQ's protocol")

    def _greet(self) -> None:
        self._suspect()
        greeting, self._data = self._data[: len(GREETING)], self._data[len(GREETING) :]
        mechanism = greeting[12:32].rstrip(b"\0")
        if greeting[10] < 3:
            raise PeerError("it is older than ZeroMQ 4")
        if mechanism != b"NULL":
            raise PeerError(f"it asks for {mechanism.decode('ascii', 'replace')} authentication")
        self.answers = greeting[10:12] >= b"\x03\x01"
        self._greeted = True
        self._answer += _ready(self._kind, records=self._records)

    def _split(self) -> list[Message]:
        messages: list[Message] = []
        data, position = self._data, 0
        total = len(data)
        while position + 2 <= total:
            flags = data[position]
            if flags == 0 and self.ready and not self._parts and not self._refused:
                end = position + 2 + data[position + 1]
                if end > total:
                    break
                messages.append(data[position + 2 : end])
                position = end
                continue
            if flags == _MORE and self.ready and not self._parts and not self._refused:
                # A line and what is known of its record, both short: as most messages of logboom's are.
                middle = position + 2 + data[position + 1]
                if middle + 2 <= total and not data[middle]:
                    end = middle + 2 + data[middle + 1]
                    if end <= total:
                        messages.append([data[position + 2 : middle], data[middle + 2 : end]])
                        position = end
                        continue
            head, length = _head(data, position)
            if length > self._largest and head:
                position += head
                messages += self._oversized(data[position : position + length], length, flags)
                position = min(position + length, total)
                continue
            if not head or position + head + length > total:
                self._missing = position + head + length - total if head else 0
                break
            body = data[position + head : position + head + length]
            position += head + length
            messages += self._take(flags, body)
        self._data = data[position:]
        return messages

    def _oversized(self, start: bytes, length: int, flags: int) -> list[Message]:
        """A frame that is too long refuses its whole message: what follows in it must not pass as a line."""
        if flags & _COMMAND or not self.ready:
            raise PeerError("its command is too long")
        self._skip = max(0, length - len(start))
        known, self._refused = self._refused, bool(flags & _MORE)
        rest, self._parts = self._parts, []
        return [] if known else [Oversized(b"".join(rest) + start, length)]

    def _take(self, flags: int, body: bytes) -> list[Message]:
        if flags & _COMMAND:
            self._command(body)
            return []
        if not self.ready:
            raise PeerError("it sends before it is ready")
        if self._refused:
            self._refused = bool(flags & _MORE)
            return []
        if flags & _MORE:
            if len(self._parts) < _MOST_PARTS and sum(map(len, self._parts)) + len(body) <= self._largest:
                self._parts.append(body)
            return []
        if self._parts:
            parts, self._parts = [*self._parts, body], []
            return [parts]
        return [body]

    def _command(self, body: bytes) -> None:
        length = body[0] if body else 0
        name, data = body[1 : 1 + length], body[1 + length :]
        if name == b"READY":
            if self._other not in data:
                raise PeerError(f"it is no {self._other.decode()} socket")
            self.ready = True
            self.takes_records = _PROPERTY in data
        elif name == b"ERROR":
            raise PeerError(f"it refuses: {data[1:].decode('ascii', 'replace')}")
        elif name == b"PONG":
            self.pongs += 1
        elif name == b"PING":
            self._answer += frame(b"\x04PONG" + data[2:18], _COMMAND)
