"""One target's trouble is its own: whatever its settings or its sink do, the others' records are written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from logboom.collector.cycle import Cycle
from logboom.journal.layout import Context, segment_name
from logboom.journal.target import Rotation, Target
from logboom.sinks.base import Outcome, Sink, Step
from logboom.sinks.file.sink import FileSink
from logboom.spool.directory import Spool
from logboom.testing import FakeClock, MemorySink, SpoolFactory

NOW = 1_800_000_000.0
A, B = "a" * 16, "b" * 16
TEXT = Context(
    1,
    "text",
    ("msecs", "levelname", "message"),
    options={"format": "%(levelname)s %(message)s", "style": "%", "time": "%H:%M:%S", "msecs": "%s,%03d"},
)


@dataclasses.dataclass
class Two:
    """A spool with the streams of two programs: `bad.log`'s, then `good.log`'s."""

    directory: Path
    clock: FakeClock = dataclasses.field(default_factory=lambda: FakeClock(wall=NOW))
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def spool(self) -> Path:
        return self.directory / ".logboom"

    def put(self, producer: str, target: Target, context: Context, texts: list[str]) -> None:
        factory = SpoolFactory(self.spool, target)
        factory.context = context
        rows = [
            msgspec.json.encode([NOW - 50 + place, 1, 20, "app", 0.5, "INFO", text]) + b"\n"
            for place, text in enumerate(texts)
        ]
        head = factory.content(factory.header(producer), [])
        size = max(65536, len(head) + 4096)
        path = self.spool / "journal" / segment_name(producer, 1)
        path.write_bytes((head + b"".join(rows)).ljust(size, b"\0"))

    def cycle(self) -> Cycle:
        """One that writes files."""

        def sink(target: Target, note: Callable[[str], None]) -> Sink:
            return FileSink(
                target, self.directory, notes=note, clock=self.clock, state=self.spool / target.name
            )

        return Cycle(Spool(self.spool), sink, self.clock, self.notes.append)

    def step(self, cycle: Cycle, times: int = 20) -> None:
        for _ in range(times):
            cycle.step(thorough=True)
            self.clock.advance(4.0)

    def lines(self, name: str) -> list[str]:
        """Of a whole log set."""
        paths = [*sorted(self.directory.glob(name + ".*")), *self.directory.glob(name)]
        return [line for path in paths for line in path.read_text(errors="replace").splitlines()]


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


SETTINGS = {
    "a period of 9,600 years": Target(name="bad.log", rotation=Rotation(when="W0", interval=500_000)),
    "a period without end": Target(name="bad.log", rotation=Rotation(when="MIDNIGHT", interval=2**62)),
    "hours without end": Target(name="bad.log", rotation=Rotation(when="H", interval=2**62, at_time=2**60)),
    "no such unit": Target(name="bad.log", rotation=Rotation(when="FORTNIGHT", backup_count=-5)),
    "a zone that is a directory": Target(name="bad.log", rotation=Rotation(when="H", zone="/")),
    "a zone beyond a day": Target(name="bad.log", rotation=Rotation(when="W6", zone="<A>-167:59")),
    "a mode of many bits": Target(name="bad.log", file_mode=2**40),
    "a negative mode": Target(name="bad.log", umask_mode=-(2**40)),
    "a size below zero": Target(name="bad.log", rotation=Rotation(max_bytes=-5, backup_count=3)),
    "sizes without end": Target(
        name="bad.log", rotation=Rotation(max_bytes=2**63, backup_count=2**62), max_total_size=2**62
    ),
    "ages without end": Target(name="bad.log", rotation=Rotation(when="S"), max_age=1e308, linger=1e308),
    "a codec with a zero": Target(name="bad.log", encoding="utf\0"),
    "a codec that is none": Target(name="bad.log", encoding="hex", errors="no such handler"),
}


@pytest.mark.parametrize("what", SETTINGS)
def test_settings_of_one_program(two: Two, what: str) -> None:
    """A header may say anything: its records go out plainly or wait, and the others' are written at once."""
    two.put(A, SETTINGS[what], TEXT, ["one", "two", "three"])
    two.put(B, Target(name="good.log"), TEXT, ["one", "two", "three"])
    cycle = two.cycle()
    two.step(cycle)
    assert two.lines("good.log") == ["INFO one", "INFO two", "INFO three"]
    bad = two.lines("bad.log")
    assert bad == ["INFO one", "INFO two", "INFO three"] or (not bad and cycle.failing() == ["bad.log"])
    assert cycle.status()
    cycle.close()


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ({"format": "%(message)2000000000s", "style": "%"}, ()),
        ({"format": "{message:2000000000}", "style": "{"}, ()),
        ({"format": "{message:>9999}" * 9999, "style": "{"}, ()),
        ({"format": "%(message)9999s" * 9999, "style": "%"}, ()),
        ({"format": "%(msecs).300000000f", "style": "%"}, ()),
        ({"format": "{msecs:.300000000f}", "style": "{"}, ()),
        ({"format": "%(message)s" * 100_000, "style": "%"}, ()),
        ({"format": "%(asctime)s", "style": "%", "msecs": "%s,%0300000000d"}, ()),
        ({"format": "%(asctime)s", "style": "%", "msecs": "%s %.300000000f"}, ()),
        ({"format": "%(asctime)s", "style": "%", "time": "%300000000d"}, ()),
        ({"format": "%(asctime)s", "style": "%", "time": None}, ()),
        ({"format": 7, "style": "no such style"}, ()),
        ({}, ()),
        ({"format": "%(no such column)s", "style": "%"}, ()),
        ({"format": "%(message)s", "style": "%"}, ("message", "message", "created", "!")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_contexts_of_one_program(two: Two, options: dict[str, Any], columns: tuple[str, ...]) -> None:
    """A context may say anything: the record's values are in the file, within bounds."""
    context = Context(1, "text", columns or TEXT.columns, options=TEXT.options | options if options else {})
    two.put(A, Target(name="bad.log"), context, ["precious", "words"])
    two.put(B, Target(name="good.log"), TEXT, ["one"])
    cycle = two.cycle()
    two.step(cycle)
    cycle.close()
    assert two.lines("good.log") == ["INFO one"]
    bad = (two.directory / "bad.log").read_bytes()
    assert b"precious" in bad and b"words" in bad
    assert len(bad) < 100_000


class Broken(MemorySink):
    """A sink with a defect: one of its methods raises something that no sink is allowed to raise."""

    def __init__(self, method: str, error: BaseException) -> None:
        super().__init__()
        self.broken = True
        self._method, self._error = method, error

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if name.startswith("_") or not callable(value):
            return value
        if self.broken and name in self._method.split():
            raise self._error
        return value

    def configure(self, target: Target) -> None: ...

    def rollover(self, now: float) -> Step | None:
        return Step("append", details={"before": len(self.lines)})


@pytest.mark.parametrize(
    "error",
    [
        OverflowError("too large"),
        MemoryError(),
        RecursionError(),
        KeyError("x"),
        OSError(5, "I/O"),
        AssertionError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("method", ["plan", "apply", "apply recover", "upkeep", "sync", "configure", "close"])
def test_defect_of_one_sink(two: Two, method: str, error: Exception) -> None:
    """Whatever it raises: the other's records are written, and its own once it works again, each once."""
    bad = Broken(method, error)
    good = MemorySink()
    good.configure = lambda target: None  # type: ignore[attr-defined]
    sinks: dict[str, Sink] = {"bad.log": bad, "good.log": good}  # type: ignore[dict-item]
    two.put(A, Target(name="bad.log", synced=True), TEXT, ["one", "two"])
    two.put(B, Target(name="good.log"), TEXT, ["one", "two"])
    two.put("c" * 16, Target(name="bad.log", configured=5.0, compress="gzip"), TEXT, ["three"])
    cycle = Cycle(Spool(two.spool), lambda target, note: sinks[target.key], two.clock, two.notes.append)
    two.step(cycle)
    assert good.lines == [b"INFO one\n", b"INFO two\n"]
    bad.broken = False
    two.step(cycle, 40)
    cycle.close()
    assert sorted(bad.lines) == [b"INFO one\n", b"INFO three\n", b"INFO two\n"]


def test_defect_of_what_shows_the_records(two: Two) -> None:
    """The live feed is shown what was written: an error there must not have it written again."""
    sink = MemorySink()
    sink.configure = lambda target: None  # type: ignore[attr-defined]
    two.put(A, Target(name="bad.log"), TEXT, ["one", "two"])

    def publish(*_: object) -> None:
        raise RuntimeError("no subscriber")

    cycle = Cycle(
        Spool(two.spool),
        lambda target, note: sink,  # type: ignore[arg-type,return-value]
        two.clock,
        two.notes.append,
        publish,
    )
    two.step(cycle)
    cycle.close()
    assert sink.lines == [b"INFO one\n", b"INFO two\n"]


@pytest.fixture
def file_sink(tmp_path: Path) -> Iterator[Callable[[Target], FileSink]]:
    made: list[FileSink] = []

    def new(target: Target) -> FileSink:
        made.append(FileSink(target, tmp_path, notes=lambda text: None, clock=FakeClock(wall=NOW)))
        return made[-1]

    yield new
    for sink in made:
        sink.close()


@pytest.mark.parametrize("place", ["rotation.fitting", "rotation.chain", "rolling.list_archives"])
def test_rotation_that_fails_costs_rollovers_alone(
    file_sink: Callable[[Target], FileSink], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    """A defect in the decision to roll lets the file grow on: its records need not wait for a new release."""

    def fail(*_: object, **__: object) -> None:
        raise ArithmeticError("a defect")

    module, _, name = place.partition(".")
    monkeypatch.setattr(f"logboom.sinks.file.{module}.{name}", fail)
    sink = file_sink(Target(name="bad.log", rotation=Rotation(max_bytes=20, backup_count=3)))
    for number in range(10):
        step = sink.plan([b"line %d\n" % number], [NOW], NOW)
        assert sink.apply(step) == Outcome()
    assert (tmp_path / "bad.log").read_bytes() == b"".join(b"line %d\n" % number for number in range(10))
    assert "a defect" in sink.status()["unrotated"]
