"""`PUSHHandler`: each record as a line to a server, through the disk or directly.

A record takes one of two ways: into a journal, from which a collector pushes it (`spool=`), or into the queue
of a thread that sends. A ZeroMQ socket is used where nothing else can reach the server: `inproc://`, and a
socket of the user's. Only that imports pyzmq.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Unpack, cast

from logboom.contrib.direct import Direct
from logboom.contrib.lines import Quick, by_level, default_formatter
from logboom.errors import ConfigurationError
from logboom.handlers.unlocked import Unlocked
from logboom.journal.target import Server, parse_duration
from logboom.platform import clock
from logboom.producer.options import Keywords, parse_options
from logboom.producer.producer import Live, Producer
from logboom.sinks.push import takes_messages
from logboom.wire import endpoints

if TYPE_CHECKING:
    from logboom.contrib.outbox import Line, Outbox

__all__ = ["PUSHHandler"]

Formatters = Mapping[Any, Any]
_LEVELS: Final = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)


class PUSHHandler(Unlocked, logging.Handler):
    """Sends each record as one message: the formatted line in UTF-8, so any PULL socket can read it.

    Args:
        interface_or_socket: an address to connect to (`tcp://`, `ipc://`, `inproc://`), or a PUSH socket of
            yours, which you close.
        context: a ZeroMQ context of yours; needed for `inproc://`.
        formatters: level -> formatter (or format string) of this instance, over those of the class.
        spool: a directory on a local disk: records wait there while the server is away, whatever dies here.
        high_water_mark: without `spool`: records that wait in memory at most.
        block_timeout: without `spool`: seconds that a log call waits for room; after one such wait records
            are dropped, counted and said until there is room again.
        close_timeout: seconds that the end of the program waits for what is on its way.
        **options: with `spool`: as for the file handlers (`spool_max_size`, `when_full`, ...).

    Attributes:
        socket, ctx: a ZeroMQ PUSH socket of this process towards the server, and its context; None with
            `spool`. For `tcp://` and `ipc://` they are made when asked for, for messages of yours: records
            have a connection of their own, which knows what went out.
        formatters: level -> formatter; a level that is not in it uses `default_formatter`. `setFormatter`
            takes precedence over them all.

    Raises:
        ConfigurationError: an address or an option cannot work; the text says what to use.
    """

    default_formatter: ClassVar[logging.Formatter] = default_formatter
    formatters: Mapping[int, logging.Formatter] = dict.fromkeys(_LEVELS, default_formatter)

    def __init__(
        self,
        interface_or_socket: Any,
        context: Any = None,
        *,
        formatters: Formatters | None = None,
        high_water_mark: int = 1000,
        **options: Unpack[Keywords],
    ) -> None:
        super().__init__()
        self.formatters = by_level({**type(self).formatters, **(formatters or {})})
        self._quick: dict[int, Quick] = {}
        self._given = interface_or_socket
        self._context = context
        self._mark = high_water_mark
        self._producer: Producer | None = None
        self._outbox: Outbox | Direct | None = None
        self._by_hand: Outbox | None = None
        self._endpoint = self._address()
        if os.environ.get("LOGBOOM_DISABLE", "") not in ("", "0"):
            return
        if options.get("spool") is not None:
            self._producer = _make_producer(self._endpoint, options)
        else:
            self._outbox = self._make_outbox(options)

    def _address(self) -> str:
        if self._is_socket():
            from logboom.wire import pyzmq

            pyzmq.check_given(self._given)
            return pyzmq.endpoint_of(self._given)
        endpoints.check_address(self._given, inproc=self._context is not None)
        return endpoints.absolute(str(self._given))

    def _is_socket(self) -> bool:
        return hasattr(self._given, "getsockopt")

    def _make_outbox(self, options: Keywords) -> Outbox | Direct:
        unknown = sorted(set(options) - {"spool", "block_timeout", "close_timeout"})
        if unknown:
            raise ConfigurationError(
                f"{unknown[0]}= has no use without spool=", hint="Name a directory with spool="
            )
        if self._mark < 1:
            raise ConfigurationError(f"high_water_mark={self._mark}", hint="Use at least 1")
        block = parse_duration(options.get("block_timeout", 1.0), "block_timeout")
        close = parse_duration(options.get("close_timeout", 2.0), "close_timeout")
        self._timeouts = block, close
        if self._is_socket() or self._endpoint[:6] == "inproc":
            return self._through_a_socket()
        return Direct(
            self._endpoint,
            mark=self._mark,
            block_timeout=block,
            close_timeout=close,
            notice=self._notice,
            threads="uwsgi" not in sys.modules,  # it lets threads run only when told to
        )

    def _through_a_socket(self) -> Outbox:
        from logboom.contrib.outbox import Outbox

        block, close = self._timeouts
        return Outbox(
            self._connect, block_timeout=block, close_timeout=close, mark=self._mark, notice=self._notice
        )

    def _connect(self, in_child: bool) -> Line:
        from logboom.contrib.outbox import Line
        from logboom.wire import pyzmq

        given = self._is_socket()
        if given and not in_child and not self._given.closed:
            return Line(self._given, None, foreign=True)
        if in_child and self._endpoint.startswith("inproc://"):
            raise ConfigurationError(
                f"{self._endpoint} is in the parent process", hint="Use tcp:// or ipc://"
            )
        if in_child and given and not takes_messages(self._endpoint):
            raise ConfigurationError(
                f"the socket is bound to {self._endpoint} in the parent process",
                hint="Give the address of a PULL socket",
            )
        own = self._context is None or in_child
        context = pyzmq.make_context() if own else self._context
        opened = pyzmq.open_push(context, mark=self._mark, linger=2.0)
        pyzmq.connect(opened, self._endpoint)
        return Line(opened, context if own else None)

    # -- formatting ----------------------------------------------------------------------------------

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        formatter = self.formatter or self.formatters.get(record.levelno) or self.default_formatter
        quick = self._quick.get(id(formatter))
        if quick is None or quick.formatter is not formatter:
            if len(self._quick) > 100:
                self._quick.clear()
            quick = self._quick[id(formatter)] = Quick(formatter)
        return quick.format(record)

    def _notice(self, sentence: str) -> bytes:
        record = logging.LogRecord("logboom", logging.WARNING, "logboom", 0, sentence, None, None)
        return self.format(record).encode("utf-8", "backslashreplace")

    # -- logging -------------------------------------------------------------------------------------

    @property
    def socket(self) -> Any:
        """The PUSH socket of this process."""
        if self._outbox is None:
            return None
        if not isinstance(self._outbox, Direct):
            return self._outbox.open().socket
        if self._by_hand is None:
            self._by_hand = self._through_a_socket()
        return self._by_hand.open().socket

    @property
    def ctx(self) -> Any:
        """The context of `socket`."""
        opened = self.socket
        return None if opened is None else opened.context

    @property
    def dropped(self) -> int:
        """Records of this process that found no room."""
        return 0 if self._outbox is None else self._outbox.drops.total

    def emit(self, record: logging.LogRecord) -> None:
        """Send `record`. Never raises, never waits longer than `block_timeout`."""
        if self._producer is not None:
            live = self._producer.live
            own = self.formatter or self.formatters.get(record.levelno) or self.default_formatter
            if live.low <= record.created < live.high and own is live.formatter:
                try:
                    line = live.encode(record)
                except Exception:  # said below, where it is made again
                    self._emit_slowly(record)
                    return
                try:
                    if live.mark[0]:  # not before: a message's `__str__` may fork
                        live.write(line)
                        return
                except ValueError:  # full
                    pass
                self._emit_full(record, line, live)
                return
        self._emit_slowly(record)

    def _emit_full(self, record: logging.LogRecord, line: bytes, live: Live) -> None:
        try:
            if self._producer is not None:
                self._producer.append_full(line, live, record.created)
        except Exception:
            self.handleError(record)

    def _emit_slowly(self, record: logging.LogRecord) -> None:
        try:
            producer = self._producer
            if producer is not None:
                own = self.formatter or self.formatters.get(record.levelno) or self.default_formatter
                producer.append(record, own)
                if producer.options.collector == "off":
                    producer.collect_here()
            elif self._outbox is not None:
                line = self.format(record).encode("utf-8", "backslashreplace")
                if isinstance(self._outbox, Direct):
                    self._outbox.send(_with_its_own(line, record))
                else:
                    self._outbox.send(line)
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """With `spool`: wait, at most `flush_timeout`, until everything is with the server. Never raises."""
        if self._producer is not None:
            with contextlib.suppress(Exception):
                self._producer.wait(clock.monotonic() + self._producer.options.flush_timeout)

    def close(self) -> None:
        """Wait, at most `close_timeout`, until everything is sent. A later record is sent as well."""
        try:
            for outbox in (self._outbox, self._by_hand):
                if outbox is not None:
                    outbox.close()
            if self._producer is not None:
                self._producer.close(clock.monotonic() + self._producer.options.close_timeout)
        finally:
            super().close()


def _with_its_own(line: bytes, record: logging.LogRecord) -> tuple[bytes, float, int, str, dict[str, Any]]:
    """A line, and what a `LoggingServer` is told of its record; a plain PULL socket gets the line alone."""
    fields = {"process": record.process, "lineno": record.lineno}
    return line, record.created, record.levelno, record.name, fields


def _make_producer(address: str, keywords: Keywords) -> Producer:
    """The way through the disk: records wait in a journal until a collector has pushed them."""
    if address.startswith("inproc://"):
        raise ConfigurationError(
            f"{address} with spool=: another process sends", hint='Use "tcp://127.0.0.1:5557"'
        )
    # The line goes over the wire as the formatter made it; the server's file is where it is made safe.
    options = parse_options({**keywords, "control_characters": "raw"})
    server = Server(
        kind="push",
        address=address,
        configured=time.time(),
        linger=options.linger,
        synced=options.fsync_level is not None,
    )
    return Producer(server, options, cast(Path, options.spool), "")
