"""What other users can do to a log set, and what they cannot: each attack with the attacker's own rights."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import stat
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from everybody import EverybodysPython

import logboom
from logboom.errors import ConfigurationError, SpoolError
from logboom.journal.layout import Context, Header, encode_line, format_for, segment_name
from logboom.journal.target import Target
from logboom.platform.files import Directory
from logboom.spool.directory import Spool
from logboom.spool.doorbell import LEADER_LOCK
from logboom.spool.place import place
from logboom.spool.status import LOG, Notebook

WWW, STRANGER = 33, 65534
PRODUCER = "5" * 16
PROGRAM = """
import os, sys
user, path, options = int(sys.argv[1]), sys.argv[2], eval(sys.argv[3])
import logging, logboom, logboom.collector.assembly
if user:
    os.setgroups([user]); os.setgid(user); os.setuid(user)
options = {"linger": 0.2, "close_timeout": 20} | options
handler = logboom.TimedRotatingFileHandler(path, when="D", max_age=1e6, **options)
logging.basicConfig(level="INFO", format="%(message)s", handlers=[handler])
for number in range(20):
    logging.info("%d says %d", user, number)
    handler.flush()
logging.shutdown()
"""


def run(
    python: EverybodysPython, user: int, log: Path, **options: object
) -> subprocess.CompletedProcess[str]:
    command = python.command("-c", PROGRAM, user, log, repr(options))
    return subprocess.run(**command, capture_output=True, timeout=60)


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def planted(target: Target, *texts: str) -> bytes:
    """A segment as anybody can write one who may write the journal."""
    header = Header(format_for(target), PRODUCER, 1, 1, "host", "program", 1.0, False, target, "9")
    context = Context(1, "message", ("text",))
    records = b"".join(msgspec.json.encode([1.0, 1, 20, "x", text]) + b"\n" for text in texts)
    return encode_line(header) + encode_line(context) + records


def plant(directory: Path, name: str, data: bytes) -> None:
    directory.mkdir(exist_ok=True)
    (directory / name).write_bytes(data)


# -- root's cron beside www-data ---------------------------------------------------------------------


def _link_elsewhere(logs: Path, victim: Path) -> None:
    os.rename(logs / ".logboom", logs / "kept")
    os.symlink(victim / "place", logs / ".logboom")


def _swap_directories(logs: Path, victim: Path) -> None:
    os.rename(logs / ".logboom", logs / "kept")
    os.rename(logs / "roots", logs / ".logboom")


def _plant_only(logs: Path, victim: Path) -> None: ...


@pytest.mark.parametrize("collector", ["off", "auto"])
@pytest.mark.parametrize("attack", [_link_elsewhere, _swap_directories, _plant_only])
def test_roots_program_gives_a_web_server_nothing(
    attack: Callable[[Path, Path], None],
    collector: str,
    everybody: EverybodysPython,
    logs: Path,
    open_path: Path,
    others: Any,
) -> None:
    """root's cron logs where the web server may rename and link everything: no file of root's comes of it."""
    victim = open_path / "victim"
    (victim / "place" / "journal").mkdir(parents=True)
    (victim / "place").chmod(0o777)
    (victim / "place" / "journal").chmod(0o777)
    (logs / "roots").mkdir()
    (logs / "roots" / "secret").write_text("of root")
    (logs / "roots").chmod(0o700)
    assert run(everybody, WWW, logs / "app.log", collector="off").stderr == ""

    def work() -> None:
        evil = planted(Target("owned", directory=str(victim)), "* * * * * root id")
        for spool in (logs / ".logboom", victim / "place"):
            plant(spool / "journal", segment_name(PRODUCER, 1), evil)
            data = str(victim).encode()
            plant(spool / "allowed", f"{zlib.crc32(data):08x}", data)
        attack(logs, victim)

    others.do(WWW, work)
    run(everybody, 0, logs / "app.log", collector=collector, flush_timeout=0.1, close_timeout=2)
    assert not (victim / "owned").exists() and not (open_path / "owned").exists()
    assert {path.stat().st_uid for path in logs.glob("app.log*")} == {WWW}
    (secret,) = {*logs.glob("*/secret"), *logs.glob(".logboom/secret")}
    assert (secret.parent.stat().st_uid, stat.S_IMODE(secret.parent.stat().st_mode)) == (0, 0o700)
    others_files = (path for path in logs.rglob("*") if not path.is_relative_to(secret.parent))
    assert {path.lstat().st_uid for path in others_files} == {WWW}


@pytest.mark.parametrize("collector", ["off", "auto"])
def test_root_delivers_as_the_directorys_owner(
    collector: str, everybody: EverybodysPython, logs: Path
) -> None:
    """With `collector="off"` as well, where the record is in the file when the call returns."""
    done = run(everybody, 0, logs / "app.log", collector=collector)
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(logs / "app.log") == [f"0 says {number}" for number in range(20)]
    assert {path.lstat().st_uid for path in logs.rglob("*")} == {WWW}


def test_root_does_not_lead_in_its_own_process(logs: Path) -> None:
    """Whatever is planted, uid 0 opens nothing for it."""
    spool = Spool.create(logs / ".logboom")
    from logboom.collector.election import Leadership

    with pytest.raises(SpoolError, match="root does not collect"):
        Leadership.seek(spool.path)


# -- headers -----------------------------------------------------------------------------------------


def drained(spool: Path) -> bool:
    from logboom.collector import assembly
    from logboom.platform import clock

    return assembly.drain(spool, clock.monotonic() + 20)


@pytest.mark.parametrize("bits", [0o4755, 0o2777, 0o6666, 0o7777, 0o111, 0])
@pytest.mark.parametrize("field", ["umask_mode", "file_mode"])
def test_no_header_makes_a_file_that_can_be_executed(field: str, bits: int, tmp_path: Path) -> None:
    """A set-uid file of the collector's user, with the attacker's text in it, is that user."""
    spool = Spool.create(tmp_path / ".logboom")
    data = planted(Target("app.log", **{field: bits}), "#!/bin/sh")
    plant(spool.journal_path, segment_name(PRODUCER, 1), data)
    assert drained(spool.path)
    mode = stat.S_IMODE((tmp_path / "app.log").stat().st_mode)
    assert mode & ~0o664 == 0 and mode & 0o600 == 0o600


@pytest.mark.parametrize(
    "change",
    [
        {"target": {"name": "a", "mode": "x"}},
        {"target": {"name": ""}},
        {"target": {"name": "a", "directory": "relative"}},
        {"target": {"name": "a", "encoding": "x" * 5000}},
        {"segment": -1},
        {"pid": -5},
        {"logboom": 0},
    ],
    ids=str,
)
def test_a_header_that_no_program_writes_is_none(change: dict[str, Any], tmp_path: Path) -> None:
    """Nothing acts on a value that no configuration can have; what is beside it is delivered."""
    spool = Spool.create(tmp_path / ".logboom")
    good = json.loads(planted(Target("a")).splitlines()[0])
    plant(spool.journal_path, segment_name("6" * 16, 1), json.dumps(good | change).encode() + b"\n")
    plant(spool.journal_path, segment_name(PRODUCER, 1), planted(Target("b"), "fine"))
    drained(spool.path)
    assert lines(tmp_path / "b") == ["fine"]
    assert not (tmp_path / "a").exists() or "target" not in change


@pytest.mark.parametrize(
    "change",
    [
        {"file_mode": 2**40},
        {"umask_mode": -1},
        {"max_age": -1},
        {"linger": -3},
        {"rotation": {"backup_count": -1, "max_bytes": -1}},
        {"rotation": {"interval": 0, "when": "H"}},
        {"rotation": {"at_time": 2**40, "when": "MIDNIGHT"}},
    ],
    ids=str,
)
def test_a_number_that_no_configuration_has_counts_as_none(change: dict[str, Any], tmp_path: Path) -> None:
    """The records go out, with the default in its place."""
    spool = Spool.create(tmp_path / ".logboom")
    first, rest = planted(Target("a"), "fine").split(b"\n", 1)
    header = json.loads(first)
    header["target"] |= change
    plant(spool.journal_path, segment_name(PRODUCER, 1), json.dumps(header).encode() + b"\n" + rest)
    assert drained(spool.path)
    assert lines(tmp_path / "a") == ["fine"]


# -- planted files -----------------------------------------------------------------------------------

KEY = zlib.crc32(b"app.log")
NAMES = [
    "status.json",
    ".status.json.tmp",
    "checkpoint.jsonl",
    "checkpoint.tmp",
    "collector.log",
    "collector.lock",
    "starting.lock",
    "doorbell",
    "bell",
    "flushed.json",
    "limits.json",
    "clock.json",
    "clock.json.new",
    ".clock.json.tmp",
    f"period.{KEY:08x}.json",
    f"period.{KEY:08x}.json.new",
    f"intent.{KEY:08x}.bytes",
    "README",
]


def _link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def _dangling(path: Path, victim: Path) -> None:
    path.symlink_to(victim.with_name("made"))


def _hard_link(path: Path, victim: Path) -> None:
    os.link(victim, path)


def _fifo(path: Path, victim: Path) -> None:
    os.mkfifo(path, 0o666)


def _zeros(path: Path, victim: Path) -> None:
    path.symlink_to("/dev/zero")


def _device(path: Path, victim: Path) -> None:
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))


def _sparse(path: Path, victim: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 << 30)


def _nested(path: Path, victim: Path) -> None:
    body = b"[" * 200_000
    path.write_bytes(b"%08x %s\n" % (zlib.crc32(body), body) if path.suffix == ".jsonl" else body)


@pytest.mark.parametrize("kind", [_link, _dangling, _hard_link, _fifo, _zeros, _device, _sparse, _nested])
def test_planted_files_stop_nothing_and_lead_nowhere(
    kind: Callable[[Path, Path], None], tmp_path: Path, everybody: EverybodysPython
) -> None:
    """Who may write the spool may plant anything: no call hangs, no other file changes, all is delivered."""
    log = tmp_path / "app.log"
    victim = tmp_path / "victim"
    for name in NAMES:
        home = tmp_path / name.replace(".", "_")
        home.mkdir()
        log, victim = home / "app.log", home / "victim"
        victim.write_text("untouched")
        victim.chmod(0o604)
        spool = Spool.create(home / ".logboom")
        with contextlib.suppress(FileNotFoundError):
            (spool.path / name).unlink()
        kind(spool.path / name, victim)
        done = run(everybody, 0, log, collector="off")
        assert (done.returncode, done.stderr) == (0, ""), name
        assert lines(log) == [f"0 says {number}" for number in range(20)], name
        assert victim.read_text() == "untouched" and stat.S_IMODE(victim.stat().st_mode) == 0o604, name
        assert not victim.with_name("made").exists(), name


@pytest.mark.parametrize("name", ["journal", "damaged", "allowed"])
def test_a_link_in_the_place_of_a_directory_is_not_entered(name: str, tmp_path: Path) -> None:
    """Records, bytes of them and permissions would go where it leads."""
    spool, elsewhere = Spool.create(tmp_path / ".logboom"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    with contextlib.suppress(FileNotFoundError):
        (spool.path / name).rmdir()
    (spool.path / name).symlink_to(elsewhere)
    with contextlib.suppress(SpoolError):
        Spool.create(spool.path)
    spool.damaged.put("bytes", b"secret")
    spool.damaged.add("messages", b"secret", 10)
    logger = logboom.FileHandler(tmp_path / "app.log", collector="off", close_timeout=0.1)
    logger.handle(__import__("logging").makeLogRecord({"msg": "secret"}))
    logger.close()
    assert list(elsewhere.iterdir()) == []


def test_a_message_that_is_refused_is_kept_in_no_other_file(tmp_path: Path) -> None:
    """One bad message to a `LoggingServer` would write an SSH key."""
    from logboom.receivers.zeromq import Intake

    victim = tmp_path / "authorized_keys"
    victim.write_text("")
    handler = logboom.RotatingFileHandler(tmp_path / "app.log", collector="off")
    damaged = Spool.create(tmp_path / ".logboom").path / "damaged"
    damaged.mkdir()
    for number, name in enumerate(("bad_utf8", "multipart")):
        (damaged / f"messages.{name}").symlink_to(victim) if number else os.link(
            victim, damaged / f"messages.{name}"
        )
    intake = Intake(handler)
    intake.take([b"ssh-ed25519 \xff", [b"a", b"b"]])  # type: ignore[list-item]
    handler.close()
    assert victim.read_text() == ""


def test_a_log_that_is_another_file_is_not_written(tmp_path: Path, logs: Path, others: Any) -> None:
    """A second name of a file of the collector's user, put there by who shares the directory."""
    logs.chmod(0o777)
    victim = logs.parent / "victim"
    victim.write_text("untouched\n")
    os.chown(victim, WWW, WWW)
    os.link(victim, logs / "app.log")  # as where `fs.protected_hardlinks` is off
    directory = Directory(logs)
    with pytest.raises(OSError, match="another name"):
        directory.open_append("app.log")
    (logs / "app.log").unlink()
    (logs / "app.log").write_text("")
    os.link(logs / "app.log", logs / "app.log.1")
    os.close(directory.open_append("app.log"))  # a move that was killed half-way


