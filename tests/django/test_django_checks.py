"""The system check, through `django.core.checks`, on settings as people write them."""

from __future__ import annotations

import copy
import logging
import logging.handlers
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

django = pytest.importorskip("django")

from django.conf import settings  # noqa: E402
from django.core import checks  # noqa: E402
from django.test import override_settings  # noqa: E402

FILE = {
    "class": "logging.handlers.RotatingFileHandler",
    "filename": "site.log",
    "maxBytes": 1000,
    "backupCount": 3,
}


@pytest.fixture(scope="module", autouse=True)
def _django() -> None:
    if not settings.configured:
        settings.configure(INSTALLED_APPS=["logboom.django"], LOGGING_CONFIG=None)
        django.setup()


def _run(**handlers: Any) -> list[checks.CheckMessage]:
    configuration = {"version": 1, "handlers": copy.deepcopy(handlers)}
    with override_settings(LOGGING=configuration):
        messages = checks.run_checks(tags=["logging"])
        assert configuration == {"version": 1, "handlers": handlers}, "the check changed the settings"
    return list(messages)


def _ids(**handlers: Any) -> list[str]:
    return [message.id for message in _run(**handlers)]


def test_a_shared_rotating_handler_is_found_with_the_line_to_change() -> None:
    """The commonest configuration of all: the hint must be one that can be copied."""
    (message,) = _run(file=FILE)
    assert message.id == "logboom.W001"
    assert message.level == checks.WARNING
    assert "'file'" in message.msg
    assert (
        '"class": "logging.handlers.RotatingFileHandler" to "class": "logboom.RotatingFileHandler"'
        in message.hint
    )
    assert 'LOGGING["handlers"]["file"]' in message.hint


def test_a_timed_handler_is_found_without_options() -> None:
    """A timed handler rotates by default, unlike one by size."""
    (message,) = _run(file={"class": "logging.handlers.TimedRotatingFileHandler", "filename": "a.log"})
    assert "logboom.TimedRotatingFileHandler" in message.hint


@pytest.mark.parametrize(
    "handler",
    [
        {"class": "logging.StreamHandler"},
        {"class": "logging.FileHandler", "filename": "a.log"},
        {"class": "logging.handlers.WatchedFileHandler", "filename": "a.log"},
        {"class": "logging.handlers.RotatingFileHandler", "filename": "a.log"},
        {"class": "no.such.Handler", "filename": "a.log"},
        {"class": 7},
        {"filename": "a.log"},
        "not a dictionary",
    ],
)
def test_what_is_harmless_or_not_ours_to_judge_is_left_alone(handler: Any) -> None:
    """A check that cries at sound settings is switched off; a broken entry is `dictConfig`'s to report."""
    assert _ids(file=handler) == []


def test_logbooms_own_handlers_and_their_subclasses_pass() -> None:
    """They derive from the standard library's classes, and must not be taken for them."""
    logboom = pytest.importorskip("logboom")
    mine = type("Mine", (logboom.RotatingFileHandler,), {})
    assert _ids(file=FILE | {"class": "logboom.RotatingFileHandler"}) == []
    assert _ids(file=FILE | {"class": mine}) == []


class Own(logging.handlers.RotatingFileHandler):
    """A project's own subclass, as in thousands of repositories."""


def make(filename: str, maxBytes: int = 1000) -> logging.handlers.RotatingFileHandler:
    raise AssertionError("a check must not open log files")


def make_unsaid(**_: Any) -> Any:
    raise AssertionError("a check must not open log files")


def test_a_subclass_rotates_like_its_base() -> None:
    """A library with the same fault is one that derives from the same class."""
    assert _ids(file=FILE | {"class": Own}) == ["logboom.W001"]


@pytest.mark.parametrize("factory", [Own, make])
def test_factories_are_understood(factory: Any) -> None:
    """`()` takes a class or a function; a function's annotation says what it makes, its defaults count."""
    options = {key: value for key, value in FILE.items() if key != "class"}
    (message,) = _run(file={"()": factory, **options})
    assert '"()": "logboom.RotatingFileHandler"' in message.hint
    assert _ids(file={"()": make, "filename": "a.log"}) == ["logboom.W001"]


