"""When is everything that was committed at a moment in the files?

Owns: `FlushMark`, a value that watches the streams. Never knows: reading, writing, waiting.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Protocol

__all__ = ["FlushMark"]


class Stream(Protocol):
    """What is needed of a reader."""

    @property
    def exhausted(self) -> bool: ...

    @property
    def last(self) -> int: ...


class FlushMark:
    """A moment, and for each stream the position up to which it had been written by then.

    A stream's position is known once it was read to its end after the moment; the mark is reached
    when each of them is delivered. So it is reached under constant load as well.

    Args:
        began: the moment.
        beyond: for a stream, a position behind everything that it can have had at the moment: one that is
            read that far need not be read to its end, which it may write faster than anybody reads.

    Attributes:
        began: the moment, on the monotonic clock.
        seen_at: when it was known of all streams how far the mark goes; infinity before.
    """

    def __init__(self, began: float, beyond: Mapping[str, int] | None = None) -> None:
        self.began = began
        self._beyond = {} if beyond is None else beyond
        self.seen_at = math.inf
        self._ends: dict[str, int] = {}

    def observe(self, streams: Mapping[str, Stream], now: float, excluded: Collection[str] = ()) -> None:
        """Call after each thorough read that began after the moment.

        Args:
            now: monotonic time.
            excluded: streams whose target cannot be written now.
        """
        for name, stream in streams.items():
            if name not in self._ends and (
                stream.exhausted or stream.last >= self._beyond.get(name, math.inf)
            ):
                self._ends[name] = stream.last
        if self.seen_at > now and all(name in self._ends or name in excluded for name in streams):
            self.seen_at = now

    def is_reached(
        self, streams: Mapping[str, Stream], delivered: Mapping[str, int], excluded: Collection[str] = ()
    ) -> bool:
        """Whether all is delivered.

        Args:
            delivered: for each stream, the position before which everything is in the files.
            excluded: as in `observe`.
        """
        return all(
            name in excluded or (name in self._ends and delivered.get(name, 0) >= self._ends[name])
            for name in streams
        )