# -- links to the log --------------------------------------------------------------------------------


@pytest.mark.parametrize("exists", [True, False])
def test_a_log_that_another_user_made_a_link_is_refused(exists: bool, logs: Path, others: Any) -> None:
    """The web server would choose the file that root's program makes, or writes to."""
    victim = logs.parent / "victim"
    if exists:
        victim.write_text("untouched")
    others.do(WWW, lambda: os.symlink(victim, logs / "app.log"))
    with pytest.raises(ConfigurationError, match=f"user {WWW} made"):
        logboom.FileHandler(logs / "app.log")
    assert victim.exists() is exists and (not exists or victim.read_text() == "untouched")


def test_a_link_of_root_or_of_the_files_owner_is_followed(logs: Path, others: Any) -> None:
    """Administrators move logs to another disk; the link is followed once, when the handler is made."""
    (logs / "real.log").touch()
    os.chown(logs / "real.log", WWW, WWW)
    (logs / "roots.log").symlink_to("real.log")
    others.do(WWW, lambda: os.symlink("real.log", logs / "owners.log"))
    for name in ("roots.log", "owners.log"):
        handler = logboom.FileHandler(logs / name)
        assert handler._producer is not None and handler._producer.target.name == "real.log"
        handler.close()


def test_a_directory_that_another_user_made_a_link_is_refused(logs: Path, others: Any) -> None:
    """The same with the directory of the log."""
    (logs.parent / "etc").mkdir()
    others.do(WWW, lambda: os.symlink(logs.parent / "etc", logs / "sub"))
    with pytest.raises(ConfigurationError, match=f"user {WWW} made"):
        logboom.FileHandler(logs / "sub" / "app.log")
    assert list((logs.parent / "etc").iterdir()) == []