@pytest.fixture
def attached(tmp_path: Path) -> Iterator[None]:
    handler = Own(tmp_path / "a.log", maxBytes=10, delay=True)
    handler.name = "attached"
    logger = logging.getLogger("logboom.tests.attached")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    handler.close()


@pytest.mark.usefixtures("attached")
def test_a_factory_that_says_nothing_is_judged_by_what_it_made() -> None:
    """Django has configured logging before it checks, so the handler exists."""
    assert _ids(attached={"()": make_unsaid, "maxBytes": 10}) == ["logboom.W001"]
    assert _ids(other={"()": make_unsaid, "maxBytes": 10}) == []


def test_ext_values_are_resolved() -> None:
    """`maxBytes` is often computed elsewhere and referred to."""
    port = "ext://logging.handlers.DEFAULT_TCP_LOGGING_PORT"
    assert _ids(file=FILE | {"maxBytes": port}) == ["logboom.W001"]
    assert _ids(file=FILE | {"maxBytes": "ext://logging.NOTSET"}) == []


def test_mode_w_empties_the_file_for_all() -> None:
    """The second process to start wipes what the first one logged."""
    assert _ids(file={"class": "logging.FileHandler", "filename": "a.log", "mode": "w"}) == ["logboom.W002"]


def test_two_handlers_on_one_file(tmp_path: Path) -> None:
    """Even one process damages such a file; two spellings of one path are one file."""
    (tmp_path / "b").mkdir()
    one = FILE | {"filename": str(tmp_path / "a.log")}
    other = {"class": "logging.FileHandler", "filename": tmp_path / "b" / ".." / "a.log"}
    assert "logboom.W003" in _ids(one=one, other=other)
    assert "logboom.W003" not in _ids(one=other, other=other)


def test_two_of_ours_on_one_file_must_agree() -> None:
    """logboom can write for both; which rotation is meant only the author knows."""
    pytest.importorskip("logboom.handlers")
    ours = FILE | {"class": "logboom.RotatingFileHandler"}
    assert _ids(one=ours, other=ours) == []
    assert _ids(one=ours, other=ours | {"maxBytes": 2000}) == ["logboom.W003"]


def test_a_locking_library_is_only_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    """It loses nothing: that is worth an information, not a warning."""
    module = types.ModuleType("concurrent_log_handler")
    kind = type(
        "ConcurrentRotatingFileHandler",
        (logging.handlers.BaseRotatingHandler,),
        {"__module__": module.__name__},
    )
    module.ConcurrentRotatingFileHandler = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (message,) = _run(file=FILE | {"class": "concurrent_log_handler.ConcurrentRotatingFileHandler"})
    assert (message.id, message.level) == ("logboom.I001", checks.INFO)
    assert '"class": "logboom.RotatingFileHandler"' in message.hint


def test_loguru_file_sinks_are_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    """loguru's sinks stand in no Django setting, and rotate in each process too."""

    class Logger:
        def __repr__(self) -> str:
            return (
                "<loguru.logger handlers=[(id=0, level=10, sink=<stderr>), (id=1, level=10, sink='a.log')]>"
            )

    module = types.ModuleType("loguru")
    module.logger = Logger()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "loguru", module)
    (message,) = _run()
    assert message.id == "logboom.I002" and "a.log" in message.msg


def test_manage_check_names_the_line_of_the_settings(tmp_path: Path) -> None:
    """A real project: the message must show where in the file the line is."""
    (tmp_path / "shop_settings.py").write_text(
        'SECRET_KEY = "x"\nINSTALLED_APPS = ["logboom.django"]\n'
        'LOGGING = {"version": 1, "handlers": {"file": {\n'
        '    "class": "logging.handlers.RotatingFileHandler",\n    "filename": "a.log", "maxBytes": 10}}}\n'
    )
    command = [
        sys.executable,
        "-m",
        "django",
        "check",
        "--settings=shop_settings",
        f"--pythonpath={tmp_path}",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "logboom.W001" in done.stderr, done.stderr
    assert "shop_settings.py:4" in done.stderr
