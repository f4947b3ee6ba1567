"""Programs that log: what each writes must not depend on whose handler writes it.

Owns: the cases; `driver.py` runs each with the standard library's handlers, and with logboom's.
Never knows: which of the two it got in `api`.
"""

from __future__ import annotations

import copy
import datetime
import decimal
import locale
import logging
import warnings
from pathlib import Path
from typing import Any

from talking import FULL, logger, talk


def case_extra(api: Any, path: Path) -> None:
    formatter = logging.Formatter("%(message)s %(user)s %(n)05d %(ratio).2f %(ok)s %(nothing)s %(thing)s")
    log = logger(api.FileHandler(path, encoding="utf-8"), formatter)
    for thing in (
        None,
        1,
        2.5,
        "text",
        True,
        decimal.Decimal("2.50"),
        [1, "a"],
        {"k": 1},
        Path("x"),
        b"bytes",
    ):
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

    def redact(record: logging.LogRecord) -> Any:
        other = copy.copy(record)
        other.msg = "redacted"
        other.args = ()
        return other

    handler = api.FileHandler(path, encoding="utf-8")
    handler.addFilter(redact)
    logger(handler, logging.Formatter(FULL)).info("password %s", "x")


def case_level_names(api: Any, path: Path) -> None:
    log = logger(
        api.FileHandler(path, encoding="utf-8"), logging.Formatter("%(levelname)s %(levelno)d %(message)s")
    )
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
    log.info("the last one of its second")
    handler.formatter.datefmt = "%H:%M"  # type: ignore[union-attr]  # is looked for once a second
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
    logging.basicConfig(
        handlers=[api.FileHandler(path, encoding="utf-8")], format="{message}", style="{", level=10
    )
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


def case_do_rollover_without_backups(api: Any, path: Path) -> None:
    handler = api.RotatingFileHandler(path, maxBytes=10_000, encoding="utf-8")
    log = logger(handler)
    log.info("stays")
    handler.doRollover()
    log.info("live")
    handler.doRollover()


def case_do_rollover_without_backups_in_mode_w(api: Any, path: Path) -> None:
    handler = api.RotatingFileHandler(path, mode="w", encoding="utf-8")
    log = logger(handler)
    log.info("goes")
    handler.doRollover()
    log.info("live")


def case_timed_hours(api: Any, path: Path) -> None:
    handler = api.TimedRotatingFileHandler(
        path, when="H", interval=12, backupCount=2, encoding="utf-8", utc=True
    )
    talk(logger(handler, logging.Formatter(FULL)))


def case_timed_midnight(api: Any, path: Path) -> None:
    handler = api.TimedRotatingFileHandler(
        path, when="midnight", backupCount=2, encoding="utf-8", atTime=datetime.time(3, 30)
    )
    talk(logger(handler, logging.Formatter(FULL)))


def case_shared_by_two_handlers(api: Any, path: Path) -> None:
    for name in ("first", "second"):
        handler = api.FileHandler(path, encoding="utf-8")
        handler.setFormatter(logging.Formatter(f"{name} %(name)s %(message)s"))
        logging.getLogger(name).addHandler(handler)
    for number in range(6):
        logging.getLogger(("first", "second")[number % 2]).error("record %d", number)


def case_closed_and_used_again(api: Any, path: Path) -> None:
    handler = api.FileHandler(path, encoding="utf-8")
    log = logger(handler)
    log.info("before")
    handler.close()
    log.info("after")


def case_locale(api: Any, path: Path) -> None:
    """The driver is started with a locale of the test's choice."""
    locale.setlocale(locale.LC_ALL, "")
    log = logger(
        api.FileHandler(path, encoding="utf-8"), logging.Formatter("%(asctime)s %(message)s", "%A %B %c %x")
    )
    log.info("weekday and month")
    log.info("%s", locale.str(1.5))
