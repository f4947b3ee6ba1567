"""What a handler does when a record cannot take the shortest way.

Owns: the renewal of the state that an append needs (first record, fork, roll, the next second),
what is dropped and how that is said, waiting for delivery. Never knows: `logging.Handler`, sinks,
the collector's insides.

The shortest way is in `handlers/base.py`: when the state (`Live`) still holds, a record is encoded and
appended with nothing between. Everything here happens at most once a second, or when a segment is full.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import os
import sys
import threading
import weakref
from pathlib import Path
from typing import Final

import msgspec

from logboom import platform
from logboom.errors import ConfigurationError, LogboomError, SpoolError, SpoolFullError
from logboom.journal import streams
from logboom.journal.layout import FORMAT, ROLLOVER
from logboom.journal.segment import Segment
from logboom.journal.target import Asked, Target
from logboom.journal.writer import JournalWriter
from logboom.platform import clock
from logboom.platform.process import this_process
from logboom.producer import lifecycle
from logboom.producer.contexts import Context, Contexts, PlanOptions
from logboom.producer.left import keep_no_watch, left_in, when_dropped
from logboom.producer.live import NOT_LIVE, Live
from logboom.producer.options import Options
from logboom.producer.room import Drops, Room
from logboom.records.plan import stamp_of
from logboom.spool import launch
from logboom.spool.allowed import allow
from logboom.spool.directory import Spool, home_of, make_home

__all__ = ["NOT_LIVE", "Live", "Producer"]

_RETRY_AFTER: Final = 0.25
_TRIES: Final = (
    20  # other threads may fill a new segment; one that is cut short by a limit takes no line ever
)
_LOOK_EVERY: Final = 1.0
_JUST_NOW: Final = 0.25
_IN_VAIN: Final = 10


def _check_name(target: Asked) -> None:
    """The journal is JSON: a name of bytes that are no UTF-8 would lose every record, with the first one."""
    try:
        target.key.encode()
    except UnicodeEncodeError:
        said = target.key.encode("utf-8", "backslashreplace").decode()
        hint = "Use a name in UTF-8; without spool= that of its directory does not matter"
        raise ConfigurationError("the name of the log file is not UTF-8", path=said, hint=hint) from None


class Producer:
    """One handler's road into the journal.

    Args:
        target: the sink of its records.
        options: the handler's own options.
        spool: path of the spool directory; made at the first record.
        terminator: what ends a record in the output.
        more: further sinks of the same records.

    Raises:
        ConfigurationError: the name of the output cannot be said in a journal.
    """

    def __init__(
        self,
        target: Asked,
        options: Options,
        spool: Path,
        terminator: str = "\n",
        more: tuple[Asked, ...] = (),
    ) -> None:
        sinks = (target, *more)
        for asked in sinks:
            _check_name(asked)
        self.target = target
        self.more = more
        # Where the collector of each sink is to be found, and what it calls the sink.
        self.homes = [(home_of(spool, asked, number), asked.key) for number, asked in enumerate(sinks)]
        self.options = options
        self.spool_path = spool
        self.terminator = terminator
        self.live = NOT_LIVE
        self._writer: JournalWriter | None = None
        self._stream = self._named_stream()
        self._contexts = Contexts(functools.partial(Producer._plan_options, weakref.proxy(self)))
        self._mark = this_process.mark()
        self._looked = -math.inf
        self._started: dict[Path, int] = {}  # collectors, since one was last seen alive
        self._full_until = -math.inf
        self.drops = Drops()
        self._room = Room(self.homes[0][0], options)
        self._warned: set[str] = set()
        self._flushed: tuple[str, int, int] | None = None
        self._all_flushed_at = -math.inf
        self._synced: tuple[int, int] = (0, 0)
        self._when_dropped: weakref.ref[object] | None = None
        self._collecting: set[int] = set()  # threads that do
        self._collect_again = False
        if options.collector == "off":  # not at the first record: a thread that imports while another forks
            launch.import_collector()

    @property
    def close_timeout(self) -> float:
        return self.options.close_timeout

    def _named_stream(self) -> tuple[object, ...]:
        """What tells the streams of this process apart."""
        settings = ((asked.key, str(asked.settings())) for asked in (self.target, *self.more))
        return (self.spool_path, self.options, *settings)

    def retarget(self, target: Target) -> None:
        """Ask for other settings from now on; what was logged before is in the file first."""
        if self._writer is not None and self._mark[0]:
            self.wait(clock.monotonic() + self.options.flush_timeout)
            streams.leave(self._stream, id(self))
            if self._when_dropped is not None:
                keep_no_watch(self._when_dropped)
        self._writer, self._flushed, self.live = None, None, NOT_LIVE
        self.target = target
        self._stream = self._named_stream()

    # -- appending ---------------------------------------------------------------------------------

    def append(self, record: logging.LogRecord, formatter: logging.Formatter | None) -> None:
        """Append `record`, whatever that needs; drops it, counted, when there is no room.

        Raises:
            Exception: what the formatter raises.
        """
        if not self._mark[0]:
            self.forget()
        created = stamp_of(getattr(record, "created", None))
        context = self._contexts.of(formatter, created)
        looked = self._look()
        try:
            line = context.encode(record)
        except Exception:
            finished = self._contexts.finished(formatter)
            taken = self.put(finished.encode(record), finished)
        else:
            taken = self.put(line, context)
            self._publish(created, context)
        if self.options.fsync_level is not None and record.levelno >= self.options.fsync_level:
            self._sync(taken)
        if looked:
            self._ensure_collector()

    def put(self, line: bytes, context: Context) -> Segment | None:
        """Append a line that may name `context`; the segment that took it, None when it was dropped."""
        try:
            return self._write(line, context)
        except (LogboomError, OSError) as error:
            self._drop(error)
            return None

    def append_full(self, line: bytes, live: Live, created: float) -> None:
        """`live` does not hold any more, or its segment refused `line`: go on in the one that is right."""
        if live.context is None:
            return
        looked = False
        if not self._mark[0]:
            self.forget()
            looked = self._look()
        self.put(line, live.context)
        self._publish(created, live.context)
        if looked:
            self._ensure_collector()

    def roll_over(self, deadline: float) -> None:
        """Ask for a rollover of the output behind what was logged here, and wait for it until `deadline`."""
        if not self._mark[0]:
            self.forget()
        if self._look():
            self._ensure_collector()
        context = self._contexts.requests()
        self.put(msgspec.json.encode([stamp_of(None), ROLLOVER, 0, "logboom"]) + b"\n", context)
        self.wait(deadline)

    def _write(self, line: bytes, context: Context) -> Segment:
        writer = self._writer or self._open()
        segment = writer.segment
        for _ in range(_TRIES):
            if segment is None or not segment.mark[0]:
                segment = self._roll(writer, segment, len(line))
                continue
            try:
                if context.number not in segment.stated:
                    segment.write(context.line)
                    segment.stated.add(context.number)
                segment.write(line)
                return segment
            except ValueError:
                segment = self._roll(writer, segment, len(line))
        raise SpoolFullError(f"no segment takes {len(line)} bytes", path=self.spool_path)

    def _roll(self, writer: JournalWriter, old: Segment | None, room: int) -> Segment | None:
        lifecycle.register_process()
        if clock.monotonic() < self._full_until:
            raise SpoolFullError(self.drops.reason, path=self.spool_path)
        if self.options.fsync_level is not None:
            self._sync(old)
        if old is not None and old is writer.segment and old.mark[0] and not old.is_linked():
            self._say_removed(old)
        stated = self._contexts.lines()
        writer.mode = Spool(self.spool_path).segment_mode(self.target)  # the log's own may have changed
        try:
            segment = writer.roll(old, stated, room)
        except LogboomError:
            if not self._room.is_full:  # that has a pace of its own, and each caller its own wait
                self._full_until = clock.monotonic() + _RETRY_AFTER
            raise
        if segment is not None:
            self.drops.say(segment.write)
        return segment

    def _open(self) -> JournalWriter:
        if clock.monotonic() < self._full_until:
            raise SpoolError(self.drops.reason, path=self.spool_path)
        try:
            spool = self._make_spool()
            mapped = platform.mapping_is_safe(platform.filesystem_of(spool.path))
        except OSError as error:
            self._full_until = clock.monotonic() + _RETRY_AFTER
            self.drops.reason = getattr(error, "message", "") or str(error)
            if isinstance(error, SpoolError):
                raise
            raise SpoolError(str(error), path=self.spool_path) from error
        if os.environ.get("LOGBOOM_JOURNAL", "") == "write":
            mapped = False
        make = functools.partial(JournalWriter, spool.journal_path, self.target, mapped=mapped)
        self._writer = streams.join(
            self._stream,
            id(self),
            lambda: make(
                mode=spool.segment_mode(self.target, *self.more), more=self.more, admit=self._room.admit
            ),
        )
        lifecycle.register(self)
        left = [(left_in(home), key) for home, key in self.homes]
        self._when_dropped = when_dropped(self, self._stream, left, self.options, self.drops)
        return self._writer

    def _make_spool(self) -> Spool:
        spool = Spool.create(self.spool_path)
        for asked, (home, _) in zip((self.target, *self.more), self.homes, strict=True):
            named = asked.directory if isinstance(asked, Target) else asked.address
            if named is not None:
                allow(spool.path, named)
            if home != self.spool_path:
                make_home(home)
        return spool

    def _publish(self, created: float, context: Context) -> None:
        """Open the shortest way for the rest of this second."""
        segment = self._writer.segment if self._writer is not None else None
        usual = self.options.collector != "off" and self.options.fsync_level is None
        if segment is None or not usual or context.number not in segment.stated:
            return
        low = math.floor(created)
        self.live = Live(low, low + 1, self._mark, context, segment.write)

    def _plan_options(self) -> PlanOptions:
        return {
            "encoding": self.target.encoding if isinstance(self.target, Target) else "utf-8",
            "errors": self.target.errors if isinstance(self.target, Target) else "backslashreplace",
            "terminator": self.terminator,
            "raw": self.options.raw,
        }

    # -- once a second -----------------------------------------------------------------------------

    def _look(self) -> bool:
        """Is our segment still where a reader finds it? True when it is time to look for a collector, too."""
        now = clock.monotonic()
        if now - self._looked < _LOOK_EVERY and self._writer is not None:
            return False
        self._looked = now
        launch.reap()
        if not self._ensure_open():
            return False
        self._ensure_linked()
        return self.options.starts_collector

    def _ensure_linked(self) -> None:
        """A segment that somebody unlinked or moved is silent: go on in a new one."""
        writer = self._writer
        segment = None if writer is None else writer.segment
        if writer is None or segment is None or not segment.mark[0] or segment.is_linked():
            return
        try:
            self._make_spool()
            self._full_until = -math.inf
            self._roll(writer, segment, 0)
        except OSError as error:
            self.warn(f"the spool is gone and cannot be made again: {error}")

    def _say_removed(self, segment: Segment) -> None:
        """A segment without its name that no collector set aside."""
        if not segment.was_set_aside():
            lacks = "what was not in the file by then is missing"
            self.warn(f"the journal was removed: {lacks} ({self.spool_path})")

    def _ensure_open(self) -> bool:
        try:
            if self._writer is None:
                self._open()
        except LogboomError:
            return False
        return True

    def _ensure_collector(self) -> None:
        """Called behind the record, so that the collector that is rung finds it."""
        for home, _ in self.homes:
            self._ensure_collector_of(home)

    def _ensure_collector_of(self, home: Path) -> None:
        if not launch.lacks_collector(home, FORMAT):
            self._started[home] = 0
            return
        started = self._started.get(home, 0)
        if started >= _IN_VAIN and started % _IN_VAIN:
            self._started[home] = started + 1  # now and then is enough
            return
        launched = launch.start_collector(home)
        self._started[home] = started = started + launched.started
        vain = f"{_IN_VAIN} were started and ended at once"
        trouble = vain if started > _IN_VAIN else launched.trouble
        if trouble:
            self.warn(f"no collector: {trouble}; records wait safely; run: logboom drain {self.spool_path}")

    def warn(self, text: str) -> None:
        """One line on stderr, once a process."""
        if text not in self._warned and sys.stderr is not None:
            self._warned.add(text)
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"logboom: {text}\n")

    # -- dropping ----------------------------------------------------------------------------------

    def _drop(self, error: Exception) -> None:
        # Not the whole text: it names the segment, and that would be another one each time.
        reason = error.message if isinstance(error, LogboomError) else str(error)
        self.drops.add(reason)
        lifecycle.register(self)
        self.warn(f"records are dropped: {reason} ({self.spool_path}). See `logboom status`")

    def _say_drops(self) -> None:
        """The last chance to say in the log itself what is missing there."""
        if self._writer is not None and self._mark[0] and self.drops.pending:
            self._full_until = -math.inf
            self._room.look_afresh()
            with contextlib.suppress(LogboomError, OSError):
                self._roll(self._writer, self._writer.segment, 0)

    # -- delivery, forks, the end ------------------------------------------------------------------

    def wait(self, deadline: float) -> bool:
        """Wait until all that was logged here is in the files; `deadline` on `clock.monotonic`.

        What was dropped is not, unless the log says so.
        """
        if not self._mark[0]:
            return True
        self._say_drops()
        return self._wait_for_appended(deadline) and not self.drops.pending

    def _wait_for_appended(self, deadline: float) -> bool:
        writer = self._writer
        mark = ("", 0, 0) if writer is None else writer.written()
        if writer is None or mark[1] == 0 or mark == self._flushed:
            return True
        streams.rest(writer.directory)
        mark = writer.written()
        segment = writer.segment
        flushed = self._wait_until_flushed(deadline)
        streams.wake(writer.directory)
        if flushed and (segment is None or segment.is_linked()):
            self._flushed = mark
            return True
        return False  # also when somebody removed the journal: what was in it may be in no file

    def _wait_until_flushed(self, deadline: float) -> bool:
        began = clock.monotonic()
        deadline = lifecycle.budget(deadline)
        flushed = all(launch.wait_until_flushed(home, deadline, key) for home, key in self.homes)
        if flushed:
            self._all_flushed_at = began
        elif self.options.starts_collector:
            self._ensure_collector()  # this program may log nothing more, and another one never come
        return flushed

    def _wait_for_others(self, began: float, deadline: float) -> None:
        """A parent that logged nothing itself still ends after its children's records are in the file."""
        if self._all_flushed_at >= began - _JUST_NOW:
            return
        own = "" if self._writer is None else self._writer.producer
        with contextlib.suppress(OSError):
            if any(producer != own for producer in Spool(self.spool_path).segments()):
                self._wait_until_flushed(deadline)

    def collect_here(self) -> None:
        """For `collector="off"`: what was logged is in the file on return, within `flush_timeout`.

        Where another program's collector lives, it is asked to.
        A signal handler that logs in the middle leaves its record to the call that it interrupted, or to
        the next one.
        """
        thread = threading.get_ident()
        if thread in self._collecting:
            self._collect_again = True
            return
        self._collecting.add(thread)
        deadline = clock.monotonic() + self.options.flush_timeout
        try:
            for _ in range(2):
                self._collect_again = False
                self._wait_for_appended(deadline)
                if not self._collect_again:
                    return
        finally:
            self._collecting.discard(thread)

    def _sync(self, segment: Segment | None) -> None:
        if segment is None or self._writer is None:
            return
        number, start = self._synced
        try:
            if number != segment.number:
                self._sync_names(self._writer.directory, first=number == 0)
                start = 0
            self._synced = (segment.number, segment.sync(start))
        except OSError as error:
            self.warn(f"fsync failed: {error}; going on in a new segment")
            self._writer.close()

    def _sync_names(self, directory: Path, *, first: bool) -> None:
        """The way to a new segment; the spool itself may be as new as the first one."""
        for place in (directory, directory.parent, directory.parent.parent) if first else (directory,):
            platform.sync_directory(place)

    def forget(self) -> None:
        """In a forked child: drop what belongs to the parent. Takes no lock, logs nothing."""
        self.live = NOT_LIVE
        self._mark = this_process.mark()
        self._looked = -math.inf
        self._flushed = None
        self._synced = (0, 0)
        self.drops = Drops()
        this_process.forget_helpers()
        if self._writer is not None and not self._writer.mark[0]:
            self._writer.forget()

    def close(self, deadline: float) -> None:
        """Wait for delivery and give the segment back. A later record opens a new one."""
        self.live = NOT_LIVE
        began = clock.monotonic()
        if not self.wait(deadline):
            starts = self.options.starts_collector
            for home, key in self.homes:
                left_in(home).add(key, 0.0, lost=self.drops.pending, starts=starts)
        self._wait_for_others(began, deadline)
        count = self.drops.count()
        if count:
            self.warn(f"{count} records were dropped: {self.drops.reason}")
        if self._writer is not None and self._mark[0]:
            streams.leave(self._stream, id(self))
        if self._when_dropped is not None:
            keep_no_watch(self._when_dropped)
        self._writer = None
        lifecycle.unregister(self)
