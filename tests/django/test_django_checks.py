"""The system check, through `django.core.checks`, on settings as people write them."""

from __future__ import annotations

import copy
import errno
import functools
import inspect
import logging
import logging.handlers
import os
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
        assert repr(configuration) == repr({"version": 1, "handlers": handlers}), "it changed the settings"
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
        {"class": "logging.handlers.RotatingFileHandler", "filename": "a.log", "maxBytes": 1000},
        {"class": "logging.handlers.RotatingFileHandler", "filename": "a.log", "backupCount": 3},
        FILE | {"filename": os.devnull},
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
    assert message.id == "logboom.W001" and "logboom.RotatingFileHandler" in message.hint
    assert _ids(file={"()": make, "filename": "a.log"}) == ["logboom.W001"]


@pytest.fixture
def attached(tmp_path: Path) -> Iterator[None]:
    handler = Own(tmp_path / "a.log", maxBytes=10, backupCount=1, delay=True)
    handler.name = "attached"
    logger = logging.getLogger("logboom.tests.attached")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    handler.close()


@pytest.mark.usefixtures("attached")
def test_a_factory_that_says_nothing_is_judged_by_what_it_made() -> None:
    """Django has configured logging before it checks, so the handler exists."""
    filename = logging.getLogger("logboom.tests.attached").handlers[0].baseFilename  # type: ignore[attr-defined]
    (message,) = _run(attached={"()": make_unsaid, "filename": filename})
    assert message.id == "logboom.W001" and "'attached'" in message.msg
    (message,) = _run(other={"()": make_unsaid, "filename": "other.log"})
    assert "'other'" not in message.msg, "judged by another handler"


@pytest.mark.usefixtures("attached")
def test_a_handler_that_is_made_elsewhere_is_found() -> None:
    """`LOGGING_CONFIG = None` with a `dictConfig` of one's own, or a handler that is added by hand."""
    (message,) = _run()
    assert message.id == "logboom.W001" and "a.log" in message.msg
    assert message.hint.startswith(f"Let {__name__}.Own derive from logboom.RotatingFileHandler instead of")


class Sized(logging.handlers.RotatingFileHandler):
    """Its sizes stand in no setting."""

    def __init__(self, filename: str, count: int = 2) -> None:
        super().__init__(filename, maxBytes=100, backupCount=count, delay=True)


@pytest.mark.parametrize(("count", "ids"), [(2, ["logboom.W001"]), (0, [])])
def test_a_class_that_sets_its_own_sizes_is_judged_by_what_it_made(
    tmp_path: Path, count: int, ids: list[str]
) -> None:
    """The settings of such a handler have a filename and nothing else."""
    entry = {"class": Sized, "filename": str(tmp_path / "a.log"), "count": count}
    handler = Sized(entry["filename"], count)
    handler.name = "sized"
    logging.getLogger("logboom.tests.sized").addHandler(handler)
    try:
        assert _ids(sized=entry) == ids
    finally:
        logging.getLogger("logboom.tests.sized").removeHandler(handler)
        handler.close()


def make_anything(filename: str) -> logging.Handler:
    return logging.handlers.RotatingFileHandler(filename, maxBytes=100, backupCount=3)


def make_for_files(filename: str) -> logging.FileHandler:
    return logging.handlers.RotatingFileHandler(filename, maxBytes=100, backupCount=3)


def make_hidden(directory: str) -> logging.Handler:
    return make_anything(os.path.join(directory, "a.log"))


@pytest.mark.parametrize("factory", [make_anything, make_for_files, make_hidden])
@pytest.mark.parametrize("written", ["{}.{}", "ext://{}.{}", "no.such.{1}"])
def test_a_factory_is_judged_by_the_handler_that_it_made(tmp_path: Path, factory: Any, written: str) -> None:
    """`-> logging.Handler` is what most factories say; the handler at the logger tells which one it is."""
    (parameter,) = inspect.signature(factory).parameters
    given = str(tmp_path / "a.log" if parameter == "filename" else tmp_path)
    handler = factory(given)
    handler.name = "made"
    logging.getLogger("logboom.tests.made").addHandler(handler)
    try:
        entry = {"()": written.format(factory.__module__, factory.__name__), parameter: given}
        (message,) = _run(made=entry)
        assert (message.id, "'made'" in message.msg) == ("logboom.W001", True)
    finally:
        logging.getLogger("logboom.tests.made").removeHandler(handler)
        handler.close()


def test_a_class_that_is_referred_to_with_ext() -> None:
    """`dictConfig` takes it, so a project may have it."""
    options = {key: value for key, value in FILE.items() if key != "class"}
    (message,) = _run(file={"()": "ext://logging.handlers.RotatingFileHandler"} | options)
    assert message.id == "logboom.W001" and '"()": "logboom.RotatingFileHandler"' in message.hint


