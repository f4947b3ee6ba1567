"""What `handler.stream` is: a text stream whose text goes through the journal."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
import weakref
from typing import Any, Final, Protocol

from logboom import platform
from logboom.platform.process import this_process

__all__ = ["STANDARD_EMIT", "JournalStream"]

STANDARD_EMIT: Final = logging.StreamHandler.emit.__code__
_TEXT: Final = "_logboom_text"


class _Written:
    """Formats a record as the text that its `emit` wrote: further lines are marked, as in any record."""

    shown = "stream.write"

    def format(self, record: logging.LogRecord) -> str:
        return str(vars(record)[_TEXT])


class _Verbatim(_Written):
    """Formats text that belongs to no record."""


_WRITTEN: Final[Any] = _Written()
_VERBATIM: Final[Any] = _Verbatim()


class TextHandler(Protocol):
    """What a stream needs of its handler."""

    baseFilename: str  # noqa: N815
    mode: str
    terminator: str

    def flush(self) -> None: ...

    def _put_text(
        self, record: logging.LogRecord, formatter: Any, terminator: str, *, verbatim: bool
    ) -> None: ...


class _Thread:
    """What one thread has written and not finished, and the records that it is handling."""

    __slots__ = ("parts", "records")

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.records: list[logging.LogRecord] = []


class JournalStream(io.TextIOBase):
    """Text that is written while a record is handled is that record's; any other line is a record of its own.

    A thread's text is kept until it writes a newline, flushes, or its `emit` ends. `close` does nothing.
    """

    def __init__(self, handler: TextHandler) -> None:
        self._handler = weakref.ref(handler)
        self._threads: dict[int, _Thread] = {}
        self._mark = this_process.mark()
        self._file: tuple[int, tuple[int, int]] | None = None
        self.name = handler.baseFilename
        self.mode = handler.mode

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._target_codec()[0]

    @property
    def errors(self) -> str:  # type: ignore[override]
        return self._target_codec()[1]

    def _target_codec(self) -> tuple[str, str]:
        producer = getattr(self._handler(), "_producer", None)
        return (
            ("utf-8", "backslashreplace")
            if producer is None
            else (producer.target.encoding, producer.target.errors)
        )

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Do nothing: the handler can go on, and so can others that have the stream."""

    def _thread(self) -> _Thread:
        if not self._mark[0]:  # what was begun before a fork is the parent's
            self._threads, self._mark = {}, this_process.mark()
        return self._threads.setdefault(threading.get_ident(), _Thread())

    def write(self, text: str) -> int:
        """Append `text`; never raises for want of room or a collector."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        caller, thread = sys._getframe(1), self._thread()
        thread.parts.append(text)
        if caller.f_code is STANDARD_EMIT:  # called by its name, in the place of the handler's own
            record = caller.f_locals.get("record")
            self._finish(thread, record if isinstance(record, logging.LogRecord) else None)
        elif "\n" in text:
            self._finish(thread, thread.records[-1] if thread.records else None, ended=True)
        return len(text)

    def begin(self, record: logging.LogRecord) -> None:
        """What this thread writes from now on belongs to `record`."""
        self._thread().records.append(record)

    def end(self) -> None:
        """The record is handled."""
        thread = self._thread()
        record = thread.records.pop() if thread.records else None
        self._finish(thread, record)
        if not thread.records:
            self._threads.pop(threading.get_ident(), None)

    def flush(self) -> None:
        handler = self._handler()
        if handler is not None:
            handler.flush()

    def finish(self, *, everywhere: bool = False) -> None:
        """Append what this thread, or any, has not ended with a newline."""
        own = self._thread()
        for thread in list(self._threads.values()) if everywhere else [own]:
            self._finish(thread, thread.records[-1] if thread.records else None)

    def _finish(self, thread: _Thread, record: logging.LogRecord | None, *, ended: bool = False) -> None:
        """Append what is kept; with `ended`, as far as it has ended with a newline."""
        parts, thread.parts = thread.parts, []
        text, rest = "".join(parts), ""
        if ended and not text.endswith("\n"):
            if record is not None:  # its next part may end it
                text, rest = "", text
            else:
                text, rest = text[: text.rindex("\n") + 1], text[text.rindex("\n") + 1 :]
        if rest:
            thread.parts.insert(0, rest)
        handler = self._handler()
        if not text or handler is None:
            return
        if record is not None:
            terminator = next((end for end in (handler.terminator, "\n") if end and text.endswith(end)), "")
            body = text[: len(text) - len(terminator)]
            handler._put_text(_carrier(vars(record), body), _WRITTEN, terminator, verbatim=False)
        else:
            for line in io.StringIO(text, newline=""):
                about = {"name": "root", "levelno": logging.INFO, "levelname": "INFO"}
                handler._put_text(_carrier(about, line), _VERBATIM, "", verbatim=True)

    # -- the file, for those who ask for it --------------------------------------------------------------

    def fileno(self) -> int:
        """A descriptor of the live file. What is written to it passes the journal by."""
        handler = self._handler()
        if handler is None:
            raise ValueError("the handler is gone")
        fd = self._open_file()
        if fd is None:
            fd = platform.open_file(
                os.path.realpath(handler.baseFilename), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666
            )
            self._file = fd, _identity(fd)
            return fd
        with contextlib.suppress(OSError):
            there = os.stat(handler.baseFilename)
            if self._file is not None and (there.st_dev, there.st_ino) != self._file[1]:
                newer = platform.open_file(
                    os.path.realpath(handler.baseFilename), os.O_WRONLY | os.O_APPEND, 0o666
                )
                try:
                    os.dup2(newer, fd, inheritable=False)  # a daemon keeps it open by its number
                    self._file = fd, _identity(fd)
                finally:
                    os.close(newer)
        return fd

    def _open_file(self) -> int | None:
        """The descriptor, unless a program has closed it: its number may be another file's by now."""
        if self._file is None:
            return None
        with contextlib.suppress(OSError):
            if _identity(self._file[0]) == self._file[1]:
                return self._file[0]
        self._file = None
        return None

    def close_file(self) -> None:
        """Close the descriptor that `fileno` opened."""
        fd, self._file = self._open_file(), None
        if fd is not None:
            os.close(fd)

    def tell(self) -> int:
        """The size of the live file: 0 before the first record, for those who write a header then."""
        try:
            return os.stat(self.name).st_size
        except OSError:
            return 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """Do nothing: whatever is written goes to the end."""
        return self.tell()


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


def _carrier(attributes: dict[str, Any], text: str) -> logging.LogRecord:
    return logging.makeLogRecord({**attributes, _TEXT: text})
