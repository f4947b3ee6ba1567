"""The shortest way of a record, and what all handlers share.

Owns: `JournalHandler`, the `logging.Handler` side. Never knows: the journal's files, the collector.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logboom import platform
from logboom.errors import ConfigurationError
from logboom.handlers.options import Keywords, Options, parse_options
from logboom.handlers.producer import NOT_LIVE, Producer
from logboom.handlers.unlocked import Unlocked
from logboom.journal.spool import spool_for
from logboom.target import Rotation, Target, check_encoding

__all__ = ["JournalHandler"]

if TYPE_CHECKING:

    class _Base(Unlocked, logging.FileHandler): ...

else:
    _Base = Unlocked


_ROTATING = frozenset({"namer", "rotator", "rotation_filename", "rotate", "getFilesToDelete"})


class Refused:
    """An attribute that stays None: it is a function of one process, and the collector is another."""

    def __init__(self, hint: str) -> None:
        self._hint = hint

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type | None = None) -> None:
        return None

    def __set__(self, instance: object, value: object) -> None:
        if value is not None:
            raise ConfigurationError(f"{self._name} cannot be set: another process rotates", hint=self._hint)


class Terminator:
    """What ends a record in the file; another one counts from the next record on."""

    def __get__(self, instance: object, owner: type | None = None) -> str:
        said: str = getattr(instance, "_terminator", "\n")
        return said

    def __set__(self, instance: JournalHandler, value: str) -> None:
        instance._terminator = value
        if instance._producer is not None:
            instance._producer.live = NOT_LIVE


class JournalHandler(_Base):
    """Mixed in before a handler of the standard library, whose place it takes.

    Attributes:
        stream: always None: no process that logs has the file open.
        terminator: what ends a record in the file.
    """

    namer: Any = Refused('Use compress="gzip" for compressed backups, or a job that moves finished backups')
    rotator: Any = Refused('Use compress="gzip", max_age= or max_total_size=')
    terminator: Any = Terminator()
    _terminator: str
    _closed: bool
    _producer: Producer | None = None
    _plain: bool = False
    _silent: bool = False

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
        options = parse_options(keywords)
        codec, error_handler = check_encoding(encoding, errors)
        self.delay = delay = bool(delay)
        self._silent = os.environ.get("LOGBOOM_DISABLE", "") not in ("", "0")
        if self._silent:
            return
        path = platform.real_path(self.baseFilename)
        self._plain = _is_special(self.baseFilename)
        if self._plain:
            self.encoding, self.errors = codec, error_handler
            return
        if path == spool_for(path, options.spool):
            raise ConfigurationError(
                "the log file has the name of its journal's directory", path=path, hint="Use another name"
            )
        umask_mode = _make_live_file(path, options.file_mode, delay)
        path = platform.real_path(path)  # as it is spelled on the disk
        _check_spool_disk(path, options)
        target = Target(
            name=path.name,
            directory=None if options.spool is None else str(path.parent),
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
            configured=time.time(),
            linger=options.linger,
            synced=options.fsync_level is not None,
        )
        self._producer = Producer(target, options, spool_for(path, options.spool), self.terminator)

    def _refuse_overrides(self) -> None:
        """A subclass that names or rotates would wait in vain to be called: the collector rotates."""
        for kind in type(self).__mro__[: type(self).__mro__.index(JournalHandler)]:
            for name in _ROTATING & vars(kind).keys():
                raise ConfigurationError(
                    f"{kind.__name__}.{name} cannot be used: another process rotates",
                    hint='Use compress="gzip", max_age= or max_total_size=',
                )

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
            if (
                live.low <= record.created < live.high
                and record.process == live.pid
                and self.formatter is live.formatter
            ):
                try:
                    line = live.encode(record)
                except Exception:
                    self._emit_slowly(record)
                    return
                try:
                    live.write(line)
                    return
                except ValueError:  # full, or a message's `__str__` has forked
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
            producer.append(record, self.formatter)
            if producer.options.collector == "off":
                producer.collect_here()
        except Exception:
            self.handleError(record)

    def doRollover(self) -> None:
        """Roll the file behind everything logged here so far; waits for it at most `flush_timeout`.

        The collector rolls: for all processes, once for each call.
        """
        if self._producer is not None:
            self._producer.roll_over(time.monotonic() + self._producer.options.flush_timeout)

    def flush(self) -> None:
        """Wait, at most `flush_timeout`, until all that was logged here is in the file. Never raises."""
        producer = self._producer
        if producer is None:
            if self._plain:
                super().flush()
            return
        try:
            producer.wait(time.monotonic() + producer.options.flush_timeout)
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
            producer.close(time.monotonic() + producer.options.close_timeout)
        finally:
            logging.Handler.close(self)

    def setStream(self, stream: Any) -> Any:
        """Refused: the file is the collector's."""
        raise ConfigurationError(
            "a logboom handler has no stream", hint="Use logging.StreamHandler for a stream"
        )


class _NoLock:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


_NO_LOCK = _NoLock()


_STREAMS = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/")


def _is_special(path: str) -> bool:
    """A device, FIFO or socket, or a stream of this process: written directly, never rotated."""
    if path.startswith(_STREAMS):
        return True
    try:
        kind = os.stat(path).st_mode
    except OSError:
        return False
    if stat.S_ISDIR(kind):
        raise ConfigurationError("the log file is a directory", path=path, hint="Name a file in it")
    return not stat.S_ISREG(kind)


def _make_live_file(path: Path, file_mode: int | None, delay: bool) -> int:
    """Make the directory and, unless `delay`, the file; returns the mode that the umask gives files.

    Raises:
        OSError: as `open` would: no permission, a read-only file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Who may write the directory shares the set, so whichever of them collects must be able to append.
    mode = 0o666 & ~_umask() | os.stat(path.parent).st_mode & 0o020
    if not delay:
        try:
            fd = os.open(
                path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), mode
            )
        except FileExistsError:
            with open(path, "ab"):  # the error that a plain handler would give, at configuration
                pass
        else:
            platform.give_like(fd, mode if file_mode is None else file_mode, path.parent)
            os.close(fd)
    return mode


def _check_spool_disk(path: Path, options: Options) -> None:
    """Refuse a journal on a network mount: its locks and appends depend on another host."""
    place = path.parent if options.spool is None else options.spool
    while not place.exists():
        place = place.parent
    kind = platform.filesystem_of(place)
    if platform.is_network(kind):
        raise ConfigurationError(
            f"the journal would be on a network mount ({kind})",
            path=place,
            hint="Name a directory on a local disk with spool=; the log file itself may stay where it is",
        )


def _umask() -> int:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except (OSError, ValueError):
        pass
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
