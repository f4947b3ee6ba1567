"""File systems of every kind, in every state that a machine can make: no store kills, nothing is lost.

They are loop mounts of small images, which need root and the tools that make them.
"""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import Lab

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="mounting needs root on Linux"
)
MEGABYTE = 1_000_000
OTHER = 65_534
MAKE = {
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
    "vfat": ("mkfs.vfat",),
    "exfat-fuse": ("mkfs.exfat",),
}
SIZE = {"xfs": 320, "btrfs": 160}


def _run(*command: str | Path) -> str:
    """What it says of its failure, or an empty string."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return f"there is no {command[0]}"
    return done.stderr or f"{command[0]}: {done.returncode}" if done.returncode else ""


class Mounts:
    """Mounts of a test, taken away in turn at its end."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._mounted: list[Path] = []

    def mount(self, *arguments: str | Path, at: Path) -> Path:
        at.mkdir(exist_ok=True)
        trouble = _run("mount", *arguments, at)
        if trouble:
            pytest.skip(f"cannot mount: {trouble}")
        self._mounted.append(at)
        return at

    def loop(self, kind: str, options: str = "loop") -> Path:
        image = self.place / f"{kind}.img"
        with image.open("wb") as file:
            file.truncate(SIZE.get(kind, 40) * MEGABYTE)
        trouble = _run(*MAKE[kind], image)
        if trouble:
            pytest.skip(f"cannot make {kind}: {trouble}")
        return self.mount("-t", kind, "-o", options, image, at=self.place / kind)

    def overlay(self) -> Path:
        below = self.mount("-t", "tmpfs", "tmpfs", at=self.place / "layers")
        for name in ("lower", "upper", "work"):
            (below / name).mkdir()
        options = f"lowerdir={below}/lower,upperdir={below}/upper,workdir={below}/work"
        return self.mount("-t", "overlay", "-o", options, "overlay", at=self.place / "overlay")

    def close(self) -> None:
        for place in reversed(self._mounted):
            subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    made = Mounts(tmp_path)
    yield made
    made.close()


@contextlib.contextmanager
def lab_on(disk: Path, **options: object) -> Iterator[Lab]:
    """A log set on `disk`, its notes elsewhere."""
    with contextlib.ExitStack() as stack:
        lab = Lab(disk.parent, f"{disk.name}/logs/app.log", maxBytes=20_000, backupCount=1000, **options)
        stack.callback(lab.close)
        yield lab


def kinds(lab: Lab) -> set[str]:
    """How the segments of the living programs are written."""
    headers = [path.read_bytes().partition(b"\n")[0] for path in lab.spool.glob("journal/*.segment")]
    return {"mapped" if b'"mapped":true' in header else "written" for header in headers}


@pytest.mark.parametrize(
    ("kind", "journal"),
    [
        ("ext4", "mapped"),
        ("xfs", "written"),
        ("btrfs", "written"),
        ("vfat", "written"),
        ("overlay", "written"),
    ],
)
def test_nothing_is_lost_on(kind: str, journal: str, mounts: Mounts) -> None:
    """Locks, links, modes and appends of each file system are enough, or done without."""
    disk = mounts.overlay() if kind == "overlay" else mounts.loop(kind)
    with lab_on(disk) as lab:
        programs = [lab.start(f"p{number}", "phases", count=500) for number in range(2)]
        for program in programs:
            lab.phase(program, "a")
        assert kinds(lab) == {journal}
        lab.kill_collector()
        for program in programs:
            lab.phase(program, "b")
        programs[0].kill()
        lab.leave(programs[1])
        lab.drain()
        report = lab.verdict(20)
        assert report.noted == 2000 and report.files > 3


SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN


def _shut_down(disk: Path, flags: int) -> None:
    import fcntl

    fd = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", flags))
    finally:
        os.close(fd)


def _fill(disk: Path) -> None:
    """With every block shared that can be: a store to one of those needs another block."""
    assert not _run("cp", "-a", disk / "logs/.logboom/journal", disk / "copy")
    for size in (1 << 20, 4096, 1):
        with contextlib.suppress(OSError), (disk / f"fill{size}").open("wb", buffering=0) as file:
            while file.write(bytes(size)):
                pass


