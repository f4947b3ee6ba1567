"""`handle` as in the standard library, without its lock."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import Any

import pytest

from logboom.handlers.unlocked import Unlocked


class Kept(Unlocked, logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class Taken(Unlocked, logging.Handler):
    """As logboom's own: nothing in it is a user's."""

    def emit(self, record: logging.LogRecord) -> None: ...

    __module__ = emit.__module__ = "logboom.handlers"


class Quiet:
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR


class Overridden(Kept):
    def filter(self, record: logging.LogRecord) -> bool:  # type: ignore[override]
        return record.levelno >= logging.ERROR


class Inherited(Quiet, Kept): ...


class Later(Inherited): ...


class OwnHandle(Overridden):
    def handle(self, record: logging.LogRecord) -> Any:
        self.emit(record)
        return "own"


@pytest.mark.parametrize("kind", [Overridden, Inherited, Later])
def test_a_class_that_filters_by_itself_is_asked(kind: type[Kept]) -> None:
    """Handlers that override `filter`, by themselves or by a mixin, have no list of filters to look at."""
    handler = kind()
    passed = [handler.handle(logging.makeLogRecord({"levelno": level})) for level in (20, 40)]
    assert [bool(one) for one in passed] == [False, True]
    assert [record.levelno for record in handler.records] == [40]


def test_a_class_that_handles_by_itself_keeps_its_way() -> None:
    """What a user's class says comes first."""
    handler = OwnHandle()
    assert handler.handle(logging.makeLogRecord({"levelno": 20})) == "own" and len(handler.records) == 1


def test_a_filter_or_format_of_one_instance_counts() -> None:
    """`handler.filter = ...`, as tests and monkey patches write it."""
    handler = Taken()
    handler.filter = lambda record: record.levelno > 20  # type: ignore[method-assign,assignment]
    assert [bool(handler.handle(logging.makeLogRecord({"levelno": level}))) for level in (20, 40)] == [
        False,
        True,
    ]


def test_an_emit_of_the_user_s_is_called_by_one_thread_at_a_time() -> None:
    """The standard library holds the handler's lock meanwhile, so a class may keep state in between."""

    class Stateful(Kept):
        busy = worst = 0

        def emit(self, record: logging.LogRecord) -> None:
            self.busy += 1
            self.worst = max(self.worst, self.busy)
            threading.Event().wait(0.001)
            super().emit(record)
            self.busy -= 1

    handler = Stateful()

    def log() -> None:
        for _ in range(5):
            handler.handle(logging.makeLogRecord({}))

    threads = [threading.Thread(target=log) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (handler.worst, len(handler.records)) == (1, 30)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_child_is_not_held_up_by_a_turn_of_its_parent() -> None:
    """A fork while another thread is in `emit`: the child does not have that thread."""
    inside, over = threading.Event(), threading.Event()

    class Slow(Kept):
        def emit(self, record: logging.LogRecord) -> None:
            super().emit(record)
            if record.name == "slow":
                inside.set()
                over.wait(30)

    handler = Slow()
    thread = threading.Thread(target=handler.handle, args=(logging.makeLogRecord({"name": "slow"}),))
    thread.start()
    assert inside.wait(10)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        handler.handle(logging.makeLogRecord({}))
        os._exit(len(handler.records))
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    finally:
        over.set()
        thread.join()


def test_logboom_s_handlers_ask_a_filter_that_a_subclass_has(tmp_path: Any) -> None:
    """`class Masked(logboom.FileHandler)` with a `filter` of its own."""
    import logboom

    class Masked(logboom.FileHandler):
        def filter(self, record: logging.LogRecord) -> bool:  # type: ignore[override]
            record.msg = record.msg.replace("1234", "****")
            return "secret" not in record.msg

    handler = Masked(tmp_path / "app.log", collector="off")
    for text in ("card 1234", "secret"):
        handler.handle(logging.makeLogRecord({"msg": text}))
    handler.close()
    assert (tmp_path / "app.log").read_text() == "card ****\n"


def test_the_lock_of_the_handler_is_not_taken() -> None:
    """Another thread holds it during `flush()`, and a fork may leave it held for ever."""
    handler = Kept()
    assert handler.lock is not None
    held = threading.Event()
    over = threading.Event()

    def hold() -> None:
        with handler.lock or threading.Lock():
            held.set()
            over.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(10)
        logged = threading.Thread(target=handler.handle, args=(logging.makeLogRecord({}),), daemon=True)
        logged.start()
        logged.join(10)
        assert len(handler.records) == 1
    finally:
        over.set()
        thread.join()
