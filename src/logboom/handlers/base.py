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

from logboom.errors import ConfigurationError
from logboom.handlers.places import check_spool, follow, is_special, make_live_file
from logboom.handlers.stream import STANDARD_EMIT, JournalStream
from logboom.handlers.unlocked import Unlocked, is_ours
from logboom.journal.target import Rotation, Target, check_encoding
from logboom.platform import clock
from logboom.producer.options import Keywords, Options, parse_options
from logboom.producer.producer import NOT_LIVE, Producer
from logboom.records.composing import width_of
from logboom.records.plan import UnencodableError, stamp_of
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


def _moves_files(rotator: Any) -> bool:
    """Return True for `os.rename`, `shutil.move` and the like, which do what is done anyway."""
    return rotator is None or (
        getattr(rotator, "__name__", "") in ("move", "rename", "replace")
        and getattr(rotator, "__module__", "") in ("os", "posix", "nt", "shutil")
    )


def _is_standard(method: Any) -> bool:
    return getattr(method, "__module__", "") == "logging.handlers"


class _Own:
    """Stands for the formatter of a handler that formats by itself."""

    def __init__(self, handler: JournalHandler) -> None:
        self._handler = weakref.ref(handler)
        self.shown = type(handler).__qualname__

    def format(self, record: logging.LogRecord) -> str:
        handler = self._handler()
        return record.getMessage() if handler is None else handler.format(record)


class JournalHandler(_Base):
    """Mixed in before a handler of the standard library, whose place it takes.

    Attributes:
        stream: takes text and puts it into the journal; the file itself is not open in this process.
        terminator: what ends a record in the file.
    """

    _closed: bool
    _producer: Producer | None = None
    _plain: bool = False
    _silent: bool = False
    _settled: bool = False
    _own: _Own | None = None
    _names: str | None = None
    _usual_suffix: str | None = None
    _unnamed: Exception | None = None
    _text: JournalStream | None = None

    @property
    def stream(self) -> Any:
        """A text stream into the journal; the file itself for a device, as in the standard library."""
        if self._plain:
            return vars(self).get("stream")
        if self._text is None:  # not `setdefault`, which makes one each time
            vars(self).setdefault("_text", JournalStream(self))
        return self._text

    @stream.setter
    def stream(self, value: Any) -> None:
        """Programs that reopen their log set it: to None, or to the file, which is closed again."""
        if self._plain or (value is None and not self._settled):
            vars(self)["stream"] = value
        elif value is not None and value is not self._text:
            if not self._is_log(value):
                raise ConfigurationError(
                    "a logboom handler has no other stream", hint="Use logging.StreamHandler for a stream"
                )
            value.close()

    def _is_log(self, file: Any) -> bool:
        try:
            return os.path.samefile(file.name, self.baseFilename)
        except (AttributeError, TypeError, ValueError, OSError):
            return False

    def __setattr__(self, name: str, value: Any) -> None:
        if self._settled and value != getattr(self, name, None):
            if name in _TOLD:
                raise ConfigurationError(f"{name} cannot be set: another process rotates", hint=_ONCE)
            if name in _ROTATES and not (name == "rotator" and _moves_files(value)):
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
        self._silent = _is_disabled()
        if self._silent:
            return
        path = follow(self.baseFilename)
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
        path = follow(str(path))  # as it is spelled on the disk
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

    def _settle(self) -> None:
        """Be configured: a subclass may have called the standard library's `__init__` by its name."""
        if not self._settled and "baseFilename" in vars(self):
            with self.lock or _NO_LOCK:
                self._configure_late()

    def _configure_late(self) -> None:
        if self._settled:
            return
        try:
            self._configure(
                self._rotation({}),
                mode=self.mode,
                encoding=None if self.encoding == "locale" else self.encoding,
                delay=self.delay,
                errors=self.errors,
                keywords={},
            )
        except BaseException:
            self._settled = False  # the next record tries again, and says why it cannot
            raise

    def _rotation(self, options: Keywords) -> Rotation:
        """What the namesake's attributes say of rotation."""
        return Rotation()

    def _open(self) -> Any:
        """The file is the collector's: make it, and return the stream that takes its place."""
        if self._plain or is_special(self.baseFilename):
            self._plain = True
            return super()._open()
        if not self._settled:
            self._refuse_overrides()
            if not _is_disabled():
                make_live_file(follow(self.baseFilename), None, False)
        return self.stream

    def _put_text(
        self, record: logging.LogRecord, formatter: logging.Formatter, terminator: str, *, verbatim: bool
    ) -> None:
        """Append what was written to the stream. Never raises."""
        try:
            self._settle()
            producer = self._producer
            if producer is None or (self._closed and "w" in self.mode):
                return
            producer.append_text(record, formatter, terminator, verbatim=verbatim)
            if producer.options.collector == "off":
                producer.collect_here()
        except Exception:
            self.handleError(record)

    def _emit_with_stream(self, record: logging.LogRecord) -> None:
        """What `emit` writes to the stream belongs to `record`."""
        if self._plain or self._silent:
            self.emit(record)
            return
        stream = self.stream
        stream.begin(record)
        try:
            self.emit(record)
        finally:
            stream.end()

    def _refuse_overrides(self) -> None:
        """A subclass that rotates would wait in vain to be called: the collector rotates."""
        for kind in type(self).__mro__[: type(self).__mro__.index(JournalHandler)]:
            if is_ours(kind):
                continue
            for name in sorted(_ROTATES.keys() & vars(kind).keys()):
                if not (name == "rotator" and _moves_files(getattr(self, name))):
                    raise self._refusal(f"{kind.__name__}.{name}", vars(kind)[name])
        if not _moves_files(rotator := getattr(self, "rotator", None)):
            raise self._refusal("rotator", rotator)

    def _refusal(self, name: str, function: Any) -> ConfigurationError:
        """Names what was found, and what to use for it."""
        from logboom.handlers.naming import advice_for

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
            from logboom.handlers.naming import check_names

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
        own = "rotation_filename" in vars(self) or not _is_standard(type(naming).rotation_filename)
        if naming.namer is None and not own and suffix == self._usual_suffix:
            return ""
        from logboom.handlers.naming import derived_names

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
            line = b""
            try:
                if (
                    live.low <= record.created < live.high
                    and self.formatter is live.formatter
                    and self.terminator == live.terminator
                ):
                    line = live.encode(record)
            except UnencodableError as error:
                record = error.record or record
            except Exception:
                if live.takes(record):  # the record's own error, or the formatter's: it must not run again
                    self.handleError(record)
                    return
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
        try:
            self._settle()
            producer = self._producer
            if self._silent:
                return
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
        self._settle()
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
        if self._text is not None:
            self._text.finish()
            if sys._getframe(1).f_code is STANDARD_EMIT:  # its record is in the journal, and need not wait
                return
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
        if self._text is not None:
            self._text.finish(everywhere=True)
            self._text.close_file()
        producer = self._producer
        if producer is None:
            if self._plain:
                super().close()
            else:
                logging.Handler.close(self)
            return
        try:
            producer.close(clock.monotonic() + producer.options.close_timeout)
        finally:
            logging.Handler.close(self)

    def setStream(self, stream: Any) -> Any:
        """As assigning `stream`: refused but for the log file itself, which is closed again."""
        self.stream = stream


def _is_disabled() -> bool:
    return os.environ.get("LOGBOOM_DISABLE", "") not in ("", "0")


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
