"""Linux and macOS, call by call: what the rest of the package relies on."""

from __future__ import annotations

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("POSIX only", allow_module_level=True)

import fcntl
import json
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from logboom.platform import posix

PROC = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def opened() -> Iterator[Callable[..., int]]:
    """`open_file`, with everything closed behind the test."""
    descriptors: list[int] = []

    def open_one(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> int:
        descriptors.append(posix.open_file(path, flags))
        return descriptors[-1]

    yield open_one
    for fd in descriptors:
        os.close(fd)


REPORT = """
import json, os, sys
links = [os.readlink(f"/proc/self/fd/{fd}") for fd in range(64) if os.path.islink(f"/proc/self/fd/{fd}")]
open(sys.argv[1], "w").write(json.dumps([open("/proc/self/status").read(), links]))
"""


def _in_child(work: Callable[[], int]) -> int:
    """What `work` returns in a forked child."""
    child = os.fork()
    if child == 0:
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_lock_belongs_to_the_open_file(tmp_path: Path, opened: Callable[..., int]) -> None:
    """Two opens exclude each other even in one process; looking leaves the lock as it was."""
    first, second = opened(tmp_path / "lock"), opened(tmp_path / "lock")
    assert posix.lock_is_free(second)
    assert posix.try_lock(first)
    assert not posix.try_lock(second) and not posix.lock_is_free(second)
    posix.unlock(first)
    assert posix.try_lock(second)


def test_a_dead_process_holds_no_lock(tmp_path: Path, opened: Callable[..., int]) -> None:
    """Life and death of producers and collectors are told by this alone."""
    fd = opened(tmp_path / "lock")

    def take() -> int:
        return int(not posix.try_lock(posix.open_file(tmp_path / "lock", os.O_RDWR)))

    assert _in_child(take) == 0
    assert posix.try_lock(fd)


def test_a_lock_is_refused_only_when_it_is_held(tmp_path: Path) -> None:
    """Any other error must not look like "somebody else collects"."""
    fd = os.open(tmp_path, os.O_RDONLY)
    os.close(fd)
    with pytest.raises(OSError):
        posix.try_lock(fd)


def test_one_claims_and_hands_over(tmp_path: Path) -> None:
    """32 producers without a collector start one: the claim goes with its descriptor."""
    path = tmp_path / "starting.lock"
    fd = posix.claim(path)
    assert fd is not None and posix.claim(path) is None
    assert stat.S_IMODE(path.stat().st_mode) == tmp_path.stat().st_mode & 0o666
    heir = os.dup(fd)
    os.close(fd)
    assert posix.claim(path) is None
    os.close(heir)
    again = posix.claim(path)
    assert again is not None
    os.close(again)


def test_allocated_bytes_are_zero_and_there(tmp_path: Path, opened: Callable[..., int]) -> None:
    """A store into a hole is a SIGBUS on a full disk: every block must be allocated beforehand."""
    fd = opened(tmp_path / "segment")
    posix.allocate(fd, 70_000)
    status = os.fstat(fd)
    assert status.st_size == 70_000 and status.st_blocks * 512 >= 70_000
    assert posix.read_at(fd, 80_000, 0) == bytes(70_000)
    assert posix.write_at(fd, b"abc", 100) == 3 and posix.read_at(fd, 5, 99) == b"\0abc\0"


@PROC
def test_file_systems_are_named_by_the_kernel(tmp_path: Path) -> None:
    """The name decides whether the journal is mapped, written, or refused."""
    assert posix.filesystem_of("/proc") == "proc"
    assert posix.filesystem_of("/proc/self") == "proc"
    assert posix.filesystem_of(tmp_path) != "proc"
    with pytest.raises(OSError):
        posix.filesystem_of(tmp_path / "missing")


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "fuse.s3fs"])
def test_network_file_systems_are_known(kind: str) -> None:
    """Locks and appends there depend on another host: `spool=` is asked for."""
    assert posix.is_network(kind) and not posix.mapping_is_safe(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "tmpfs", "btrfs", "zfs", "overlay", "fuse", ""])
