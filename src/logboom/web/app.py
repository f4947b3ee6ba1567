"""The ASGI application: the page, its JSON API, and the stream of what comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from logboom.web.api import OPERATIONS, BadRequest, job_of, openapi
from logboom.web.headers import HEADERS, static_file
from logboom.web.security import Guard
from logboom.web.worker import Trouble, Workers

__all__ = ["create_app"]

_HEARTBEAT: Final = b": alive\n\n"
_SEND: Final = 20.0
_WRONG: Final = 0.5
_MEDIA: Final = {
    "text": ("text/plain; charset=utf-8", "log"),
    "jsonl": ("application/x-ndjson", "jsonl"),
    "csv": ("text/csv; charset=utf-8", "csv"),
}


def create_app(
    places: Iterable[Path | str],
    guard: Guard | None,
    *,
    workers: Workers | None = None,
    stopping: asyncio.Event | None = None,
) -> ASGIApp:
    """The page for the log sets at `places`.

    Args:
        guard: decides who may read; None when the application around this one does.
        workers: the limits of queries.
        stopping: set to end open streams.
    """
    return _Page([str(Path(place).absolute()) for place in places], guard, workers, stopping).app


class _Page:
    def __init__(
        self, places: list[str], guard: Guard | None, workers: Workers | None, stopping: asyncio.Event | None
    ) -> None:
        self._places, self._guard = places, guard
        self._workers = workers or Workers()
        self._stopping = stopping or asyncio.Event()
        self._wrong = asyncio.Lock()
        routes = [
            Route("/", self._index),
            Route("/login", self._login, methods=["GET", "POST"]),
            Route("/static/{name}", self._static),
            Route("/api/openapi.json", self._openapi),
            Route("/api/{name}", self._api),
        ]
        inner = Starlette(routes=routes, lifespan=self._lifespan)
        self.app: ASGIApp = _Checked(inner, guard)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        await self._workers.warm()
        try:
            yield
        finally:
            self._stopping.set()
            await self._workers.close()

    async def _index(self, request: Request) -> Response:
        guard = self._guard
        if guard is not None and not _allowed(guard, request):
            given = request.query_params.get("token")
            if given is not None and guard.is_secret(given):
                rest = [pair for pair in request.query_params.multi_items() if pair[0] != "token"]
                response: Response = RedirectResponse("./" + (f"?{urlencode(rest)}" if rest else ""), 303)
                response.set_cookie(**guard.session())
                return response
            if given is not None:
                await self._after_a_wrong_one()
            return _page("login.html", 401) if guard.asks else _refused(403, "The proxy names no user")
        if "token" in request.query_params:
            rest = [pair for pair in request.query_params.multi_items() if pair[0] != "token"]
            return RedirectResponse("./" + (f"?{urlencode(rest)}" if rest else ""), 303)
        return _page("index.html", 200)

    async def _login(self, request: Request) -> Response:
        guard = self._guard
        if guard is None or request.method == "GET":
            return RedirectResponse("./", 303)
        if not guard.same_origin(request.headers, request.url.scheme):
            return _refused(403, "Another site's page asks")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > 4096:
                return _refused(400, "Too long")
        given = dict(parse_qsl(body.decode("utf-8", "replace")))
        if not guard.is_secret(given.get("secret", "")):
            await self._after_a_wrong_one()
            return _page("login.html", 401)
        next_query = given.get("next", "").lstrip("?")
        response = RedirectResponse("./" + (f"?{next_query}" if next_query.isascii() else ""), 303)
        response.set_cookie(**guard.session())
        return response

    async def _after_a_wrong_one(self) -> None:
        """One guess after the other, two a second."""
        async with self._wrong:
            await asyncio.sleep(_WRONG)

    async def _static(self, request: Request) -> Response:
        found = static_file(request.path_params["name"])
        if found is None:
            return _refused(404, "There is no such file")
        return Response(found[0], media_type=found[1], headers={"cache-control": "no-cache"})

    async def _openapi(self, request: Request) -> Response:
        refusal = self._refusal(request)
        return refusal or JSONResponse(openapi("../"))

    async def _api(self, request: Request) -> Response | _Frames:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        name = request.path_params["name"]
        if name not in OPERATIONS:
            return _refused(404, f"There is no operation {name[:100]!r}")
        try:
            job = job_of(name, request.query_params.multi_items(), self._places)
        except BadRequest as error:
            return _refused(400, str(error))
        if name == "stream":
            job["position"] = request.headers.get("last-event-id") or job["position"]
            if len(job["position"]) > 4000:
                return _refused(400, "position is too long")
        return _Frames(self._workers, job, self._stopping)

    def _refusal(self, request: Request) -> Response | None:
        guard = self._guard
        if guard is None:
            return None
        if not guard.same_origin(request.headers, request.url.scheme):
            return _refused(403, "Another site's page asks")
        if not _allowed(guard, request):
            return _refused(401, "Open the link that the server printed, or log in")
        return None


class _Frames:
    """The answer to a job: it ends when the browser goes, and its process with it."""

    def __init__(self, workers: Workers, job: dict[str, Any], stopping: asyncio.Event) -> None:
        self._workers, self._job, self._stopping = workers, job, stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def timely(message: Message) -> None:
            # A browser that reads nothing must not keep a process.
            await asyncio.wait_for(send(message), _SEND)

        task = asyncio.ensure_future(self._send(scope, timely))
        gone = asyncio.ensure_future(_gone(receive))
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((task, gone, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (gone, stop, task):
                one.cancel()
            with contextlib.suppress(asyncio.CancelledError, TimeoutError, OSError):
                await task

    async def _send(self, scope: Scope, send: Send) -> None:
        name = self._job["do"]
        if name == "stream":
            await self._stream(send)
        elif name == "export":
            await self._export(scope, send)
        else:
            answer = b"{}"
            try:
                async with contextlib.aclosing(self._workers.answer(self._job)) as frames:
                    async for _, payload in frames:
                        answer = payload
                response = Response(answer, media_type="application/json")
            except Trouble as error:
                response = JSONResponse(error.values, error.values["status"])
            await response(scope, _nothing, send)

    async def _export(self, scope: Scope, send: Send) -> None:
        media, suffix = _MEDIA[self._job["format"]]
        start = _start(media, {"content-disposition": f'attachment; filename="logs.{suffix}"'})
        begun = False
        try:
            async with contextlib.aclosing(self._workers.answer(self._job)) as frames:
                async for _, payload in frames:
                    if not begun:
                        await send(
                            _start(media, {"content-disposition": f'attachment; filename="logs.{suffix}"'})
                        )
                        begun = True
                    text = json.loads(payload).encode("utf-8", "surrogateescape")
                    await send({"type": "http.response.body", "body": text, "more_body": True})
            if not begun:
                await send(start)
            await send({"type": "http.response.body", "body": b""})
        except Trouble as error:
            if not begun:
                await JSONResponse(error.values, error.values["status"])(scope, _nothing, send)
            # Else the body stays without an end, and the browser reports a failed download.

    async def _stream(self, send: Send) -> None:
        await send(_start("text/event-stream; charset=utf-8", {"x-accel-buffering": "no"}))
        await send({"type": "http.response.body", "body": b"retry: 1000\n\n", "more_body": True})
        try:
            async with contextlib.aclosing(self._workers.answer(self._job)) as frames:
                async for _, payload in frames:
                    event = _HEARTBEAT
                    if payload != b"null":
                        position = json.loads(payload)["position"].encode()
                        event = b"event: batch\nid: " + position + b"\ndata: " + payload + b"\n\n"
                    await send({"type": "http.response.body", "body": event, "more_body": True})
        except Trouble as error:
            values = json.dumps(error.values).encode()
            event = b"event: trouble\ndata: " + values + b"\n\n"
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _start(media: str, headers: dict[str, str]) -> Message:
    pairs = {"content-type": media, **headers}
    return {
        "type": "http.response.start",
        "status": 200,
        "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
    }


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _allowed(guard: Guard, request: Request) -> bool:
    peer = request.client.host if request.client is not None else ""
    return guard.is_allowed(request.headers, request.cookies, peer)


def _page(name: str, status: int) -> Response:
    found = static_file(name)
    assert found is not None
    return Response(found[0], status, media_type=found[1])


def _refused(status: int, text: str) -> Response:
    return JSONResponse({"message": text, "column": None, "length": None, "status": status}, status)


class _Checked:
    """Refuses foreign host names, and gives every answer the headers that protect it."""

    def __init__(self, app: ASGIApp, guard: Guard | None) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                given = {name.lower() for name, _ in headers}
                headers += [
                    (name.encode(), value.encode())
                    for name, value in HEADERS.items()
                    if name.encode() not in given
                ]
                message = {**message, "headers": headers}
            await send(message)

        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if self._guard is not None:
            host = hosts[0].decode("latin-1") if len(hosts) == 1 else ""
            if not self._guard.knows_host(host):
                response = PlainTextResponse("This page is not known under that name\n", 421)
                await response(scope, receive, with_headers)
                return
        await self._app(scope, receive, with_headers)
