"""What a source promises.

Owns: the protocol between the collector's cycle and where records come from. Never knows: sinks,
checkpoints.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from logboom.journal.reader import Chunk, JournalReader

__all__ = ["Source"]


class Source(Protocol):
    """Streams of records, each with a growing position. Not thread-safe: the collector's one thread calls it.

    It returns each record once, and again only from the position that a new source was given. It
    keeps what it returned until `reclaim` is told that it was delivered.
    """

    readers: dict[str, JournalReader]

    def poll(
        self, budget: int, *, thorough: bool = False, skip: Collection[str] = ()
    ) -> Sequence[tuple[JournalReader, Chunk]]:
        """What is new.

        Args:
            budget: about how many bytes at most, shared by the streams.
            thorough: look everywhere now, also where nothing came for a while.
            skip: streams to pass over this time.

        One stream's trouble is in the source's `errors`, and it is tried again.

        Raises:
            OSError: the place as a whole cannot be looked at.
        """
        ...

    def reclaim(self, delivered: Mapping[str, int], now_mono: float) -> list[str]:
        """Free what is delivered.

        Args:
            delivered: for each stream, everything before this packed position is durable in every sink.
            now_mono: monotonic time in seconds.

        Returns:
            Streams that are finished and gone: their positions may be forgotten.
        """
        ...
