"""Settings that are far too large are refused or bounded where they are made: a collector serves many."""

from __future__ import annotations

import datetime
import logging
import logging.config
from pathlib import Path
from typing import Any

import pytest

import logboom
from logboom.errors import ConfigurationError

WIDE = [
    ("%(message)2000000000s", "%"),
    ("%(message)-300000000s", "%"),
    ("%(msecs)300000000d", "%"),
    ("%(created).300000000f", "%"),
    ("%(message)9999s" * 2, "%"),
    ("{message:2000000000}", "{"),
    ("{message!r:>300000000}", "{"),
    ("{message:.>300000000}", "{"),
    ("{message:300000000.5}", "{"),
    ("{created:.300000000f}", "{"),
    ("%(message)" + "9" * 5000 + "s", "%"),
]


class Slim(logging.Formatter):
    """A formatter of the program's own."""


@pytest.mark.parametrize("kind", [logging.Formatter, Slim])
@pytest.mark.parametrize(("fmt", "style"), WIDE, ids=lambda value: str(value)[:24])
def test_wide_format_is_refused(kind: Any, fmt: str, style: Any, tmp_path: Path) -> None:
    """One record of it would be hundreds of megabytes, for whoever reads the journal, too."""
    handler = logboom.FileHandler(tmp_path / "app.log")
    with pytest.raises(ConfigurationError, match="10,000"):
        handler.setFormatter(kind(fmt, style=style, validate=False))
    handler.setFormatter(kind("%(message)9000s %(name).20000s"))
    handler.setFormatter(kind("{message:.20000} {name:.<900} {levelname:5>9}", style="{"))
    handler.setFormatter(None)
    handler.close()


def test_wide_time_is_refused(tmp_path: Path) -> None:
    """The format of the milliseconds is a format, too."""
    formatter = logging.Formatter("%(asctime)s")
    formatter.default_msec_format = "%s,%0300000000d"
    handler = logboom.FileHandler(tmp_path / "app.log")
    with pytest.raises(ConfigurationError, match="10,000"):
        handler.setFormatter(formatter)
    handler.close()


def test_dict_config_says_what_is_too_wide(tmp_path: Path) -> None:
    """The program's start is where a typo is seen."""
    with pytest.raises(ValueError, match="app") as caught:
        logging.config.dictConfig(
            {
                "version": 1,
                "formatters": {"wide": {"format": "%(message)300000000s"}},
                "handlers": {
                    "app": {
                        "class": "logboom.FileHandler",
                        "filename": tmp_path / "app.log",
                        "formatter": "wide",
                    }
                },
            }
        )
    assert isinstance(caught.value.__cause__, ConfigurationError)


@pytest.mark.parametrize("kind", [logging.Formatter, Slim])
def test_format_that_grows_later_goes_out_plainly(kind: Any, tmp_path: Path) -> None:
    """Changed in place, it is seen when it is used: the record is there, and bounded."""
    formatter = kind("%(message)s")
    handler = logboom.FileHandler(tmp_path / "app.log", collector="off")
    handler.setFormatter(formatter)
    formatter._style._fmt = "%(message)300000000s"
    handler.handle(logging.makeLogRecord({"msg": "precious", "levelname": "INFO", "name": "app"}))
    handler.close()
    written = (tmp_path / "app.log").read_text()
    assert written.endswith(" INFO app: precious\n")
    assert len(written) < 100


@pytest.mark.parametrize(
    "options",
    [
        {"when": "W0", "interval": 500_000},
        {"when": "midnight", "interval": 10**15},
        {"when": "S", "interval": 2**70, "backupCount": 2**70},
        {"maxBytes": 2**80, "backupCount": 1},
        {"maxBytes": "99999999999999999999 TB", "max_total_size": 10**400},
        {"linger": "9" * 400 + " d", "max_age": datetime.timedelta.max, "flush_timeout": 1e300},
        {"max_total_size": "9" * 400 + " GB"},
    ],
    ids=str,
)
def test_settings_beyond_all_bounds_log(options: dict[str, Any], tmp_path: Path) -> None:
    """As the standard library, which takes them for "never"; a header must be able to say them."""
    handler = logboom.TimedRotatingFileHandler(tmp_path / "app.log", collector="off", **options)
    for text in ("one", "two"):
        handler.handle(logging.makeLogRecord({"msg": text}))
    handler.close()
    assert (tmp_path / "app.log").read_text() == "one\ntwo\n"


def test_others_of_the_directory_go_on(tmp_path: Path) -> None:
    """A program beside one whose schedule Python's calendar cannot reckon."""
    bad = logboom.TimedRotatingFileHandler(tmp_path / "bad.log", when="W0", interval=500_000)
    good = logboom.FileHandler(tmp_path / "good.log", flush_timeout=20)
    for handler in (bad, good):
        handler.handle(logging.makeLogRecord({"msg": "one"}))
    good.flush()
    assert (tmp_path / "good.log").read_text() == "one\n"
    bad.close()
    good.close()
    assert (tmp_path / "bad.log").read_text() == "one\n"
