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

import contextlib
import functools
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

from logboom.django.settings import Handler, attached, called, dotted, handlers, line_of
from logboom.errors import ConfigurationError
from logboom.journal.target import parse_size

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
    return kind is not None and any(_is_of(base, packages) for base in kind.__mro__)


def _is_of(base: type, packages: set[str]) -> bool:
    return base.__module__.split(".")[0] in packages


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
    return Warning(text, hint=_derive(handler) or hint, id="logboom.W001")


def _emptying(handler: Handler) -> CheckMessage:
    text = f"The log handler {handler.name!r} has mode 'w': each process that starts empties the file of all."
    hint = f'In LOGGING["handlers"]["{handler.name}"] set "mode" to "a".'
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
    rotations = {tuple(_value(option, handler) for option in _ROTATION) for handler in sharing}
    return len(rotations) == 1 and all(_from(handler.type, {"logboom"}) for handler in sharing)


def _value(option: str, handler: Handler) -> str:
    """The option's value, the same for each way to write it."""
    value = handler.options.get(option)
    if option == "maxBytes" and value is not None:
        with contextlib.suppress(ConfigurationError):
            value = parse_size(value, option)
    return str(value).upper()


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
    """The hint: what to write where, so that what a class or a factory sets stays in force."""
    return _derive(handler) or _return(handler) or _rename(handler)


def _derive(handler: Handler) -> str:
    """For a subclass; empty for other classes."""
    kind, base = handler.type, _base(handler)
    if kind is None or base is None or kind is base:
        return ""
    new = _replacement(handler)
    return (
        f"Let {dotted(kind)} derive from {new} instead of {dotted(base)}; "
        f"if it rotates in a way of its own, use {new} itself, with what it sets"
    )


def _return(handler: Handler) -> str:
    """For a factory; empty where LOGGING has the class itself."""
    made = called(handler.made)
    if made is None or isinstance(made, type) or handler.type is None:
        return ""
    return f"Let {dotted(made)} return a {_replacement(handler)} instead of a {dotted(handler.type)}"


def _rename(handler: Handler) -> str:
    """Which line, what stands there, and what should."""
    line = line_of(handler, getattr(settings, "LOGGING", None))
    where = f'LOGGING["handlers"]["{handler.name}"]' + (f" ({line})" if line else "")
    old, new = f'"{handler.written}"', f'"{_replacement(handler)}"'
    if isinstance(handler.made, functools.partial):
        old, new = handler.written, dotted(handler.made, _replacement(handler))
    return f'In {where} change "{handler.key}": {old} to "{handler.key}": {new}'


def _base(handler: Handler) -> type | None:
    """The class that is not the project's own: the standard library's, or that of a library with locks."""
    bases = handler.type.__mro__ if handler.type is not None else ()
    return next((base for base in bases if _is_of(base, _LOCKING | {"logging"})), None)


def _replacement(handler: Handler) -> str:
    timed = issubclass(handler.type or logging.Handler, logging.handlers.TimedRotatingFileHandler)
    return "logboom.TimedRotatingFileHandler" if timed else "logboom.RotatingFileHandler"
