"""`LoggingServer`: lines that many programs push, in one rotating file.

Owns: the loop, the first words of the log, the regular end. Never knows: the journal, how a file is rotated.

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
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, Unpack

from logboom.errors import ConfigurationError
from logboom.handlers import RotatingFileHandler
from logboom.journal.target import parse_size
from logboom.producer.options import Keywords
from logboom.receivers.arguments import DEFAULT_BIND, DEFAULT_FILE
from logboom.receivers.puller import Puller
from logboom.wire import endpoints
from logboom.zeromq.intake import Intake

__all__ = ["DEFAULT_BIND", "DEFAULT_FILE", "LoggingServer", "get_logger"]

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
        newlines: Literal["escape", "indent"] = "escape",
        max_message_size: int | str = 4 * 1024 * 1024,
        **options: Unpack[Keywords],
    ) -> None:
        endpoints.check_address(bind, listening=True)
        self._bind = endpoints.absolute(bind)
        if newlines not in ("escape", "indent"):
            raise ConfigurationError(f"newlines={newlines!r}", hint='Use "escape" or "indent"')
        options = {"control_characters": newlines, **options}
        self._handler = RotatingFileHandler(filename, maxBytes=maxBytes, backupCount=backupCount, **options)
        self._handler.setFormatter(formatter or logging.Formatter("%(message)s"))
        self._largest = parse_size(max_message_size, "max_message_size")
        self.intake = Intake(self._handler)
        self.address = self._bind
        self.listening = threading.Event()
        self._stopping = False
        self._announce: Callable[[str], None] = lambda address: None

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
                return Puller(self._bind, self.intake.take, self._largest, self._warn)
            except OSError:
                if self._stopping or time.monotonic() >= deadline:
                    raise
                time.sleep(_BIND_AGAIN)

    def _warn(self, sentence: str) -> None:
        self.intake.write(sentence, logging.WARNING)

    def _introduce(self, address: str) -> None:
        self.address = address
        self._announce(address)
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


def serve(server: LoggingServer, announce: Callable[[str], None] = lambda address: None) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        announce: called with the address once it listens.
    """
    server._announce = announce
    for name in ("SIGTERM", "SIGINT"):
        with contextlib.suppress(ValueError, AttributeError):
            signal.signal(getattr(signal, name), server.stop)
    server.run()