def _remount(disk: Path, option: str) -> None:
    """The file system may refuse, and be in another state all the same."""
    subprocess.run(["mount", "-o", f"remount,{option}", disk], capture_output=True, check=False)


STATES: dict[str, Callable[[Path], None]] = {
    "full, with shared extents": _fill,
    "read-only": lambda disk: _remount(disk, "ro"),
    "aborted": lambda disk: _remount(disk, "abort"),
    "shut down": lambda disk: _shut_down(disk, 1),
    "shut down without its log": lambda disk: _shut_down(disk, 2),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_no_state_of_the_disk_kills_the_program(kind: str, state: str, mounts: Mounts) -> None:
    """A store to a mapping that fails is a SIGBUS: the application is gone."""
    disk = mounts.loop(kind)
    with lab_on(disk, collector="external", close_timeout=0) as lab:
        program = lab.start("p", "phases", count=10)
        lab.phase(program, "before")
        os.sync()
        try:
            STATES[state](disk)
        except OSError as error:
            pytest.skip(f"{kind} cannot be {state}: {error}")
        lab.phase(program, "after 3000")
        lab.leave(program)


def test_owner_of_the_directory_cuts_what_root_writes(open_path: Path) -> None:
    """Root gives its segments to whom the directory belongs, who may truncate them under a mapping."""
    logs = open_path / "logs"
    logs.mkdir()
    os.chown(logs, OTHER, OTHER)
    lab = Lab(open_path, collector="external", close_timeout=0)
    try:
        program = lab.start("p", "phases", count=10)
        lab.phase(program, "before")
        assert kinds(lab) == {"written"}
        segments = list(lab.spool.glob("journal/*.segment"))
        subprocess.run(["truncate", "-s", "0", *segments], user=OTHER, group=OTHER, check=True)
        lab.phase(program, "after 3000")
        lab.leave(program)
    finally:
        lab.close()


def test_quota_of_a_user_or_subvolume(mounts: Mounts) -> None:
    """`EDQUOT` comes while the disk has room: what does not fit is counted, and nothing is raised."""
    disk = mounts.loop("btrfs")
    for command in (["subvolume", "create", disk / "set"], ["quota", "enable", disk]):
        if trouble := _run("btrfs", *command):
            pytest.skip(f"btrfs: {trouble}")
    assert not _run("btrfs", "qgroup", "limit", "3M", disk / "set")
    with lab_on(disk / "set") as lab:
        program = lab.start("p", "phases", count=100, size=2000)
        lab.phase(program, "within")
        lab.verdict(10)
        lab.phase(program, "beyond 4000")
        assert not _run("btrfs", "qgroup", "limit", "none", disk / "set")
        lab.until_delivered(program)
        lab.leave(program)
        lab.drain()
        report = lab.oracle.wait(10)
        assert report.duplicated == report.torn == report.forged == 0
        assert report.dropped == report.missing > 0, report


def test_log_file_is_a_mount_of_its_own(mounts: Mounts) -> None:
    """Containers are given one file: it cannot be renamed, so it grows on, and the status says so."""
    outside = mounts.place / "outside.log"
    outside.touch()
    logs = mounts.place / "logs"
    logs.mkdir()
    (logs / "app.log").touch()
    if trouble := _run("mount", "--bind", outside, logs / "app.log"):
        pytest.skip(f"cannot mount: {trouble}")
    try:
        lab = Lab(mounts.place, maxBytes=5_000, backupCount=3)
        program = lab.start("p", "phases", count=300)
        lab.phase(program, "a")
        lab.verdict(10)
        assert outside.stat().st_size > 15_000
        status = lab.run(sys.executable, "-m", "logboom", "status", str(lab.log)).communicate(timeout=20)[0]
        assert "cannot be rotated" in status or "mounted on the file" in status, status
        lab.leave(program)
        lab.close()
    finally:
        _run("umount", "-l", logs / "app.log")