@pytest.mark.parametrize("text", ["1 / 0", "def (", "import sys; sys.exit(3)", "raise KeyError('shop')"])
@pytest.mark.parametrize("key", ["class", "filename"])
def test_a_module_that_fails_does_not_end_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, key: str
) -> None:
    """Where Django configures no logging, the check is the first to import the handler's module."""
    (tmp_path / "shop_broken.py").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    value = "shop_broken.Handler" if key == "class" else "ext://shop_broken.FILE"
    assert _ids(file={"class": "logging.FileHandler", "filename": "a.log"} | {key: value}) == []


@pytest.mark.parametrize(
    "filename",
    ["a\0.log", "a" * 5000, b"a.log", "loop/a.log", "loop"],
    ids=["NUL", "long", "bytes", "in", "loop"],
)
def test_a_name_that_no_file_can_have_does_not_end_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filename: Any
) -> None:
    """`open` is the one to complain; the rest of the settings are judged all the same."""
    monkeypatch.chdir(tmp_path)
    if os.name == "posix":
        (tmp_path / "loop").symlink_to("loop")
    assert set(_ids(odd=FILE | {"filename": filename}, file=FILE)) == {"logboom.W001"}


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_a_directory_that_may_not_be_entered_does_not_end_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `delay` the settings are valid for a deployer who may not enter the directory of the logs."""
    file = tmp_path / "closed" / "logs" / "a.log"
    real = os.stat

    def stat(path: Any, *args: Any, **options: Any) -> os.stat_result:
        if not isinstance(path, int) and os.fsdecode(path).startswith(os.fspath(file.parent)):
            raise PermissionError(errno.EACCES, "Permission denied", os.fsdecode(path))
        return real(path, *args, **options)

    monkeypatch.setattr(os, "stat", stat)  # root may enter everything
    assert _ids(file=FILE | {"filename": file, "delay": True}) == ["logboom.W001"]


class Unmade(logging.FileHandler):
    """Its `__init__` calls nobody's."""

    def __init__(self) -> None:
        self.level = 0


def make_strange() -> 1 / 0:  # type: ignore[valid-type]
    raise AssertionError("a check must not open log files")


def test_strange_objects_do_not_end_the_check() -> None:
    """A logger takes anything as its handler, and an annotation may be anything."""
    logger = logging.getLogger("logboom.tests.strange")
    strange = [Unmade(), types.SimpleNamespace(level=0)]
    logger.handlers += strange  # type: ignore[arg-type]
    try:
        assert _ids(one={"()": make_strange}, two={"()": Unmade}, three={"()": print}, file=FILE) == [
            "logboom.W001"
        ]
    finally:
        logger.handlers.clear()


SIZES = functools.partial(logging.handlers.RotatingFileHandler, "a.log", "a", 100, backupCount=3)


THEIRS, OURS = "logging.handlers.RotatingFileHandler", "logboom.RotatingFileHandler"
DERIVE = (
    f"Let {__name__}.Own derive from {OURS} instead of {THEIRS}; "
    f"if it rotates in a way of its own, use {OURS} itself, with what it sets"
)
RETURN = f"Let {__name__}.make return a {OURS} instead of a {THEIRS}"
CHANGE = 'In LOGGING["handlers"]["file"] change "()": {0} to "()": {1}'
PARTIAL = "functools.partial({}, 'a.log', 'a', 100, backupCount=3)"


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ({"class": Own, "filename": "a.log", "maxBytes": 100, "backupCount": 2}, DERIVE),
        ({"()": make, "filename": "a.log"}, RETURN),
        ({"()": functools.partial(make, maxBytes=100), "filename": "a.log"}, RETURN),
        ({"()": SIZES}, CHANGE.format(PARTIAL.format(THEIRS), PARTIAL.format(OURS))),
        ({"()": functools.partial(Own, maxBytes=100, backupCount=2), "filename": "a.log"}, DERIVE),
    ],
    ids=["subclass", "factory", "partial factory", "partial", "partial subclass"],
)
def test_the_hint_can_be_followed_word_by_word(entry: dict[str, Any], hint: str) -> None:
    """With logboom's class in the place of one that sets its own sizes, nothing would rotate any more."""
    (message,) = _run(file=entry)
    assert message.hint == hint


