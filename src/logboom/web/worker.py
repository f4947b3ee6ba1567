"""A process for queries: it answers one job after the other and may be killed at any moment.

A bad regular expression stops every thread of the Python that runs it, so it is not the server's.

    stdin    one job a line, as JSON
    stdout   frames: a letter, a length of 4 bytes, that much JSON
             R the answer    D a part of an answer    E an error    . the end of an answer
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import struct
import subprocess
import sys
from collections.abc import AsyncGenerator
from typing import Any, Final, TypeAlias

from logboom import platform
from logboom.errors import LogboomError
from logboom.producer.starting import python_for_collector
from logboom.web.api import OPERATIONS

__all__ = ["Busy", "TimedOut", "Trouble", "Workers", "run_once", "trouble_of"]

_Frames: TypeAlias = AsyncGenerator[tuple[bytes, bytes], None]
_FRAME: Final = struct.Struct("<cI")
_JOBS: Final = 200  # then a new process: what an old one has fragmented is given back
_SILENT: Final = 30.0


class Trouble(LogboomError):  # noqa: N818
    """A job that failed.

    Attributes:
        values: what the browser gets: message, column, length, status.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values["message"])
        self.values = values


class TimedOut(Trouble):
    """A job that took too long."""

    def __init__(self, seconds: float) -> None:
        text = f"The query was ended after {seconds:.0f} seconds. Narrow the time or the text"
        super().__init__({"message": text, "column": None, "length": None, "status": 504})


class Busy(Trouble):
    """Too many jobs, or streams, at once."""

    def __init__(self, what: str) -> None:
        super().__init__({"message": what, "column": None, "length": None, "status": 503})


def trouble_of(error: Exception) -> dict[str, Any]:
    """An error as the browser gets it."""
    from logboom.query.language import QueryError
    from logboom.web.answers import NotThere

    values: dict[str, Any] = {"message": str(error), "column": None, "length": None, "status": 400}
    if isinstance(error, QueryError):
        values |= {"column": error.column, "length": error.length}
    elif isinstance(error, NotThere):
        values["status"] = 404
    elif isinstance(error, OSError):
        values |= {"message": error.strerror or "A file cannot be read", "status": 404}
    return values


# --- the process ---


def main() -> None:
    """Answer jobs until stdin ends."""
    from logboom.web.answers import perform
    from logboom.web.following import follow

    out = sys.stdout.buffer

    def write(letter: bytes, value: Any) -> None:
        payload = json.dumps(value).encode()
        out.write(_FRAME.pack(letter, len(payload)) + payload)
        out.flush()

    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        for line in sys.stdin.buffer:
            job = json.loads(line)
            # The kernel ends this process when its server was killed and cannot.
            platform.limit_processor_time(OPERATIONS[job["do"]].seconds)
            try:
                answer = follow if job["do"] in ("stream", "poll") else perform
                for letter, value in answer(job):
                    write(letter, value)
            except BrokenPipeError:
                break
            except (LogboomError, OSError, RecursionError, MemoryError) as error:
                write(b"E", trouble_of(error))
            write(b".", None)
        return
    os._exit(0)  # the reader is gone: what is buffered has nowhere to go


def _command() -> list[str]:
    return [python_for_collector() or sys.executable, "-P", "-m", "logboom.web.worker"]


# --- its callers ---


