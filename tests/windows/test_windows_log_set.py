"""Many processes, one rotating file, on Windows: the problem, and the same programs without it."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from windows_log_set import KINDS, LogSet, logboom, until

from logboom import platform

STANDARD = "logging.handlers.RotatingFileHandler"
COUNT = 1000


def read_now_and_then(path: Path, stop: threading.Event) -> None:
    """What an indexer or a scanner does: opens, so that nobody may rename meanwhile, and lets go."""
    while not stop.wait(0.01):
        try:
            with path.open("rb") as file:
                file.read(1000)
                stop.wait(0.03)
        except OSError:
            pass


@pytest.fixture
def scanner(log_set: LogSet) -> Iterator[None]:
    stop = threading.Event()
    paths = (log_set.path, log_set.path.with_name("app.log.1"))
    threads = [threading.Thread(target=read_now_and_then, args=(path, stop)) for path in paths]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


def test_the_problem(log_set: LogSet) -> None:
    """The standard handler in two processes: WinError 32, and lines that are nowhere."""
    for name in ("one", "two"):
        log_set.start("independent", name, COUNT, handler=STANDARD, LOG_TOGETHER="one two")
    log_set.wait()
    assert "PermissionError: [WinError 32]" in log_set.complaints()
    text = b"".join(path.read_bytes() for path in log_set.files()).decode("utf-8", "replace")
    assert [record for record in log_set.noted() if "INFO {} {} ".format(*record) not in text]


def test_the_class_changed(log_set: LogSet) -> None:
    """Four processes that know nothing of each other, all started as people start them."""
    for kind in KINDS:
        log_set.start(kind, kind, COUNT, LOG_TOGETHER=" ".join(KINDS))
    log_set.wait()
    log_set.verdict()
    assert len(log_set.records()) == len(KINDS) * COUNT
    assert len(log_set.files()) > 5
    assert log_set.complaints() == ""


def test_scanner(log_set: LogSet, scanner: None) -> None:
    """Somebody opens the live file and the newest archive all the time."""
    for kind in KINDS:
        log_set.start(kind, kind, COUNT, LOG_TOGETHER=" ".join(KINDS))
    log_set.wait()
    log_set.verdict()
    assert len(log_set.records()) == len(KINDS) * COUNT
    assert log_set.complaints() == ""


def test_editor_holds_the_files(log_set: LogSet) -> None:
    """Files that stay open elsewhere: the log goes on, bounded, and the names are right afterwards."""
    log_set.start("independent", "first", 600)
    log_set.wait()
    log_set.verdict()
    with log_set.path.open("rb"), log_set.path.with_name("app.log.1").open("rb"):
        for kind in KINDS:
            log_set.start(kind, kind, 600, LOG_TOGETHER=" ".join(KINDS))
        log_set.wait()
        log_set.verdict()
        assert len(log_set.records()) == 600 + len(KINDS) * 600
        assert all(path.stat().st_size <= 20000 for path in log_set.files())
        assert log_set.path.with_name("app.log.0.1").exists()
    log_set.start("independent", "last", 600)
    log_set.wait()
    log_set.verdict()
    until(lambda: not list(log_set.path.parent.glob("app.log.0.*")), 60)
    log_set.verdict()
    assert log_set.complaints() == ""


def test_reader_that_lets_others_rename(log_set: LogSet) -> None:
    """A file that was opened with FILE_SHARE_DELETE is renamed under its reader, and not copied."""
    log_set.start("independent", "first", 600)
    log_set.wait()
    log_set.verdict()
    fd = platform.open_for_reading(log_set.path)
    begins = os.read(fd, 100)
    log_set.start("script", "second", 1000)
    log_set.wait()
    log_set.verdict()
    names = {path.name for path in log_set.path.parent.iterdir()}
    assert not [name for name in names if name.startswith("app.log.0.")]
    (read,) = (path for path in log_set.files() if path.read_bytes().startswith(begins))
    assert read != log_set.path
    assert os.fstat(fd).st_ino == read.stat().st_ino
    os.close(fd)
    assert log_set.complaints() == ""


@pytest.mark.parametrize("page", ["cp936", "cp1252"])
def test_console_of_an_old_code_page(log_set: LogSet, page: str) -> None:
    """A LOGGING of console and file: the file is UTF-8 whatever the console can show."""
    console = {"LOG_HANDLERS": "console,file", "PYTHONIOENCODING": f"{page}:backslashreplace"}
    log_set.start("script", "page", 20, **console)
    log_set.wait()
    log_set.verdict()
    assert len(log_set.records()) == 20
    assert "Traceback" not in log_set.complaints()
    shown = (log_set.notes.parent / "page.stderr").read_bytes()
    assert shown.count("订单已支付 ä".encode(page, "backslashreplace")) == 20


def test_console_that_cannot_show_it(log_set: LogSet) -> None:
    """The console's own error is Python's to print; the file has the record all the same."""
    console = {"LOG_HANDLERS": "console,file", "PYTHONIOENCODING": "cp1252:strict"}
    log_set.start("script", "page", 3, **console)
    log_set.wait()
    log_set.verdict()
    assert len(log_set.records()) == 3


def test_terminated_at_random_times(log_set: LogSet) -> None:
    """The oracle under TerminateProcess: whatever dies, each record whose call returned is there once."""
    chance = random.Random(3)
    collectors: set[int] = set()
    deadline = time.monotonic() + 150
    while len(collectors) < 6 or len(log_set.running) < 15:
        assert time.monotonic() < deadline, f"{len(collectors)} collectors, {len(log_set.running)} programs"
        while sum(process.poll() is None for process in log_set.running) < 3:
            kind = chance.choice(("independent", "script", "command"))
            # A roll renames every archive, slowly under Wine: with few of them all is written in time.
            log_set.start(kind, f"p{len(log_set.running)}", 1_000_000, LOG_BYTES="60000")
        threading.Event().wait(chance.uniform(0.05, 0.6))
        if chance.random() < 0.5:
            collectors |= kill_collector(log_set.path, collectors)
        else:
            chance.choice(log_set.running).kill()
    for process in log_set.running:
        process.kill()
        process.wait()
    log_set.start("independent", "last", 5, LOG_BYTES="60000")
    log_set.wait()
    # Its collector may have met the lock of one that was being killed, and nobody logs any more.
    assert logboom("drain", log_set.path).returncode == 0
    log_set.verdict()
    assert len(log_set.noted()) > 1000
    assert len(log_set.files()) > 1
    assert "Traceback" not in log_set.complaints()


def kill_collector(live: Path, already: set[int]) -> set[int]:
    from logboom.demo.collector import collector_pid

    pid = collector_pid(live)
    if pid is None or pid in already:
        return set()
    try:
        os.kill(pid, signal.SIGTERM)  # any signal but the console's two is a TerminateProcess
    except OSError:
        return set()
    return {pid}


def test_demo() -> None:
    """The demonstration shows both handlers here, too: what one loses, and that the other has it all."""
    result = logboom("demo")
    text = result.stdout.decode("utf-8", "replace")
    assert result.returncode == 0, text + result.stderr.decode("utf-8", "replace")
    assert "arrived once, whole and in order" in text
    (missing,) = (line for line in text.splitlines() if re.match(r"\s*[|│] missing ", line))
    lost, ours = re.findall(r"[\d,]+", missing)
    assert lost != "0"
    assert ours == "0"
