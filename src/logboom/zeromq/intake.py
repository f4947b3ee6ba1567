"""What arrives over the network, into a rotating file: by way of the journal, one record a line.

Owns: the check of a message, the count of those that are refused and where they are kept. Never knows:
sockets, how a file is rotated.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import Counter
from pathlib import Path
from typing import Final

from logboom.handlers import RotatingFileHandler
from logboom.spool.directory import Spool, spool_for
from logboom.wire.zmtp import Message, Oversized

__all__ = ["Intake"]

_KEPT: Final = 10_000_000
_KEPT_EACH: Final = 64 * 1024
_SAID_EVERY: Final = 1.0


class Intake:
    """Takes messages, one after the other, from one thread.

    Args:
        handler: the rotating file.

    Attributes:
        counts: `received`, and for those that were refused `bad_utf8`, `empty`, `multipart`, `oversized`.
    """

    def __init__(self, handler: RotatingFileHandler) -> None:
        self._handler = handler
        self._emit = handler.emit
        self._record = logging.LogRecord("logboom", logging.INFO, "", 0, "", None, None)
        self._unsaid: Counter[str] = Counter()
        self._said_at = 0.0
        self.counts: Counter[str] = Counter()

    def take(self, messages: list[Message]) -> None:
        """Write messages, or refuse them; on return they survive SIGKILL of this process."""
        self.counts["received"] += len(messages)
        self._begin(logging.INFO)
        for message in messages:
            if type(message) is bytes and message:
                try:
                    text = message.decode()
                except UnicodeDecodeError:
                    self._refuse("bad_utf8", message)
                else:
                    self._append(text)
            elif isinstance(message, Oversized):
                self._refuse("oversized", message.start)
            elif isinstance(message, list):
                self._refuse("multipart", b"\0".join(message))
            else:
                self._refuse("empty", b"")

    def write(self, text: str, level: int = logging.INFO) -> None:
        """Append finished text as one record."""
        self._begin(level)
        self._append(text)

    def _begin(self, level: int) -> None:
        """What the records of one read have in common."""
        record = self._record
        record.created = now = time.time()
        record.msecs = int(now % 1 * 1000) + 0.0
        record.process = os.getpid()
        record.levelno, record.levelname = level, logging.getLevelName(level)

    def _append(self, text: str) -> None:
        record = self._record
        record.msg = text.removesuffix("\n")
        self._emit(record)

    def _refuse(self, trouble: str, data: bytes) -> None:
        self.counts[trouble] += 1
        self._unsaid[trouble] += 1
        self._keep(trouble, data)
        self.say_refused()
        self._begin(logging.INFO)

    def say_refused(self, *, final: bool = False) -> None:
        """A record about messages that were refused; one a second at most."""
        now = time.monotonic()
        if not self._unsaid or (now - self._said_at < _SAID_EVERY and self._said_at and not final):
            return
        told = ", ".join(f"{count} {trouble}" for trouble, count in sorted(self._unsaid.items()))
        count = sum(self._unsaid.values())
        self._said_at = now
        self._unsaid.clear()
        self.write(f"{count} messages refused: {told}; kept in {self.kept_in}", logging.WARNING)

    @property
    def kept_in(self) -> Path:
        """The directory of what was refused."""
        options = self._handler.options
        spool = spool_for(Path(self._handler.baseFilename), None if options is None else options.spool)
        return spool / "damaged"

    def _keep(self, trouble: str, data: bytes) -> None:
        with contextlib.suppress(OSError):
            spool = Spool.create(self.kept_in.parent)
            spool.damaged.add(f"messages.{trouble}", data[:_KEPT_EACH] + b"\n", _KEPT)
