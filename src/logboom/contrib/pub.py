"""`PUBLogger`: a logger whose records are published to one subscriber that many publishers connect to."""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import Any, Final

from logboom.contrib.outbox import Line, Outbox
from logboom.handlers.unlocked import Unlocked
from logboom.wire import endpoints
from logboom.wire import pyzmq as zeromq

__all__ = ["DEFAULT_PORT", "PUBHandler", "PUBLogger"]

DEFAULT_PORT: Final = 5558
_LOGGER: Final = "logboom.zeromq.pub"
_MARK: Final = 10_000
_FORMAT: Final = "[%(name)s] %(message)s"
_LEVELS: Final = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
_making = threading.Lock()


class PUBHandler(Unlocked, logging.Handler):
    """Publishes each record in two parts: its level as the topic, and the formatted line.

    Args:
        address: where the subscriber is bound.
        wait: seconds that the first record of a process waits for the subscription.

    Attributes:
        formatters: level -> formatter; `setFormatter` takes precedence.
        users: instances of `PUBLogger` that have not closed it.
    """

    def __init__(self, address: str, wait: float = 1.0) -> None:
        super().__init__()
        endpoints.check_address(address)
        self.address = address
        self.formatters = dict.fromkeys(_LEVELS, logging.Formatter(_FORMAT))
        self.users = 0
        self._wait = wait
        self._subscribed: zeromq.Socket | None = None
        self._waited: zeromq.Socket | None = None
        # A publisher does not wait for a slow subscriber: what finds no room is counted.
        self.outbox = Outbox(
            self._connect, block_timeout=0.0, close_timeout=2.0, mark=_MARK, notice=self._notice, lasting=True
        )

    def _connect(self, in_child: bool) -> Line:
        context = zeromq.make_context()
        opened = zeromq.open_xpub(context, mark=_MARK, linger=2.0)
        zeromq.connect(opened, self.address)
        return Line(opened, context)

    def _notice(self, sentence: str) -> list[bytes]:
        return [b"WARNING", f"[logboom] {sentence}".encode()]

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        default = self.formatters[logging.INFO]
        return (self.formatter or self.formatters.get(record.levelno, default)).format(record)

    def emit(self, record: logging.LogRecord) -> None:
        """Publish `record`. Never raises; waits only for the first subscription."""
        try:
            line = self.format(record).encode("utf-8", "backslashreplace")
            opened = self.outbox.open().socket
            if self._subscribed is opened or self._is_subscribed(opened):
                self.outbox.send([record.levelname.encode("utf-8", "backslashreplace"), line])
            else:
                self.outbox.drops.add(time.monotonic())
        except Exception:
            self.handleError(record)

    def _is_subscribed(self, opened: zeromq.Socket) -> bool:
        """Before anybody has subscribed, a publisher's records go nowhere: wait for that, once."""
        deadline = time.monotonic() + (self._wait if self._waited is not opened else 0.0)
        with self.outbox.lock:
            self._waited = opened
            while True:
                if any(_first(message)[:1] == b"\1" for message in zeromq.receive(opened)):
                    self._subscribed = opened
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                zeromq.wait_readable(left, opened)

    def close(self) -> None:
        """Wait, at most two seconds, until everything is sent."""
        try:
            self.outbox.close()
        finally:
            super().close()


def _first(message: bytes | list[bytes]) -> bytes:
    return message[0] if isinstance(message, list) else message


class PUBLogger:
    """A logger that publishes to `host`; one handler, however many instances.

    Args:
        host: where the subscriber is bound; a name is resolved.
        port: its port.
        wait: seconds that the first record waits for the subscription.

    Attributes:
        logger: log here.

    Raises:
        OSError: there is no such host.
    """

    def __init__(self, host: str, port: int | str = DEFAULT_PORT, *, wait: float = 1.0) -> None:
        address = f"tcp://{socket.gethostbyname(host)}:{port}"
        self._logger = logging.getLogger(_LOGGER)
        self._logger.setLevel(logging.DEBUG)
        with _making:
            ours = [one for one in self._logger.handlers if isinstance(one, PUBHandler)]
            same = next((one for one in ours if one.address == address), None)
            self.handler = same or PUBHandler(address, wait)
            self.handler.users += 1
            self._closed = False
            if same is None:
                self._logger.addHandler(self.handler)

    @property
    def logger(self) -> logging.Logger:
        return self._logger

    @property
    def pub(self) -> Any:
        """The ZeroMQ socket of this process."""
        return self.handler.outbox.open().socket

    def close(self) -> None:
        """Send what is queued, and take the handler off the logger, with the last instance that has it."""
        with _making:
            self.handler.users -= not self._closed
            self._closed = True
            if self.handler.users > 0:
                return
            self._logger.removeHandler(self.handler)
        self.handler.close()
