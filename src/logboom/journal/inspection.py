"""One segment file, read as far as it can be, without its spool and without changing it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from logboom import platform
from logboom.errors import JournalError
from logboom.journal.layout import Context, Dropped, Header, committed_length, decode_header
from logboom.journal.lines import Decoded, LineDecoder
from logboom.journal.recovery import MOST_GAPS, Gap, find_gap, joined

__all__ = ["SegmentFile"]

_BLOCK: Final = 1024 * 1024


class SegmentFile:
    """A segment as it is now; one that is written to shows what is committed at this moment.

    Attributes:
        path: the file.
        header: its first line, or None when it is damaged.
        header_trouble: why, or an empty string.
        contexts: those met so far, by number.
        gaps: places met so far that hold no whole line.
        dropped: notes of dropped records met so far.
        ended: an `end` line was met.
        committed: offset up to which there is something.
    """

    def __init__(self, path: Path) -> None:
        """Raises `OSError` when it cannot be opened, `JournalError` for a format of a newer release."""
        self.path = path
        self.header: Header | None = None
        self.header_trouble = ""
        self.contexts: dict[int, Context] = {}
        self.gaps: list[Gap] = []
        self.dropped: list[Dropped] = []
        self.ended = False
        self.committed = 0
        self._decoder = LineDecoder(self.contexts)
        self._file: BinaryIO = path.open("rb")
        self._read_header()

    @property
    def size(self) -> int:
        """Bytes of the file, allocated ones included."""
        return self.path.stat().st_size

    def rows(self) -> Iterator[list[list[Any]]]:
        """The records' arrays, block by block."""
        offset = self._header_length()
        while True:
            offset = yield from self._block(offset)
            gap = find_gap(self._fetch, offset, self._is_line, self._skip_holes)
            if gap is None:
                break
            if len(self.gaps) > MOST_GAPS:
                gap = Gap(gap.start, max(gap.end, self.size), last=False)
            self._note(gap)
            self.committed = offset = gap.end
        self._file.close()

    def _block(self, offset: int) -> Generator[list[list[Any]], None, int]:
        size = _BLOCK
        while True:
            block = self._fetch(size, offset)
            length = committed_length(block)
            if not length and (len(block) < size or 0 in block):
                return offset
            size = _BLOCK if length else size * 2
            if length:
                yield self._decode(block[:length], offset)
                offset += length
                self.committed = offset

    def _decode(self, block: bytes, offset: int) -> list[list[Any]]:
        found: Decoded = self._decoder.decode(block, offset)
        for start, end in joined(found.damage):
            self._note(Gap(offset + start, offset + end, last=False))
        self.dropped += (value for value, _ in found.dropped)
        self.ended = self.ended or found.ended
        return found.rows

    def _note(self, gap: Gap) -> None:
        """Beyond a number that no program made, the last one stands for all that follow."""
        if len(self.gaps) > MOST_GAPS:
            gap = gap._replace(start=self.gaps.pop().start)
        self.gaps.append(gap)

    def _fetch(self, size: int, offset: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def _skip_holes(self, offset: int) -> int | None:
        place: int | None = platform.next_data(self._file.fileno(), offset)
        return place

    def _is_line(self, line: bytes) -> bool:
        return not LineDecoder(self.contexts).decode(line, 0).damage

    def _read_header(self) -> None:
        try:
            self.header = decode_header(self._file.readline(_BLOCK))
        except UnicodeError as error:
            self.header_trouble = str(error)
        except JournalError as error:
            if error.hint:
                self._file.close()
                raise JournalError(error.message, path=self.path, offset=0, hint=error.hint) from None
            self.header_trouble = error.message

    def _header_length(self) -> int:
        self._file.seek(0)
        length = committed_length(self._file.readline(_BLOCK))
        if self.header is None and length:
            self.gaps.append(Gap(0, length, last=False))
        return length
