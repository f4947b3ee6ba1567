"""The shortest way of a record, and what all handlers share.

Owns: `JournalHandler`, the `logging.Handler` side. Never knows: the journal's files, the collector.
"""

from __future__ import annotations

import logging
import os
import sys
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from logboom import platform
from logboom.errors import ConfigurationError
from logboom.handlers.places import check_spool, is_special, make_live_file
from logboom.handlers.unlocked import Unlocked, is_ours
from logboom.journal.target import Rotation, Target, check_encoding
from logboom.platform import clock
from logboom.producer.options import Keywords, Options, parse_options
from logboom.producer.producer import NOT_LIVE, Producer
from logboom.records.composing import width_of
from logboom.records.plan import stamp_of
from logboom.records.template import WIDEST
from logboom.spool.directory import spool_for

__all__ = ["JournalHandler"]

if TYPE_CHECKING:

    class _Base(Unlocked, logging.FileHandler): ...

else:
    _Base = Unlocked


_BACKUPS = 'Use compress="gzip", max_age= or max_total_size=, or a job that takes finished backups'
_NAMES = "The names of backups are the standard library's; a job may rename finished ones"
_ONCE = "Give it to the constructor, or make another handler"
# What the collector does by itself, and what it was told once: each with what to do instead.
_ROTATES = (
    dict.fromkeys(("doRollover", "shouldRollover", "computeRollover", "getFilesToDelete"), _BACKUPS)
    | dict.fromkeys(("namer", "rotator", "rotation_filename", "rotate", "_open"), _BACKUPS)
    | dict.fromkeys(("suffix", "extMatch"), _NAMES)
)
_TOLD = dict.fromkeys(("baseFilename", "maxBytes", "backupCount", "when", "interval", "utc", "atTime"), _ONCE)
_FIXED = _ROTATES | _TOLD
_EMITTING: Final = frozenset(("emit", "handle", "_handle_in_turn", "_handle_asking"))
_CO_VARARGS: Final = 4  # `inspect.CO_VARARGS`, without the time to import it


class Terminator:
    """What ends a record in the file; another one counts from the next record on."""

    def __get__(self, instance: object, owner: type | None = None) -> str:
        said: str = getattr(instance, "_terminator", "\n")
        return said

    def __set__(self, instance: JournalHandler, value: str) -> None:
        instance._terminator = value
        if instance._producer is not None:
            instance._producer.live = NOT_LIVE


class _Own:
    """Stands for the formatter of a handler that formats by itself."""

    def __init__(self, handler: JournalHandler) -> None:
        self._handler = weakref.ref(handler)

    def format(self, record: logging.LogRecord) -> str:
        handler = self._handler()
        return record.getMessage() if handler is None else handler.format(record)


