"""What the collector says of itself: `status.json` and `collector.log` of a spool."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom.spool.launch import STATUS
from logboom.spool.place import place

__all__ = ["LOG", "Notebook", "write_status"]

LOG: Final = "collector.log"
_LARGEST_LOG: Final = 256 * 1024
_REPEAT_AFTER: Final = 60.0


def write_status(spool: Path, values: dict[str, Any]) -> None:
    """Replace `status.json` atomically; silently not, when the disk is full."""
    with contextlib.suppress(OSError):
        own = place(spool)
        own.write(STATUS, msgspec.json.encode(values), own.shared)


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
        # Names of files and programs are anybody's.
        text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
        line = f"{stamp} [{os.getpid()}] {text}\n".encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            own = place(self.path.parent)
            found = own.stat(LOG)
            if found is not None and found.st_size > _LARGEST_LOG:
                own.replace(LOG, f"{LOG}.1")
            own.append(LOG, line, own.shared)
