"""Programs that log: what each writes must not depend on whose handler writes it.

Owns: the cases; `driver.py` runs each with the standard library's handlers, and with logboom's.
Never knows: which of the two it got in `api`.
"""

from __future__ import annotations

import datetime
import decimal
import json
import locale
import logging
import time
import warnings
from pathlib import Path
from typing import Any

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
    import os

    os.environ["TZ"] = name
    time.tzset()


# Formatters. Each is used on a FileHandler with everything that `talk` says.


def format_none() -> logging.Formatter | None:
    return None


def format_default() -> logging.Formatter:
    return logging.Formatter()


def format_full() -> logging.Formatter:
    return logging.Formatter(FULL)


def format_all_attributes() -> logging.Formatter:
    names = "name levelno levelname pathname filename module lineno funcName created msecs relativeCreated"
    names += " thread threadName process processName message"
    return logging.Formatter(" | ".join(f"%({name})s" for name in names.split()))


def format_percent_conversions() -> logging.Formatter:
    return logging.Formatter("%(levelname)-8s %(lineno)05d %(msecs)03d %(created).3f %(levelno)x %% %(message).12s")


def format_braces() -> logging.Formatter:
    return logging.Formatter("{asctime} {levelname:<8} {name!r:>12} {created:.3f} {{}} {message}", style="{")


def format_dollar() -> logging.Formatter:
    return logging.Formatter("${asctime} $levelname $$ ${name}: $message", style="$")


def format_datefmt() -> logging.Formatter:
    return logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%Y-%m-%dT%H:%M:%S%z %Z %j %y")


def format_datefmt_locale() -> logging.Formatter:
    return logging.Formatter("%(asctime)s %(message)s", "%A %d %B %x %X %p")


def format_gmtime() -> logging.Formatter:
    formatter = logging.Formatter(FULL)
    formatter.converter = time.gmtime
    return formatter


def format_gmtime_of_all() -> logging.Formatter:
    logging.Formatter.converter = time.gmtime
    return logging.Formatter(FULL)


def format_foreign_converter() -> logging.Formatter:
    formatter = logging.Formatter(FULL)
    formatter.converter = lambda seconds: time.gmtime((seconds or 0) + 12_345)
    return formatter


def format_msec() -> logging.Formatter:
    formatter = logging.Formatter(FULL)
    formatter.default_msec_format = "%s.%03d"
    return formatter


def format_no_msec() -> logging.Formatter:
    formatter = logging.Formatter(FULL)
    formatter.default_msec_format = None
    formatter.default_time_format = "%d.%m.%Y %H:%M:%S"
    return formatter


def format_defaults() -> logging.Formatter:
    return logging.Formatter("%(message)s request=%(request_id)s", defaults={"request_id": "-"})


def format_defaults_braces() -> logging.Formatter:
    return logging.Formatter("{message} {request_id:>6} {n}", style="{", defaults={"request_id": "-", "n": 1.5})


def format_newlines() -> logging.Formatter:
    return logging.Formatter("%(levelname)s\n  %(message)s\n")


def format_zone_new_york() -> logging.Formatter:
    zone("America/New_York")
    return logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S %Z %z")


def format_zone_berlin() -> logging.Formatter:
    zone("Europe/Berlin")
    return logging.Formatter(FULL)


def format_zone_posix() -> logging.Formatter:
    zone("XYZ-05:45")
    return logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S %Z %z")


def format_zone_kathmandu_gmtime() -> logging.Formatter:
    zone("Asia/Kathmandu")
    formatter = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S %Z %z")
    formatter.converter = time.gmtime
    return formatter


class Shouting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).upper()


class ShortExceptions(logging.Formatter):
    def formatException(self, ei: Any) -> str:
        return f"<{ei[0].__name__}: {ei[1]}>" if ei[0] else "<none>"

    def formatStack(self, stack_info: str) -> str:
        return f"<{len(stack_info.splitlines())} lines of stack>" if stack_info else ""


class ByLevel(logging.Formatter):
    """A formatter a level, as people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.loud = logging.Formatter("!!! " + FULL)
        self.quiet = logging.Formatter("%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return (self.loud if record.levelno >= logging.WARNING else self.quiet).format(record)


class Milliseconds(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return f"{record.created * 1000:.0f}"


class Lines:
    """Not a `logging.Formatter`: all that a handler needs is `format`."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"message": record.getMessage(), "level": record.levelname})


