"""Until which time records need not be held back: nobody can have an earlier one on its way.

Owns: that decision, a pure function. Never knows: how records are ordered, reading, writing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice
from typing import Protocol

from logboom.merge import Merge

__all__ = ["ready_until"]


class Stream(Protocol):
    """What is needed of a reader."""

    @property
    def gone(self) -> bool: ...

    @property
    def resting(self) -> bool: ...


def ready_until(merge: Merge, streams: Mapping[str, Stream], now_mono: float, looked: float) -> float:
    """The key up to which records are ready without a wait; -infinity when all have to wait.

    Args:
        merge: the records of one target that wait.
        streams: all streams of the spool.
        now_mono: monotonic time in seconds.
        looked: wall time at which a look into every stream began; -infinity when there was none.
    """
    speaking = (name for name, waiting in merge.counts().items() if waiting or not _is_gone(streams, name))
    if len(list(islice(speaking, 2))) < 2:
        return math.inf  # one stream at most: its order is its own
    if looked > -math.inf and all(
        _is_gone(streams, name) or streams[name].resting for name in merge.active(now_mono)
    ):
        return looked  # what a stream says behind its rest is younger than that look
    return -math.inf


def _is_gone(streams: Mapping[str, Stream], name: str) -> bool:
    return name not in streams or streams[name].gone