def test_a_strangers_spool_is_not_entered_through_a_link(logs: Path, others: Any) -> None:
    """In /tmp a stranger could read a log of mode 0600 in it. The message says what to do."""
    logs.chmod(0o1777)
    evil = logs.parent / "evil"
    evil.mkdir(mode=0o777)
    os.chown(evil, STRANGER, STRANGER)
    others.do(STRANGER, lambda: os.symlink(evil, logs / ".logboom-0"))
    with pytest.raises(ConfigurationError, match="spool="):
        logboom.FileHandler(logs / "app.log", file_mode=0o600)
    with pytest.raises(SpoolError, match="spool="):
        Spool.create(logs / ".logboom-0")
    assert list(evil.iterdir()) == []


# -- readers -----------------------------------------------------------------------------------------


def _lock_everything(logs: Path) -> list[int]:
    held = []
    for path in [logs, *logs.rglob("*")]:
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            held.append(fd)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.is_file():
                fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return held


@pytest.mark.parametrize("collector", ["off", "auto"])
@pytest.mark.parametrize("group", [False, True], ids=["others", "group"])
def test_who_may_only_read_stops_nothing(
    group: bool, collector: str, everybody: EverybodysPython, logs: Path, others: Any
) -> None:
    """A lock is held by whoever can open a file: readers hold all that they can open, the log, too."""
    if group:
        os.chown(logs, WWW, STRANGER)
        logs.chmod(0o750)
    assert run(everybody, WWW, logs / "app.log", collector="off").stderr == ""
    assert others.hold(STRANGER, lambda: _lock_everything(logs))
    done = run(everybody, WWW, logs / "app.log", collector=collector)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(lines(logs / "app.log")) == 40


