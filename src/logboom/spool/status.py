"""What the collector says of itself: `status.json` and `collector.log` of a spool."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom.platform import clock
from logboom.spool.place import decode, place, read

__all__ = ["LIMITS", "LOG", "STATUS", "Notebook", "made_way", "read_status", "write_status", "write_values"]

STATUS: Final = "status.json"
LOG: Final = "collector.log"
LIMITS: Final = "limits.json"  # of a collector that its own limits stopped
_LARGEST_LOG: Final = 256 * 1024
_LARGEST: Final = 16 * 1024 * 1024
_REPEAT_AFTER: Final = 60.0
_MOST_UNSAID: Final = 100
_TURN: Final = 3.0


def read_status(spool: Path) -> dict[str, Any]:
    """The collector's last word on itself, or an empty dictionary."""
    value = read_values(spool, STATUS)
    return value if isinstance(value, dict) else {}


def read_values(spool: Path, name: str, kind: Any = Any) -> Any:
    """A small JSON file of the spool; None when there is none of this kind, whoever wrote it."""
    try:
        return decode(read(spool, name, _LARGEST), kind)
    except (OSError, ValueError):
        return None


def made_way(spool: Path) -> int:
    """The journal format of a collector that has just left for a newer release's; 0 when none has.

    Of many programs most may be of the older release: without a pause theirs would win every election.
    """
    said: Any = read_status(spool).get("collector")
    try:
        return int(said["format"]) if 0.0 <= clock.perf_counter() - said["made_way"] < _TURN else 0
    except (KeyError, TypeError, ValueError):
        return 0


def write_status(spool: Path, values: dict[str, Any]) -> bool:
    """Replace `status.json` atomically; False when that cannot be done now (the disk is full)."""
    return write_values(spool, STATUS, values)


def write_values(spool: Path, name: str, values: dict[str, Any]) -> bool:
    """Replace a small JSON file of the spool atomically; False when that cannot be done now."""
    try:
        own = place(spool)
        own.write(name, msgspec.json.encode(values), own.shared)
    except OSError:
        return False
    return True


class Notebook:
    """The collector's own log: bounded, one sentence a line, none repeated within a minute.

    What cannot be written now (a full disk) is kept, and written as soon as it can be.
    """

    def __init__(self, spool: Path) -> None:
        self.path = spool / LOG
        self._said: dict[str, float] = {}
        self._unsaid: list[bytes] = []

    def note(self, text: str) -> None:
        """Write one line; never raises."""
        now = time.monotonic()
        if now - self._said.get(text, float("-inf")) >= _REPEAT_AFTER:
            if len(self._said) > 1000:
                self._said.clear()
            self._said[text] = now
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            # Names of files and programs are anybody's.
            text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
            line = f"{stamp} [{os.getpid()}] {text}\n".encode("utf-8", "backslashreplace")
            if len(self._unsaid) < _MOST_UNSAID:  # the first ones say how it began
                self._unsaid.append(line)
            self.catch_up()

    def catch_up(self) -> None:
        """Write what could not be written before; never raises."""
        while self._unsaid:
            line = self._unsaid[0]
            try:
                own = place(self.path.parent)
                found = own.stat(LOG)
                if found is not None and found.st_size > _LARGEST_LOG:
                    own.replace(LOG, f"{LOG}.1")
                written = own.append(LOG, line, own.shared)
            except OSError:
                return
            if written < len(line):
                self._unsaid[0] = line[written:]
                return
            del self._unsaid[0]
