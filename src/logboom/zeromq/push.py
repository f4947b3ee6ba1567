"""`PUSHHandler`: each record as a line to a server, over ZeroMQ or through the disk.

Owns: the handler's constructor, its formatters by level, which way a record takes: through the disk, by the
handler's own thread, or by a ZeroMQ socket. Never knows: the journal's format, how a connection is renewed.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Final, Unpack

from logboom.errors import ConfigurationError
from logboom.handlers.unlocked import Unlocked
from logboom.journal.target import parse_duration
from logboom.producer.options import Keywords
from logboom.producer.producer import Live
from logboom.sinks.pusher import takes_messages
from logboom.wire import endpoints
from logboom.zeromq import sockets as zeromq
from logboom.zeromq.direct import Direct
from logboom.zeromq.lines import Quick, by_level, default_formatter
from logboom.zeromq.outbox import Line, Outbox
from logboom.zeromq.spooled import Spooled

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
        self._spooled: Spooled | None = None
        self._outbox: Outbox | Direct | None = None
        self._by_hand: Outbox | None = None
        self._endpoint = self._address()
        if os.environ.get("LOGBOOM_DISABLE", "") not in ("", "0"):
            return
        if options.get("spool") is not None:
            self._spooled = Spooled(self._endpoint, options)
        else:
            self._outbox = self._make_outbox(options)

    def _address(self) -> str:
        if zeromq.is_socket(self._given):
            zeromq.check_given(self._given)
            return zeromq.endpoint_of(self._given)
        endpoints.check_address(self._given, inproc=self._context is not None)
        return endpoints.absolute(str(self._given))

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
        through_zeromq = partial(
            Outbox,
            self._connect,
            mark=self._mark,
            block_timeout=block,
            close_timeout=close,
            notice=self._notice,
        )
        # uWSGI forks behind Python's back, and lets threads run only when told to.
        if zeromq.is_socket(self._given) or self._endpoint[:6] == "inproc" or "uwsgi" in sys.modules:
            return through_zeromq()
        return Direct(
            self._endpoint,
            mark=self._mark,
            block_timeout=block,
            close_timeout=close,
            notice=self._notice,
            through_zeromq=through_zeromq,
        )

    def _connect(self, in_child: bool) -> Line:
        if zeromq.is_socket(self._given) and not in_child and not self._given.closed:
            return Line(self._given, None, foreign=True)
        if in_child and self._endpoint.startswith("inproc://"):
            raise ConfigurationError(
                f"{self._endpoint} is in the parent process", hint="Use tcp:// or ipc://"
            )
        if in_child and zeromq.is_socket(self._given) and not takes_messages(self._endpoint):
            raise ConfigurationError(
                f"the socket is bound to {self._endpoint} in the parent process",
                hint="Give the address of a PULL socket",
            )
        own = self._context is None or in_child
        context = zeromq.make_context() if own else self._context
        opened = zeromq.open_push(context, mark=self._mark, linger=2.0, watched=own)
        zeromq.connect(opened, self._endpoint)
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
        if isinstance(self._outbox, Outbox):
            return self._outbox.open().socket
        if self._outbox is None:
            return None
        if self._by_hand is None:
            self._by_hand = self._outbox.through_zeromq()
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
        if self._spooled is not None:
            live = self._spooled.producer.live
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
            if self._spooled is not None:
                self._spooled.producer.append_full(line, live, record.created)
        except Exception:
            self.handleError(record)

    def _emit_slowly(self, record: logging.LogRecord) -> None:
        try:
            if self._spooled is not None:
                own = self.formatter or self.formatters.get(record.levelno) or self.default_formatter
                self._spooled.append(record, own)
            elif self._outbox is not None:
                self._outbox.send(self.format(record).encode("utf-8", "backslashreplace"))
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """With `spool`: wait, at most `flush_timeout`, until everything is with the server. Never raises."""
        if self._spooled is not None:
            self._spooled.wait()

    def close(self) -> None:
        """Wait, at most `close_timeout`, until everything is sent. A later record is sent as well."""
        try:
            for outbox in (self._outbox, self._by_hand):
                if outbox is not None:
                    outbox.close()
            if self._spooled is not None:
                self._spooled.close()
        finally:
            super().close()