class JournalHandler(_Base):
    """Mixed in before a handler of the standard library, whose place it takes.

    Attributes:
        stream: always None: no process that logs has the file open.
        terminator: what ends a record in the file.
    """

    terminator: Any = Terminator()
    _terminator: str
    _closed: bool
    _producer: Producer | None = None
    _plain: bool = False
    _silent: bool = False
    _settled: bool = False
    _own: _Own | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if self._settled and name in _FIXED and value != getattr(self, name, None):
            raise ConfigurationError(f"{name} cannot be set: another process rotates", hint=_FIXED[name])
        super().__setattr__(name, value)
        if name == "format" and self._producer is not None:
            self._producer.live = NOT_LIVE

    def _configure(
        self,
        rotation: Rotation,
        *,
        mode: str,
        encoding: str | None,
        delay: bool,
        errors: str | None,
        keywords: Keywords,
    ) -> None:
        """Called by the constructors when the namesake's attributes are set."""
        if mode not in ("a", "w"):
            raise ConfigurationError(f"mode={mode!r}", hint='Use "a" or "w": many processes share the file')
        self._refuse_overrides()
        self._settled = True
        options = parse_options(keywords)
        codec, error_handler = check_encoding(encoding, errors)
        self.delay = delay = bool(delay)
        self._silent = os.environ.get("LOGBOOM_DISABLE", "") not in ("", "0")
        if self._silent:
            return
        path = platform.real_path(self.baseFilename)
        self._plain = is_special(self.baseFilename)
        if self._plain:
            self.encoding, self.errors = codec, error_handler
            if not delay:
                os.stat(self.baseFilename)
            return
        if path == spool_for(path, options.spool):
            raise ConfigurationError(
                "the log file has the name of its journal's directory", path=path, hint="Use another name"
            )
        umask_mode = make_live_file(path, options.file_mode, delay)
        path = platform.real_path(path)  # as it is spelled on the disk
        spool = spool_for(path, options.spool)
        check_spool(path, spool)
        target = Target(
            name=path.name,
            directory=None if spool.parent == path.parent else str(path.parent),
            mode=mode,
            encoding=codec,
            errors=error_handler,
            rotation=rotation,
            compress=options.compress,
            max_age=options.max_age,
            max_total_size=options.max_total_size,
            file_mode=options.file_mode,
            umask_mode=umask_mode,
            delay=delay,
            configured=stamp_of(None),
            linger=options.linger,
            synced=options.fsync_level is not None,
        )
        self._producer = Producer(target, options, spool, self.terminator)

    def _refuse_overrides(self) -> None:
        """A subclass that names or rotates would wait in vain to be called: the collector rotates."""
        for kind in type(self).__mro__[: type(self).__mro__.index(JournalHandler)]:
            if is_ours(kind):
                continue
            for name in sorted(_ROTATES.keys() & vars(kind).keys()):
                raise ConfigurationError(
                    f"{kind.__name__}.{name} cannot be used: another process rotates", hint=_ROTATES[name]
                )

    def _formatting(self) -> Any:
        """The formatter; of a class (or an instance) with a `format` of its own, what calls that."""
        if type(self).format is logging.Handler.format and "format" not in vars(self):
            return self.formatter
        self._own = self._own or _Own(self)
        return self._own

    @property
    def options(self) -> Options | None:
        """logboom's own options, validated; None for a handler that writes directly or not at all."""
        return None if self._producer is None else self._producer.options

    def emit(self, record: logging.LogRecord) -> None:
        """Append `record` to the journal: on return it survives SIGKILL of this process.

        Never raises; an error in formatting goes to `handleError`, as in the standard library.
        """
        producer = self._producer
        if producer is not None:
            live = producer.live
            try:
                usual = live.low <= record.created < live.high and self.formatter is live.formatter
                line = live.encode(record) if usual else b""
            except Exception:  # what it is worth is seen below
                line = b""
            if line:
                try:
                    if live.mark[0]:  # not before: a message's `__str__` may fork
                        live.write(line)
                        return
                except ValueError:  # full
                    pass
                try:
                    producer.append_full(line, live, record.created)
                except Exception:
                    self.handleError(record)
                return
        self._emit_slowly(record)

    def _emit_slowly(self, record: logging.LogRecord) -> None:
        producer = self._producer
        if self._silent:
            return
        try:
            if producer is None:
                with self.lock or _NO_LOCK:
                    super().emit(record)
                return
            if self._closed and self.mode == "w":
                return
            producer.terminator = self.terminator
            producer.append(record, self._formatting())
            if producer.options.collector == "off":
                producer.collect_here()
        except Exception:
            self.handleError(record)

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        """Return False: the collector rotates, so no record has to be preceded by a rollover here."""
        return False

    def doRollover(self) -> None:
        """Roll the file behind everything logged here so far; waits for it at most `flush_timeout`.

        The collector rolls: for all processes, once for each call. A call from within `emit`, as in a copy of
        the standard library's, is part of writing a record and requests nothing.
        """
        producer = self._producer
        if producer is None:
            return
        if self._is_emitting():
            producer.warn(
                f"doRollover() in {type(self).__name__}.emit does nothing: the collector rotates"
                f" ({self.baseFilename})"
            )
            return
        producer.roll_over(clock.monotonic() + producer.options.flush_timeout)

    def _is_emitting(self) -> bool:
        """Return True if `emit` or `handle` of this handler is among the callers.

        A signal handler, which may interrupt `emit` anywhere, ends the search: its request is one.
        """
        frame = sys._getframe(1)
        while (caller := frame.f_back) is not None:
            if any(value is caller for value in _arguments(frame)):
                return False
            code = caller.f_code
            if code.co_name in _EMITTING and any(value is self for value in _arguments(caller)):
                return True
            frame = caller
        return False

    def setFormatter(self, fmt: logging.Formatter | None) -> None:
        """As the standard library's; refuses a format that pads a record to more than 10,000 characters."""
        wide = width_of(fmt)
        if wide > WIDEST:
            raise ConfigurationError(
                f"the format pads its fields to {wide:,} characters", hint=f"Pad to {WIDEST:,} at most"
            )
        super().setFormatter(fmt)

    def flush(self) -> None:
        """Wait, at most `flush_timeout`, until all that was logged here is in the file. Never raises."""
        producer = self._producer
        if producer is None:
            if self._plain:
                super().flush()
            return
        try:
            producer.wait(clock.monotonic() + producer.options.flush_timeout)
        except Exception:
            if logging.raiseExceptions:
                self.handleError(logging.makeLogRecord({"msg": "flush"}))

    def close(self) -> None:
        """Wait, at most `close_timeout`, as `flush` does; a record after it still reaches the file."""
        producer = self._producer
        if producer is None:
            if not self._silent:
                super().close()
            else:
                logging.Handler.close(self)
            return
        try:
            producer.close(clock.monotonic() + producer.options.close_timeout)
        finally:
            logging.Handler.close(self)

    def setStream(self, stream: Any) -> Any:
        """Refused: the file is the collector's."""
        raise ConfigurationError(
            "a logboom handler has no stream", hint="Use logging.StreamHandler for a stream"
        )


def _arguments(frame: FrameType) -> Iterator[object]:
    """The positional arguments of a call, as far as they still have their names."""
    code, values = frame.f_code, frame.f_locals
    names = code.co_varnames[: code.co_argcount]
    yield from (values[name] for name in names if name in values)
    if code.co_flags & _CO_VARARGS:
        name = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        yield from values.get(name, ())


class _NoLock:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


_NO_LOCK = _NoLock()
