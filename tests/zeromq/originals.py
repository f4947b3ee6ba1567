"""The published designs, as people write them: to show their traps, and against the opposite half of logboom.

`PUSHHandler` is pyzmq's `PUBHandler` made into a PUSH, `LoggingServer` its other end; `MultiProcessingLog` is
the handler with a queue and a thread that is in half of the answers on the subject.
"""

from __future__ import annotations

import logging
import logging.handlers
import multiprocessing
import sys
import threading
import traceback
from typing import Any

import zmq
from zmq.utils.strtypes import cast_bytes


class PUSHHandler(logging.Handler):
    """As in the answers: a formatter by level, the socket made once, `send` that waits."""

    default_formatter = logging.Formatter(
        "%(asctime)s %(levelname)-8s %(pathname)s[line:%(lineno)d] %(message)s"
    )
    formatters = {  # noqa: RUF012
        logging.DEBUG: default_formatter,
        logging.INFO: default_formatter,
        logging.WARNING: default_formatter,
        logging.ERROR: default_formatter,
        logging.CRITICAL: default_formatter,
    }
    socket: Any = None

    def __init__(self, interface_or_socket: Any, context: Any = None) -> None:
        logging.Handler.__init__(self)
        if isinstance(interface_or_socket, zmq.Socket):
            self.socket = interface_or_socket
            self.ctx = self.socket.context
        else:
            self.ctx = context or zmq.Context()
            self.socket = self.ctx.socket(zmq.PUSH)
            self.socket.connect(interface_or_socket)

    def format(self, record: logging.LogRecord) -> str:
        return self.formatters[record.levelno].format(record)

    def emit(self, record: logging.LogRecord) -> None:
        bmsg = cast_bytes(self.format(record))
        self.socket.send(bmsg)


class LoggingServer:
    """A bare PULL, a rotating handler, and a loop."""

    def __init__(self, address: str, filename: str) -> None:
        self.ctx = zmq.Context()
        self.socket = self.ctx.socket(zmq.PULL)
        self.socket.bind(address)
        self.logger = logging.Logger("server", logging.DEBUG)
        handler = logging.handlers.RotatingFileHandler(filename, maxBytes=10_000_000, backupCount=10)
        handler.setFormatter(logging.Formatter("%(message)s"))
        self.logger.addHandler(handler)

    def run(self) -> None:
        while True:
            message = self.socket.recv().decode("utf-8")
            if message == "stop":
                break
            self.logger.info(message)
        for handler in self.logger.handlers:
            handler.close()
        self.socket.close(0)
        self.ctx.term()


class MultiProcessingLog(logging.Handler):
    """The handler with a queue and a thread."""

    def __init__(self, name: str, mode: str, maxsize: int, rotate: int) -> None:
        logging.Handler.__init__(self)
        self._handler = logging.handlers.RotatingFileHandler(name, mode, maxsize, rotate)
        self.queue: Any = multiprocessing.Queue(-1)
        t = threading.Thread(target=self.receive)
        t.daemon = True
        t.start()

    def setFormatter(self, fmt: logging.Formatter | None) -> None:
        logging.Handler.setFormatter(self, fmt)
        self._handler.setFormatter(fmt)

    def receive(self) -> None:
        while True:
            try:
                record = self.queue.get()
                self._handler.emit(record)
            except (KeyboardInterrupt, SystemExit):
                raise
            except EOFError:
                break
            except Exception:
                traceback.print_exc(file=sys.stderr)

    def send(self, s: logging.LogRecord) -> None:
        self.queue.put_nowait(s)

    def _format_record(self, record: logging.LogRecord) -> logging.LogRecord:
        if record.args:
            record.msg = record.msg % record.args
            record.args = None
        if record.exc_info:
            self.format(record)
            record.exc_info = None
        return record

    def emit(self, record: logging.LogRecord) -> None:
        try:
            s = self._format_record(record)
            self.send(s)
        except (KeyboardInterrupt, SystemExit):
            raise
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        self._handler.close()
        logging.Handler.close(self)
