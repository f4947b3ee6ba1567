"""Ordinary log calls, and a note in a side channel after each returned, so that arrivals can be counted."""

import logging
import os
import time
from functools import cache
from pathlib import Path

from logboom.demo.oracle import Writer

NOTES = Path(os.environ.get("SHOP_NOTES", "notes"))


def log(logger: str, text: str) -> None:
    _writer(os.getpid(), logger).log(text)


@cache
def _writer(pid: int, logger: str) -> Writer:
    """One for each process and logger: a forked worker has a new pid."""
    return Writer(logging.getLogger(logger), NOTES, f"{logger}-{pid}-{time.time_ns()}")