def test_an_old_spool_is_closed_to_readers_by_its_owner(
    everybody: EverybodysPython, logs: Path, others: Any
) -> None:
    """Earlier releases gave it the bits of the log's directory."""
    run(everybody, WWW, logs / "app.log", collector="off")
    spool = logs / ".logboom"
    for path, mode in ((spool, 0o755), (spool / "journal", 0o755), (spool / "collector.lock", 0o644)):
        path.chmod(mode)
    run(everybody, WWW, logs / "app.log", collector="off")
    assert spool.stat().st_mode & 0o007 == 0
    assert others.hold(STRANGER, lambda: _lock_everything(spool) or None) is False


def test_two_spools_are_kept_apart(open_path: Path, others: Any) -> None:
    """Two collectors with one log file: the second waits, though a reader's lock is none."""
    from logboom import platform

    log = open_path / "app.log"
    log.touch()

    def lock() -> int:
        fd = os.open(log, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    assert others.hold(STRANGER, lock)
    one, two = os.open(log, os.O_RDWR), os.open(log, os.O_RDWR)
    assert platform.lock_as_writer(one) and not platform.lock_as_writer(two)
    platform.unlock_as_writer(one)
    assert platform.lock_as_writer(two)
    os.close(one)
    os.close(two)


def test_a_holder_that_does_not_collect_is_named(logs: Path, tmp_path: Path) -> None:
    """Who shares the spool can hold its lock: the collector's log says which process does."""
    from logboom.collector import assembly

    spool = Spool.create(tmp_path / ".logboom")
    fd = place(spool.path).open_or_make(LEADER_LOCK, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(SpoolError, match="another collector"):
        assembly.collect(spool.path)
    os.close(fd)
    assert f"process {os.getpid()} holds the lock of collector.lock" in (spool.path / LOG).read_text()


@pytest.mark.parametrize("user", [WWW, 0])
def test_a_volume_without_owners_and_modes_still_logs(
    user: int, everybody: EverybodysPython, open_path: Path
) -> None:
    """As containers have them: all belongs to one user, and anybody may write. Nothing is protected there."""
    image, volume = open_path / "image", open_path / "volume"
    volume.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    made = subprocess.run(["mkfs.vfat", image], capture_output=True)
    options = ["mount", "-o", "loop,umask=0,uid=1000,gid=1000", image, volume]
    if made.returncode or subprocess.run(options, capture_output=True).returncode:
        pytest.skip("no vfat volume can be mounted here")
    try:
        for collector in ("off", "auto"):
            done = run(everybody, user, volume / "app.log", collector=collector)
            assert (done.returncode, done.stderr) == (0, "")
        assert len(lines(volume / "app.log")) == 40
    finally:
        subprocess.run(["umount", "-l", volume], check=True)


# -- words and values --------------------------------------------------------------------------------


def test_a_planted_name_does_not_forge_a_line_of_the_collectors_log(tmp_path: Path) -> None:
    """What an administrator reads there was said by the collector."""
    Notebook(tmp_path).note("x\n2026-01-01T00:00:00Z [1] all is well\r\x1b[2J\u2028y")
    assert len((tmp_path / LOG).read_text().splitlines()) == 1
    spool = Spool.create(tmp_path / ".logboom")
    plant(spool.journal_path, segment_name(PRODUCER, 1), planted(Target("a/b\nforged"), "x"))
    drained(spool.path)
    said = (spool.path / LOG).read_text().splitlines()
    assert said and not any(line.startswith("forged") for line in said)


@pytest.mark.parametrize(
    "step",
    [
        {"kind": "roll", "details": {}},
        {"kind": "roll", "details": {"moves": 5, "temp": "x", "temp_ino": 1, "delete": [], "start": None}},
        {"kind": "append", "count": 1, "details": {"before": "x"}},
        {"kind": "append", "count": 1, "details": {"dev": 0, "ino": 0, "before": -5, "length": 1}},
        {"kind": "compress", "details": {}},
        {"kind": "delete", "details": {"files": [[1]]}},
        {"kind": "unheard of", "details": {"name": 5}},
    ],
    ids=str,
)
def test_a_checkpoint_that_was_changed_stops_nothing(step: dict[str, Any], tmp_path: Path) -> None:
    """Its sums are right, its values are not: the step is given up, and all records are written."""
    spool = Spool.create(tmp_path / ".logboom")
    target = msgspec.to_builtins(Target("app.log"))
    events = [
        {"configure": {"target": "app.log", "value": target}},
        {"intend": {"target": "app.log", "step": step, "advance": {PRODUCER: 1}}},
    ]
    raw = [json.dumps(event).encode() for event in events]
    (spool.path / "checkpoint.jsonl").write_bytes(
        b"".join(b"%08x %s\n" % (zlib.crc32(one), one) for one in raw)
    )
    plant(spool.journal_path, segment_name(PRODUCER, 1), planted(Target("app.log"), "one", "two"))
    for _ in range(3):
        if drained(spool.path):
            break
    assert lines(tmp_path / "app.log") == ["one", "two"]


def test_a_checkpoint_moves_no_file_out_of_its_directory(tmp_path: Path) -> None:
    """Names in it are names of the log's directory."""
    home = tmp_path / "logs"
    home.mkdir()
    spool = Spool.create(home / ".logboom")
    victim = tmp_path / "victim"
    victim.write_text("x")
    moves = [[victim.stat().st_ino, "../victim", "../moved"]]
    details = {"moves": moves, "temp": "../a", "temp_ino": 1, "delete": [[1, "../victim"]], "start": None}
    step = {"kind": "roll", "details": details}
    events = [
        {"configure": {"target": "app.log", "value": msgspec.to_builtins(Target("app.log"))}},
        {"intend": {"target": "app.log", "step": step}},
    ]
    raw = [json.dumps(event).encode() for event in events]
    (spool.path / "checkpoint.jsonl").write_bytes(
        b"".join(b"%08x %s\n" % (zlib.crc32(one), one) for one in raw)
    )
    drained(spool.path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "victim"]


# -- the one descriptor ------------------------------------------------------------------------------


def test_a_number_that_is_a_socket_by_now_is_left_alone(tmp_path: Path) -> None:
    """A daemon closes all descriptors when it starts; what it opens then has their numbers."""
    directory = Directory(tmp_path)
    number = directory.at()
    one, two = socket.socketpair()
    os.dup2(one.fileno(), number)  # which closes it first
    directory.write("file", b"data", 0o600)
    assert directory.read("file", 10) == b"data" and directory.at() != number
    directory.close()
    os.fstat(number)
    os.close(number)
    one.close()
    two.close()


def test_a_directory_that_was_replaced_is_not_taken_for_the_first(tmp_path: Path) -> None:
    """By rename, which needs no link."""
    (tmp_path / "a").mkdir()
    directory = Directory(tmp_path / "a")
    os.close(directory.at())
    os.rename(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a").mkdir()
    with pytest.raises(FileNotFoundError):
        directory.write("file", b"", 0o600)
    assert not directory.is_current() and list((tmp_path / "a").iterdir()) == []


AUDITED = """
import os, sys
log, helper = sys.argv[1], ("_posix_files.py", "_files.py", "posix.py")
home = os.path.dirname(log)
import logging, logboom, logboom.collector.assembly
from logboom.cli import main
EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.listdir",
          "os.scandir", "os.chmod", "os.chown", "os.truncate", "os.utime", "os.mkfifo", "shutil.rmtree"}
DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW
found = []
def hook(event, args):
    if event not in EVENTS:
        return
    frame = sys._getframe(1)
    where = os.path.basename(frame.f_code.co_filename)
    name = args[0]
    inside = isinstance(name, (str, bytes)) and os.fsdecode(name).startswith(home + "/.logboom")
    relative = isinstance(name, str) and not name.startswith("/")
    directory = event == "open" and isinstance(args[2], int) and args[2] & DIRECTORY == DIRECTORY
    if inside and not (directory and where in helper):
        found.append((event, str(name), where))
    if relative and "logboom" in frame.f_code.co_filename and where not in helper:
        found.append((event, str(name), where))
    followed = event == "open" and relative and where in helper and not args[2] & os.O_NOFOLLOW
    if followed and name not in (".", "/"):
        found.append((event, str(name), "follows links"))
sys.addaudithook(hook)
handler = logboom.TimedRotatingFileHandler(log, when="S", backupCount=2, max_age=1e6, collector="off",
                                           fsync_level="ERROR", when_full="drop_oldest")
logging.basicConfig(level="INFO", handlers=[handler])
for number in range(300):
    logging.info("%d %s", number, "x" * 1000)
    handler.doRollover() if number % 100 == 99 else None
logging.error("synced")
handler.close()
for arguments in (["status", log], ["status", "--json", log], ["drain", log], ["stop", log]):
    main(arguments)
print(found, file=sys.stderr)
"""


def test_no_file_of_a_spool_is_opened_any_other_way(tmp_path: Path, everybody: EverybodysPython) -> None:
    """One way in is one place to check: the audit hook of the interpreter sees every call."""
    command = everybody.command("-c", AUDITED, tmp_path / "app.log")
    done = subprocess.run(**command, capture_output=True, timeout=120)
    assert done.stderr.splitlines()[-1:] == ["[]"], done.stderr
