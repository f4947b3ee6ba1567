"""What the collector says of itself.

Owns: `status.json` and `collector.log` of a spool. Never knows: HTTP, terminals, how anything works.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom import platform
from logboom.spool.directory import make_afresh
from logboom.spool.launch import STATUS

__all__ = ["LOG", "Notebook", "write_status"]

LOG: Final = "collector.log"
_LARGEST_LOG: Final = 256 * 1024
_REPEAT_AFTER: Final = 60.0


def write_status(spool: Path, values: dict[str, Any]) -> None:
    """Replace `status.json` atomically; silently not, when the disk is full."""
    temporary = spool / f".{STATUS}.tmp"
    with contextlib.suppress(OSError):
        fd = make_afresh(temporary, os.O_WRONLY, spool.stat().st_mode & 0o664)
        try:
            data = msgspec.json.encode(values)
            whole = os.write(fd, data) == len(data)
        finally:
            os.close(fd)
        if whole:
            platform.replace(temporary, spool / STATUS)


class Notebook:
    """The collector's own log: bounded, one sentence a line, none repeated within a minute."""

    def __init__(self, spool: Path) -> None:
        self.path = spool / LOG
        self._said: dict[str, float] = {}

    def note(self, text: str) -> None:
        """Write one line; never raises."""
        now = time.monotonic()
        if now - self._said.get(text, float("-inf")) < _REPEAT_AFTER:
            return
        if len(self._said) > 1000:
            self._said.clear()
        self._said[text] = now
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = f"{stamp} [{os.getpid()}] {text}\n".encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            self._bound()
            fd = self._open()
            try:
                os.write(fd, line)
            finally:
                os.close(fd)

    def _open(self) -> int:
        """As it is, when it is there: it may be the file of another user who shares the spool."""
        try:
            return platform.open_file(self.path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            mode = self.path.parent.stat().st_mode & 0o660
            return make_afresh(self.path, os.O_WRONLY | os.O_APPEND, mode)

    def _bound(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_size > _LARGEST_LOG:
                platform.replace(self.path, self.path.with_suffix(".log.1"))