def format_subclass() -> logging.Formatter:
    return Shouting(FULL)


def format_exceptions() -> logging.Formatter:
    return ShortExceptions(FULL)


def format_by_level() -> logging.Formatter:
    return ByLevel()


def format_time_overridden() -> logging.Formatter:
    return Milliseconds(FULL)


def format_instance_override() -> logging.Formatter:
    formatter = logging.Formatter(FULL)
    formatter.formatTime = lambda record, datefmt=None: "now"  # type: ignore[method-assign]
    return formatter


def format_duck() -> Any:
    return Lines()


# Programs.


def case_extra(api: Any, path: Path) -> None:
    formatter = logging.Formatter("%(message)s %(user)s %(n)05d %(ratio).2f %(ok)s %(nothing)s %(thing)s")
    log = logger(api.FileHandler(path, encoding="utf-8"), formatter)
    for thing in (None, 1, 2.5, "text", True, decimal.Decimal("2.50"), [1, "a"], {"k": 1}, Path("x"), b"bytes"):
        extra = {"user": "Ann", "n": 7, "ratio": 0.5, "ok": False, "nothing": None, "thing": thing}
        log.info("with extra", extra=extra)


def case_extra_braces(api: Any, path: Path) -> None:
    formatter = logging.Formatter("{message} {thing.year} {pair[0]} {thing:%d/%m}", style="{", validate=False)
    log = logger(api.FileHandler(path, encoding="utf-8"), formatter)
    log.info("attributes", extra={"thing": datetime.date(2026, 11, 22), "pair": ["a", "b"]})


def case_defaults_overridden(api: Any, path: Path) -> None:
    formatter = logging.Formatter("%(message)s %(request_id)s", defaults={"request_id": "-"})
    log = logger(api.FileHandler(path, encoding="utf-8"), formatter)
    log.info("without")
    log.info("with", extra={"request_id": "a1"})
    log.info("with a number", extra={"request_id": 12})
    log.info("without again")


def case_missing_attribute(api: Any, path: Path) -> None:
    logging.raiseExceptions = False
    log = logger(api.FileHandler(path, encoding="utf-8"), logging.Formatter("%(message)s %(user)s"))
    log.info("lost, as the format asks for what is not there")
    log.info("kept", extra={"user": "Ann"})


def case_wrong_arguments(api: Any, path: Path) -> None:
    logging.raiseExceptions = False
    log = logger(api.FileHandler(path, encoding="utf-8"), logging.Formatter(FULL))
    log.info("too few %s %s", 1)
    log.info("too many", 1)
    log.info("%d", "not a number")
    log.info("kept")


def case_filter_handler(api: Any, path: Path) -> None:
    handler = api.FileHandler(path, encoding="utf-8")
    handler.addFilter(lambda record: "secret" not in record.getMessage())
    handler.addFilter(logging.Filter("shop.cart"))
    log = logger(handler, logging.Formatter(FULL))
    log.info("the parent: not shown")
    logging.getLogger("shop.cart").info("shown")
    logging.getLogger("shop.cart").info("a secret")
    logging.getLogger("shop.cartoon").info("not shown")