def test_a_hint_that_was_followed_ends_the_warning(tmp_path: Path) -> None:
    """The subclass and the factory keep what they set, and the file rotates as before."""
    head = HEAD + "import logging, logging.handlers, logboom\n"
    body = (
        "class Small({0}.RotatingFileHandler):\n"
        "    def __init__(self, filename):\n"
        "        super().__init__(filename, maxBytes=100, backupCount=2)\n"
        "def make(filename) -> logging.Handler:\n"
        "    return {0}.RotatingFileHandler(filename, maxBytes=100, backupCount=2)\n"
    )
    settings = """LOGGING = {"version": 1, "root": {"handlers": ["one", "two"]}, "handlers": {
        "one": {"class": "shop_handlers.Small", "filename": "a.log"},
        "two": {"()": "shop_handlers.make", "filename": "b.log"}}}
"""
    said = _check(tmp_path, HEAD + settings, shop_handlers=head + body.format("logging.handlers"))
    assert "Let shop_handlers.Small derive" in said and "Let shop_handlers.make return" in said, said
    said = _check(tmp_path, HEAD + settings, shop_handlers=head + body.format("logboom"))
    assert "no issues" in said, said
    code = (
        "import logging, logging.config, sys; sys.path.insert(0, '.'); import shop_settings\n"
        "logging.config.dictConfig(shop_settings.LOGGING)\n"
        "for _ in range(9): logging.warning('x' * 30)"
    )
    environment = os.environ | {"LOGBOOM_COLLECTOR": "off"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=60)
    assert {path.name for path in tmp_path.glob("*.log.*")} == {"a.log.1", "a.log.2", "b.log.1", "b.log.2"}


def test_the_hint_for_mode_w_holds_for_a_default_of_a_class_too() -> None:
    """There may be no "mode" in the settings that could be removed."""
    (message,) = _run(file={"class": "logging.FileHandler", "filename": "a.log", "mode": "w"})
    assert message.hint == 'In LOGGING["handlers"]["file"] set "mode" to "a".'


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


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ({"maxBytes": 10_000_000}, {"maxBytes": "10 MB"}, True),
        ({"maxBytes": "9.5 MiB"}, {"maxBytes": "9961472"}, True),
        ({"maxBytes": "10 MB"}, {"maxBytes": "10 MiB"}, False),
        ({"maxBytes": "no size"}, {"maxBytes": "no size either"}, False),
    ],
)
def test_one_size_can_be_written_in_two_ways(one: Any, other: Any, agree: bool) -> None:
    """A warning that is wrong is silenced, and the right ones with it."""
    ours = FILE | {"class": "logboom.RotatingFileHandler"}
    assert _ids(one=ours | one, other=ours | other) == ([] if agree else ["logboom.W003"])


def test_one_schedule_can_be_written_in_two_ways() -> None:
    """The letters of `when` may be small, and a class's defaults may be written out."""
    timed = {"class": "logboom.TimedRotatingFileHandler", "filename": "a.log"}
    assert _ids(one=timed | {"when": "midnight"}, other=timed | {"when": "MIDNIGHT", "interval": 1}) == []
    assert _ids(one=timed | {"when": "d"}, other=timed | {"when": "h"}) == ["logboom.W003"]


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


def _check(directory: Path, settings: str, **modules: str) -> str:
    """What `manage.py check` says of a project with these modules."""
    for name, text in {"shop_settings": settings, **modules}.items():
        (directory / f"{name}.py").write_text(text, "utf-8")
    command = [
        sys.executable,
        "-m",
        "django",
        "check",
        "--settings=shop_settings",
        f"--pythonpath={directory}",
    ]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


HEAD = 'SECRET_KEY = "x"\nINSTALLED_APPS = ["logboom.django"]\n'
TWO = """LOGGING = {"version": 1, "handlers": {
    "file": {
        "class": "logging.handlers.RotatingFileHandler",
        "filename": "a.log", "maxBytes": 10, "backupCount": 3},
    "errors": {
        "filename": "c.log", "maxBytes": 10, "backupCount": 3,
        "class": 'logging.handlers.RotatingFileHandler'}}}
"""


def test_manage_check_names_the_line_of_the_settings(tmp_path: Path) -> None:
    """A real project: the message must show where in the file the line is, with two such handlers, too."""
    said = _check(tmp_path, HEAD + TWO)
    assert said.count("logboom.W001") == 2, said
    assert "shop_settings.py:5" in said and "shop_settings.py:9" in said


def test_the_line_is_found_in_the_settings_that_are_imported(tmp_path: Path) -> None:
    """`settings/production.py` begins with `from .base import *` in most projects."""
    said = _check(tmp_path, "from shop_base import *\nDEBUG = False\n", shop_base=HEAD + TWO)
    assert "shop_base.py:5" in said and "shop_settings.py:" not in said, said


def test_a_class_that_is_named_elsewhere_in_the_settings(tmp_path: Path) -> None:
    """The one place where the name stands is the line to change; of two, neither is sure."""
    text = HEAD + "KIND = 'logging.handlers.RotatingFileHandler'\n"
    text += "LOGGING = {'version': 1, 'handlers': {'file': {\n"
    text += "'class': KIND, 'filename': 'a.log', 'maxBytes': 10, 'backupCount': 3}}}\n"
    said = _check(tmp_path, text)
    assert "logboom.W001" in said and "shop_settings.py:3" in said, said
    said = _check(tmp_path, text + "OTHER = 'logging.handlers.RotatingFileHandler'\n")
    assert "logboom.W001" in said and "shop_settings.py:" not in said, said
