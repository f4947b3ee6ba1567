"""The records around hits: of all processes, or of the hit's own, in the order of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from logboom.logset.record import Record
from logboom.query.asking import Asked
from logboom.query.language import EVERYTHING
from logboom.query.matching import Matcher
from logboom.query.search import Search

__all__ = ["with_context"]


def with_context(
    question: Asked, hits: Iterator[Record], around: int, *, same_process: bool
) -> Iterator[list[Record]]:
    """Groups of neighbouring records; each hit is in one, with `around` records on both sides of it.

    Context is of the hit's own set. Two hits that are close share a group.
    """
    wanted = list(hits)
    if not wanted:
        return
    yield from _groups(question, wanted, around, same_process)


def _groups(question: Asked, hits: list[Record], around: int, same_process: bool) -> Iterator[list[Record]]:
    keys = {hit.key for hit in hits}
    before: dict[object, deque[Record]] = {}
    after: dict[object, int] = {}
    group: dict[tuple[float, int, int], Record] = {}
    everything = Search(question.views, Matcher(EVERYTHING))
    left = len(keys)
    for record in everything.hits():
        lane = (record.set, record.kind.process) if same_process else record.set
        key = record.key
        if key in keys:
            left -= 1
            earlier = before.setdefault(lane, deque(maxlen=around))
            fresh = {one.key: one for one in earlier}
            if group and not any(after.values()) and not fresh.keys() & group.keys():
                yield [group[one] for one in sorted(group)]
                group = {}
            group.update(fresh)
            group[key] = record
            after[lane] = around
            earlier.clear()
            continue
        if after.get(lane, 0):
            after[lane] -= 1
            group[key] = record
            before.setdefault(lane, deque(maxlen=around)).append(record)
        else:
            before.setdefault(lane, deque(maxlen=around)).append(record)
            if not left and not any(after.values()):
                break
    if group:
        yield [group[one] for one in sorted(group)]
