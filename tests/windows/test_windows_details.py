"""What is peculiar to Windows, one thing a test."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from windows_log_set import LogSet, logboom, until

import logboom as package
from logboom import platform
from logboom.errors import ConfigurationError
from logboom.producer import starting
from logboom.spool import doorbell, status
from logboom.spool.status import write_status

if sys.platform == "win32":
    from logboom.platform import windows


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.Logger("windows")
    yield made
    for handler in list(made.handlers):
        handler.close()


def attach(logger: logging.Logger, path: object, **options: Any) -> package.RotatingFileHandler:
    handler = package.RotatingFileHandler(str(path), **{"flush_timeout": 60, **options})
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    return handler


def run(*arguments: object, **more: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=150, check=False, **more
    )


def test_locks_are_freed_when_the_process_dies(tmp_path: Path) -> None:
    """A killed writer or collector must not keep its lock until the machine starts again."""
    code = (
        "import sys, os, time; from logboom import platform; "
        "fd = platform.open_file(sys.argv[1], os.O_RDWR | os.O_CREAT); platform.try_lock(fd); "
        "print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        fd = platform.open_file(tmp_path / "lock", os.O_RDWR)
        assert not platform.lock_is_free(fd)
        holder.kill()
    until(lambda: platform.lock_is_free(fd))
    os.close(fd)


def test_claim_passes_to_the_started_process(tmp_path: Path) -> None:
    """Producers that miss their collector at once start one interpreter; locks are not inherited."""
    keep = platform.claim(tmp_path / "starting.lock")
    assert keep is not None
    assert platform.claim(tmp_path / "starting.lock") is None
    code = (
        "import sys, os, time\nend = time.monotonic() + 60\n"
        "while not os.path.exists(sys.argv[1]) and time.monotonic() < end: time.sleep(0.01)"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "end")]
    platform.spawn_detached(argv, dict(os.environ), keep)
    os.close(keep)
    assert platform.claim(tmp_path / "starting.lock") is None
    (tmp_path / "end").touch()

    def free() -> bool:
        claimed = platform.claim(tmp_path / "starting.lock")
        if claimed is not None:
            os.close(claimed)
        return claimed is not None

    until(free)


def test_detached_start_has_no_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No window flashes up, and closing the console of a program does not end the collector."""
    code = (
        "import ctypes, json, os, sys; k = ctypes.windll.kernel32; "
        "open(sys.argv[1] + '.new', 'w').write(json.dumps([k.GetConsoleCP(), os.getcwd()])); "
        "os.rename(sys.argv[1] + '.new', sys.argv[1])"
    )
    keep = platform.claim(tmp_path / "starting.lock")
    assert keep is not None
    flags: list[int] = []
    start = windows._start

    def noted(argv: Any, environment: Any, asked: int) -> Any:
        flags.append(asked)
        return start(argv, environment, asked)

    monkeypatch.setattr(windows, "_start", noted)  # under Wine the tests have no console to inherit
    platform.spawn_detached([sys.executable, "-c", code, str(tmp_path / "said")], dict(os.environ), keep)
    assert flags[-1] & subprocess.DETACHED_PROCESS
    os.close(keep)
    until((tmp_path / "said").exists)
    page, directory = json.loads((tmp_path / "said").read_text())
    assert page == 0
    assert directory == Path(directory).anchor


def test_job_that_keeps_its_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service's job may forbid to leave it: the collector starts all the same, inside."""
    asked: list[int] = []
    start = windows._start

    def refuse(argv: Any, environment: Any, flags: int) -> Any:
        asked.append(flags)
        if flags & subprocess.CREATE_BREAKAWAY_FROM_JOB:
            raise OSError(None, "Access denied", None, 5)
        return start(argv, environment, flags)

    monkeypatch.setattr(windows, "_start", refuse)
    keep = platform.claim(tmp_path / "starting.lock")
    assert keep is not None
    platform.spawn_detached([sys.executable, "-c", ""], dict(os.environ), keep)
    os.close(keep)
    assert [bool(flags & subprocess.CREATE_BREAKAWAY_FROM_JOB) for flags in asked] == [True, False]
    assert asked[1] & subprocess.DETACHED_PROCESS


def test_collector_runs_the_base_interpreter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A virtual environment's python.exe is a launcher: it would stay as a second process, and be in use."""
    monkeypatch.delenv("LOGBOOM_PYTHON", raising=False)
    monkeypatch.setattr(sys, "_base_executable", sys.executable)
    launcher = tmp_path / "venv" / "Scripts" / "python.exe"
    launcher.parent.mkdir(parents=True)
    launcher.write_bytes(b"")
    monkeypatch.setattr(sys, "executable", str(launcher))
    assert starting.python_for_collector() == sys._base_executable


