"""What every contender is given to log: one message, one format, files of 10 MB.

Owns: the message, the format, the variants of it, the loops that call. Never knows: contenders, measures.
"""

from __future__ import annotations

import logging
import statistics
import time
from array import array
from collections.abc import Callable
from functools import partial
from typing import Final

__all__ = [
    "FORMAT",
    "LOGGER",
    "MAX_BYTES",
    "MESSAGE",
    "VARIANTS",
    "Call",
    "cpu_of_calls",
    "formatter",
    "log_numbered",
    "log_warm_up",
    "wall_of_calls",
    "with_variant",
]

MESSAGE: Final = "order %s paid by %s in %d ms"
FORMAT: Final = "%(asctime)s %(levelname)-8s %(name)s %(process)d %(message)s"
LOGGER: Final = "shop.orders"
MAX_BYTES: Final = 10_000_000
VARIANTS: Final = ("text", "json", "custom", "exc_info")
WARM_UP: Final = "warm-up"
_PARTS: Final = 10

Call = Callable[..., None]


class ShoutingFormatter(logging.Formatter):
    """A formatter of the user's own, which only the calling process can run."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record) + " !"


def formatter(variant: str) -> logging.Formatter:
    if variant == "json":
        import logboom

        json_formatter: logging.Formatter = logboom.JSONFormatter()
        return json_formatter
    return (ShoutingFormatter if variant == "custom" else logging.Formatter)(FORMAT)


def with_variant(call: Call, variant: str) -> Call:
    """`call`, or `call` with the exception that the variant `exc_info` logs."""
    if variant != "exc_info":
        return call
    try:
        raise ValueError("the card was declined")
    except ValueError as error:
        return partial(call, exc_info=error)


def log_warm_up(call: Call, message: str, count: int = 5) -> None:
    """Records that open connections and start servers; they are not counted."""
    for _ in range(count):
        call(message, WARM_UP, "nobody", 0)


def log_numbered(call: Call, message: str, writer: int, count: int) -> None:
    """`count` records that say who wrote them and which of his they are."""
    for number in range(count):
        call(message, f"{writer:03d}-{number:07d}", "alice", 12)


def cpu_of_calls(call: Call, message: str, count: int) -> float:
    """CPU seconds of this thread for one call, of `count`: the median of parts."""
    numbers = range(max(count // _PARTS, 1))
    parts = []
    for _ in range(_PARTS):
        started = time.thread_time()
        for _ in numbers:
            call(message, "000-0000000", "alice", 12)
        parts.append((time.thread_time() - started) / len(numbers))
    return statistics.median(parts)


def wall_of_calls(call: Call, message: str, count: int) -> array[int]:
    """Nanoseconds of each of `count` calls."""
    clock = time.perf_counter_ns
    spent = array("q", bytes(8 * count))
    for index in range(count):
        started = clock()
        call(message, "000-0000000", "alice", 12)
        spent[index] = clock() - started
    return spent
