"""The system check: log files that several processes of one project would damage.

Owns: the rules, their ids and their hints. Never knows: how a handler writes.

    logboom.W001  a handler of the standard library, or a subclass, rotates the file in each process: of
                  `LOGGING`, or made elsewhere
    logboom.W002  a handler empties the file whenever a process starts
    logboom.W003  handlers that rotate differently, or not through logboom, name one file
    logboom.I001  a handler that is exact, and takes a lock of all processes for each record
    logboom.I002  loguru writes to a file from each process
"""

from __future__ import annotations

import logging
import logging.handlers
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Info, Warning

from logboom.django.settings import Handler, attached, handlers, line_of

__all__ = ["check_logging"]

_LOCKING = {"concurrent_log_handler", "cloghandler"}
_LOGURU_FILE = re.compile(r"sink='([^']+)'")
_ROTATION = ("maxBytes", "backupCount", "when", "interval", "utc", "atTime")


def check_logging(app_configs: Sequence[Any] | None = None, **_: Any) -> list[CheckMessage]:
    """What in `settings.LOGGING` goes wrong as soon as there is more than one process."""
    configuration = getattr(settings, "LOGGING", None)
    found = list(handlers(configuration)) if isinstance(configuration, dict) else []
    messages = [message for handler in found for message in _judge(handler)]
    messages += [_stray(handler) for handler in attached(found) if _is_faulty(handler)]
    return [*messages, *_shared_files(found), *_loguru()]


def _judge(handler: Handler) -> Iterator[CheckMessage]:
    if handler.type is None or _from(handler.type, {"logboom"}):
        return
    if _from(handler.type, _LOCKING):
        yield _locking(handler)
    elif _is_faulty(handler):
        yield _rotating(handler)
    elif issubclass(handler.type, logging.FileHandler) and str(handler.options.get("mode")).startswith("w"):
        yield _emptying(handler)


def _from(kind: type | None, packages: set[str]) -> bool:
    """Whether the class, or one that it derives from, is one of these packages'."""
    return kind is not None and any(base.__module__.split(".")[0] in packages for base in kind.__mro__)


def _is_faulty(handler: Handler) -> bool:
    return _rotates(handler) and not _from(handler.type, _LOCKING | {"logboom"})


def _rotates(handler: Handler) -> bool:
    kind = handler.type or logging.Handler
    if handler.is_special:
        return False  # a device, a FIFO: the standard library leaves it alone
    if issubclass(kind, logging.handlers.RotatingFileHandler):
        return bool(handler.options.get("maxBytes") and handler.options.get("backupCount", 1))
    return issubclass(kind, logging.handlers.BaseRotatingHandler)


def _rotating(handler: Handler) -> CheckMessage:
    text = (
        f"The log handler {handler.name!r} ({handler.written}) rotates its file in each process by itself: "
        "with several web workers, queue workers or management commands, records are lost, and on Windows "
        "the rollover fails."
    )
    return Warning(text, hint=_change(handler), id="logboom.W001")


def _stray(handler: Handler) -> CheckMessage:
    text = (
        f"A log handler that LOGGING says nothing of ({handler.written} for {handler.file}) rotates its file "
        "in each process by itself: with several of them, records are lost, and on Windows rollovers fail."
    )
    hint = f"Where it is made, write {_replacement(handler)} instead of {handler.written}"
    return Warning(text, hint=hint, id="logboom.W001")


def _emptying(handler: Handler) -> CheckMessage:
    text = f"The log handler {handler.name!r} has mode 'w': each process that starts empties the file of all."
    hint = f'In LOGGING["handlers"]["{handler.name}"] remove "mode".'
    return Warning(text, hint=hint, id="logboom.W002")


def _locking(handler: Handler) -> CheckMessage:
    text = f"With {handler.name!r} ({handler.written}) each log record waits for a lock of all processes."
    return Info(text, hint=_change(handler), id="logboom.I001")


def _shared_files(found: Iterable[Handler]) -> Iterator[CheckMessage]:
    files: dict[Path, list[Handler]] = defaultdict(list)
    for handler in found:
        if handler.file is not None:
            files[handler.file].append(handler)
    for file, sharing in files.items():
        if len(sharing) > 1 and any(map(_rotates, sharing)) and not _agree(sharing):
            names = " and ".join(repr(handler.name) for handler in sharing)
            text = f"The log handlers {names} name one file, {file}, and do not rotate it in the same way."
            hint = "Give them one class of logboom with the same rotation, or a file each."
            yield Warning(text, hint=hint, id="logboom.W003")


def _agree(sharing: Sequence[Handler]) -> bool:
    """Whether logboom writes for all of them, with the same rotation."""
    rotations = {tuple(str(handler.options.get(option)) for option in _ROTATION) for handler in sharing}
    return len(rotations) == 1 and all(_from(handler.type, {"logboom"}) for handler in sharing)


def _loguru() -> Iterator[CheckMessage]:
    """loguru's own sinks stand in no setting; its logger's `repr` lists them."""
    logger = getattr(sys.modules.get("loguru"), "logger", None)
    for file in _LOGURU_FILE.findall(repr(logger)):
        text = f"loguru writes to {file!r} in each process; with rotation= that loses records."
        hint = (
            f'Use logger.add(logboom.RotatingFileHandler("{file}", maxBytes=..., backupCount=...)) instead.'
        )
        yield Info(text, hint=hint, id="logboom.I002")


def _change(handler: Handler) -> str:
    """The hint: which line, what stands there, and what should."""
    line = line_of(handler, getattr(settings, "LOGGING", None))
    where = f'LOGGING["handlers"]["{handler.name}"]' + (f" ({line})" if line else "")
    old = f'"{handler.key}": "{handler.written}"'
    new = f'"{handler.key}": "{_replacement(handler)}"'
    return f"In {where} change {old} to {new}"


def _replacement(handler: Handler) -> str:
    timed = issubclass(handler.type or logging.Handler, logging.handlers.TimedRotatingFileHandler)
    return "logboom.TimedRotatingFileHandler" if timed else "logboom.RotatingFileHandler"
