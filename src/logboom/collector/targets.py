"""Which stream is written where, and whose settings are in force there."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

import msgspec

from logboom.collector.pipe import Pipe, Publish
from logboom.collector.runs import Runs
from logboom.journal.layout import Header, pack_position
from logboom.journal.reader import JournalReader, load_row
from logboom.journal.target import Asked, Target
from logboom.platform.clock import Clock
from logboom.sinks.base import Empties, Sink
from logboom.spool.checkpoint import Checkpoint
from logboom.spool.directory import Spool, places_of

__all__ = ["MakeSink", "Targets"]

_IDLE_TARGET: Final = 60.0
_MOST_TARGETS: Final = 500
MakeSink = Callable[[Asked, Callable[[str], None]], Sink]


class Targets:
    """The targets of one spool.

    Args:
        spool: the directory.
        checkpoint: what is known of them.
        make_sink: target -> sink; raises `LogboomError` for a target that may not be written.
        clock: where time comes from.
        note: takes a sentence for the collector's log.
        publish: is shown what was written (see `Pipe`).

    Attributes:
        pipes: by key, those that can be written.
        home: producer -> key of its target, once that is known and can be written.
        others: producer -> homes of the other collectors that deliver the stream as well.
        elsewhere: homes of collectors that deliver streams which are none of this one's.
        refused: key -> why it may not be written.
        stalled: producer -> key of a target that could not be made ready for it.
        readers: the streams that there are, by producer.
    """

    def __init__(
        self,
        spool: Spool,
        checkpoint: Checkpoint,
        make_sink: MakeSink,
        clock: Clock,
        note: Callable[[str], None],
        publish: Publish | None = None,
    ) -> None:
        self.pipes: dict[str, Pipe] = {}
        self.home: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.stalled: dict[str, str] = {}
        self.others: dict[str, tuple[Path, ...]] = {}
        self.elsewhere: dict[str, tuple[Path, ...]] = {}
        self.readers: Mapping[str, JournalReader] = {}
        self.runs = Runs(spool.root, clock)
        self._spool = spool
        self._checkpoint = checkpoint
        self._make_sink = make_sink
        self._clock = clock
        self._note = note
        self._publish = publish
        self._used: dict[str, float] = {}
        self._told: set[frozenset[str]] = set()
        self._dismiss_oldest()

    def pipe_of(self, producer: str) -> Pipe | None:
        """Where a stream's records go; None while it is not admitted."""
        return self.pipes.get(self.home.get(producer, ""))

    def asked(self, header: Header) -> Asked | None:
        """What the stream asks of this collector; None when that is nothing."""
        places = places_of(header, self._spool.root)
        return next((asked for asked, home in places if home == self._spool.path), None)

    def admit(self, reader: JournalReader) -> bool:
        """Make ready what a stream asks for: open the file, and empty it when a run of mode `w` begins.

        False while it cannot be written: the records wait in the journal.
        """
        name = reader.producer
        if name not in self.home and reader.header is not None:
            asked = self.asked(reader.header)
            homes = tuple(home for _, home in places_of(reader.header, self._spool.root))
            if asked is None:
                self.elsewhere[name] = homes
                return False
            if len(homes) > 1:
                self.others[name] = tuple(home for home in homes if home != self._spool.path)
            key = self.home[name] = asked.key
            try:
                self._configure(key, reader, asked)
            except Exception as error:  # whatever it is, it is this target's own trouble
                del self.home[name]
                self.stalled[name] = key
                self._note(f"{key}: {error}; records wait in the journal")
                return False
            self.stalled.pop(name, None)
        return self.pipe_of(name) is not None

    def forget(self, producer: str) -> None:
        """Nothing of the stream is left."""
        self.stalled.pop(producer, None)
        self.others.pop(producer, None)
        pipe = self.pipes.get(self.home.pop(producer, ""))
        if pipe is not None:
            pipe.forget(producer)

    def failing(self) -> list[str]:
        """Targets that cannot be written now."""
        troubled = (key for key, pipe in self.pipes.items() if pipe.trouble)
        return list(dict.fromkeys([*self.refused, *troubled, *self.stalled.values()]))

    def unwritable(self, seconds: float) -> Collection[str]:
        """Streams of targets that could not be written for so long, or may not be."""
        now = self._clock.monotonic()
        failing = {key for key, pipe in self.pipes.items() if pipe.given_up(now, seconds)}
        failing.update(self.refused, self.stalled.values())
        return {name for name, key in self.home.items() if key in failing} if failing else ()

    def reopen(self) -> None:
        """Open what the checkpoint has an interrupted step of, and try again what was refused."""
        for key in [*self._checkpoint.intents, *self.refused]:
            target = self._checkpoint.targets.get(key)
            if target is not None and key not in self.pipes:
                self._open(key, target)

    def close_idle(self, now_mono: float, busy: Collection[str]) -> None:
        """Let go of a file that nobody has logged to for a while: who deletes it then has deleted it."""
        busy = {*busy, *self.home.values()}
        for key, pipe in list(self.pipes.items()):
            if key in busy or pipe.backlog or pipe.trouble or key in self._checkpoint.intents:
                self._used[key] = now_mono
            elif now_mono - self._used.setdefault(key, now_mono) > _IDLE_TARGET:
                try:
                    if pipe.target.synced:
                        pipe.sync()
                    pipe.sink.close()
                except Exception as error:
                    self._note(f"{key}: {error}")
                    self._used[key] = now_mono
                    continue
                self._checkpoint.release(key)
                del self.pipes[key], self._used[key]

    def close(self) -> None:
        """Give up descriptors; nothing is lost by it."""
        for pipe in self.pipes.values():
            with contextlib.suppress(Exception):
                pipe.sink.close()

    # -- settings ----------------------------------------------------------------------------------

    def _configure(self, key: str, reader: JournalReader, asked: Asked) -> None:
        now = self._clock.wall()
        # One of the future that was met before is not the newest again.
        target = _not_ahead(asked, now, 0.0 if reader.producer in self._checkpoint.positions else now)
        known = self._checkpoint.targets.get(key)
        if known is not None and known.configured > now:
            known = self._put_in_force(key, _not_ahead(known, now, now))
        since = -1.0 if known is None else known.configured
        begins = isinstance(target, Target) and target.mode == "w" and target.configured > since
        if key not in self.pipes:
            newest = target if known is None or since <= target.configured else known
            if newest != known:  # a run that begins is recorded once it has begun
                self._checkpoint.configure(key, _at(newest, since) if begins else newest)
            self._open(key, newest)
        pipe = self.pipes.get(key)
        if pipe is None:
            return
        self._compare(pipe, target)
        if begins and isinstance(asked, Target):
            self._begin_anew(pipe, reader, asked)
        if begins or target.configured > pipe.target.configured:
            self._put_in_force(key, target)

    def _put_in_force(self, key: str, target: Asked) -> Asked:
        self._checkpoint.configure(key, target)
        pipe = self.pipes.get(key)
        if pipe is not None and pipe.target != target:
            pipe.configure(target)
        return target

    def _compare(self, pipe: Pipe, target: Asked) -> None:
        """Say once, in whatever order they are met, that two processes ask for different settings."""
        if target == pipe.target:
            return
        pair = frozenset(str(one.settings()) for one in (pipe.target, target))
        if len(pair) > 1 and pair not in self._told:
            self._told.add(pair)
            self._note(f"{pipe.key}: settings differ between processes; those of the newest one are in force")

    def _open(self, key: str, target: Asked) -> None:
        try:
            sink = self._make_sink(target, self._note)
        except Exception as error:
            if self.refused.get(key) != str(error):
                self.refused[key] = str(error)
                self._note(f"{key}: {error}; its records wait in the journal")
            return
        self.refused.pop(key, None)
        load = functools.partial(load_row, self._spool)
        pipe = self.pipes[key] = Pipe(key, target, sink, self._checkpoint, self._note, load)
        pipe.publish = self._publish

    def _dismiss_oldest(self) -> None:
        targets = self._checkpoint.targets
        oldest = sorted(targets, key=lambda key: targets[key].configured)
        self._checkpoint.dismiss(oldest[: max(0, len(oldest) - _MOST_TARGETS)])

    # -- mode `w` ----------------------------------------------------------------------------------

    def _begin_anew(self, pipe: Pipe, reader: JournalReader, target: Target) -> None:
        """Mode `w`: the first process of a run empties the file, once; that it was met is remembered.

        Forked children have their parent's `configured`, and are of its run.
        """
        if reader.producer in self._checkpoint.positions:
            return
        met = {reader.producer: pack_position(1, 0)}
        if self._is_shared(pipe, reader, target) or not self._may_empty(pipe, target, pipe.newest):
            pipe.pass_over(met)
            return
        pipe.write(self._clock.wall(), self._clock.monotonic(), ready=math.inf, floor=None)
        if isinstance(pipe.sink, Empties):
            pipe.make(pipe.sink.truncate(), met)

    def _is_shared(self, pipe: Pipe, reader: JournalReader, run: Target) -> bool:
        """Whether a living process of another run may have records in the file, or waiting to be written."""
        return any(self._may_have(other, pipe, run) for other in self.readers.values() if other is not reader)

    def _may_have(self, reader: JournalReader, pipe: Pipe, run: Target) -> bool:
        """Of a stream that cannot be read nobody knows that it has not."""
        if reader.gone:
            return False
        try:
            if reader.header is None:
                reader.peek()
            target = None if reader.header is None else self.asked(reader.header)
            if reader.header is not None and (
                not isinstance(target, Target)
                or target.key != pipe.key
                or target.configured == run.configured
                or self._begins(reader, pipe, target)
            ):
                return False
            newest = self._spool.listing(fresh=False).get(reader.producer, [0])[-1]
            return not self._spool.owner_gone(self._spool.open_segment(reader.producer, newest))
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def _begins(self, reader: JournalReader, pipe: Pipe, target: Target) -> bool:
        """Whether a stream was not met before, and all that is in the file is older than its program."""
        met = reader.producer in self._checkpoint.positions
        return not met and self._may_empty(pipe, target, -math.inf)

    def _may_empty(self, pipe: Pipe, target: Target, pending: float) -> bool:
        return self.runs.may_empty(target, pending, known=pipe.counts().written > 0)


def _not_ahead(target: Asked, now: float, instead: float) -> Asked:
    """Made under a clock that was ahead, it would be the newest configuration until that time has come."""
    return target if target.configured <= now else _at(target, instead)


def _at(target: Asked, configured: float) -> Asked:
    return msgspec.structs.replace(target, configured=configured)
