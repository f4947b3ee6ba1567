"""`SUBLogger`: what many publishers send, in one rotating file."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Final, Protocol

from logboom.contrib.pub import DEFAULT_PORT
from logboom.handlers import RotatingFileHandler
from logboom.wire import endpoints
from logboom.wire import pyzmq as zeromq

__all__ = ["SUBLogger", "run_sub_logger"]

FILENAME: Final = "client_debug.log"
_MAX_BYTES: Final = 100 * 1024 * 1024
_BACKUPS: Final = 10
_FORMAT: Final = "%(asctime)s;%(levelname)s - %(message)s"
_PAUSE: Final = 0.1
_LAST_LOOK: Final = 0.05
_LOOK_FOR: Final = 0.5
_WRITE_FOR: Final = 3.0
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL", "FATAL")


class SUBLogger:
    """Binds `ip`; any number of publishers connect.

    Args:
        ip: address of this machine to bind; `127.0.0.1` lets in nobody else. `*` stands for all.
        output_dir: directory of `client_debug.log`.
        port: to bind.

    Attributes:
        sub: the SUB socket, subscribed to everything.
        logger: writes to the file; nothing else, whatever handlers the program has.

    Raises:
        OSError: another program has the port, or it is no address of this machine.
    """

    def __init__(
        self, ip: str, output_dir: str | os.PathLike[str] = "", port: int | str = DEFAULT_PORT
    ) -> None:
        endpoints.check_address(f"tcp://{ip}:{port}", listening=True)
        self._context = zeromq.make_context()
        self._sub = zeromq.open_sub(self._context)
        try:
            self.address = zeromq.bind(self._sub, f"tcp://{ip}:{port}")
        except OSError:
            zeromq.close_within(0.0, self._sub, self._context)
            raise
        path = Path(os.path.abspath(output_dir or "."), FILENAME)
        self._handler = RotatingFileHandler(path, maxBytes=_MAX_BYTES, backupCount=_BACKUPS)
        self._handler.setLevel(logging.DEBUG)
        self._handler.setFormatter(logging.Formatter(_FORMAT))
        # Not in the manager's tree: no handler of the program, least of all a publisher's, gets these.
        self._logger = logging.Logger("logboom.zeromq.sub", logging.DEBUG)
        self._logger.addHandler(self._handler)

    @property
    def sub(self) -> zeromq.Socket:
        return self._sub

    @property
    def logger(self) -> logging.Logger:
        return self._logger

    def receive(self, timeout: float = 0.0) -> int:
        """Wait at most `timeout` seconds, and write what has come; returns the number of records."""
        zeromq.wait_readable(timeout, self._sub)
        messages = zeromq.receive(self._sub)
        for message in messages:
            parts = message if isinstance(message, list) else [b"", message]
            self._write(parts[0].decode("utf-8", "backslashreplace"), b"\n".join(parts[1:]))
        return len(messages)

    def _write(self, topic: str, message: bytes) -> None:
        """A topic is `LEVEL`, with a root before it and subtopics behind it, between dots.

        A root may be called `error`: levels have capitals.
        """
        words = topic.split(".")
        place = next((index for index, word in enumerate(words) if word in _LEVELS), None)
        level = logging.INFO if place is None else logging.getLevelName(words[place])
        subtopic = "" if place is None else ".".join(words[place + 1 :])
        text = message.decode("utf-8", "backslashreplace").removesuffix("\n")
        self._logger.log(level, "%s", f"{subtopic}::{text}" if subtopic else text)

    def close(self) -> None:
        """Write what has come, and give up the socket. Publishers that go on are heard for half a second."""
        if self._sub.closed:
            return
        last = time.monotonic() + _LOOK_FOR
        while time.monotonic() < last and self.receive(_LAST_LOOK):
            pass
        zeromq.unbind(self._sub, self.address)
        last = time.monotonic() + _WRITE_FOR
        while time.monotonic() < last and self.receive():
            pass
        zeromq.close_within(0.0, self._sub, self._context)
        self._handler.close()


class Event(Protocol):
    """What is asked of an event, of `multiprocessing` or `threading`."""

    def is_set(self) -> bool: ...


def run_sub_logger(
    ip: str,
    event: Event | threading.Event,
    output_dir: str | os.PathLike[str] = "",
    port: int | str = DEFAULT_PORT,
) -> None:
    """Write what publishers send until `event` is set.

    For `multiprocessing.Process(target=run_sub_logger, args=(ip, event))`.
    """
    sub_logger = SUBLogger(ip, output_dir, port)
    try:
        while not event.is_set():
            sub_logger.receive(_PAUSE)
    except KeyboardInterrupt:
        return
    finally:
        sub_logger.close()
