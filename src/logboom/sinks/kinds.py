"""The sinks that are no file, by kind.

A kind is what a stream asks for (`Server.kind`). Each address has a collector process of its own, so that
one which blocks holds up nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

from logboom.errors import ConfigurationError
from logboom.journal.target import Server
from logboom.sinks.base import Sink

__all__ = ["make", "register"]

Make = Callable[[Server, Callable[[str], None]], Sink]


def _push(server: Server, note: Callable[[str], None]) -> Sink:
    from logboom.sinks.push import PushSink

    return PushSink(server, note)


_kinds: dict[str, Make] = {"push": _push}


def register(kind: str, make: Make) -> None:
    """Have `make(server, note)` called for the sink of streams that ask for `kind`; letters and digits."""
    _kinds[kind] = make


def make(server: Server, note: Callable[[str], None]) -> Sink:
    """Make the sink of `server`; it connects with the first record.

    Raises:
        ConfigurationError: this release has no such kind.
    """
    known = _kinds.get(server.kind)
    if known is None:
        raise ConfigurationError(
            f"a journal asks for a sink of the kind {server.kind!r}", hint="Upgrade logboom here"
        )
    return known(server, note)
