"""The shortest way of a record, and what all handlers share.

Owns: `JournalHandler`, the `logging.Handler` side. Never knows: the journal's files, the collector.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from logboom import platform
from logboom.errors import ConfigurationError
from logboom.handlers.naming import advice_for, check_names, derived_names, moves_files
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


_ONCE = "Give it to the constructor, or make another handler"
# Functions that the collector, another process, cannot call: each with what is used instead, usually.
_ROTATES = {
    "doRollover": 'compress="gzip", max_age= or max_total_size=, or a job that takes finished backups',
    "shouldRollover": "maxBytes= or when= (maxBytes=0 never rolls by size), or doRollover() when it is time",
    "computeRollover": "when=, interval=, atTime= and utc=",
    "getFilesToDelete": "backupCount=, max_age= or max_total_size=",
    "rotator": 'compress="gzip", or a job that takes finished backups',
    "rotate": 'compress="gzip", or a job that takes finished backups',
    "_open": "file_mode= for permissions and encoding= (UTF-8 by default); missing directories are created",
}
_NAMING: Final = frozenset(("namer", "rotation_filename", "suffix"))
_TOLD = frozenset(("baseFilename", "maxBytes", "backupCount", "when", "interval", "utc", "atTime"))
_EMITTING: Final = frozenset(("emit", "handle", "_handle_in_turn", "_handle_asking"))
_CO_VARARGS: Final = 4  # `inspect.CO_VARARGS`, without the time to import it


def _is_shared_mode(mode: object) -> bool:
    """Return True for `a` and `w`, also with `t` and `+`, which change nothing here."""
    letters = list(mode) if isinstance(mode, str) else []
    return sorted({*letters} - {"t", "+"}) in (["a"], ["w"]) and len({*letters}) == len(letters)


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
    _names: str | None = None
    _usual_suffix: str | None = None
    _unnamed: Exception | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if self._settled and value != getattr(self, name, None):
            if name in _TOLD:
                raise ConfigurationError(f"{name} cannot be set: another process rotates", hint=_ONCE)
            if name in _ROTATES and not (name == "rotator" and moves_files(value)):
                raise self._refusal(name, value)
            if name in _NAMING:
                self._rename_backups(name, value)
                return
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
        if not _is_shared_mode(mode):
            raise ConfigurationError(f"mode={mode!r}", hint='Use "a" or "w": many processes share the file')
        self._refuse_overrides()
        options = parse_options(keywords)
        self._names = options.names
        self._usual_suffix = None if rotation.when is None else vars(self)["suffix"]
        rotation = msgspec.structs.replace(rotation, names=self._first_names())
        self._settled = True
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
            mode="w" if "w" in mode else "a",
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
        """A subclass that rotates would wait in vain to be called: the collector rotates."""
        for kind in type(self).__mro__[: type(self).__mro__.index(JournalHandler)]:
            if is_ours(kind):
                continue
            for name in sorted(_ROTATES.keys() & vars(kind).keys()):
                if not (name == "rotator" and moves_files(getattr(self, name))):
                    raise self._refusal(f"{kind.__name__}.{name}", vars(kind)[name])
        if not moves_files(rotator := getattr(self, "rotator", None)):
            raise self._refusal("rotator", rotator)

    def _refusal(self, name: str, function: Any) -> ConfigurationError:
        """Names what was found, and what to use for it."""
        function = getattr(function, "__func__", function)
        hint = advice_for(function, _ROTATES[name.rpartition(".")[2]])
        return ConfigurationError(f"{name} cannot be used: another process rotates", hint=hint)

    def _first_names(self) -> str:
        """The template of the backups' names, as far as it is known while the handler is made."""
        if not isinstance(self, logging.handlers.BaseRotatingHandler):
            if self._names is not None:
                raise ConfigurationError("names= needs a rotation", hint="Use RotatingFileHandler")
            return ""
        if self._names is not None:
            live = os.path.basename(self.baseFilename)
            return check_names(self._names, live, timed=self._usual_suffix is not None)
        try:
            return self._derived_names()
        except ConfigurationError:
            raise
        except Exception as error:
            # What its `rotation_filename` needs a subclass may make later: it is asked with the first record.
            self._unnamed = error
            return ""

    def _derived_names(self) -> str:
        naming: Any = self
        what = "namer" if callable(naming.namer) else "rotation_filename"
        suffix = None if self._usual_suffix is None else naming.suffix
        if suffix != self._usual_suffix and what != "namer":
            what = f"suffix={suffix!r}"
        return derived_names(what, naming.rotation_filename, self.baseFilename, suffix, self._usual_suffix)

    def _rename_backups(self, name: str, value: Any) -> None:
        """Set what backups are named by, and tell the collector the new names; refuse what cannot be told."""
        if not isinstance(self, logging.handlers.BaseRotatingHandler) or (
            name == "suffix" and self._usual_suffix is None
        ):
            object.__setattr__(self, name, value)  # as in the standard library, it has no effect
            return
        if self._names is not None:
            raise ConfigurationError(f"{name} and names= both name the backups", hint="Leave one of them out")
        before = vars(self).get(name, self)
        object.__setattr__(self, name, value)
        try:
            self._use_names(self._derived_names())
        except Exception as error:
            if before is self:
                object.__delattr__(self, name)
            else:
                object.__setattr__(self, name, before)
            if isinstance(error, ConfigurationError):
                raise
            raise ConfigurationError(f"{name} cannot be used: {type(error).__name__}: {error}") from error

    def _use_names(self, names: str) -> None:
        """The backups of what is logged from now on are called so."""
        self._unnamed = None
        producer = self._producer
        target = None if producer is None else producer.target
        if producer is not None and isinstance(target, Target) and names != target.rotation.names:
            rotation = msgspec.structs.replace(target.rotation, names=names)
            producer.retarget(msgspec.structs.replace(target, rotation=rotation, configured=stamp_of(None)))

    def _name_late(self, producer: Producer) -> None:
        """Ask for the names that could not be asked for while the handler was made."""
        self._unnamed = None
        try:
            self._use_names(self._derived_names())
        except Exception as error:
            producer.warn(f"backups have the standard names: {error} ({self.baseFilename})")

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
            if self._closed and "w" in self.mode:
                return
            if self._unnamed is not None:
                self._name_late(producer)
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
