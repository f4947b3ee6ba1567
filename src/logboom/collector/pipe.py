"""The way of one target's records: merge, render, intend, write."""

from __future__ import annotations

import contextlib
import functools
import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import msgspec

from logboom import platform
from logboom.collector.merge import Merge, Merged
from logboom.errors import LogboomError, SinkError
from logboom.journal.layout import ROLLOVER, Context, Dropped, unpack_position
from logboom.journal.lines import Stored
from logboom.journal.reader import Chunk
from logboom.journal.target import Asked
from logboom.platform.failpoints import reach
from logboom.records.plain import plain_line
from logboom.records.rendering import Renderer, render_notice, renderer_for
from logboom.sinks.base import Batch, Configures, Outcome, Rolls, Sink, Step, Syncs, Tends
from logboom.spool.checkpoint import Checkpoint, Counts

__all__ = ["Pipe"]

NOTICE: Final = -1
_NOTHING: Final = "nothing"
_WARNING: Final = 30
_RETRY_AFTER: Final = 0.25
_RETRY_WITHIN: Final = 3.0
_MOST_STEPS: Final = 8
_MOST_RENDERERS: Final = 1024
_PART: Final = 2 * 1024 * 1024  # what is rendered, and written in a step, at once
_Contexts = Mapping[int, Context]
_NO_BATCH: Final = Batch.of((), ())
_number = itemgetter(1)
_PLAIN: Final = Context(0, "text")
Publish = Callable[[Sequence[list[Any]], Sequence[bytes], int], None]
Load = Callable[[str, int, int], list[Any] | None]