def test_report_that_somebody_holds_is_written_later(tmp_path: Path) -> None:
    """An editor that has status.json open stops nobody; the next report after it takes the place."""
    write_status(tmp_path, {"flushed": 1.0})
    with open(tmp_path / status.STATUS, "rb"):
        write_status(tmp_path, {"flushed": 2.0})
        assert status.read_status(tmp_path) == {"flushed": 1.0}
    write_status(tmp_path, {"flushed": 3.0})
    assert status.read_status(tmp_path) == {"flushed": 3.0}
    assert [path.name for path in tmp_path.iterdir()] == [status.STATUS]


def test_doorbell(tmp_path: Path) -> None:
    """A ring is heard once, tells whether anybody listens, and leaves nobody listening after the end."""
    path = tmp_path / "doorbell"
    assert not platform.ring(path, b"w")
    bell = platform.Doorbell(path, 0o600)
    assert platform.ring(path, b"")
    assert bell.wait(0) == b""
    assert platform.ring(path, b"f") and platform.ring(path, b"f") and platform.ring(path, b"s")
    assert sorted(bell.wait(5)) == sorted(b"fs")
    assert bell.wait(0) == b""
    bell.close()
    assert not platform.ring(path, b"w")


def test_stop_frees_everything(log_set: LogSet, tmp_path: Path) -> None:
    """The virtual environment, the working directory and the spool can be deleted after `logboom stop`."""
    site, here = tmp_path / "site", tmp_path / "here"
    here.mkdir()
    for module in (package, __import__("msgspec")):
        source = Path(module.__file__ or "").parent
        shutil.copytree(source, site / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import logging, logboom; "
        "assert logboom.__file__.startswith(sys.argv[1]); "
        "h = logboom.RotatingFileHandler(sys.argv[2], linger=300); l = logging.Logger('x'); l.addHandler(h); "
        "l.info('one'); h.flush()"
    )
    result = run("-c", code, site, log_set.path, cwd=here)
    assert result.returncode == 0, result.stderr
    spool = log_set.path.parent / ".logboom"
    until(lambda: doorbell.collector_lives(spool, b""))
    shutil.rmtree(here)
    assert logboom("stop", log_set.path).returncode == 0
    shutil.rmtree(site)
    shutil.rmtree(spool)
    assert log_set.path.read_bytes() == b"one\n"


@pytest.mark.parametrize("delay", [False, True])
def test_two_spellings_are_one_file(tmp_path: Path, logger: logging.Logger, delay: bool) -> None:
    """app.log and APP.LOG are one file: two collectors' sinks for it would overwrite each other."""
    (tmp_path / "Logs").mkdir()
    first = attach(logger, tmp_path / "Logs" / "App.log", maxBytes=500, backupCount=50, delay=delay)
    second = attach(logger, tmp_path / "LOGS" / "APP.LOG", maxBytes=500, backupCount=50, delay=delay)
    for number in range(50):
        logger.info("%04d", number)
    first.flush()
    second.flush()
    # With `delay` nobody has made the file when the second handler asks how it is spelled.
    assert platform.spelled(tmp_path / "Logs", "app.LOG") in (
        {"App.log", "APP.LOG"} if delay else {"App.log"}
    )
    spools = {path.parent for path in tmp_path.rglob("collector.lock")}
    assert len(spools) == 1
    spool = spools.pop()
    until(lambda: "sinks" in status.read_status(spool))
    assert len(status.read_status(spool)["sinks"]) == 1
    text = b"".join(path.read_bytes() for path in (tmp_path / "Logs").glob("*.log*") if path.is_file())
    assert sorted(text.split()) == sorted([b"%04d" % number for number in range(50)] * 2)


def test_every_way_to_write_a_path_is_one_file(tmp_path: Path, logger: logging.Logger) -> None:
    """Slashes, the case of the drive, a name of eight letters and three: one target."""
    directory = tmp_path / "a directory of logs"
    directory.mkdir()
    short = ctypes.create_unicode_buffer(1000)
    assert ctypes.windll.kernel32.GetShortPathNameW(str(directory), short, len(short))
    assert short.value != str(directory)
    plain = str(directory / "app.log")
    spellings = [
        plain,
        plain.replace("\\", "/"),
        plain[0].lower() + plain[1:],
        plain[0].upper() + plain[1:],
        f"{short.value}\\app.log",
        str(directory / "x" / ".." / "app.log"),
    ]
    handlers = [attach(logger, spelling) for spelling in spellings]
    logger.info("one")
    for handler in handlers:
        handler.flush()
    spool = directory / ".logboom"
    assert list(tmp_path.rglob("collector.lock")) == [spool / "collector.lock"]
    until(lambda: len(status.read_status(spool).get("sinks", ())) == 1)
    assert (directory / "app.log").read_bytes() == b"one\n" * len(spellings)


