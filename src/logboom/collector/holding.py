"""Until which time records need not be held back: nobody can have an earlier one on its way.

Owns: that decision, a pure function. Never knows: how records are ordered, reading, writing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Protocol

from logboom.collector.merge import Merge

__all__ = ["BIRTH", "ready_until"]

BIRTH: Final = 0.005  # seconds in which a program that logs its first record is found


class Stream(Protocol):
    """What is needed of a reader."""

    @property
    def gone(self) -> bool: ...

    @property
    def last(self) -> int: ...

    @property
    def resting(self) -> bool: ...


def ready_until(
    merge: Merge,
    streams: Mapping[str, Stream],
    now_mono: float,
    listed: float,
    looked: float,
    *,
    hasty: bool = False,
) -> float:
    """The key up to which records are ready without a wait; -infinity when all have to wait.

    Args:
        merge: the records of one target that wait.
        streams: the streams of that target, and those of whom nobody knows yet what they write to.
        now_mono: monotonic time in seconds.
        listed: wall time at which it was last looked which streams there are.
        looked: wall time at which a look into every stream began; -infinity when there was none.
        hasty: who has said nothing yet to this merge, or starts at this moment, is not waited for.
    """
    counts = merge.counts()
    speaking = {name for name, waiting in counts.items() if waiting}
    company = counts if hasty else streams
    speaking.update(name for name, stream in streams.items() if not stream.gone and name in company)
    if len(speaking) < 2:
        return math.inf if hasty else listed - BIRTH  # one stream at most: its order is its own
    if looked == -math.inf or any(stream.last == 0 and not stream.gone for stream in streams.values()):
        return -math.inf  # a stream without a record has its first one on the way
    for name in merge.active(now_mono):
        stream = streams.get(name)
        if stream is not None and not (stream.gone or stream.resting):
            return -math.inf
    return looked - BIRTH  # what a stream says behind its rest is younger than that look
