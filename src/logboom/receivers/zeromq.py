"""`LoggingServer`: lines that many programs push over ZeroMQ, by way of the journal in one rotating file.

A server that is stopped (`stop`, SIGTERM, Ctrl-C) takes everything that its peers have sent before it leaves.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, Unpack

from logboom.errors import ConfigurationError
from logboom.handlers import RotatingFileHandler
from logboom.journal.target import parse_size
from logboom.producer.options import Keywords
from logboom.receivers.puller import Puller
from logboom.wire import endpoints
from logboom.wire.zmtp import Message, Oversized, own_record

__all__ = ["DEFAULT_BIND", "DEFAULT_FILE", "Intake", "LoggingServer", "get_logger", "serve"]

Newlines = Literal["escape", "indent"]
_KEPT: Final = 10_000_000
_KEPT_EACH: Final = 64 * 1024
_SAID_EVERY: Final = 1.0
_LONGEST_NAME: Final = 1000
_LAST_TIME: Final = 32_503_680_000.0  # the year 3000: what lies behind it is no clock's time
# What a peer may say of a record; everything else with such a name would change how the record is formatted.
_FIELDS: Final[dict[str, type]] = dict.fromkeys(("process", "thread", "lineno"), int) | dict.fromkeys(
    ("processName", "threadName", "taskName", "pathname", "filename", "module", "funcName"), str
)
_RESERVED: Final = frozenset(
    {*vars(logging.makeLogRecord({})), *dir(logging.LogRecord), "message", "asctime"}
)
DEFAULT_BIND: Final = "tcp://127.0.0.1:5557"
DEFAULT_FILE: Final = "django.log"
_MAX_BYTES: Final = 10_000_000
_BACKUPS: Final = 10
_PAUSE: Final = 0.1
_PATIENCE: Final = 3.0
_BIND_FOR: Final = 3.0
_BIND_AGAIN: Final = 0.02
_OPEN_TO_ALL: Final = (
    "{0} takes messages from every host that reaches this machine: whoever can connect can write to this log"
)


def get_logger(path: str | os.PathLike[str], formatter: logging.Formatter | None = None) -> logging.Logger:
    """A logger with a rotating file that any number of processes share; the same one for the same path."""
    full = os.path.abspath(path)
    logger = logging.getLogger(f"logboom.file.{full.replace('%', '%25').replace('.', '%2E')}")
    if not logger.handlers:
        handler = RotatingFileHandler(full, maxBytes=_MAX_BYTES, backupCount=_BACKUPS)
        handler.setFormatter(formatter or logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
    return logger


class LoggingServer:
    """A PULL socket whose messages become the lines of a rotating file, as they came.

    Args:
        bind: where it listens. Loopback by default: whoever can connect can write to the log.
        filename: the log file.
        maxBytes, backupCount: its rotation.
        formatter: of the lines; the default is the message alone.
        newlines: `escape` (a newline inside of a message becomes `\\n`), or `indent`.
        max_message_size: bytes; a longer message is refused.
        **options: those of the file handlers (`compress`, `spool`, `max_age`, ...).

    Attributes:
        address: where it listens, once it does.
        intake: what was received and refused (`intake.counts`).
        listening: set while it listens.

    Raises:
        ConfigurationError: an option cannot work.
    """

    def __init__(
        self,
        bind: str = DEFAULT_BIND,
        filename: str | os.PathLike[str] = DEFAULT_FILE,
        maxBytes: int | str = _MAX_BYTES,
        backupCount: int = _BACKUPS,
        formatter: logging.Formatter | None = None,
        *,
        newlines: Newlines = "escape",
        max_message_size: int | str = 4 * 1024 * 1024,
        **options: Unpack[Keywords],
    ) -> None:
        endpoints.check_address(bind, listening=True)
        self._bind = endpoints.absolute(bind)
        self._handler = RotatingFileHandler(filename, maxBytes=maxBytes, backupCount=backupCount, **options)
        self._handler.setFormatter(formatter or logging.Formatter("%(message)s"))
        self._largest = parse_size(max_message_size, "max_message_size")
        self.intake = Intake(self._handler, newlines=newlines)
        self.address = self._bind
        self.listening = threading.Event()
        self._stopping = False

    def run(self) -> None:
        """Take messages until `stop`; then what is on its way, and return when all is in the file.

        In a program that leaves Ctrl-C to Python it is the same as `stop`, as long as this runs.

        Raises:
            OSError: another program has the address.
        """
        with _interrupted_by(self.stop):
            try:
                self._serve(self._listen())
            finally:
                self._stopping = False

    def _serve(self, puller: Puller) -> None:
        try:
            self._introduce(puller.address)
            while not self._stopping:
                puller.poll(_PAUSE)
            puller.end(_PATIENCE)
            self.intake.say_refused(final=True)
        finally:
            self.listening.clear()
            puller.close()
            self._handler.close()

    def stop(self, *_: Any) -> None:
        """End `run`, or the next one; from any thread, or as a signal handler."""
        self._stopping = True

    def _listen(self) -> Puller:
        """Bind, with patience for a predecessor that is leaving."""
        deadline = time.monotonic() + _BIND_FOR
        while True:
            try:
                return Puller(self._bind, self.intake.take, self._largest, self._warn, records=True)
            except OSError:
                if self._stopping or time.monotonic() >= deadline:
                    raise
                time.sleep(_BIND_AGAIN)

    def _warn(self, sentence: str) -> None:
        self.intake.write(sentence, logging.WARNING)

    def _introduce(self, address: str) -> None:
        self.address = address
        self.intake.write("start LoggingServer")
        self.intake.write(f"Listen on {address}")
        if endpoints.is_public(address):
            warning = _OPEN_TO_ALL.format(address)
            self.intake.write(warning, logging.WARNING)
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.write(f"logboom: {warning}\n")
        self.listening.set()


@contextlib.contextmanager
def _interrupted_by(stop: Callable[..., None]) -> Iterator[None]:
    """Ctrl-C calls `stop`, where nobody else has said what it does: in the middle of a read it loses that."""
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def serve(server: LoggingServer) -> None:
    """Run until SIGTERM or SIGINT."""
    for name in ("SIGTERM", "SIGINT"):
        with contextlib.suppress(ValueError, AttributeError):
            signal.signal(getattr(signal, name), server.stop)
    server.run()


class Intake:
    """Takes messages, one after the other, from one thread.

    Args:
        handler: the rotating file.
        newlines: a newline inside of a message becomes `\\n` (`escape`), or what follows it stands
            indented on lines of its own (`indent`).

    Attributes:
        counts: `received`, and for those that were refused `bad_utf8`, `empty`, `multipart`, `oversized`.
    """

    def __init__(self, handler: RotatingFileHandler, *, newlines: Newlines = "escape") -> None:
        if newlines not in ("escape", "indent"):
            raise ConfigurationError(f"newlines={newlines!r}", hint='Use "escape" or "indent"')
        self._handler = handler
        self._emit = handler.emit
        self._indent = newlines == "indent"
        self._record = logging.LogRecord("logboom", logging.INFO, "", 0, "", None, None)
        self._own = logging.LogRecord("", logging.INFO, "", 0, "", None, None)
        self._blank = dict(vars(self._own))
        self._unsaid: Counter[str] = Counter()
        self._said_at = 0.0
        self.counts: Counter[str] = Counter()

    def take(self, messages: list[Message]) -> None:
        """Write messages, or refuse them; on return they survive SIGKILL of this process."""
        self.counts["received"] += len(messages)
        self._begin(logging.INFO)
        for message in messages:
            if type(message) is bytes and message:
                try:
                    text = message.decode()
                except UnicodeDecodeError:
                    self._refuse("bad_utf8", message)
                else:
                    self._append(text)
            elif isinstance(message, Oversized):
                self._refuse("oversized", message.start)
            elif isinstance(message, list) and (own := own_record(message)) is not None:
                self._take_record(message[0], *own)
            elif isinstance(message, list):
                self._refuse("multipart", b"\0".join(message))
            else:
                self._refuse("empty", b"")

    def _take_record(
        self, line: bytes, created: float, level: int, logger: str, fields: dict[str, Any]
    ) -> None:
        """A line of logboom's own, with its own time, level, logger and fields."""
        try:
            text = line.decode()
        except UnicodeDecodeError:
            self._refuse("bad_utf8", line)
            return
        record, blank = self._own, self._blank
        known = vars(record)
        known.clear()
        known.update(blank)
        record.name, record.levelno, record.levelname = (
            logger[:_LONGEST_NAME],
            level,
            logging.getLevelName(level),
        )
        created = created if 0 <= created < _LAST_TIME else self._record.created
        record.created, record.msecs = created, int(created % 1 * 1000) + 0.0
        for name, value in fields.items():
            usual = _FIELDS.get(name)
            if isinstance(value, usual) if usual else name not in _RESERVED and name[:1] != "_":
                setattr(record, name, value)
        self._append(text, record)

    def write(self, text: str, level: int = logging.INFO) -> None:
        """Append finished text as one record."""
        self._begin(level)
        self._append(text)

    def _begin(self, level: int) -> None:
        """What the records of one read have in common."""
        record = self._record
        record.created = now = time.time()
        record.msecs = int(now % 1 * 1000) + 0.0
        record.process = os.getpid()
        record.levelno, record.levelname = level, logging.getLevelName(level)

    def _append(self, text: str, record: logging.LogRecord | None = None) -> None:
        record = self._record if record is None else record
        if "\n" in text:
            text = text.removesuffix("\n")
            if self._indent and "\n" in text:
                text, _, rest = text.partition("\n")
                record.exc_text = "    " + rest.replace("\n", "\n    ")
        record.msg = text
        self._emit(record)
        record.exc_text = None

    def _refuse(self, trouble: str, data: bytes) -> None:
        self.counts[trouble] += 1
        self._unsaid[trouble] += 1
        self._keep(trouble, data)
        self.say_refused()
        self._begin(logging.INFO)

    def say_refused(self, *, final: bool = False) -> None:
        """A record about messages that were refused; one a second at most."""
        now = time.monotonic()
        if not self._unsaid or (now - self._said_at < _SAID_EVERY and self._said_at and not final):
            return
        told = ", ".join(f"{count} {trouble}" for trouble, count in sorted(self._unsaid.items()))
        count = sum(self._unsaid.values())
        self._said_at = now
        self._unsaid.clear()
        self.write(f"{count} messages refused: {told}; kept in {self.kept_in}", logging.WARNING)

    @property
    def kept_in(self) -> Path:
        """The directory of what was refused."""
        options = self._handler.options
        beside = Path(self._handler.baseFilename).parent / ".logboom"
        spool = beside if options is None or options.spool is None else options.spool
        return spool / "damaged"

    def _keep(self, trouble: str, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.kept_in.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self.kept_in / f"messages.{trouble}"
            kept: Any = path.stat().st_size if path.exists() else 0
            if kept < _KEPT:
                with open(path, "ab") as file:
                    file.write(data[:_KEPT_EACH] + b"\n")
