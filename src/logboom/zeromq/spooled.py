"""The way through the disk: records wait in a journal until a collector has pushed them.

Owns: the target "push to this address", the append that is not the shortest. Never knows: sockets,
formatting, the collector.
"""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import cast

from logboom.errors import ConfigurationError
from logboom.journal.target import Server
from logboom.platform import clock
from logboom.producer.options import Keywords, parse_options
from logboom.producer.producer import Producer

__all__ = ["Spooled"]


class Spooled:
    """One handler's road to the server by way of `spool`.

    Attributes:
        producer: the road into the journal; its `live` is the shortest way.

    Raises:
        ConfigurationError: an option cannot work, or the address is of this process only.
    """

    def __init__(self, address: str, keywords: Keywords) -> None:
        if address.startswith("inproc://"):
            raise ConfigurationError(
                f"{address} with spool=: another process sends", hint='Use "tcp://127.0.0.1:5557"'
            )
        # The line goes over the wire as the formatter made it; the server's file is where it is made safe.
        options = parse_options({**keywords, "control_characters": "raw"})
        target = Server(
            kind="push",
            address=address,
            configured=time.time(),
            linger=options.linger,
            synced=options.fsync_level is not None,
        )
        self.producer = Producer(target, options, cast(Path, options.spool), "")

    def append(self, record: logging.LogRecord, formatter: logging.Formatter) -> None:
        """Append `record`: on return it survives SIGKILL of this process.

        Raises:
            Exception: what the formatter raises.
        """
        producer = self.producer
        producer.append(record, formatter)
        if producer.options.collector == "off":
            producer.collect_here()

    def wait(self) -> None:
        """At most `flush_timeout`, until everything is with the server."""
        with contextlib.suppress(Exception):
            self.producer.wait(clock.monotonic() + self.producer.options.flush_timeout)

    def close(self) -> None:
        """At most `close_timeout`; a later record opens another segment."""
        self.producer.close(clock.monotonic() + self.producer.options.close_timeout)
