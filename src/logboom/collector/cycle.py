"""One step of the collector: read, admit, merge, render, intend, write, reclaim."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

from logboom import platform
from logboom.collector.flushing import FlushMark
from logboom.collector.holding import ready_until
from logboom.collector.journals import JournalsSource
from logboom.collector.pipe import Pipe, Publish
from logboom.collector.targets import MakeSink, Targets
from logboom.journal.layout import FORMAT, Header, pack_position
from logboom.journal.prune import prune
from logboom.journal.reader import JournalReader
from logboom.platform.clock import Clock
from logboom.platform.failpoints import reach
from logboom.spool.checkpoint import Checkpoint, read_recorded
from logboom.spool.directory import Spool, homes_in, places_of
from logboom.spool.flushed import Flushed

__all__ = ["Cycle"]

BUDGET: Final = 1024 * 1024
_MOST_HOMES: Final = 50
_AHEAD: Final = 20_000
_AHEAD_BYTES: Final = 8 * 1024 * 1024
_BACKLOG: Final = 50_000
_BACKLOG_BYTES: Final = 8 * 1024 * 1024
_UPKEEP_EVERY: Final = 0.5
_GIVE_UP_HASTILY: Final = 0.1
_GIVE_UP: Final = 0.5  # no descriptors left for a moment is no bad sector, and a killed writer no rival
_STRAYS_EVERY: Final = 600.0
_CLEAR_EVERY: Final = 0.5
_ERASE_EVERY: Final = 20.0


class Cycle:
    """Everything a collector does between two waits.

    Args:
        spool: the directory; the caller holds its lock.
        make_sink: target -> sink; raises `LogboomError` for a target that may not be written.
        clock: where time comes from.
        note: takes a sentence for the collector's log.
        publish: is shown what was written (see `Pipe`).

    Attributes:
        hears_fifo: a living program rings the doorbell of the first release.
        hasty: where one stream alone speaks, wait for nobody (see `ready_until`).
        newer: a segment of a newer release was met: hand over.
        format: of the journals that it can read, at most.
    """

    format: Final = FORMAT

    def __init__(
        self,
        spool: Spool,
        make_sink: MakeSink,
        clock: Clock,
        note: Callable[[str], None],
        publish: Publish | None = None,
    ) -> None:
        self.spool = spool
        self.checkpoint = Checkpoint(spool.path, spool.place.shared)
        self.hasty = False
        self.newer = False
        self.hears_fifo = False
        self._clock = clock
        self._note = note
        self._dropped: dict[str, int] = {}
        self._headless: set[str] = set()  # and they could not be set aside
        self._looked = -math.inf  # when the last look into every stream began
        self._sync_at = 0.0
        self._upkeep_at = 0.0
        self._others_at = 0.0
        self._elsewhere: dict[Path, dict[str, int]] = {}
        self._strays_at = self._clear_at = self._erase_at = 0.0
        self._modes: dict[str, int] = {}  # by target, as its log's own
        self._unsynced = True  # a predecessor that was killed may have written without a sync
        for text in self.checkpoint.notes:
            note(text)
        self._targets = Targets(spool, self.checkpoint, make_sink, clock, note, publish)
        self.pipes = self._targets.pipes
        self._targets.reopen()
        self.source = JournalsSource(spool, self._recover(), clock)
        self._targets.readers = self.source.readers

    # -- one step ----------------------------------------------------------------------------------

    def step(self, *, thorough: bool = False) -> int:
        """Read and write once; returns the number of records read and lines written.

        Args:
            thorough: look into every journal, however idle it was.
        """
        now_wall, now_mono = self._clock.wall(), self._clock.monotonic()
        self._targets.runs.tick(now_wall, now_mono)
        read = self._read(thorough)
        self._looked = now_mono if thorough else self._looked
        # As of before the read: what waited its time by then has been followed by a look at all streams.
        looked = now_wall if thorough else -math.inf
        written = sum(
            self._write(pipe, now_mono, self._ready(pipe, now_mono, looked)) for pipe in self.pipes.values()
        )
        self._unsynced = self._unsynced or written > 0
        self._upkeep(now_mono)
        self._reclaim(now_mono)
        self.checkpoint.tidy()
        return read + written

    def _write(self, pipe: Pipe, now_mono: float, ready: float) -> int:
        unfinished = self._unfinished(pipe)
        floor = pipe.merge.floor(unfinished) if unfinished else None
        written = pipe.write(self._clock.wall(), now_mono, ready=ready, floor=floor)
        if written:
            self._targets.runs.wrote(pipe.key)
        return written

    def _ready(self, pipe: Pipe, now_mono: float, looked: float) -> float:
        """Until when records of the pipe need not be held back."""
        if not pipe.merge.pending:
            return -math.inf
        streams = {
            name: reader
            for name, reader in self.source.readers.items()
            if self._targets.home.get(name, pipe.key) == pipe.key and name not in self._targets.stalled
        }
        return ready_until(pipe.merge, streams, now_mono, self.source.listed, looked, hasty=self.hasty)

    def flush_mark(self) -> FlushMark:
        """A mark for everything that is committed now; then take thorough steps until it is reached."""
        now, listing = self._clock.monotonic(), self.spool.segments()
        return FlushMark(now, {name: pack_position(numbers[-1] + 1, 0) for name, numbers in listing.items()})

    def is_flushed(self, mark: FlushMark) -> bool:
        """After a step: whether everything committed before `mark` is in the files.

        Streams that cannot be read, and those of targets that cannot be written, are left out; see `failing`.
        """
        readers = self.source.readers
        patience = _GIVE_UP_HASTILY if self.hasty else _GIVE_UP
        excluded = {*self._targets.unwritable(patience), *self.source.unreadable(patience)}
        if self._looked >= mark.began:  # a step that left streams out says nothing of them
            mark.observe(readers, self._clock.monotonic(), excluded)
        return mark.is_reached(readers, self.checkpoint.positions, excluded)

    def progress(self) -> Flushed:
        """How far each stream is delivered."""
        patience = _GIVE_UP_HASTILY if self.hasty else _GIVE_UP
        excluded = {*self._targets.unwritable(patience), *self.source.unreadable(patience)}
        flushed = Flushed()
        for name, reader in self.source.readers.items():
            home = self._targets.home.get(name, "")
            if name in excluded or home not in self.pipes:
                flushed.skipped[name] = home or self._targets.stalled.get(name, "")
            delivered = self.checkpoint.positions.get(name, 0)
            if delivered >= reader.last and name not in flushed.skipped:
                delivered = pack_position(reader.segment + 1, 0) if reader.gone else reader.position
            flushed.through[name] = delivered
        return flushed

    @property
    def limited(self) -> str:
        """The limit of this process that keeps it from writing or reading, or an empty string."""
        limits = [pipe.limit for pipe in self.pipes.values()]
        limits += map(platform.limit_behind, self.source.errors.values())
        return next(filter(None, limits), "")

    def write_all(self) -> None:
        """Write what was read, now: nothing more is read. What fails is noted, and lost with us alone."""
        for pipe in self.pipes.values():
            pipe.try_again()
            pipe.write(self._clock.wall(), self._clock.monotonic(), ready=math.inf, floor=None)

    def holdback(self) -> float:
        """Seconds that a record waits for earlier ones of other streams, at most."""
        return max((pipe.merge.window for pipe in self.pipes.values()), default=0.0)

    def failing(self) -> list[str]:
        """Targets that cannot be written now, or of which records cannot be read.

        Of a stream that never could be read the target is not known: its own name stands for it.
        """
        home = self._targets.home
        unread = (home.get(name, name) for name in self.source.errors)
        return list(dict.fromkeys([*self._targets.failing(), *unread]))

    def living(self) -> bool:
        """Whether any stream may still be written to."""
        return any(
            not reader.gone and name not in self._headless for name, reader in self.source.readers.items()
        )

    def burying(self) -> bool:
        """Return True while what dead streams left is still to be removed."""
        return self.source.burying()

    def idle_pause(self) -> float:
        """Seconds between two steps while nobody logs."""
        return self.source.idle_pause

    def seen(self) -> set[tuple[str, int]]:
        """Producer and number of every segment that was there at the last look."""
        listing = self.spool.listing(fresh=False)
        return {(producer, number) for producer, numbers in listing.items() for number in numbers}

    def linger(self) -> float:
        """Seconds to stay without producers: the longest that a target asks for."""
        return max((pipe.target.linger for pipe in self.pipes.values()), default=1.0)

    def unwritten(self) -> str:
        """About how much waits, in words; what is in the journal is not read for it."""
        return (
            f"{self.backlog:,} records that were read, up to {self.spool.used_bytes():,} bytes of the journal"
        )

    @property
    def backlog(self) -> int:
        """Records that were read and are not written, and interrupted steps."""
        return sum(pipe.backlog for pipe in self.pipes.values()) + len(self.checkpoint.intents)

    @property
    def exhausted(self) -> bool:
        """Whether the last step read everything there was."""
        troubled = {key for key, pipe in self.pipes.items() if pipe.trouble}
        return all(self._targets.home.get(name) in troubled for name in self.source.unfinished())

    def close(self) -> None:
        """Give up descriptors; nothing is lost by it."""
        synced = [key for key, pipe in self.pipes.items() if pipe.target.synced]
        self.checkpoint.clear(synced if self._unsynced else ())
        self._targets.close()
        self.source.close()
        self.checkpoint.close()

    def _recover(self) -> dict[str, int]:
        """Finish what a predecessor began; returns where to read on.

        A step that cannot be finished yet (a full disk) will be, from its own bytes: its records are
        not read again.
        """
        positions: dict[str, int] = {}
        for key, intent in list(self.checkpoint.intents.items()):
            if self.checkpoint.data(intent) is None:
                self._note(f"{key}: the bytes of an interrupted write are damaged: those records come again")
                self.checkpoint.abandon(key)
            elif key in self.pipes:
                self.pipes[key].try_recover(self._clock.monotonic())
        positions.update(self.checkpoint.positions)
        for intent in self.checkpoint.intents.values():
            positions.update(intent.advance)
        return positions

    # -- reading -----------------------------------------------------------------------------------

    def _read(self, thorough: bool) -> int:
        read = self._poll(thorough, self._ahead() | self._held_up())
        admitted = [reader.producer for reader in self.source.met if self._admit(reader)]
        if admitted:
            read += self._poll(thorough, self.source.readers.keys() - admitted)
        self.hears_fifo = False
        for reader in self.source.readers.values():
            self.newer = self.newer or reader.newer
            if reader.header is not None and reader.header.bell < 2 and not reader.gone:
                self.hears_fifo = True
            if reader.damaged:
                self._report_damage(reader)
        for name, error in self.source.errors.items():
            self._note(f"{name} cannot be read: {error.strerror or error}; its records wait in the journal")
        return read

    def _poll(self, thorough: bool, skip: Collection[str]) -> int:
        read = 0
        for reader, chunk in self.source.poll(BUDGET, thorough=thorough, skip=skip, memory=_AHEAD_BYTES):
            pipe = self._targets.pipe_of(reader.producer)
            self._report_damage(reader)
            if pipe is None:
                continue  # it is headless
            read += len(chunk.rows) + len(chunk.dropped)
            for value, _ in chunk.dropped:
                self._dropped[reader.producer] = self._dropped.get(reader.producer, 0) + value.dropped
            if reader.header is not None:
                pipe.origins[reader.producer] = reader.header.pid, reader.header.program
            pipe.add(reader.producer, reader.contexts, chunk, self._clock.wall(), self._clock.monotonic())
        return read

    def _admit(self, reader: JournalReader) -> bool:
        """Make ready what a stream asks for, and have it read; else its records wait in the journal."""
        if self._targets.admit(reader):
            self.source.admit(reader.producer, shared=reader.producer in self._targets.others)
            return True
        if reader.producer in self._targets.elsewhere:
            self.source.ignore(reader.producer)
        reader.exhausted = True
        return False

    def _ahead(self) -> set[str]:
        """Streams read further than the merge can use now: more would only fill the memory."""
        readers = self.source.readers
        most = max(200, _AHEAD // max(1, len(readers)))
        size = _AHEAD_BYTES // max(1, len(readers))
        return {
            name
            for pipe in self.pipes.values()
            for name in pipe.merge.above(most, size)
            if not readers[name].exhausted
        }

    def _held_up(self) -> set[str]:
        """Streams of targets that cannot be written, once enough of their records is in the memory."""
        troubled = {key: pipe for key, pipe in self.pipes.items() if pipe.trouble}
        most, size = _BACKLOG // max(1, len(troubled)), _BACKLOG_BYTES // max(1, len(troubled))
        full = {key for key, pipe in troubled.items() if pipe.backlog > most or pipe.size > size}
        held_up = {name for name, key in self._targets.home.items() if key in full}
        for name in held_up:
            self.source.readers[name].exhausted = False  # nobody looked
        return held_up

    def _unfinished(self, pipe: Pipe) -> list[str]:
        return [name for name in self.source.unfinished() if self._targets.home.get(name) == pipe.key]

    # -- keeping house -----------------------------------------------------------------------------

    def _upkeep(self, now_mono: float) -> None:
        if now_mono < self._upkeep_at:
            return
        if now_mono >= self._strays_at:
            self._strays_at = now_mono + _STRAYS_EVERY
            self.spool.remove_strays(self._clock.wall())
        busy = {key for key, pipe in self.pipes.items() if pipe.upkeep(self._clock.wall(), now_mono)}
        self._upkeep_at = now_mono + (0.0 if busy else _UPKEEP_EVERY)
        self._targets.close_idle(now_mono, busy)
        self._targets.reopen()
        self._follow_modes()
        self._set_headless_aside()

    def _set_headless_aside(self) -> None:
        """What nobody can know the log of waits for a person, and must not keep the collector."""
        self._headless = set(self.source.headless())
        for name in list(self._headless):
            moved = self.source.set_aside(name)
            place = self.spool.damaged.path if moved else self.spool.journal_path
            self._note(
                f"{name}: its header is destroyed, its log not known; `logboom inspect` reads it in {place}"
            )
            if moved:
                self._headless.discard(name)
                self.checkpoint.forget([name])
                self._forget(name)

    def _reclaim(self, now_mono: float) -> None:
        positions, undurable = self._delivered_everywhere(now_mono), self._undurable(now_mono)
        if undurable:
            home = self._targets.home
            positions = {name: end for name, end in positions.items() if home.get(name) not in undurable}
        self._remove_text(now_mono, positions, undurable)
        reach("cycle.reclaim")
        finished = self.source.reclaim(positions, now_mono)
        if not finished:
            return
        reach("cycle.reclaimed")
        self.checkpoint.forget(finished)
        for producer in finished:
            self._forget(producer)

    def _delivered_everywhere(self, now_mono: float) -> Mapping[str, int]:
        """How far each stream is delivered by all of its sinks: before that, its segments may go."""
        others = self._targets.others
        if not others:
            return self.checkpoint.positions
        if now_mono >= self._others_at:
            self._others_at = now_mono + _UPKEEP_EVERY
            named = {home for homes in others.values() for home in homes}
            self._elsewhere = {home: read_recorded(home).positions for home in named}
        delivered = dict(self.checkpoint.positions)
        for name, homes in others.items():
            if self.spool.listing(fresh=False).get(name):  # else another one has seen all of them through
                theirs = (self._elsewhere.get(home, {}).get(name, 0) for home in homes)
                delivered[name] = min(delivered.get(name, 0), *theirs)
        return delivered

    def elsewhere(self) -> set[Path]:
        """Homes of other collectors that have streams to deliver in this spool, as programs have made them.

        Whoever may write a segment must not thereby have a process started for each of its bytes.
        """
        listing, foreign = self.spool.listing(fresh=False), self._targets.elsewhere
        for name in [name for name in foreign if name not in listing]:
            del foreign[name]
        named = {home for homes in (*foreign.values(), *self._targets.others.values()) for home in homes}
        made = homes_in(self.spool.root)[:_MOST_HOMES] if named else []
        return named.intersection(made) - {self.spool.path}

    def _remove_text(self, now_mono: float, positions: Mapping[str, int], undurable: Collection[str]) -> None:
        """Delivered records belong to the log, which has a retention of its own: nothing else keeps them."""
        if now_mono >= self._clear_at:
            self._clear_at = now_mono + _CLEAR_EVERY
            self.checkpoint.clear(undurable)
        if now_mono >= self._erase_at:
            self._erase_at = now_mono + _ERASE_EVERY
            self.source.erase(positions)

    def _follow_modes(self) -> None:
        """Who may not read a log any more may not read its records in the spool."""
        known, self._modes = self._modes, {}
        for key, pipe in self.pipes.items():
            mode = self._modes[key] = self.spool.segment_mode(pipe.target)
            if known.get(key) != mode:
                if key in known:
                    self.checkpoint.release(key)
                self.source.give_modes(key)

    def _forget(self, producer: str) -> None:
        self._dropped.pop(producer, None)
        self._targets.forget(producer)

    def _undurable(self, now_mono: float) -> set[str]:
        """Targets of which what is delivered is not durable, though it was asked for: their segments stay."""
        synced = {key for key, pipe in self.pipes.items() if pipe.target.synced}
        if not self._unsynced or not synced:
            return set()
        if now_mono < self._sync_at:
            return synced
        failed = self._sync_sinks()
        errors = [str(error) for key, error in failed.items() if key in synced]
        if not errors:
            try:
                self.checkpoint.sync()
            except OSError as error:
                errors = [str(error)]
        for text in errors:
            self._note(f"{text}; the journal is kept")
        self._unsynced = bool(errors)
        self._sync_at = now_mono + _UPKEEP_EVERY if errors else self._sync_at
        return synced if errors else set()

    def _sync_sinks(self) -> dict[str, Exception]:
        """What failed, by target; such a sink goes on in a new file, so it must live on."""
        failed: dict[str, Exception] = {}
        for key, pipe in self.pipes.items():
            try:
                pipe.sync()
            except Exception as error:
                failed[key] = error
        return failed

    def prune(self, room: int) -> None:
        """Give up the oldest records that nobody has read yet, for `room` bytes of the spool."""
        reading = {name: reader.segment for name, reader in self.source.readers.items()}
        dropped = prune(self.spool, self.checkpoint.positions, reading, room, self._is_ours_alone)
        if dropped:
            self._note(f"the spool was full: {dropped} of the oldest records dropped")

    def _is_ours_alone(self, header: Header) -> bool:
        return [home for _, home in places_of(header, self.spool.root)] == [self.spool.path]

    def sync(self) -> None:
        """Output first, then the checkpoint: a position that survives a power loss is true."""
        for error in self._sync_sinks().values():
            raise error
        self.checkpoint.sync()

    def _report_damage(self, reader: JournalReader) -> None:
        for damage in reader.take_damaged():
            name = f"{reader.producer}-{damage.segment}-{damage.offset}"
            if damage.torn or self.spool.damaged.has(name):  # a predecessor met it, too
                continue
            pipe = self.pipes.get(self._targets.home.get(reader.producer, ""))
            if pipe is not None:
                pipe.count_damage()
            where = f"{reader.producer}-{damage.segment} byte {damage.offset}, {damage.length} bytes"
            self._note(f"damaged journal: {where}; kept in {self.spool.damaged.path}")
            self.spool.damaged.put(name, damage.data)

    # -- words -------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Values for `status.json`."""
        return {
            "time": time.time(),
            "producers": [self._producer_status(reader) for reader in self.source.readers.values()],
            "sinks": {
                key: pipe.sink.status() | {"trouble": pipe.trouble} for key, pipe in self.pipes.items()
            },
            "refused": self._targets.refused,
            "failing": self.failing(),
            "totals": {key: pipe.counts() for key, pipe in self.pipes.items()},
            "backlog": self.backlog,
        }

    def _producer_status(self, reader: JournalReader) -> dict[str, Any]:
        header = reader.header
        return {
            "producer": reader.producer,
            "pid": None if header is None else header.pid,
            "program": "" if header is None else header.program,
            "target": self._targets.home.get(reader.producer, ""),
            "alive": not reader.gone,
            "position": reader.position,
            "dropped": self._dropped.get(reader.producer, 0),
        }