class Pipe:
    """One target: its sink, its merge, its totals.

    Args:
        key: name of the target, unique in the spool.
        target: the configuration in force.
        sink: where the lines go.
        checkpoint: where intents are recorded.
        note: takes a sentence for the collector's log.
        load: `(producer, end, length)` -> the row of a record that stayed on the disk (`reader.load_row`).

    Attributes:
        trouble: why nothing can be written now, or an empty string.
        limit: the limit of this process that it comes from, or an empty string.
        publish: is shown what was written: rows, lines, how many of them.
        origins: stream -> process id and program of who writes it.
    """

    def __init__(
        self,
        key: str,
        target: Asked,
        sink: Sink,
        checkpoint: Checkpoint,
        note: Callable[[str], None],
        load: Load,
    ) -> None:
        self.key = key
        self.target = target
        self.sink = sink
        self.merge = Merge()
        self.trouble = ""
        self.limit = ""
        self.publish: Publish | None = None
        self.origins: dict[str, tuple[int, str]] = {}
        self._checkpoint = checkpoint
        self._note = note
        self._load = load
        self._contexts: dict[str, dict[int, _Contexts]] = {}  # by producer and segment
        self._by_context: dict[tuple[str, int], Renderer] = {}
        self._ready = Merged([], [], [], [])
        self._batch = _NO_BATCH  # the first of the ready records, rendered
        self._ready_size = 0
        self._stored = 0
        self._failed_at = 0.0
        self._retry_at = 0.0
        self._took = 0.0
        self._notices = 0
        self._requests = False
        self._newest = -math.inf

    # -- in ----------------------------------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """Records that were read and are not written."""
        return self.merge.pending + len(self._ready.rows)

    @property
    def size(self) -> int:
        """About how many bytes of memory they take."""
        return self.merge.size + (self._ready_size if self._ready.rows else 0)

    @property
    def newest(self) -> float:
        """About when the newest record was made that was read and is not written; -infinity for none."""
        return self._newest if self.backlog else -math.inf

    def stuck(self, now_mono: float) -> bool:
        """Whether writing failed a moment ago, so that reading more would only fill the memory."""
        return bool(self.trouble) and now_mono < self._retry_at

    def try_again(self) -> None:
        """Do not wait after a failure any longer."""
        self._retry_at = -math.inf

    def given_up(self, now_mono: float, seconds: float) -> bool:
        """Whether nothing could be written for so long: there is no use in waiting for it."""
        return bool(self.trouble) and now_mono >= self._failed_at + seconds

    def add(
        self,
        producer: str,
        contexts: _Contexts,
        chunk: Chunk,
        now_wall: float,
        now_mono: float,
    ) -> None:
        """Take what was read of one producer; `contexts` are for a chunk that has none itself."""
        rows, ends, dropped, size, own, stored = chunk
        self._stored += stored
        segment = unpack_position(max([*ends[-1:], *(end for _, end in dropped[-1:])]))[0]
        self._contexts.setdefault(producer, {})[segment] = own or contexts
        if dropped:
            rows, ends = _with_notices(rows, ends, dropped, now_wall)
            self._notices += len(dropped)
        if rows:
            self._newest = max(self._newest, min(rows[-1][0], now_wall))
        self.merge.add(producer, rows, ends, now_wall, now_mono, size)

    def forget(self, producer: str) -> None:
        """The producer is finished."""
        self.merge.forget(producer)
        self.origins.pop(producer, None)
        self._contexts.pop(producer, None)
        for key in [key for key in self._by_context if key[0] == producer]:
            del self._by_context[key]

    # -- out ---------------------------------------------------------------------------------------

    def write(self, now_wall: float, now_mono: float, *, ready: float, floor: float | None) -> int:
        """Write what is ready; returns the number of lines. Failures are kept in `trouble`."""
        if self.stuck(now_mono):
            return 0
        written = 0
        try:
            self.recover()
            written = self._write_ready(now_wall)
            late, size = self.merge.late, self.merge.size
            self._ready = self.merge.release(now_mono, ready=ready, floor=floor)
            self._checkpoint.counts(self.key).late += self.merge.late - late
            self._ready_size = size - self.merge.size
            written += self._write_ready(now_wall)
            self.trouble = self.limit = ""
        except Exception as error:  # whatever it is, it is this target's own trouble
            self._fail(error, now_mono)
        return written

    def upkeep(self, now_wall: float, now_mono: float) -> bool:
        """Make one step that is due without a record; False when none is, and the sink can wait."""
        if self.stuck(now_mono):
            return False
        try:
            self.recover()
            step = self.sink.upkeep(now_wall) if isinstance(self.sink, Tends) else None
            if step is None:
                return bool(self.sink.status().get("compressing"))
            self._make(step, {})
            return True
        except Exception as error:
            self._fail(error, now_mono)
            return False

    def configure(self, target: Asked) -> None:
        """Newer settings are in force."""
        self.target = target
        if isinstance(self.sink, Configures):
            self.sink.configure(target)

    def sync(self) -> None:
        """Make what was written durable against power loss, where the sink can. Raises `SinkError`."""
        if isinstance(self.sink, Syncs):
            self.sink.sync()

    def make(self, step: Step, advance: Mapping[str, int]) -> None:
        """Make a step that the cycle asks for. Raises whatever the sink does."""
        self.recover()
        self._make(step, advance)

    def pass_over(self, advance: Mapping[str, int]) -> None:
        """Remember positions without a change of the output. Raises as `make`."""
        self.make(Step(_NOTHING), advance)

    def count_damage(self) -> None:
        """Bytes of a journal cannot be read; counted for good, where anything can be written."""
        self.counts().damaged += 1
        with contextlib.suppress(Exception):
            self.pass_over({})

    def recover(self) -> None:
        """Finish the step that is open: of a predecessor that was killed, or our own that failed."""
        intent = self._checkpoint.intents.get(self.key)
        if intent is None:
            return
        data = self._checkpoint.data(intent)
        if data is None:
            raise SinkError("the bytes of an interrupted write cannot be read", path=self._checkpoint.path)
        reach("recover.begin")
        step = msgspec.structs.replace(intent.step, data=data, beside=self._checkpoint.beside(intent))
        try:
            outcome = Outcome() if step.kind == _NOTHING else self._timed(self.sink.recover, step)
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            # Whoever may write the spool may have written it. Its records are read again.
            self._checkpoint.abandon(self.key)
            why = f"{type(error).__name__}: {error}"
            raise SinkError(f"an interrupted step makes no sense and was given up ({why})") from error
        reach("recover.applied")
        self._finish(outcome)
        self._forget_written(intent.advance)

    def try_recover(self, now_mono: float) -> None:
        """`recover`, with a failure kept in `trouble`."""
        try:
            self.recover()
        except Exception as error:
            self._fail(error, now_mono)

    def _forget_written(self, advance: Mapping[str, int]) -> None:
        """Drop from the ready lines what an interrupted step of our own has written after all."""
        self._batch = _NO_BATCH
        if self._ready.rows:
            done = [
                advance.get(p, -1) >= end
                for p, end in zip(self._ready.producers, self._ready.ends, strict=True)
            ]
            kept = [index for index, gone in enumerate(done) if not gone]
            rows, keys, producers, ends = self._ready
            self._ready = Merged(
                [rows[i] for i in kept],
                [keys[i] for i in kept],
                [producers[i] for i in kept],
                [ends[i] for i in kept],
            )

    def _write_ready(self, now_wall: float) -> int:
        written = idle = 0
        while self._ready.rows:
            if not self._batch.lines:
                self._batch = self._render(self._part())
            batch, request = self._batch, self._next_request()
            if request == 0:
                rolled = self.sink.rollover(now_wall) if isinstance(self.sink, Rolls) else None
                self._take(rolled or Step(_NOTHING), 1)
                continue
            step = self.sink.plan(batch if request is None else _first(batch, request), now_wall)
            self._take(step, step.count)
            written += step.count
            idle = 0 if step.count else idle + 1
            if idle == _MOST_STEPS:
                raise SinkError(f"{idle} steps in a row wrote nothing")
        return written

    def _next_request(self) -> int | None:
        """Place of the first request to roll the output among the ready records."""
        if not self._requests:
            return None
        return next((place for place, row in enumerate(self._batch.rows) if row[1] == ROLLOVER), None)

    def _part(self) -> Merged:
        """The ready records that are rendered next: what they take is memory several times over."""
        rows, keys, producers, ends = self._ready
        if self._ready_size <= _PART and not self._stored:
            return self._ready
        size, each, count = 0, self._ready_size // len(rows), 0
        for row in rows:
            size += row[-1].length if type(row[-1]) is Stored else each
            if size > _PART and count:
                break
            count += 1
        return Merged(rows[:count], keys[:count], producers[:count], ends[:count])

    def _take(self, step: Step, count: int) -> None:
        """Make a step that covers the first `count` ready records, and let go of them."""
        advance = dict(zip(self._ready.producers[:count], self._ready.ends[:count], strict=True))
        self._make(step, advance)
        if not count:
            return
        rows, lines = self._batch.rows, self._batch.lines
        if self.publish is not None:
            rows, lines = rows[:count], lines[:count]
        if self._stored:
            self._stored -= sum(type(row[-1]) is Stored for row in self._ready.rows[:count])
        if count == len(self._ready.rows):
            self._batch, self._ready = _NO_BATCH, Merged([], [], [], [])
            self._requests = False
        else:
            self._ready_size -= self._ready_size * count // len(self._ready.rows)
            if count == len(self._batch.lines):
                self._batch = _NO_BATCH
            for values in (*self._batch[:5], *self._ready):
                del values[:count]
        # What fails from here on must not have the records written again.
        self._forget_contexts(advance)
        if self.publish is not None:
            self.publish(rows, lines, count)

    def _forget_contexts(self, advance: Mapping[str, int]) -> None:
        """Of segments whose records are all written: a program may make a new formatter for each record."""
        for producer, end in advance.items():
            tables = self._contexts.get(producer, {})
            if len(tables) > 1:
                segment = unpack_position(end)[0]
                self._contexts[producer] = {of: table for of, table in tables.items() if of >= segment}
        if len(self._by_context) > _MOST_RENDERERS:
            self._by_context.clear()
            gc.collect()  # compiled renderers are cycles, and a collector collects nothing by itself

    def _make(self, step: Step, advance: Mapping[str, int]) -> None:
        counts = msgspec.structs.replace(self._checkpoint.counts(self.key))
        counts.written += step.count
        if self._notices and step.count:
            notices = [row for row in self._ready.rows[: step.count] if row[1] == NOTICE]
            self._notices -= len(notices)
            counts.dropped += sum(row[5] for row in notices)
        self._checkpoint.intend(self.key, step, advance, counts)
        outcome = Outcome() if step.kind == _NOTHING else self._timed(self.sink.apply, step)
        reach("sink.applied")
        self._finish(outcome)

    def _timed(self, act: Callable[[Step], Outcome], step: Step) -> Outcome:
        begin = time.monotonic()
        try:
            return act(step)
        finally:
            self._took = time.monotonic() - begin

    def _finish(self, outcome: Outcome) -> None:
        counts = None
        if outcome.damaged or outcome.rewritten:
            counts = msgspec.structs.replace(self._checkpoint.intents[self.key].counts)
            counts.damaged += outcome.damaged
            counts.rewritten += outcome.rewritten
        self._checkpoint.complete(self.key, counts)
        for text in outcome.notes:
            self._note(f"{self.key}: {text}")

    def _fail(self, error: Exception, now_mono: float) -> None:
        text = (
            str(error) if isinstance(error, (LogboomError, OSError)) else f"{type(error).__name__}: {error}"
        )
        self._batch = _NO_BATCH  # rendered again when it goes on: many targets may wait for one full disk
        if not self.trouble:
            self._failed_at = now_mono
        if text != self.trouble:
            self._note(f"{self.key}: {text}; records wait in the journal")
        self.trouble = text
        self.limit = platform.limit_behind(error)
        # A target that takes long to fail would take the others' time, too.
        took, self._took = self._took, 0.0
        self._retry_at = now_mono + took + min(max(_RETRY_AFTER, 3 * took), _RETRY_WITHIN)

    # -- rendering ---------------------------------------------------------------------------------

    def _render(self, merged: Merged) -> Batch:
        if self._stored:
            merged = merged._replace(rows=self._loaded(merged))
        # Lists of its own: what was delivered is taken off the batch and off what is ready.
        rows, keys, producers, ends = merged
        lines = self._lines(merged)
        return Batch(lines, keys[:], rows[:], producers[:], ends[:], self._context, self._origin)

    def _origin(self, producer: str) -> tuple[int | None, str | None]:
        return self.origins.get(producer, (None, None))

    def _lines(self, merged: Merged) -> list[bytes]:
        try:
            return self._rendered(merged)
        except Exception:  # memory, perhaps, for all of them at once
            return [
                self._alone(producer, row)
                for producer, row in zip(merged.producers, merged.rows, strict=True)
            ]

    def _alone(self, producer: str, row: list[Any]) -> bytes:
        """One record; plainly where its format cannot be applied."""
        try:
            return self._known(producer, row[1])([row])[0]
        except Exception as error:
            return plain_line(row, self._context(producer, row[1]) or _PLAIN, error)

    def _rendered(self, merged: Merged) -> list[bytes]:
        only = self._only_renderer(merged)
        if only is not None:
            return only(merged.rows)
        renderers = self._renderers_of(merged)
        distinct = set(renderers)
        lines: list[bytes] = [b""] * len(renderers)
        for renderer in distinct:
            places = [index for index, own in enumerate(renderers) if own is renderer]
            for place, line in zip(places, renderer([merged.rows[i] for i in places]), strict=True):
                lines[place] = line
        return lines

    def _loaded(self, merged: Merged) -> list[list[Any]]:
        """The rows with all their columns. Raises `OSError` when one cannot be read now."""
        rows = list(merged.rows)
        for place, row in enumerate(rows):
            if type(row[-1]) is Stored:
                length = row[-1].length
                loaded = self._load(merged.producers[place], merged.ends[place], length)
                if loaded is None:
                    said = f"1 record of {length:,} bytes is missing: its journal was removed or damaged"
                    loaded = [row[0], NOTICE, _WARNING, "logboom", said, 0]
                rows[place] = loaded
        return rows

    def _only_renderer(self, merged: Merged) -> Renderer | None:
        """The renderer that all these records have, as is usual; None when they may differ."""
        numbers = set(map(_number, merged.rows))
        self._requests = ROLLOVER in numbers
        if self._requests or NOTICE in numbers:
            return None
        found = {
            self._known(producer, number)
            for producer in set(merged.producers)
            for number in numbers
            if self._context(producer, number) is not None
        }
        return found.pop() if len(found) == 1 else None

    def _known(self, producer: str, number: int) -> Renderer:
        renderer = self._by_context.get((producer, number))
        if renderer is None:
            renderer = self._by_context[producer, number] = self._renderer(producer, number)
        return renderer

    def _renderers_of(self, merged: Merged) -> list[Renderer]:
        numbers = map(_number, merged.rows)
        return [
            self._known(producer, number) for producer, number in zip(merged.producers, numbers, strict=True)
        ]

    def _renderer(self, producer: str, number: int) -> Renderer:
        """One renderer for all contexts that say the same, whatever their producer and number."""
        if number == NOTICE:
            latest = self._latest(producer)
            return lambda rows: [render_notice(latest, row[0], row[2], row[3], row[4]) for row in rows]
        if number == ROLLOVER:
            return lambda rows: [b""] * len(rows)
        context = self._context(producer, number)
        assert context is not None
        wanted = msgspec.json.encode(msgspec.structs.replace(context, context=0))
        return _compiled(wanted)

    def _context(self, producer: str, number: int) -> Context | None:
        for table in reversed(self._contexts.get(producer, {}).values()):
            if number in table:
                return table[number]
        return None

    def _latest(self, producer: str) -> Context | None:
        for table in reversed(self._contexts.get(producer, {}).values()):
            if table:
                return table[max(table)]
        return None

    # -- words -------------------------------------------------------------------------------------

    def counts(self) -> Counts:
        return self._checkpoint.counts(self.key)


def _first(batch: Batch, count: int) -> Batch:
    return batch._replace(
        lines=batch.lines[:count],
        times=batch.times[:count],
        rows=batch.rows[:count],
        streams=batch.streams[:count],
        positions=batch.positions[:count],
    )


@functools.lru_cache(maxsize=256)
def _compiled(context: bytes) -> Renderer:
    """The renderer of a context, given as JSON."""
    return renderer_for(msgspec.json.decode(context, type=Context))


def _with_notices(
    rows: list[list[Any]], ends: list[int], dropped: Sequence[tuple[Dropped, int]], now_wall: float
) -> tuple[list[list[Any]], list[int]]:
    """Rows and notices of dropped records in the order of their positions."""
    notices = [
        (end, [min(value.until, now_wall), NOTICE, _WARNING, "logboom", _say(value), value.dropped])
        for value, end in dropped
    ]
    both = sorted([*zip(ends, rows, strict=True), *notices], key=lambda pair: pair[0])
    return [row for _, row in both], [end for end, _ in both]


def _say(value: Dropped) -> str:
    return f"{value.dropped} records dropped: {value.reason}"
