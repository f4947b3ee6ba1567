"""What a handler refuses, makes and remembers when it is made."""

from __future__ import annotations

import logging
import logging.handlers
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

import logboom
from logboom import platform
from logboom.errors import ConfigurationError

KINDS = [logboom.FileHandler, logboom.RotatingFileHandler, logboom.TimedRotatingFileHandler]


@pytest.fixture(autouse=True)
def no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")


@pytest.mark.parametrize("kind", KINDS)
def test_handler_is_an_instance_of_its_namesake(kind: type[logging.Handler], tmp_path: Path) -> None:
    """Libraries look for file handlers with `isinstance`."""
    handler: Any = kind(tmp_path / "app.log")  # type: ignore[call-arg]
    namesake = getattr(logging.handlers, kind.__name__, logging.FileHandler)
    assert isinstance(handler, namesake)
    assert isinstance(handler, logging.FileHandler)
    assert handler.baseFilename == str(tmp_path / "app.log")
    assert handler.stream is None
    handler.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"compress": "lzma"}, "gzip"),
        ({"when_full": "panic"}, "drop_newest"),
        ({"collector": "yes"}, "auto"),
        ({"max_age": "a week"}, "7 d"),
        ({"max_total_size": "much"}, "10 MB"),
        ({"spool_max_size": -1}, "10 MB"),
        ({"file_mode": "rw-r-----"}, "0640"),
        ({"fsync_level": "LOUD"}, "ERROR"),
        ({"control_characters": "no"}, "escape"),
        ({"maxsize": 1}, "spool_max_size"),
        ({"mode": "x"}, '"a" or "w"'),
        ({"encoding": "utf-9"}, "codec"),
        ({"errors": "shrug"}, "error handler"),
        ({"flush_timeout": None}, "default"),
        ({"spool_max_size": None}, "default"),
        ({"spool_max_size": 0}, "1 GB"),
        ({"linger": float("inf")}, "7 d"),
        ({"max_total_size": float("inf")}, "10 MB"),
        ({"spool": ""}, "directory"),
        ({"spool": 5}, "directory"),
        ({"file_mode": True}, "0640"),
    ],
)
def test_bad_option_is_refused_with_what_to_use(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    """Bad input is an error when the program starts, and the text says what to do."""
    with pytest.raises(ConfigurationError) as caught:
        logboom.FileHandler(tmp_path / "app.log", **options)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"interval": 0}, "whole number"),
        ({"interval": 1.5}, "smaller unit"),
        ({"interval": "2"}, "whole number"),
        ({"atTime": "03:00"}, "datetime.time"),
        ({"backupCount": "5"}, "number of files"),
        ({"maxBytes": "much"}, "10 MB"),
    ],
)
def test_bad_schedule_is_refused_with_what_to_use(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    """The collector could only find out when the records are there, and nobody reads what it says."""
    with pytest.raises(ConfigurationError, match=says):
        logboom.TimedRotatingFileHandler(tmp_path / "app.log", **options)


def test_log_file_in_the_place_of_its_journal_is_refused(tmp_path: Path) -> None:
    """It would stand in the way of the journal of every log file in the directory."""
    with pytest.raises(ConfigurationError, match="another name"):
        logboom.FileHandler(tmp_path / ".logboom")
    assert not (tmp_path / ".logboom").exists()


@pytest.mark.parametrize("arguments", [("D", 1.0, True, None, 1, 0), ("d", True, 3, None, None, None)])
def test_values_that_stand_for_another_type_lose_nothing(tmp_path: Path, arguments: Any) -> None:
    """`delay=1`, `utc=0` are common in INI files; a journal that says 1 for true could not be read."""
    when, interval, count, encoding, delay, utc = arguments
    log = os.fsencode(tmp_path / "app.log")
    handler = logboom.TimedRotatingFileHandler(log, when, interval, count, encoding, delay, utc)
    handler.handle(logging.makeLogRecord({"msg": "kept"}))
    assert handler.baseFilename == str(tmp_path / "app.log")
    assert logboom.flush(30)
    assert (tmp_path / "app.log").read_text() == "kept\n"
    handler.close()


@pytest.mark.parametrize("disable", ["", "1"])
@pytest.mark.parametrize("attribute", ["namer", "rotator"])
def test_function_of_one_process_is_refused(
    attribute: str, disable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector cannot call a function of the program: saying so at once beats ignoring it.

    Tests that run without a log say it, too: else the first to see it is the server.
    """
    monkeypatch.setenv("LOGBOOM_DISABLE", disable)
    handler = logboom.RotatingFileHandler(tmp_path / "app.log")
    setattr(handler, attribute, None)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        setattr(handler, attribute, print)
    handler.close()


OVERRIDES = (
    "doRollover",
    "shouldRollover",
    "computeRollover",
    "_open",
    "rotate",
    "rotation_filename",
)


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_method_that_another_process_would_not_call_is_refused(name: str, tmp_path: Path) -> None:
    """An override that nobody calls would be found out when the first file is rolled, or never."""
    kind = type("Mine", (logboom.TimedRotatingFileHandler,), {name: lambda self, *arguments: 1})
    with pytest.raises(ConfigurationError, match=f"{name} cannot be used"):
        kind(tmp_path / "app.log")
    Plain = type("Plain", (logboom.TimedRotatingFileHandler,), {"emit": lambda self, record: None})
    Plain(tmp_path / "app.log").close()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("maxBytes", 60, "constructor"),
        ("backupCount", 3, "constructor"),
        ("baseFilename", "other.log", "constructor"),
        ("suffix", "%H", "names"),
        ("doRollover", print, "compress"),
    ],
)
def test_what_the_collector_was_told_is_not_changed_behind_its_back(
    name: str, value: Any, says: str, tmp_path: Path
) -> None:
    """`dictConfig` sets attributes with a key "."; one that counts for nothing lets a file grow for ever."""
    handler = logboom.TimedRotatingFileHandler(tmp_path / "app.log")
    setattr(handler, name, getattr(handler, name))
    with pytest.raises(ConfigurationError, match=says):
        setattr(handler, name, value)
    handler.note = "a program's own"  # type: ignore[attr-defined]
    handler.close()


def test_sizes_and_times_take_units(tmp_path: Path) -> None:
    """`"10 MB"` and `"7 d"` are what people write."""
    handler = logboom.RotatingFileHandler(
        tmp_path / "app.log", maxBytes="10 MB", max_age="7 d", max_total_size="1 GiB", linger="500 ms"
    )
    assert handler.maxBytes == 10_000_000
    assert handler.options is not None
    assert (handler.options.max_age, handler.options.max_total_size) == (604_800.0, 2**30)
    assert handler.options.linger == 0.5
    handler.close()


def test_live_file_exists_once_configured_unless_delayed(tmp_path: Path) -> None:
    """`tail -F` may be started before the first record."""
    logboom.FileHandler(tmp_path / "deep" / "app.log").close()
    logboom.FileHandler(tmp_path / "late.log", delay=True).close()
    assert (tmp_path / "deep" / "app.log").read_bytes() == b""
    assert not (tmp_path / "late.log").exists()


def test_configuring_leaves_no_process_and_no_spool(tmp_path: Path) -> None:
    """A program that configures logging and logs nothing must leave nothing behind but its log file."""
    script = "import logboom, sys; logboom.RotatingFileHandler(sys.argv[1])"
    environment = {name: value for name, value in os.environ.items() if name != "LOGBOOM_COLLECTOR"}
    subprocess.run([sys.executable, "-c", script, tmp_path / "app.log"], check=True, env=environment)
    assert [path.name for path in tmp_path.iterdir()] == ["app.log"]


MODES = [
    (0o022, 0o755, 0o644),
    (0o022, 0o775, 0o664),
    (0o027, 0o775, 0o660),
    (0o077, 0o775, 0o600),  # who keeps the group out means it
    (0o022, 0o777, 0o644),  # anybody may write here: nobody shares anything
    (0o022, 0o1775, 0o644),  # nobody may rename what is another's
]


@pytest.mark.parametrize(("umask", "directory", "expected"), MODES)
def test_mode_follows_umask_and_those_who_share_the_directory(
    umask: int, directory: int, expected: int, tmp_path: Path
) -> None:
    """Two users who can both write the directory must both be able to append."""
    logs = tmp_path / "logs"
    logs.mkdir()
    logs.chmod(directory)
    before = os.umask(umask)
    try:
        logboom.FileHandler(logs / "app.log").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((logs / "app.log").stat().st_mode) == expected


@pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="only root can give files away")
def test_roots_file_belongs_to_the_directorys_owner(tmp_path: Path) -> None:
    """root's cron may come first: www-data must be able to write the set afterwards."""
    logs = tmp_path / "logs"
    logs.mkdir()
    os.chown(logs, 65534, 65534)
    handler = logboom.FileHandler(logs / "app.log")
    logger = logging.Logger("roots")
    logger.addHandler(handler)
    logger.warning("hello")
    owners = {path.stat().st_uid for path in [logs / "app.log", *(logs / ".logboom").rglob("*")]}
    handler.close()
    assert owners == {65534}


@pytest.mark.skipif(sys.platform == "win32", reason="permission bits")
@pytest.mark.parametrize(
    ("log", "options", "group"), [(0o600, {}, 0), (0o600, {"file_mode": 0o640}, 0), (0o640, {}, 0o040)]
)
def test_journal_is_closed_to_whom_the_log_is_closed(
    log: int, options: dict[str, Any], group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator who closes a log has closed the way of its lines as well."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "off")
    tmp_path.chmod(0o755)
    (tmp_path / "app.log").touch()
    (tmp_path / "app.log").chmod(log)
    logger = logging.Logger("closed")
    logger.addHandler(handler := logboom.FileHandler(tmp_path / "app.log", **options))
    logger.warning("secret")
    holding = [
        path
        for path in (tmp_path / ".logboom").rglob("*")
        if path.is_file() and b"secret" in path.read_bytes()
    ]
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in holding}
    handler.close()
    assert modes == {".segment": group, ".bytes": group}


def test_network_mount_asks_for_a_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks and appends there depend on another host; a local spool does not."""
    local = tmp_path / "local"
    local.mkdir()
    monkeypatch.setattr(platform, "filesystem_of", lambda path: "tmpfs" if path == local else "nfs4")
    with pytest.raises(ConfigurationError, match="spool="):
        logboom.FileHandler(tmp_path / "app.log")
    logboom.FileHandler(tmp_path / "app.log", spool=local).close()


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can be somebody else")
def test_a_place_where_the_journal_cannot_be_is_refused() -> None:
    """The log file may be written, its directory not: each record would be dropped."""
    code = """
import os, sys
import logboom.handlers
logboom.handlers.FileHandler(sys.argv[1])  # what it imports may be out of reach later
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    logboom.handlers.FileHandler(sys.argv[1])
except ValueError as error:
    print(error)
"""
    with tempfile.TemporaryDirectory() as directory:  # pytest's own may not be entered by others
        log = Path(directory, "app.log")
        log.touch()
        log.chmod(0o666)
        log.parent.chmod(0o755)
        done = subprocess.run([sys.executable, "-c", code, log], capture_output=True, text=True, check=False)
    assert "spool=" in done.stdout, done.stderr


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can give files away")
def test_another_users_file_among_private_journals_is_refused(tmp_path: Path) -> None:
    """Where anybody may write, two users' collectors would wait for each other's file."""
    tmp_path.chmod(0o1777)
    (tmp_path / "app.log").touch()
    os.chown(tmp_path / "app.log", 12345, 12345)
    with pytest.raises(ConfigurationError, match="group"):
        logboom.FileHandler(tmp_path / "app.log")
    logboom.FileHandler(tmp_path / "own.log").close()


def test_a_spool_named_as_it_is_by_default_is_the_same(tmp_path: Path) -> None:
    """One program names it, another does not: one file, and not two that hold each other up."""
    first = logboom.FileHandler(tmp_path / "app.log")
    second = logboom.FileHandler(tmp_path / "app.log", spool=tmp_path / ".logboom")
    assert first._producer is not None and second._producer is not None
    assert first._producer.target.key == second._producer.target.key
    for handler in (first, second):
        handler.close()


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no /dev/fd")
def test_a_stream_that_is_not_open_is_an_error_at_once(tmp_path: Path) -> None:
    """As in the standard library; with `delay` it may be opened later."""
    with pytest.raises(FileNotFoundError):
        logboom.FileHandler("/dev/fd/987")
    logboom.FileHandler("/dev/fd/987", delay=True).close()


def test_all_of_logging_handlers_is_here(tmp_path: Path) -> None:
    """Replacing the module's name in a program is the whole migration, without pyzmq too."""
    code = """
import sys
sys.modules["zmq"] = None
from logboom.handlers import *
import logboom.handlers, logging.handlers
assert RotatingFileHandler is logboom.RotatingFileHandler
assert logboom.handlers.QueueHandler is logging.handlers.QueueHandler
assert not hasattr(logboom.handlers, "NothingHandler") and not hasattr(logboom.handlers, "logging_")
try:
    logboom.handlers.PUSHHandler
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "logboom[zmq]" in done.stdout, done.stderr


def test_directory_as_a_file_is_refused(tmp_path: Path) -> None:
    """The standard library says `IsADirectoryError`; this says what to do."""
    with pytest.raises(ConfigurationError, match="Name a file"):
        logboom.FileHandler(tmp_path)


def test_disabled_handler_touches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`LOGBOOM_DISABLE=1` is for tests that want no files at all."""
    monkeypatch.setenv("LOGBOOM_DISABLE", "1")
    handler = logboom.RotatingFileHandler(tmp_path / "app.log")
    handler.handle(logging.makeLogRecord({"msg": "x"}))
    handler.flush()
    handler.close()
    assert list(tmp_path.iterdir()) == []


def test_symlink_leads_to_the_spool_of_its_target(tmp_path: Path) -> None:
    """Two names of one file are one set."""
    (tmp_path / "real").mkdir()
    (tmp_path / "alias.log").symlink_to(tmp_path / "real" / "app.log")
    handler = logboom.FileHandler(tmp_path / "alias.log")
    handler.handle(logging.makeLogRecord({"msg": "x"}))
    assert (tmp_path / "real" / ".logboom").is_dir()
    assert not (tmp_path / ".logboom").exists()
    handler.close()
    assert (tmp_path / "real" / "app.log").read_text() == "x\n"
