"""The live feed: what a collector writes, for whoever listens at the moment.

`ipc://` in the spool by default, loopback where there is no `ipc`; each message is
`[b"LEVEL.logger.name", line]`, which `python -m zmq.log` and any SUB socket read. A subscriber that is slow
loses what finds no room, and only that one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from logboom.wire import endpoints
from logboom.wire import pyzmq as zeromq

__all__ = ["FEED", "Feed", "open_feed"]

FEED: Final = "feed"
_MARK: Final = 10_000
_LONGEST_PATH: Final = 100
_LOOK_EVERY: Final = 0.1


class Feed:
    """A PUB socket of one collector. For one thread.

    Attributes:
        address: where it is bound.
        heard: somebody listens.

    Raises:
        ConfigurationError: `address` is none.
        OSError: it cannot be bound.
    """

    def __init__(self, address: str) -> None:
        endpoints.check_address(address, listening=True)
        self._context = zeromq.make_context()
        self._socket = zeromq.open_feed(self._context, mark=_MARK)
        self._subscriptions = 0
        self._looked = 0.0
        try:
            self.address = zeromq.bind(self._socket, address)
        except OSError:
            self.close()
            raise

    @property
    def heard(self) -> bool:
        return self._subscriptions > 0

    def publish(self, rows: Sequence[Sequence[Any]], lines: Sequence[bytes], count: int) -> None:
        """Send the first `count` lines to those who listen. Never waits, never raises."""
        now = time.monotonic()
        if now - self._looked > _LOOK_EVERY:
            self._looked = now
            self._look()
        if self._subscriptions <= 0:
            return
        for row, line in zip(rows[:count], lines[:count], strict=True):
            if line:
                topic = f"{logging.getLevelName(row[2])}.{row[3]}".encode("utf-8", "backslashreplace")
                with contextlib.suppress(zeromq.TransportError):
                    zeromq.send(self._socket, [topic, line])

    def _look(self) -> None:
        """Who came, who left."""
        with contextlib.suppress(zeromq.TransportError):
            for message in zeromq.receive(self._socket):
                if isinstance(message, bytes) and message[:1] in (b"\0", b"\1"):
                    self._subscriptions += 1 if message[:1] == b"\1" else -1

    def close(self) -> None:
        """Give up the socket; what is queued for a slow subscriber is dropped."""
        zeromq.close_within(0.0, self._socket, self._context)


def open_feed(spool: Path, wanted: str, note: Callable[[str], None]) -> Feed | None:
    """The feed of a collector; None, and a note, when there can be none.

    Args:
        wanted: an address, or anything else for the default.
    """
    local = f"ipc://{spool / FEED}"
    if not endpoints.has_ipc() or len(os.fspath(spool)) > _LONGEST_PATH:
        local = "tcp://127.0.0.1:*"
    try:
        feed = Feed(wanted if "://" in wanted else local)
    except (OSError, ValueError) as error:
        note(f"no live feed: {error}")
        return None
    if feed.address.startswith("ipc://"):
        with contextlib.suppress(OSError):
            os.chmod(feed.address.removeprefix("ipc://"), spool.stat().st_mode & 0o660)
    note(f"live feed at {feed.address}")
    return feed