def test_only_trusted_file_systems_are_mapped(kind: str) -> None:
    """What does not promise that allocated space stays is written with `write(2)`."""
    assert not posix.is_network(kind)
    assert posix.mapping_is_safe(kind) == (kind in {"ext4", "tmpfs"})


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Who can write the spool must not lead us to another file."""
    (tmp_path / "target").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for open_one in (posix.open_for_reading, lambda path: posix.open_file(path, os.O_RDWR)):
        with pytest.raises(OSError):
            open_one(tmp_path / "link")
    assert not posix.ring(tmp_path / "link", b"w")


def test_children_inherit_none_of_our_descriptors(tmp_path: Path, opened: Callable[..., int]) -> None:
    """An inherited lock would outlive its owner in some worker."""
    assert fcntl.fcntl(opened(tmp_path / "file"), fcntl.F_GETFD) & fcntl.FD_CLOEXEC


def test_a_fifo_in_a_segments_place_blocks_nobody(tmp_path: Path) -> None:
    """The collector must not hang on what somebody put into the journal."""
    os.mkfifo(tmp_path / "fifo")
    os.close(posix.open_for_reading(tmp_path / "fifo"))


def test_a_doorbell_is_heard_while_it_hangs(tmp_path: Path) -> None:
    """That is how a producer knows that a collector lives: without a listener nothing can be rung."""
    path = tmp_path / "doorbell"
    assert not posix.ring(path, b"w")
    bell = posix.Doorbell(path, 0o640)
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert bell.wait(0) == b""
        assert posix.ring(path, b"w") and posix.ring(path, b"f") and posix.ring(path, b"")
        assert bell.wait(5) == b"wf"
    finally:
        bell.close()
        bell.close()
    assert not posix.ring(path, b"w")


def test_ringing_wakes_at_once(tmp_path: Path) -> None:
    """Otherwise a record after a pause would be seen only with the next look."""
    bell = posix.Doorbell(tmp_path / "doorbell", 0o600)
    ringer = threading.Thread(target=posix.ring, args=(bell.path, b"w"))
    begun = time.monotonic()
    ringer.start()
    assert bell.wait(60) == b"w"
    assert time.monotonic() - begun < 30
    ringer.join()
    bell.close()


def test_ringing_never_blocks(tmp_path: Path) -> None:
    """A collector that is stopped must not stop those who log."""
    bell = posix.Doorbell(tmp_path / "doorbell", 0o600)
    for _ in range(40):
        assert posix.ring(bell.path, b"w" * 4096)
    bell.close()


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/dev/null")])
def test_a_stranger_in_the_doorbells_place(make: Callable[[Path], Any], tmp_path: Path) -> None:
    """A regular file there is not rung, and a collector takes its place."""
    path = tmp_path / "doorbell"
    make(path)
    assert not posix.ring(path, b"w")
    bell = posix.Doorbell(path, 0o600)
    assert posix.ring(path, b"w") and bell.wait(5) == b"w"
    bell.close()


def test_modes_are_set_whatever_the_umask(tmp_path: Path, opened: Callable[..., int]) -> None:
    """A service's umask must not shut the other users of a set out."""
    before = os.umask(0o077)
    try:
        fd = opened(tmp_path / "file")
        posix.give_like(fd, 0o664, tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o664


@ROOT
def test_roots_files_go_to_the_directorys_owner(tmp_path: Path, opened: Callable[..., int]) -> None:
    """root's cron may be the first that logs."""
    os.chown(tmp_path, 33, 34)
    fd = opened(tmp_path / "file")
    posix.give_like(fd, 0o600, tmp_path)
    assert (os.fstat(fd).st_uid, os.fstat(fd).st_gid) == (33, 34)


@ROOT
def test_root_becomes_the_spools_owner_for_good(tmp_path: Path) -> None:
    """A collector writes what journals of others ask for: never as root."""
    os.chown(tmp_path, 33, 34)

    def drop() -> int:
        posix.drop_privileges(tmp_path)
        mine = (os.getresuid(), os.getresgid(), os.getgroups())
        return 0 if mine == ((33, 33, 33), (34, 34, 34), [34]) else 1

    assert _in_child(drop) == 0
    os.chown(tmp_path, 0, 0)
    posix.drop_privileges(tmp_path)
    assert os.geteuid() == 0


@PROC
def test_a_detached_program_has_nothing_of_its_parent(tmp_path: Path) -> None:
    """Ignored signals and masks pass through exec; an open pipe would keep an ssh session waiting."""
    report = tmp_path / "report"
    keep = posix.open_file(tmp_path / "keep", os.O_RDWR | os.O_CREAT)
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        child = posix.spawn_detached([sys.executable, "-I", "-S", "-c", REPORT, str(report)], {}, keep)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        signal.signal(signal.SIGUSR1, before)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not os.get_inheritable(keep)
    os.close(keep)
    status, links = json.loads(report.read_text())
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert int(fields["SigBlk"], 16) == 0
    assert int(fields["SigIgn"], 16) & 1 << signal.SIGUSR1 - 1 == 0
    assert links[:3] == ["/dev/null"] * 3 and str(tmp_path / "keep") in links


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """The one line on stderr says why no collector could be started."""
    keep = posix.open_file(tmp_path / "keep", os.O_RDWR | os.O_CREAT)
    with pytest.raises(OSError):
        posix.spawn_detached([str(tmp_path / "no-python")], {}, keep)
    assert not os.get_inheritable(keep)
    os.close(keep)


@PROC
def test_a_process_can_be_named() -> None:
    """`ps` and `top` show `logboom`, not one more `python`."""

    def name() -> int:
        posix.name_process("logboom")
        return 0 if Path("/proc/self/comm").read_text() == "logboom\n" else 1

    assert _in_child(name) == 0


def test_syncs_and_sizes(tmp_path: Path, opened: Callable[..., int]) -> None:
    """A closed descriptor is an error, never a silent success."""
    fd = opened(tmp_path / "file")
    posix.sync_file(fd)
    posix.sync_directory(tmp_path)
    assert posix.disk_size(tmp_path) > 2**20
    with pytest.raises(OSError):
        posix.sync_directory(tmp_path / "file")
    with pytest.raises(OSError):
        posix.sync_file(2**20)


def test_macos_takes_its_own_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It has no `posix_fallocate`, and its `fsync` leaves bytes in the drive: as far as Linux can show it."""
    calls: list[int] = []
    monkeypatch.setattr(posix.sys, "platform", "darwin")
    monkeypatch.delattr(os, "posix_fallocate")
    monkeypatch.delattr(os, "fdatasync")
    monkeypatch.setattr(posix.fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(posix.fcntl, "fcntl", lambda fd, command: calls.append(command))
    with open(tmp_path / "segment", "w+b") as file:
        posix.allocate(file.fileno(), 100_000)
        posix.sync_file(file.fileno())
        assert file.read() == bytes(100_000)
    assert calls == [51]


def test_sync_of_a_file_reaches_the_disk(monkeypatch: pytest.MonkeyPatch, opened: Callable[..., int]) -> None:
    """A write alone is in the memory of this machine: one that loses its power has lost it."""
    calls: list[int] = []
    monkeypatch.setattr(os, "fdatasync", calls.append)
    fd = opened(Path(os.devnull))
    posix.sync_file(fd)
    assert calls == [fd]
