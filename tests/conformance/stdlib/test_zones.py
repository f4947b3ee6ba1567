"""Names of rotated files are in the producer's zone, whatever the collector's."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

Programs = Any

PROGRAM = """
import logging, time
import logboom
handler = logboom.TimedRotatingFileHandler("app.log", when="H", utc={utc}, delay=True)
for created in (time.time() - 7200, time.time()):
    record = logging.makeLogRecord({{"msg": "a record"}})
    record.created = created
    handler.handle(record)
"""


@pytest.mark.parametrize("utc, hours", [(False, 5.5), (True, 0.0)])
def test_a_rotated_file_is_named_in_the_zone_of_the_program(
    programs: Programs, wait_until: Callable[..., None], utc: bool, hours: float
) -> None:
    """Cron starts a collector under `TZ=UTC`, and Django sets `TZ` in its own processes."""
    spool = programs.directory / ".logboom"
    programs.collect(spool, TZ="UTC", LANG="C")
    wait_until((spool / "status.json").exists, 20, "the collector is up")
    programs.run(PROGRAM.format(utc=utc), TZ="Asia/Kolkata")
    (backup,) = programs.directory.glob("app.log.*")
    named = datetime.datetime.strptime(backup.name, "app.log.%Y-%m-%d_%H")
    there = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(hours=hours)
    assert datetime.timedelta(hours=1.9) < there - named < datetime.timedelta(hours=3.2)
    assert (backup.read_text(), programs.log.read_text()) == ("a record\n", "a record\n")
