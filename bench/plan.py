"""Which trials a run has, in which order, and how large they are.

Owns: scenarios by name, sizes for a quick and a full run, interleaving. Never knows: how a trial runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.spec import Spec

__all__ = ["SCENARIOS", "Group", "Size", "interleave", "plan"]

_KEEPERS: Final = (
    "own-file",
    "shared-append",
    "rotating-shared",
    "concurrent-log-handler",
    "mp-queue",
    "socket",
    "loguru",
    "zmq-push-pull",
    "logboom",
)
_VARIANTS: Final = ("json", "custom", "exc_info")


@dataclass(frozen=True)
class Size:
    """How large a run is; `rounds` of the main comparisons, `repeats` of variants and growth."""

    rounds: int
    repeats: int
    calls: int
    records: int
    counts: tuple[int, ...]
    latency: int
    idle_seconds: float
    many: int
    backlog: int


QUICK: Final = Size(2, 1, 2_000, 20_000, (1, 4), 60, 2.0, 24, 500_000)
FULL: Final = Size(5, 5, 10_000, 120_000, (1, 4, 8, 32), 100, 10.0, 600, 9_700_000)


@dataclass(frozen=True)
class Group:
    """Specs that are compared with each other, run in turn for some rounds."""

    specs: tuple[Spec, ...]
    rounds: int


def _calls(size: Size) -> Iterator[Group]:
    for count in (1, 2):
        names = ("null", *_KEEPERS, "logboom-write")
        yield _group("calls", names, size, case=str(count), processes=count, records=size.calls)
    yield _variants("calls", size, processes=1, records=size.calls)


def _throughput(size: Size) -> Iterator[Group]:
    for count in size.counts:
        names = (*_KEEPERS, "logboom-write") if count == 4 else _KEEPERS
        yield _group("throughput", names, size, case=str(count), processes=count, records=size.records)
    yield _variants("throughput", size, processes=4, records=size.records // 2)


def _growth(size: Size) -> Iterator[Group]:
    """The same work with more of something beside it: processes, rotated files."""
    few, many = 2, size.counts[-1]
    records = size.records * 2
    yield Group(
        (
            Spec("throughput", "logboom", f"growth: {few} processes", few, records),
            Spec("throughput", "logboom", f"growth: {many} processes", many, records),
            Spec(
                "throughput",
                "logboom",
                "growth: 1 file",
                4,
                records,
                options={"old_files": 1, "backups": 2000},
            ),
            Spec(
                "throughput",
                "logboom",
                "growth: 1000 files",
                4,
                records,
                options={"old_files": 1000, "backups": 2000},
            ),
        ),
        size.repeats,
    )


def _latency(size: Size) -> Iterator[Group]:
    group = _group("latency", _KEEPERS, size, case="1", records=size.latency)
    yield Group(group.specs, size.repeats)


def _memory(size: Size) -> Iterator[Group]:
    eight = Spec("memory", "logboom", "8 producers", 8, size.records * 4)
    producers = max(size.many * 5 // 6, 2)
    many = Spec(
        "memory", "logboom", f"{producers} producers", producers, producers * 40, options={"pause": 0.3}
    )
    yield Group((eight, many), 1)


def _backlog(size: Size) -> Iterator[Group]:
    options = {"backups": 2000}
    case = "1 GB" if size.backlog == FULL.backlog else f"{size.backlog} records"
    fewer = min(size.backlog // 2, 500_000)
    small = Spec("backlog", "logboom-uncollected", "small", 2, fewer, options=options)
    large = Spec("backlog", "logboom-uncollected", case, 2, size.backlog, options=options)
    yield Group((small, large), 1)


def _idle(size: Size) -> Iterator[Group]:
    options = {"seconds": size.idle_seconds}
    one = Spec("idle", "logboom", "1 producer", 1, options=options)
    many = Spec("idle", "logboom", f"{size.many} producers", size.many, options=options)
    yield Group((one, many), 1)


def _startup(size: Size) -> Iterator[Group]:
    names = ("own-file", "concurrent-log-handler", "logboom")
    yield Group(tuple(Spec("startup", name) for name in names), size.rounds * 2)


def _group(
    scenario: str, names: Iterable[str], size: Size, *, case: str, records: int, processes: int = 1
) -> Group:
    specs = tuple(Spec(scenario, name, case, processes, records) for name in names)
    return Group(specs, size.rounds)


def _variants(scenario: str, size: Size, *, processes: int, records: int) -> Group:
    specs = tuple(
        Spec(scenario, name, str(processes), processes, records, variant)
        for variant in _VARIANTS
        for name in ("own-file", "logboom")
    )
    return Group(specs, size.repeats)


SCENARIOS: Final[dict[str, Callable[[Size], Iterator[Group]]]] = {
    "calls": _calls,
    "throughput": _throughput,
    "latency": _latency,
    "growth": _growth,
    "memory": _memory,
    "backlog": _backlog,
    "idle": _idle,
    "startup": _startup,
}


def plan(size: Size, only: Sequence[str]) -> list[Group]:
    """The groups of the named scenarios, or of all."""
    return [group for name, make in SCENARIOS.items() if not only or name in only for group in make(size)]


def interleave(groups: Iterable[Group]) -> Iterator[tuple[int, Spec]]:
    """A B C A B C: whatever disturbs the machine for a while disturbs all."""
    for group in groups:
        for number in range(group.rounds):
            for spec in group.specs:
                yield number, spec