def run_once(job: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """The frames of one job, by a process of its own: for servers without an event loop.

    Raises:
        Trouble: it failed, or took too long.
    """
    seconds = OPERATIONS[job["do"]].seconds
    try:
        done = subprocess.run(
            _command(), input=json.dumps(job).encode() + b"\n", capture_output=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise TimedOut(seconds) from None
    frames, place = [], 0
    while place + _FRAME.size <= len(done.stdout):
        letter, length = _FRAME.unpack_from(done.stdout, place)
        place += _FRAME.size
        frames.append((letter, done.stdout[place : place + length]))
        place += length
    if not frames or frames[-1][0] != b".":
        raise _ended()
    if frames[0][0] == b"E":
        raise Trouble(json.loads(frames[0][1]))
    return frames[:-1]


def _ended() -> Trouble:
    values = {"message": "The process of the query ended before it answered", "column": None, "length": None}
    return Trouble(values | {"status": 503})


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.jobs = 0

    async def send(self, job: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.jobs += 1
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        await self.process.stdin.drain()

    async def frame(self) -> tuple[bytes, bytes]:
        assert self.process.stdout is not None
        letter, length = _FRAME.unpack(await self.process.stdout.readexactly(_FRAME.size))
        return letter, await self.process.stdout.readexactly(length)

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class Workers:
    """Processes for queries.

    Args:
        queries: at once; as many again and again wait, and more are refused.
        streams: at once.
        seconds: limits every query, besides its operation's own limit.
    """

    def __init__(self, queries: int = 4, streams: int = 32, seconds: float = math.inf) -> None:
        self._most = {"stream": streams, "query": queries * 8}
        self._running = {"stream": 0, "query": 0}
        self._slots = asyncio.Semaphore(queries)
        self._seconds = seconds
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    @property
    def running(self) -> dict[str, int]:
        """How many queries and streams run or wait."""
        return dict(self._running)

    async def answer(self, job: dict[str, Any]) -> _Frames:
        """The frames of a job. When the caller stops early, or the job takes too long, its process is killed.

        Raises:
            Trouble: it failed; `TimedOut`, `Busy`.
        """
        kind = "stream" if job["do"] == "stream" else "query"
        if self._running[kind] >= self._most[kind]:
            raise Busy(f"{self._running[kind]} {kind}s run already. Close other pages, or try again later")
        self._running[kind] += 1
        try:
            async with self._slots if kind == "query" else contextlib.nullcontext():
                worker = await self._take()
                sound = False
                try:
                    async for one in self._frames(worker, job):
                        yield one
                    sound = True
                except Trouble as error:
                    sound = not isinstance(error, TimedOut) and worker.process.returncode is None
                    raise
                finally:
                    await asyncio.shield(self._give_back(worker, sound))
        finally:
            self._running[kind] -= 1

    async def _frames(self, worker: _Worker, job: dict[str, Any]) -> _Frames:
        loop = asyncio.get_running_loop()
        limit = min(OPERATIONS[job["do"]].seconds, self._seconds)
        silent = min(self._seconds, _SILENT)
        if job["do"] != "stream":
            silent = limit
        end = loop.time() + (limit if job["do"] != "stream" else math.inf)
        trouble = None
        try:
            await worker.send(job)
            while True:
                wait = min(end - loop.time(), silent)
                letter, payload = await asyncio.wait_for(worker.frame(), max(wait, 0))
                if letter == b".":
                    break
                if letter == b"E":
                    trouble = Trouble(json.loads(payload))
                    continue
                yield letter, payload
        except TimeoutError:
            raise TimedOut(silent if job["do"] == "stream" else limit) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            await worker.kill()
            raise _ended() from None
        if trouble is not None:
            raise trouble

    async def _take(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.process.returncode is None:
                return worker
            self._all.discard(worker)
        return await self.start()

    async def start(self) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            *_command(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        worker = _Worker(process)
        self._all.add(worker)
        return worker

    async def warm(self) -> None:
        """Have a process ready before the first query."""
        self._idle.append(await self.start())

    async def _give_back(self, worker: _Worker, sound: bool) -> None:
        if sound and worker.jobs < _JOBS and len(self._idle) < 2:
            self._idle.append(worker)
            return
        self._all.discard(worker)
        await worker.kill()

    async def close(self) -> None:
        """Kill all of them."""
        self._idle.clear()
        await asyncio.gather(*(worker.kill() for worker in self._all))
        self._all.clear()


if __name__ == "__main__":
    main()