class Request(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = f"r{record.lineno % 2}"
        record.msg = f"[{record.msg}]"
        return True


def case_filter_adds_attributes(api: Any, path: Path) -> None:
    handler = api.FileHandler(path, encoding="utf-8")
    handler.addFilter(Request())
    talk(logger(handler, logging.Formatter("%(request_id)s %(message)s")))


def case_filter_changes_level_name(api: Any, path: Path) -> None:
    def rename(record: logging.LogRecord) -> bool:
        record.levelname = record.levelname.lower()
        return True

    handler = api.FileHandler(path, encoding="utf-8")
    handler.addFilter(rename)
    talk(logger(handler, logging.Formatter(FULL)))


def case_filter_returns_another_record(api: Any, path: Path) -> None:
    """3.12 and later take a record that a filter returns in place of its own."""
    import copy

    def redact(record: logging.LogRecord) -> Any:
        other = copy.copy(record)
        other.msg = "redacted"
        other.args = ()
        return other

    handler = api.FileHandler(path, encoding="utf-8")
    handler.addFilter(redact)
    logger(handler, logging.Formatter(FULL)).info("password %s", "x")


def case_level_names(api: Any, path: Path) -> None:
    log = logger(api.FileHandler(path, encoding="utf-8"), logging.Formatter("%(levelname)s %(levelno)d %(message)s"))
    log.log(25, "no name")
    logging.addLevelName(25, "NOTICE")
    log.log(25, "a name")
    logging.addLevelName(logging.WARNING, "WARN")
    log.warning("renamed")
    logging.addLevelName(25, "OTHER")
    log.log(25, "another name")


class ShoutingRecord(logging.LogRecord):
    def getMessage(self) -> str:
        return super().getMessage().upper() + "!"


def case_record_factory(api: Any, path: Path) -> None:
    frozen = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = frozen(*args, **kwargs)
        record.host = "web-1"
        record.__class__ = ShoutingRecord
        return record

    logging.setLogRecordFactory(factory)
    log = logger(api.FileHandler(path, encoding="utf-8"), logging.Formatter("%(host)s " + FULL))
    log.info("from %s", "a factory")


def case_adapter(api: Any, path: Path) -> None:
    log = logger(api.FileHandler(path, encoding="utf-8"), logging.Formatter("%(message)s %(ip)s"))
    logging.LoggerAdapter(log, {"ip": "10.0.0.1"}).info("adapted %d", 1)


def case_warnings(api: Any, path: Path) -> None:
    handler = api.FileHandler(path, encoding="utf-8")
    logging.getLogger("py.warnings").addHandler(handler)
    logging.captureWarnings(True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn_explicit("old", DeprecationWarning, "shop.py", 7)
    logging.captureWarnings(False)


def case_two_formats(api: Any, path: Path) -> None:
    handler = api.FileHandler(path, encoding="utf-8")
    log = logger(handler, logging.Formatter("1 %(message)s"))
    log.info("first")
    handler.setFormatter(logging.Formatter("2 %(asctime)s %(message)s"))
    log.info("second")
    handler.formatter.datefmt = "%H:%M"  # type: ignore[union-attr]
    log.info("third")
    handler.setFormatter(None)
    log.info("fourth")


def case_level(api: Any, path: Path) -> None:
    handler = api.FileHandler(path, encoding="utf-8")
    log = logger(handler, logging.Formatter(FULL))
    handler.setLevel("ERROR")
    talk(log)


def case_terminator(api: Any, path: Path) -> None:
    handler = api.FileHandler(path, encoding="utf-8")
    handler.terminator = " |\n"
    talk(logger(handler, logging.Formatter(FULL)))


def case_terminator_empty(api: Any, path: Path) -> None:
    handler = api.FileHandler(path, encoding="utf-8")
    handler.terminator = ""
    log = logger(handler, logging.Formatter("<%(message)s>"))
    log.info("one")
    log.info("two")


def case_string_path(api: Any, path: Path) -> None:
    logger(api.FileHandler(str(path), "a", "utf-8", False, "strict")).info("all by position")


def case_handler_given_to_basic_config(api: Any, path: Path) -> None:
    logging.basicConfig(handlers=[api.FileHandler(path, encoding="utf-8")], format="{message}", style="{", level=10)
    logging.debug("through the root")


def encoded(api: Any, path: Path, encoding: str, errors: str | None) -> None:
    logging.raiseExceptions = False
    log = logger(api.FileHandler(path, encoding=encoding, errors=errors), logging.Formatter(FULL))
    talk(log)


def case_latin1_replace(api: Any, path: Path) -> None:
    encoded(api, path, "latin-1", "replace")


def case_ascii_backslash(api: Any, path: Path) -> None:
    encoded(api, path, "ascii", "backslashreplace")


def case_ascii_xml(api: Any, path: Path) -> None:
    encoded(api, path, "ascii", "xmlcharrefreplace")


def case_cp1251_ignore(api: Any, path: Path) -> None:
    encoded(api, path, "cp1251", "ignore")


def case_ascii_strict(api: Any, path: Path) -> None:
    encoded(api, path, "ascii", "strict")


def case_ascii_no_errors_named(api: Any, path: Path) -> None:
    encoded(api, path, "ascii", None)


def case_shift_jis(api: Any, path: Path) -> None:
    encoded(api, path, "shift_jis", "replace")


def case_utf16_le(api: Any, path: Path) -> None:
    encoded(api, path, "utf-16-le", None)


def case_utf16(api: Any, path: Path) -> None:
    encoded(api, path, "utf-16", None)


def case_utf8_sig(api: Any, path: Path) -> None:
    encoded(api, path, "utf-8-sig", None)


def case_utf8_surrogateescape(api: Any, path: Path) -> None:
    log = logger(api.FileHandler(path, encoding="utf-8", errors="surrogateescape"))
    log.info("a file name %s", b"caf\xe9".decode("utf-8", "surrogateescape"))


def case_mode_append(api: Any, path: Path) -> None:
    path.write_text("from before\n")
    logger(api.FileHandler(path, encoding="utf-8")).info("after")


def case_mode_w(api: Any, path: Path) -> None:
    path.write_text("from before\n")
    logger(api.FileHandler(path, mode="w", encoding="utf-8")).info("alone")


def case_delay(api: Any, path: Path) -> None:
    handler = api.FileHandler(path, encoding="utf-8", delay=True)
    assert not path.exists()
    logger(handler).info("now there is a file")


def case_delay_unused(api: Any, path: Path) -> None:
    logger(api.FileHandler(path, encoding="utf-8", delay=True))


def case_no_delay_unused(api: Any, path: Path) -> None:
    logger(api.FileHandler(path, encoding="utf-8"))


def rotate(api: Any, path: Path, **options: Any) -> None:
    log = logger(api.RotatingFileHandler(path, encoding="utf-8", **options), logging.Formatter(FULL))
    for number in range(60):
        log.info("record %d of a rotated set, %s", number, "x" * (number * 7 % 50))


def case_rotating(api: Any, path: Path) -> None:
    rotate(api, path, maxBytes=1000, backupCount=3)


def case_rotating_many(api: Any, path: Path) -> None:
    rotate(api, path, maxBytes=300, backupCount=100)


def case_rotating_no_backups(api: Any, path: Path) -> None:
    rotate(api, path, maxBytes=1000, backupCount=0)


def case_rotating_without_size(api: Any, path: Path) -> None:
    rotate(api, path, maxBytes=0, backupCount=3)


def case_rotating_delay(api: Any, path: Path) -> None:
    rotate(api, path, maxBytes=1000, backupCount=2, delay=True)


def case_rotating_existing_backups(api: Any, path: Path) -> None:
    for number in (1, 2):
        path.with_name(f"{path.name}.{number}").write_text(f"backup {number} from before\n")
    path.write_text("live from before\n")
    rotate(api, path, maxBytes=3000, backupCount=5)


def case_rotating_unicode(api: Any, path: Path) -> None:
    log = logger(api.RotatingFileHandler(path, maxBytes=500, backupCount=50, encoding="utf-8"))
    for number in range(40):
        log.info("Привет %d, 世界 🪵", number)


def case_do_rollover(api: Any, path: Path) -> None:
    handler = api.RotatingFileHandler(path, maxBytes=10_000, backupCount=3, encoding="utf-8")
    log = logger(handler)
    log.info("to be in .2")
    handler.doRollover()
    log.info("to be in .1")
    handler.doRollover()
    log.info("live")


def case_timed_hours(api: Any, path: Path) -> None:
    handler = api.TimedRotatingFileHandler(path, when="H", interval=12, backupCount=2, encoding="utf-8", utc=True)
    talk(logger(handler, logging.Formatter(FULL)))


def case_timed_midnight(api: Any, path: Path) -> None:
    handler = api.TimedRotatingFileHandler(
        path, when="midnight", backupCount=2, encoding="utf-8", atTime=datetime.time(3, 30)
    )
    talk(logger(handler, logging.Formatter(FULL)))


def case_shared_by_two_handlers(api: Any, path: Path) -> None:
    first = api.FileHandler(path, encoding="utf-8")
    second = api.FileHandler(path, encoding="utf-8")
    first.setFormatter(logging.Formatter("first %(message)s"))
    second.setFormatter(logging.Formatter("second %(message)s"))
    log = logger(first)
    log.addHandler(second)
    for number in range(3):
        log.info("record %d", number)


def case_closed_and_used_again(api: Any, path: Path) -> None:
    handler = api.FileHandler(path, encoding="utf-8")
    log = logger(handler)
    log.info("before")
    handler.close()
    log.info("after")


def case_locale(api: Any, path: Path) -> None:
    """The driver is started with a locale of the test's choice."""
    locale.setlocale(locale.LC_ALL, "")
    log = logger(api.FileHandler(path, encoding="utf-8"), logging.Formatter("%(asctime)s %(message)s", "%A %B %c %x"))
    log.info("weekday and month")
    log.info("%s", locale.str(1.5))
