"""What every sink promises: a new one is tested by a rig of its own in `sink_rigs.py`, and this."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sink_rigs import RIGS, Rig, page_lines

from logboom.errors import SinkError
from logboom.journal.layout import Context, pack_position
from logboom.sinks import kinds
from logboom.sinks.base import Batch, Sink, Step

NOW = 1_800_000_000.0
STREAM = "a" * 16
CONTEXT = Context(context=1, renderer="message", columns=("text",))


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    made = RIGS[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def new(rig: Rig) -> Iterator[Callable[[], Sink]]:
    """Makes the sink as another process would; the one before is closed."""
    made: list[Sink] = []

    def make() -> Sink:
        for sink in made:
            sink.close()
        made.append(rig.make())
        return made[-1]

    yield make
    for sink in made:
        sink.close()


def batch_of(texts: list[str], first: int = 0) -> Batch:
    numbers = range(first, first + len(texts))
    return Batch(
        [f"{text}\n".encode() for text in texts],
        [NOW + number for number in numbers],
        [[NOW + number, 1, 20, f"shop.{number}", text] for number, text in zip(numbers, texts, strict=True)],
        [STREAM] * len(texts),
        [pack_position(1, 1000 * (number + 1)) for number in numbers],
        lambda stream, number: CONTEXT,
    )


def steps(sink: Sink, texts: list[str], first: int = 0) -> Iterator[Step]:
    """The steps that deliver `texts`; each is to be made before the next is asked for."""
    done = idle = 0
    while done < len(texts):
        step = sink.plan(batch_of(texts[done:], first + done), NOW)
        yield step
        done += step.count
        idle = 0 if step.count else idle + 1
        assert idle < 9, "it never comes to deliver"


def deliver(sink: Sink, texts: list[str], first: int = 0) -> None:
    for step in steps(sink, texts, first):
        sink.apply(step)


def arrived(rig: Rig, count: int) -> list[bytes]:
    deadline = time.monotonic() + 10
    while len(rig.delivered()) < count and time.monotonic() < deadline:
        time.monotonic()
    return rig.delivered()


def names(count: int, of: str = "record") -> list[str]:
    return [f"{of} {number:04}" for number in range(count)]


def test_every_record_arrives_once_and_in_order(rig: Rig, new: Callable[[], Sink]) -> None:
    """The first promise, over many batches."""
    sink = new()
    for first in range(0, 500, 50):
        deliver(sink, names(500)[first : first + 50], first)
    assert arrived(rig, 500) == [text.encode() for text in names(500)]


def test_planning_changes_nothing(rig: Rig, new: Callable[[], Sink]) -> None:
    """A plan that is never made is one that the collector was killed with."""
    sink = new()
    sink.plan(batch_of(["never"]), NOW)
    deliver(new(), ["made"])
    assert arrived(rig, 1) == [b"made"]


def test_a_step_that_was_made_is_not_made_again(rig: Rig, new: Callable[[], Sink]) -> None:
    """The collector is killed behind `apply`, before it knows: `recover` finds out, where it can."""
    sink = new()
    expected: list[bytes] = []
    for step in steps(sink, names(20)):
        sink.apply(step)
        sink = new()
        sink.recover(step)
        expected += [text.encode() for text in names(20)]
    found = arrived(rig, 20)
    assert set(found) == set(expected)
    assert len(found) == 20 or sink.again


def test_a_step_that_was_not_begun_is_made_by_recover(rig: Rig, new: Callable[[], Sink]) -> None:
    """The collector is killed between the intent and the step."""
    for step in steps(new(), names(20)):
        new().recover(step)
    assert arrived(rig, 20) == [text.encode() for text in names(20)]


def test_a_step_is_data(rig: Rig, new: Callable[[], Sink]) -> None:
    """The checkpoint keeps it as JSON and bytes, for a process of another release, perhaps."""
    import msgspec

    for step in steps(new(), names(5)):
        kept = msgspec.json.decode(msgspec.json.encode(step), type=Step)
        assert kept == step
        new().recover(kept)
    assert arrived(rig, 5) == [text.encode() for text in names(5)]


def test_who_cannot_deliver_says_so_and_goes_on_later(rig: Rig, new: Callable[[], Sink]) -> None:
    """`SinkError` and nothing else: the collector keeps the records, and tries again."""
    sink = new()
    try:
        rig.take_away()
    except NotImplementedError:
        pytest.skip("it can always deliver")
    with pytest.raises(SinkError):
        deliver(sink, ["waits"])
    rig.give_back()
    for step in steps(sink, ["waits"]):
        sink.recover(step)
    deliver(sink, ["follows"], 1)
    assert arrived(rig, 2)[-1] == b"follows"
    assert set(rig.delivered()) == {b"waits", b"follows"}


def test_a_failed_step_is_finished_by_recover(rig: Rig, new: Callable[[], Sink]) -> None:
    """The other side goes away between the plan and the step."""
    sink = new()
    deliver(sink, ["before"])
    step = sink.plan(batch_of(["waits"], 1), NOW)
    if rig.__class__.__name__ == "FileRig":
        pytest.skip("a file that is open can be written, whatever stands under its name")
    try:
        rig.take_away()
    except NotImplementedError:
        pytest.skip("it can always deliver")
    with pytest.raises(SinkError):
        sink.apply(step)
    rig.give_back()
    sink.recover(step)
    assert arrived(rig, 2)[-1] == b"waits"


def test_it_says_where_it_delivers_and_may_be_closed_twice(rig: Rig, new: Callable[[], Sink]) -> None:
    """`logboom status` shows it, and the end of a collector may come in the middle of another end."""
    sink = new()
    assert isinstance(sink.status()["path"], str)
    deliver(sink, ["one"])
    assert isinstance(sink.status()["path"], str)
    sink.close()
    sink.close()


def test_a_sink_takes_few_lines() -> None:
    """`CONTRIBUTING.md` says thirty."""
    assert sum(bool(line.strip()) for line in page_lines().splitlines()) <= 30


def test_a_kind_of_another_release_is_refused() -> None:
    """Its records wait in the journal until the release that knows it collects."""
    from logboom.errors import ConfigurationError
    from logboom.journal.target import Server

    with pytest.raises(ConfigurationError, match="pigeon"):
        kinds.make(Server(kind="pigeon", address="north"), lambda text: None)
