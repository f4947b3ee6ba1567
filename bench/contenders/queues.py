"""Designs with a process that writes for all: a queue, a TCP socket, ZeroMQ.

Owns: the three servers, as the standard library's logging cookbook has them. Never knows: what is measured.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import multiprocessing
import pickle
import signal
import socketserver
import struct
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, ClassVar

from bench.contenders.base import Contender
from bench.workload import MAX_BYTES, Call, formatter

__all__ = ["MultiprocessingQueue", "SocketReceiver", "ZeroMQPushPull"]

_fork = multiprocessing.get_context("fork")


class ServedContender(Contender):
    """A contender whose `serve` runs in a process of its own."""

    def start(self) -> None:
        ours, theirs = _fork.Pipe()
        self.server: BaseProcess = _fork.Process(target=self._serve, args=(theirs,), daemon=True)
        self.server.start()
        self.port: int = ours.recv()

    def close(self) -> None:
        self.server.terminate()
        self.server.join(10)

    def writer(self) -> logging.Handler:
        """In the server: the one handler that opens the file."""
        handler = logging.handlers.RotatingFileHandler(
            self.path, maxBytes=MAX_BYTES, backupCount=self.backups, encoding="utf-8"
        )
        handler.setFormatter(formatter(self.variant))
        return handler

    def _serve(self, parent: Connection) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.serve(parent)

    def serve(self, parent: Connection) -> None:
        """In the server: send the port to `parent`, then run until killed."""
        raise NotImplementedError


class MultiprocessingQueue(ServedContender):
    """`QueueHandler` over `multiprocessing.Queue`, a `QueueListener` in a process of its own."""

    name = "mp-queue"
    share = 0.3

    def start(self) -> None:
        self.queue: multiprocessing.Queue[Any] = _fork.Queue()
        super().start()

    def attach(self, writer: int) -> Call:
        return self.call_through(logging.handlers.QueueHandler(self.queue))

    def detach(self) -> None:
        logging.shutdown()
        self.queue.close()
        self.queue.join_thread()

    def serve(self, parent: Connection) -> None:
        listener = logging.handlers.QueueListener(self.queue, self.writer())
        listener.start()
        parent.send(0)
        signal.pause()


class _RecordStream(socketserver.StreamRequestHandler):
    """The logging cookbook's receiver, its short reads included."""

    writer: ClassVar[logging.Handler]

    def handle(self) -> None:
        while True:
            chunk = self.connection.recv(4)
            if len(chunk) < 4:
                break
            length = struct.unpack(">L", chunk)[0]
            chunk = self.connection.recv(length)
            while len(chunk) < length:
                chunk = chunk + self.connection.recv(length - len(chunk))
            # The cookbook unpickles what it was sent; so does the peer that is measured here.
            self.writer.handle(logging.makeLogRecord(pickle.loads(chunk)))


class _Receiver(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class SocketReceiver(ServedContender):
    """`SocketHandler` to the cookbook's threading TCP server on the loopback."""

    name = "socket"
    share = 0.25

    def attach(self, writer: int) -> Call:
        return self.call_through(logging.handlers.SocketHandler("127.0.0.1", self.port))

    def serve(self, parent: Connection) -> None:
        _RecordStream.writer = self.writer()
        with _Receiver(("127.0.0.1", 0), _RecordStream) as server:
            parent.send(server.server_address[1])
            server.serve_forever()


class ZeroMQPushPull(ServedContender):
    """The cookbook's handler over PUSH, a PULL server on the loopback."""

    name = "zmq-push-pull"
    module = "zmq"
    share = 0.5

    def attach(self, writer: int) -> Call:
        import zmq

        self.context: Any = zmq.Context()
        push: Any = self.context.socket(zmq.PUSH)
        push.connect(f"tcp://127.0.0.1:{self.port}")

        class PushHandler(logging.handlers.QueueHandler):
            def enqueue(self, record: logging.LogRecord) -> None:
                push.send(json.dumps(record.__dict__).encode())

            def close(self) -> None:
                push.close()
                super().close()

        return self.call_through(PushHandler(push))

    def detach(self) -> None:
        logging.shutdown()
        self.context.term()

    def serve(self, parent: Connection) -> None:
        import zmq

        writer = self.writer()
        pull = zmq.Context().socket(zmq.PULL)
        parent.send(pull.bind_to_random_port("tcp://127.0.0.1"))
        while True:
            writer.handle(logging.makeLogRecord(json.loads(pull.recv())))
