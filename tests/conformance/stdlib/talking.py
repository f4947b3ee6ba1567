"""What the programs of `cases.py` and `formats.py` share: the records they make.

Owns: every kind of record that a program makes. Never knows: whose handler writes them.
"""

from __future__ import annotations

import datetime
import decimal
import logging
import os
import time

FULL = "%(asctime)s %(levelname)-8s %(name)s %(process)d %(threadName)s %(message)s"


def fail(depth: int = 2) -> None:
    if depth:
        fail(depth - 1)
    raise ValueError("nothing for it")


def chained() -> None:
    try:
        fail()
    except ValueError as error:
        raise RuntimeError("while paying") from error


def talk(log: logging.Logger) -> None:
    """Every kind of record that a program makes."""
    log.debug("not shown")
    log.info("plain")
    log.info("order %s paid by %s in %d ms", 17, "Ann", 3)
    log.warning("by name: %(a)s %(b)05.1f", {"a": "x", "b": 2.25})
    log.error("Привет, 世界, ümläut, 🪵")
    log.critical("100%% is not formatted without arguments 100%")
    log.log(25, "a level of its own")
    log.info(("a", "tuple"))
    log.info({"a": 1})
    log.info("%r %s %s", decimal.Decimal("1.10"), None, datetime.date(2026, 11, 22))
    log.info("tab\there, trailing spaces   ")
    log.info("")
    try:
        chained()
    except RuntimeError:
        log.exception("it failed for %s", "Ann")
        log.error("again", exc_info=True)
    log.error("a given one", exc_info=OSError(2, "No such file", "x.txt"))
    log.error("none to show", exc_info=True)
    log.info("where", stack_info=True)
    logging.getLogger("shop.cart").info("a child, propagating")
    log.handle(logging.makeLogRecord({"msg": "made by hand", "levelno": 20, "levelname": "INFO"}))


def logger(handler: logging.Handler, formatter: logging.Formatter | None = None) -> logging.Logger:
    if formatter is not None:
        handler.setFormatter(formatter)
    log = logging.getLogger("shop")
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    return log


def zone(name: str) -> None:
    os.environ["TZ"] = name
    time.tzset()
