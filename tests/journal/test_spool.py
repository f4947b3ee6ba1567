"""The spool directory."""

from __future__ import annotations

import errno
import multiprocessing
import os
import stat
import time
from pathlib import Path

import pytest

from logboom import platform
from logboom.errors import SpoolError
from logboom.journal.layout import segment_name
from logboom.spool.descriptors import Descriptors
from logboom.spool.directory import Spool, spool_for

ONE, TWO = "1" * 16, "2" * 16
needs_root = pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="only root may give files away")


def touch(spool: Spool, name: str, data: bytes = b"x") -> Path:
    path = spool.journal_path / name
    path.write_bytes(data)
    return path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_create_says_what_it_is(tmp_path: Path) -> None:
    """A person, git and a backup program meet this directory, and must know what it is."""
    spool = Spool.create(tmp_path / "logs" / ".logboom")
    assert "To leave" in (spool.path / "README").read_text()
    assert (spool.path / ".gitignore").read_text() == "*\n"
    assert (spool.path / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert spool.journal_path.is_dir() and spool.segments() == {}


def test_create_again_changes_nothing(tmp_path: Path) -> None:
    """What a person has set stays: modes, a changed README, segments."""
    spool = Spool.create(tmp_path / ".logboom")
    touch(spool, segment_name(ONE, 1))
    spool.path.chmod(0o711)
    (spool.path / "README").write_text("mine")
    again = Spool.create(tmp_path / ".logboom")
    assert mode_of(spool.path) == 0o711 and (spool.path / "README").read_text() == "mine"
    assert again.segments() == {ONE: [1]}


def _create(path: str, barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    Spool.create(Path(path))


def test_many_processes_create_it_at_once(tmp_path: Path) -> None:
    """A server's workers all start in the same moment."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(16)
    workers = [context.Process(target=_create, args=(str(tmp_path / ".logboom"), barrier)) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 16
    names = {path.name for path in (tmp_path / ".logboom").iterdir()}
    assert names == {"README", ".gitignore", "CACHEDIR.TAG", "bell", "journal"}


@pytest.mark.parametrize(
    ("parent", "expected"), [(0o755, 0o750), (0o2775, 0o2770), (0o1777, 0o700), (0o777, 0o700)]
)
def test_modes_follow_the_parent_and_no_umask(tmp_path: Path, parent: int, expected: int) -> None:
    """A group shares its log directory's rights; all others have none."""
    tmp_path.chmod(parent)
    old = os.umask(0o077)
    try:
        spool = Spool.create(tmp_path / ".logboom")
    finally:
        os.umask(old)
    assert mode_of(spool.path) == mode_of(spool.journal_path) == expected
    assert not any(mode_of(path) & stat.S_IRWXO for path in spool.path.iterdir())


@needs_root
def test_root_gives_it_to_the_directorys_owner(tmp_path: Path) -> None:
    """A management command run by root must not lock the web workers out."""
    os.chown(tmp_path, 1234, 1235)
    spool = Spool.create(tmp_path / ".logboom")
    for path in (spool.path, spool.journal_path, spool.path / "README"):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


@needs_root
def test_a_strangers_spool_in_tmp_is_refused(tmp_path: Path) -> None:
    """In a directory where anybody may write, somebody may have placed a spool to read our records."""
    tmp_path.chmod(0o1777)
    (tmp_path / "spool").mkdir()
    os.chown(tmp_path / "spool", 4321, 4321)
    with pytest.raises(SpoolError) as caught:
        Spool.create(tmp_path / "spool")
    assert "spool=" in caught.value.hint


def test_create_fails_with_a_hint(tmp_path: Path) -> None:
    """The handler's user must read what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError) as caught:
        Spool.create(tmp_path / "file" / ".logboom")
    assert "spool=" in str(caught.value) and str(tmp_path) in str(caught.value)


def test_segments_are_told_from_other_names(tmp_path: Path) -> None:
    """Temporary names and foreign files are no streams; numbers are sorted as numbers."""
    spool = Spool.create(tmp_path / "s")
    for number in (12, 3, 100_000_000):
        touch(spool, segment_name(ONE, number))
    touch(spool, segment_name(TWO, 1) + ".dead")
    for name in (
        f".{segment_name(TWO, 5)}.tmp",
        "x.segment",
        f"{ONE}-1.segment.bak",
        f"{ONE[:-1]}-1.segment",
    ):
        touch(spool, name)
    assert spool.segments() == {ONE: [3, 12, 100_000_000], TWO: [1]}


def test_changed_is_sure_only_of_an_old_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's time stamps are coarse: a file made right after a scan may not move them."""
    spool = Spool.create(tmp_path / "s")
    assert spool.changed(), "never scanned"
    made = spool.journal_path.stat().st_mtime_ns
    for age_ms, unsure in [(5, True), (-5, True), (50, False), (-50, False)]:
        monkeypatch.setattr(time, "time_ns", lambda age=age_ms: made + age * 10**6)
        spool.segments()
        assert spool.changed() is unsure
    listing = spool.listing()
    assert spool.listing() is listing
    touch(spool, segment_name(ONE, 1))
    os.utime(spool.journal_path, (1, 1))
    assert spool.changed() and spool.numbers(ONE) == [1] and not spool.changed()


def test_whole_seconds_are_sure_only_when_they_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that began in the second of the last look was not seen while no other came or went."""
    spool = Spool.create(tmp_path / "s")
    second = int(time.time()) * 10**9
    os.utime(spool.journal_path, ns=(second, second))
    for age_ms, unsure in [(50, True), (999, True), (2050, True), (2150, False)]:
        monkeypatch.setattr(time, "time_ns", lambda age=age_ms: second + age * 10**6)
        spool.segments()
        assert spool.changed() is unsure


def test_a_missing_directory_is_an_empty_one(tmp_path: Path) -> None:
    """Somebody removed the spool: the collector goes on, and finds it again when it is made again."""
    spool = Spool(tmp_path / "nothing")
    assert spool.segments() == {} and not spool.changed() and spool.used_bytes() == 0
    spool.remove(ONE, 1)
    spool.retire(ONE, 1)
    touch(Spool.create(tmp_path / "nothing"), segment_name(ONE, 1))
    assert spool.changed() and spool.segments() == {ONE: [1]}


def test_used_bytes_are_allocated_bytes(tmp_path: Path) -> None:
    """The quota is about room on the disk."""
    spool = Spool.create(tmp_path / "s")
    touch(spool, segment_name(ONE, 1), bytes(10_000))
    touch(spool, segment_name(TWO, 1) + ".dead", b"x" * 100)
    assert 12_000 <= spool.used_bytes() <= 65_536


def test_retire_and_remove(tmp_path: Path) -> None:
    """A retired segment is still read and counted, until it is removed; both are harmless when redone."""
    spool = Spool.create(tmp_path / "s")
    touch(spool, segment_name(ONE, 1), b"content")
    fd = spool.open_segment(ONE, 1)
    for _ in range(2):
        spool.retire(ONE, 1)
    assert spool.open_segment(ONE, 1) == fd
    spool.close()
    assert os.read(spool.open_segment(ONE, 1), 9) == b"content"
    assert spool.segments() == {ONE: [1]}
    for _ in range(2):
        spool.remove(ONE, 1)
    assert spool.segments() == {} and len(spool.descriptors) == 0
    with pytest.raises(FileNotFoundError):
        spool.open_segment(ONE, 1)


def test_owner_gone_asks_the_lock(tmp_path: Path) -> None:
    """Life is the lock alone: never a pid; and asking must leave it free."""
    spool = Spool.create(tmp_path / "s")
    path = touch(spool, segment_name(ONE, 1))
    writer = platform.open_file(path, os.O_RDWR)
    assert platform.try_lock(writer)
    fd = spool.open_segment(ONE, 1)
    assert not spool.owner_gone(fd)
    os.close(writer)
    assert spool.owner_gone(fd)
    other = platform.open_file(path, os.O_RDWR)
    assert platform.try_lock(other)
    os.close(other)
    spool.close()


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """A symlink or a FIFO under a segment's name must neither lead astray nor block the collector."""
    spool = Spool.create(tmp_path / "s")
    (spool.journal_path / segment_name(ONE, 1)).symlink_to("/etc/passwd")
    os.mkfifo(spool.journal_path / segment_name(ONE, 2))
    for number in (1, 2):
        with pytest.raises(FileNotFoundError):
            spool.open_segment(ONE, number)


def test_few_descriptors_serve_many_segments(tmp_path: Path) -> None:
    """500 producers and a low limit: the least recently used is closed, none leaks."""
    descriptors = Descriptors(tmp_path, most=3)
    for index in range(9):
        (tmp_path / str(index)).write_text(str(index))
    for _ in range(2):
        for index in range(9):
            assert os.pread(descriptors.get(str(index)), 9, 0) == str(index).encode()
            assert len(descriptors) <= 3
    first, *_ = (descriptors.get(name) for name in ("0", "1", "2", "0", "3"))
    assert descriptors.get("0") == first, "recently used stays open"
    descriptors.close()
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(first)


def test_scarce_descriptors_are_shared(tmp_path: Path) -> None:
    """At the process's own limit the set shrinks instead of failing."""
    resource = pytest.importorskip("resource")
    descriptors = Descriptors(tmp_path, most=10_000)
    for index in range(80):
        (tmp_path / str(index)).write_text(str(index))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, hard))
    try:
        for index in [*range(80), *range(80)]:
            assert os.pread(descriptors.get(str(index)), 9, 0) == str(index).encode()
        os.close(os.open(tmp_path / "0", os.O_RDONLY))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        descriptors.close()


def test_spool_lies_beside_the_real_file(tmp_path: Path) -> None:
    """Two names of one file must share one spool; where anybody may write, each user has one."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link.log").symlink_to(tmp_path / "real" / "app.log")
    assert spool_for(tmp_path / "link.log", None) == tmp_path / "real" / ".logboom"
    assert spool_for(tmp_path / "missing" / "app.log", None) == tmp_path / "missing" / ".logboom"
    assert spool_for(tmp_path / "app.log", tmp_path / "elsewhere") == tmp_path / "elsewhere"
    tmp_path.chmod(0o1777)
    assert spool_for(tmp_path / "app.log", None) == tmp_path / f".logboom-{os.geteuid()}"
