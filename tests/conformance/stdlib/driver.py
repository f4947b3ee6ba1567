"""Runs cases, each in a process of its own, with the handlers of one library, into one directory.

Owns: the frozen records, so that two runs are comparable byte by byte.
Never knows: what a case does.

Usage: python driver.py logging.handlers|logboom DIRECTORY CASE ...

`{}` in DIRECTORY stands for the case's name: each then has a directory, and a spool, of its own.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import logging.handlers
import os
import sys
import traceback
import types
from pathlib import Path
from typing import Any

import cases
import formats
import talking

# A second before Europe's clocks go forward, in 2024.
START = 1_711_846_799.0


def library(name: str) -> Any:
    module = importlib.import_module(name)
    return types.SimpleNamespace(
        FileHandler=getattr(module, "FileHandler", logging.FileHandler),
        RotatingFileHandler=module.RotatingFileHandler,
        TimedRotatingFileHandler=module.TimedRotatingFileHandler,
    )


def freeze() -> None:
    numbers = itertools.count()
    make = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        number = next(numbers)
        record.created = START + number * 0.3737
        record.msecs = float(int((record.created - int(record.created)) * 1000))
        record.relativeCreated = number * 1.5
        record.process, record.thread = 4242, 1
        return record

    logging.setLogRecordFactory(factory)


def run(api: Any, name: str, path: Path) -> None:
    freeze()
    if name.startswith("format_"):
        handler = api.FileHandler(path, encoding="utf-8")
        talking.talk(talking.logger(handler, getattr(formats, name)()))
    else:
        getattr(cases, name)(api, path)


def in_a_process_of_its_own(api: Any, name: str, path: Path) -> int:
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 1
    try:
        run(api, name, path)
        logging.shutdown()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def path_of(directory: str, name: str) -> Path:
    path = Path(directory.replace("{}", name)) / f"{name}.log"
    path.parent.mkdir(exist_ok=True)
    return path


def main(module: str, directory: str, names: list[str]) -> int:
    api = library(module)
    failed = [name for name in names if in_a_process_of_its_own(api, name, path_of(directory, name))]
    print(*failed, sep="\n")
    return len(failed)


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1], sys.argv[2], sys.argv[3:])))
