"""A model test: append, roll, crash in mid-line, reopen, read, forget, against a list in memory.

The model is what the journal promises: a reader that starts anywhere it was told a position sees each
committed line once and in order, and of a line that a crash cut either all or nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from logboom.journal.layout import Context, committed_length, encode_line
from logboom.journal.reader import JournalReader
from logboom.journal.segment import Segment
from logboom.journal.target import Target
from logboom.journal.writer import JournalWriter
from logboom.spool.directory import Spool

CONTEXT = encode_line(Context(context=1, renderer="message", columns=("text",)))
EXAMPLES = int(40 * float(os.environ.get("LOGBOOM_TEST_SCALE", "1")))
texts = st.one_of(st.text(max_size=40), st.integers(0, 90_000).map(lambda size: "y" * size))


def line_of(number: int, text: str) -> bytes:
    return json.dumps([1.0, 1, 20, "model", f"{number}:{text}"]).encode() + b"\n"


@dataclass
class Producer:
    """One writer and the model of its stream."""

    writer: JournalWriter
    expected: list[str] = field(default_factory=list)
    maybe: str | None = None
    read: list[str] = field(default_factory=list)
    position: int = 0
    reader: JournalReader | None = None
    alive: bool = True


class Journal(RuleBasedStateMachine):
    """Some producers on one spool; each is read by its own reader, which may be forgotten at any time."""

    mapped = True

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp())
        self.spool = Spool.create(self.path / "spool")
        self.producers: list[Producer] = []
        self.count = 0

    def teardown(self) -> None:
        try:
            self.crash_all()
            for producer in self.producers:
                self.read_all(producer)
        finally:
            for producer in self.producers:
                producer.writer.close()
            self.spool.close()
            shutil.rmtree(self.path)

    @initialize()
    def first(self) -> None:
        self.open()

    @rule()
    def open(self) -> None:
        """A new process, or an old one that comes back: each has an id of its own."""
        if sum(producer.alive for producer in self.producers) < 3:
            writer = JournalWriter(
                self.spool.journal_path, Target(name="app.log"), mapped=self.mapped, mode=0o600
            )
            self.producers.append(Producer(writer))

    def living(self, which: int) -> Producer:
        if not any(producer.alive for producer in self.producers):
            self.open()
        living = [producer for producer in self.producers if producer.alive]
        return living[which % len(living)]

    @rule(which=st.integers(0, 2), text=texts, size=st.integers(0, 30_000), times=st.integers(1, 12))
    def append_many(self, which: int, text: str, size: int, times: int) -> None:
        self.append(which, [text, "z" * size] * times)

    @rule(which=st.integers(0, 2), batch=st.lists(texts, min_size=1, max_size=8))
    def append(self, which: int, batch: list[str]) -> None:
        producer = self.living(which)
        for text in batch:
            self.count += 1
            self.write(producer.writer, line_of(self.count, text))
            producer.expected.append(f"{self.count}:{text}")

    @staticmethod
    def write(writer: JournalWriter, line: bytes) -> None:
        segment = writer.segment
        while True:
            if segment is None:
                segment = writer.roll(None, {1: CONTEXT}, len(line))
            try:
                segment.write(line)
                return
            except ValueError:
                segment = writer.roll(segment, {1: CONTEXT}, len(line))

    @rule(which=st.integers(0, 2), text=texts, start=st.floats(0, 1), length=st.floats(0, 1))
    def crash_in_mid_line(self, which: int, text: str, start: float, length: float) -> None:
        """SIGKILL inside the copy of a line: any one stretch of it is there, the rest is zero."""
        producer = self.living(which)
        segment = producer.writer.segment
        self.count += 1
        line = line_of(self.count, text)
        if segment is not None and (not self.mapped or segment.written() + len(line) < self.size(segment)):
            first = int(start * len(line)) if self.mapped else 0
            last = min(len(line), first + int(length * (len(line) + 1)))
            self.put(segment, line[first:last], first)
            producer.maybe = f"{self.count}:{text}" if (first, last) == (0, len(line)) else None
        self.kill(producer)

    @precondition(lambda self: self.mapped and any(producer.alive for producer in self.producers))
    @rule(which=st.integers(0, 2), text=texts, start=st.floats(0, 1), length=st.floats(0, 1))
    def read_in_mid_copy(self, which: int, text: str, start: float, length: float) -> None:
        """The reader comes while a line is being copied, in whatever order the processor copies."""
        producer = self.living(which)
        self.count += 1
        line = line_of(self.count, text)
        segment = producer.writer.segment
        if segment is not None and segment.written() + len(line) < self.size(segment):
            first = int(start * len(line))
            last = min(len(line), first + int(length * (len(line) + 1)))
            if (first, last) != (0, len(line)):
                self.put(segment, line[first:last], first)
                self.read_some(producer, 10**6)
        self.write(producer.writer, line)
        producer.expected.append(f"{self.count}:{text}")

    @staticmethod
    def size(segment: Segment) -> int:
        return segment.path.stat().st_size

    @staticmethod
    def put(segment: Segment, part: bytes, shift: int) -> None:
        with open(segment.path, "r+b") as file:
            file.seek(segment.written() + shift)
            file.write(part)

    def kill(self, producer: Producer) -> None:
        producer.writer.close()
        producer.alive = False

    @precondition(lambda self: any(producer.alive for producer in self.producers))
    @rule(which=st.integers(0, 2))
    def crash(self, which: int) -> None:
        self.kill(self.living(which))

    def crash_all(self) -> None:
        for producer in self.producers:
            if producer.alive:
                self.kill(producer)

    @precondition(lambda self: self.producers)
    @rule(which=st.integers(0, 50), budget=st.sampled_from([1, 500, 20_000, 10**6]))
    def read(self, which: int, budget: int) -> None:
        self.read_some(self.producers[which % len(self.producers)], budget)

    def read_some(self, producer: Producer, budget: int) -> int:
        if producer.reader is None:
            producer.reader = JournalReader(self.spool, producer.writer.producer, producer.position)
        rows = 0
        for chunk in producer.reader.read(budget):
            assert len(chunk.rows) == len(chunk.ends)
            producer.read += [row[4] for row in chunk.rows]
            rows += len(chunk.rows)
        return rows

    @precondition(lambda self: self.producers)
    @rule(which=st.integers(0, 50))
    def collector_dies_after_commit(self, which: int) -> None:
        """A new collector knows the position alone."""
        producer = self.producers[which % len(self.producers)]
        if producer.reader is not None:
            producer.position = producer.reader.last
            producer.reader.close()
            producer.reader = None

    def read_all(self, producer: Producer) -> None:
        """A dead stream is read to its end in a bounded number of steps."""
        for _ in range(2000):
            self.read_some(producer, 10**6)
            assert producer.reader is not None
            if producer.reader.gone or producer.reader.segment == 0:
                break
        else:
            raise AssertionError("the reader does not come to an end")
        legal = [producer.expected]
        if producer.maybe is not None:
            legal.append([*producer.expected, producer.maybe])
        assert producer.read in legal, (len(producer.read), len(producer.expected))

    @invariant()
    def reads_a_prefix(self) -> None:
        for producer in self.producers:
            full = producer.expected if producer.maybe is None else [*producer.expected, producer.maybe]
            assert producer.read == full[: len(producer.read)]

    @invariant()
    def returned_is_committed(self) -> None:
        """What `append` returned from is whole on the disk at once."""
        for producer in self.producers[-1:]:
            segment = producer.writer.segment
            if segment is not None:
                data = segment.path.read_bytes()
                assert committed_length(data) >= segment.written()


class WrittenJournal(Journal):
    """The same, by `write(2)`."""

    mapped = False


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Journal, WrittenJournal])
def test_journal_is_its_model(machine: type[Journal]) -> None:
    """Whatever the order of appends, rolls, crashes and reads, the stream is the list."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
