"""How far each stream is delivered: what a flush waits for.

The collector replaces `flushed.json` when what was asked for is written. It has positions and no times, so
it is true across time namespaces, reboots and changes of the collector.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from logboom.spool.place import place
from logboom.spool.status import read_values, write_values

__all__ = ["FLUSHED", "Flushed", "FlushedWatch", "write_flushed"]

FLUSHED: Final = "flushed.json"


class Flushed(msgspec.Struct):
    """What was delivered at a moment.

    Attributes:
        through: for each stream the packed position before which everything is in the files.
        skipped: streams that cannot be delivered now, with the key of the target, as far as it is known.
    """

    through: dict[str, int] = {}
    skipped: dict[str, str] = {}


def write_flushed(spool: Path, flushed: Flushed) -> bool:
    """Publish it; False when that cannot be done now."""
    values: dict[str, Any] = {"through": flushed.through, "skipped": flushed.skipped}
    return write_values(spool, FLUSHED, values)


class FlushedWatch:
    """Reads `flushed.json` when it was replaced."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._seen: tuple[int, int] | None = None

    def news(self) -> Flushed | None:
        """What it says now; None when it is what it was at the last call, or cannot be read."""
        try:
            found = place(self._spool).stat(FLUSHED)
        except OSError:
            return None
        seen = None if found is None else (found.st_ino, found.st_mtime_ns)
        if seen is None or seen == self._seen:
            return None
        value: Flushed | None = read_values(self._spool, FLUSHED, Flushed)
        if value is not None:
            self._seen = seen
        return value
