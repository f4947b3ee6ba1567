"""uvicorn with one listener, which ends at once even if streams are open."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

import uvicorn

from logboom.web.app import create_app
from logboom.web.security import Guard

__all__ = ["serve"]


class _Server(uvicorn.Server):
    """One that ends open streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        super().handle_exit(sig, frame)
        self._captured_signals.clear()  # asked to end, and ended: the exit status is 0


def serve(
    places: Iterable[Path], guard: Guard, listener: socket.socket, tls: tuple[Path, Path] | None
) -> None:
    """Serve until SIGINT or SIGTERM."""
    asyncio.run(_serve(places, guard, listener, tls))


async def _serve(
    places: Iterable[Path], guard: Guard, listener: socket.socket, tls: tuple[Path, Path] | None
) -> None:
    stopping = asyncio.Event()
    config = uvicorn.Config(
        create_app(places, guard, stopping=stopping),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=200,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=32 << 10,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
    with contextlib.suppress(KeyboardInterrupt):
        await _Server(config, stopping).serve([listener])