def test_line_ends(tmp_path: Path, logger: logging.Logger) -> None:
    r"""A newline is \n as in a file on Linux, unless the handler asks for \r\n."""
    handler = attach(logger, tmp_path / "a.log")
    logger.info("one")
    handler.flush()
    assert (tmp_path / "a.log").read_bytes() == b"one\n"
    handler.terminator = "\r\n"
    other = attach(logger, tmp_path / "b.log")
    other.terminator = "\r\n"
    logger.info("two")
    other.flush()
    assert (tmp_path / "b.log").read_bytes() == b"two\r\n"


def test_long_paths(tmp_path: Path, logger: logging.Logger) -> None:
    """A deep directory: beyond 260 characters most calls refuse the plain path."""
    deep = tmp_path
    while len(str(deep)) < 300:
        deep = deep / ("d" * 40)
    plain = deep / "app.log"
    assert str(platform.real_path(plain)).startswith("\\\\?\\")  # Wine would take the plain path, too
    handler = attach(logger, plain, maxBytes=100, backupCount=5)
    for number in range(20):
        logger.info("line %d", number)
    handler.flush()
    extended = "\\\\?\\" + str(plain)
    with open(extended, "rb") as file:
        assert file.read().endswith(b"line 19\n")
    assert os.path.exists(extended + ".1")
    spool = Path("\\\\?\\" + str(deep)) / ".logboom"
    until(lambda: doorbell.collector_lives(spool, b""))
    assert b"ended" in logboom("stop", extended).stdout


def test_network_drives_and_shares(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, logger: logging.Logger
) -> None:
    """A share is fine for the file and not for the journal; the extended form of its name is another one."""
    share = Path("\\\\server\\logs\\" + "d" * 200)
    monkeypatch.setattr(os.path, "realpath", str)  # no server answers here
    assert str(platform.real_path(share)) == "\\\\?\\UNC\\server\\logs\\" + "d" * 200
    assert platform.real_path("C:\\logs") == Path("C:\\logs")
    monkeypatch.undo()
    monkeypatch.setattr(platform, "filesystem_of", lambda path: "remote")
    with pytest.raises(ConfigurationError, match="network"):
        package.RotatingFileHandler(tmp_path / "app.log")
    monkeypatch.setattr(
        platform, "filesystem_of", lambda path: "remote" if "far away" in str(path) else "NTFS"
    )
    (tmp_path / "far away").mkdir()
    attach(logger, tmp_path / "far away" / "app.log", spool=tmp_path / "spool")
    logger.info("one")
    logger.handlers[0].flush()
    assert (tmp_path / "far away" / "app.log").read_bytes() == b"one\n"
    assert not (tmp_path / "far away" / ".logboom").exists()


def test_account_without_a_profile(log_set: LogSet) -> None:
    """A service runs with next to no environment: no profile, no temporary directory."""
    code = (
        "import sys, logging, logboom; h = logboom.FileHandler(sys.argv[1]); l = logging.Logger('x'); "
        "l.addHandler(h); l.info('one'); h.flush()"
    )
    bare = {name: os.environ[name] for name in ("SYSTEMROOT", "SYSTEMDRIVE") if name in os.environ}
    wine = {name: value for name, value in os.environ.items() if name.startswith("WINE")}
    result = run("-c", code, log_set.path, env=bare | wine)
    assert result.returncode == 0, result.stderr
    assert result.stderr == b""
    assert log_set.path.read_bytes() == b"one\n"


def test_commands_on_an_old_console(tmp_path: Path, logger: logging.Logger) -> None:
    """A path that the console's code page has no letters for is no reason for a traceback."""
    directory = tmp_path / "订单"
    directory.mkdir()
    attach(logger, directory / "app.log")
    logger.info("one")
    until(lambda: doorbell.collector_lives(directory / ".logboom", b""))
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252:strict"}
    result = run("-m", "logboom", "status", directory / "app.log", env=environment)
    assert b"Traceback" not in result.stderr
    assert result.returncode == 0, (result.stdout, result.stderr)


def test_segment_that_somebody_reads_is_deleted_later(log_set: LogSet) -> None:
    """A scanner that has a delivered segment open must not bring its records back."""
    log_set.start("independent", "one", 3)
    log_set.wait()
    journal = log_set.path.parent / ".logboom" / "journal"
    log_set.verdict()
    for path in journal.glob("*.segment*"):
        with path.open("rb"):
            log_set.start("independent", "two", 3)
            log_set.wait()
            log_set.verdict()
    assert len(log_set.records()) in (3, 6)
    until(lambda: not list(journal.glob("*.segment*")), 30)
    assert len(log_set.records()) in (3, 6)
