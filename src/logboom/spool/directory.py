"""The spool directory: names, discovery, liveness, reclaiming, its size, its permissions.

Owns: what lies where in a spool, and who may remove it. Never knows: rendering, sinks, lines.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
import zlib
from pathlib import Path
from typing import Final

from logboom import platform
from logboom.errors import SpoolError
from logboom.journal.layout import Header, parse_segment_name, segment_name
from logboom.journal.target import Asked, Target
from logboom.platform.files import set_mode
from logboom.platform.patterns import later
from logboom.spool.damaged import DamagedPlace
from logboom.spool.descriptors import Descriptors
from logboom.spool.erasing import erase

__all__ = [
    "DEAD_SUFFIX",
    "Spool",
    "home_of",
    "homes_in",
    "make_afresh",
    "make_home",
    "mode_like_log",
    "places_of",
    "spool_for",
    "spool_of",
]

DEAD_SUFFIX: Final = ".dead"
_UNSURE_NS: Final = 20_000_000  # a directory's time moves in the kernel's ticks
_SECOND_NS: Final = 1_000_000_000
_COARSE_NS: Final = (
    2_100_000_000  # or in whole seconds (ext4 with small inodes, ext2, ext3), or every other one
)
_STRAY_AFTER: Final = 600.0
_NAME: Final = ".logboom"
_SINKS: Final = ".sinks"
_HOME: Final = later(r"[a-z0-9]+-[0-9a-f]{8}")
_README: Final = """\
This directory belongs to logboom. It holds log records on their way from the programs that log
to the log file beside it, and what the collector remembers (see docs/architecture.md of logboom).

To leave logboom: change the handler's class back, stop the programs, run `logboom drain` on this
directory (or wait until journal/ is empty), and delete the directory. Before that, deleting it loses
the records that are still in journal/.
"""
_FILES: Final = {
    "README": _README,
    ".gitignore": "*\n",
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n# Nothing here needs a backup.\n",
}


class Spool:
    """A spool directory that exists, or the home in it of a sink that has a collector of its own.

    Attributes:
        path: the directory, absolute: what a collector keeps for itself is here.
        root: the spool; the same as `path` but for a home.
        journal_path: where the segments are.
        damaged: where unreadable bytes are kept aside.
        descriptors: open segments of all readers of this object.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.root = spool_of(self.path)
        self.journal_path = self.root / "journal"
        self.damaged = DamagedPlace(self.path)
        self.descriptors = Descriptors(self.journal_path)
        self._listing: dict[str, list[int]] = {}
        self._names: dict[str, tuple[str, int] | None] = {}
        self._seen_mtime = -1

    @classmethod
    def create(cls, path: Path) -> Spool:
        """The spool at `path`, made when it is not there. Any number of processes may do so at once.

        Raises:
            SpoolError: it cannot be made, or somebody else made it where anybody may.
        """
        path = platform.real_path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_directory(path)
            _check_owner(path)
            _make_directory(path / "journal")
            for name, text in _FILES.items():
                _make_file(path / name, text)
        except SpoolError:
            raise
        except OSError as error:
            raise SpoolError(
                f"cannot make the spool: {error.strerror or error}",
                path=path,
                hint="Make its parent writable for this user, or name another directory with spool=",
            ) from error
        return cls(path)

    def segments(self) -> dict[str, list[int]]:
        """Segment numbers of each producer, rising, and the same object as long as nothing changed.

        Files set aside by `retire` count as well.
        """
        listing: dict[str, set[int]] = {}
        now = time.time_ns()
        try:
            mtime = os.stat(self.journal_path).st_mtime_ns
            names = os.listdir(self.journal_path)
        except FileNotFoundError:
            mtime, names = -1, []
        known = self._names
        self._names = {name: known[name] if name in known else _parse(name) for name in names}
        for parsed in filter(None, self._names.values()):
            listing.setdefault(parsed[0], set()).add(parsed[1])
        unsure = _UNSURE_NS if mtime % _SECOND_NS else _COARSE_NS
        self._seen_mtime = -1 if abs(now - mtime) < unsure else mtime
        seen = {producer: sorted(numbers) for producer, numbers in listing.items()}
        if seen != self._listing:
            self._listing = seen
        return self._listing

    def changed(self) -> bool:
        """Whether a file may have come or gone since the last `segments()`; one `stat`."""
        try:
            return os.stat(self.journal_path).st_mtime_ns != self._seen_mtime or self._seen_mtime < 0
        except FileNotFoundError:
            return bool(self._listing)

    def listing(self, *, fresh: bool = True) -> dict[str, list[int]]:
        """As `segments()`, and the same object as long as nothing changed.

        Args:
            fresh: False returns what was seen last, without a look at the directory.
        """
        return self.segments() if fresh and self.changed() else self._listing

    def numbers(self, producer: str) -> list[int]:
        """The producer's segment numbers as of now, rising."""
        return self.listing().get(producer, [])

    def used_bytes(self) -> int:
        """Bytes allocated on the disk to all segments."""
        return sum(self.allocated().values())

    def allocated(self) -> dict[str, int]:
        """Name -> bytes allocated on the disk, for each file in the journal."""
        used: dict[str, int] = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self.journal_path) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    used[entry.name] = getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
        return used

    def open_segment(self, producer: str, number: int) -> int:
        """A read descriptor, good until the next call.

        Raises:
            FileNotFoundError: it is gone.
            OSError: it cannot be opened now.
        """
        name = segment_name(producer, number)
        try:
            return self.descriptors.get(name)
        except FileNotFoundError:
            return self.descriptors.get(name + DEAD_SUFFIX)

    def close_segment(self, producer: str, number: int) -> None:
        """Close the descriptor, if it is open."""
        name = segment_name(producer, number)
        self.descriptors.drop(name)
        self.descriptors.drop(name + DEAD_SUFFIX)

    def owner_gone(self, fd: int) -> bool:
        """Whether nobody can write to this open segment any more: its lock is free."""
        free: bool = platform.lock_is_free(fd)
        return free

    def erase(self, producer: str, number: int, end: int) -> bool:
        """Overwrite what is before `end` in a segment that is delivered up to there.

        Returns:
            False when that is not permitted: it is another user's.

        Raises:
            OSError: it cannot be done now.
        """
        try:
            fd = platform.open_file(self.journal_path / segment_name(producer, number), os.O_RDWR)
        except (FileNotFoundError, PermissionError) as error:
            return isinstance(error, FileNotFoundError)
        try:
            status = os.fstat(fd)
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                erase(fd, end)
        finally:
            os.close(fd)
        return True

    def segment_mode(self, *sinks: Asked) -> int:
        """Permission bits of segments: for those only who may read each of the logs."""
        granted = 0o640
        for asked in sinks:
            if isinstance(asked, Target):
                mode = asked.umask_mode if asked.file_mode is None else asked.file_mode
                granted &= mode_like_log(mode & 0o040, asked.path(self.root), self.journal_path)
        return granted

    def give_mode(self, producer: str, number: int, mode: int) -> None:
        """Set a segment's permission bits, if it is ours."""
        with contextlib.suppress(FileNotFoundError, PermissionError):
            fd = self.open_segment(producer, number)
            if stat.S_IMODE(os.fstat(fd).st_mode) != mode:
                set_mode(fd, mode)

    def retire(self, producer: str, number: int) -> float | None:
        """Rename a segment aside, so that its writer, should it live, finds that it is not linked.

        Returns:
            The wall time at which it was set aside before this call; None when this call did it.
        """
        name = segment_name(producer, number)
        aside = self.journal_path / (name + DEAD_SUFFIX)
        try:
            platform.rename(self.journal_path / name, aside)
        except FileNotFoundError:
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(aside)
                return max(status.st_mtime, status.st_ctime)  # where a rename sets neither, the last line's
        except OSError as error:
            if not platform.in_use(error):
                raise
        return None

    def remove(self, producer: str, number: int) -> bool:
        """Unlink a segment; False when another program has it open on Windows: try again later."""
        name = segment_name(producer, number)
        self.close_segment(producer, number)
        for path in (self.journal_path / name, self.journal_path / (name + DEAD_SUFFIX)):
            try:
                platform.unlink(path)
            except OSError as error:
                if platform.in_use(error):
                    return False
                raise
        return True

    def set_aside(self, producer: str, number: int) -> bool:
        """Keep a segment of which nobody knows whose it is in `damaged/`; False when it stays."""
        name = segment_name(producer, number)
        self.close_segment(producer, number)
        places = (self.journal_path / name, self.journal_path / (name + DEAD_SUFFIX))
        return all(self.damaged.take(place, name) for place in places if place.exists())

    def remove_strays(self, now: float) -> None:
        """Unlink what killed producers left in the middle of a roll: no reader sees it, the quota does.

        Args:
            now: wall time in seconds.
        """
        with contextlib.suppress(OSError), os.scandir(self.journal_path) as entries:
            for entry in entries:
                if entry.name.startswith(".") and entry.name.endswith(".tmp"):
                    with contextlib.suppress(OSError):
                        if abs(now - entry.stat(follow_symlinks=False).st_mtime) > _STRAY_AFTER:
                            os.unlink(entry.path)

    def close(self) -> None:
        """Close all descriptors."""
        self.descriptors.close()


def _parse(name: str) -> tuple[str, int] | None:
    return parse_segment_name(name.removesuffix(DEAD_SUFFIX))


def make_afresh(path: Path, access: int, mode: int) -> int:
    """A new file, like its directory, in the place of what lies there, and its descriptor.

    What another user's process left when it was killed can be deleted by who shares the directory, but not
    given other bits or another group.
    """
    platform.unlink(path)
    fd = platform.open_file(path, access | os.O_CREAT | os.O_EXCL)
    try:
        platform.give_like(fd, mode, path.parent)
    except BaseException:
        os.close(fd)
        raise
    return fd


def mode_like_log(mode: int, log: Path, directory: Path) -> int:
    """`mode` for a file in `directory` that holds lines of `log`: for no group that may not read the log."""
    with contextlib.suppress(OSError):
        found = os.stat(log)
        if not found.st_mode & stat.S_IRGRP or found.st_gid != os.stat(directory).st_gid:
            mode = 0
    return 0o600 | mode & 0o060


def spool_for(log_path: Path, spool: Path | None) -> Path:
    """The spool of a log file: as named, else `.logboom` beside the file that a symlink leads to.

    Where anybody may write (`/tmp`), each user has a spool of his own.
    """
    if spool is not None:
        return platform.real_path(spool)
    parent = platform.real_path(log_path).parent
    return parent / (f"{_NAME}-{_user()}" if _anybody_may_write(parent) else _NAME)


def places_of(header: Header, spool: Path) -> list[tuple[Asked, Path]]:
    """What a stream asks for, each with the home of its collector: its locks, doorbell and positions.

    The first file belongs to the spool's own collector. Every other sink has a collector of its own, so that
    one which blocks (a network) holds up nothing else. Streams of format 1 are all the spool's, as they were.
    """
    if header.logboom == 1:
        return [(header.target, spool)]
    return [(asked, home_of(spool, asked, number)) for number, asked in enumerate(header.sinks)]


def home_of(spool: Path, asked: Asked, number: int = 0) -> Path:
    """The home of the collector for `asked`, the sink of that number of a stream."""
    if number == 0 and isinstance(asked, Target):
        return spool
    return spool / _SINKS / f"{asked.kind}-{zlib.crc32(asked.key.encode('utf-8', 'surrogateescape')):08x}"


def homes_in(spool: Path) -> list[Path]:
    """The spool itself, then the homes of sinks in it."""
    with contextlib.suppress(OSError):
        return [spool, *sorted(path for path in (spool / _SINKS).iterdir() if path.is_dir())]
    return [spool]


def spool_of(home: Path) -> Path:
    """The spool in which `home` is; the spool of a spool is itself."""
    inside = home.parent.name == _SINKS and _HOME.fullmatch(home.name)
    return home.parent.parent if inside else home


def make_home(home: Path) -> None:
    """Make the directory of a sink in a spool that exists; harmless when it is there. Raises `OSError`."""
    _make_directory(home.parent)
    _make_directory(home)


def _user() -> int:
    user: int = getattr(os, "geteuid", int)()
    return user


def _anybody_may_write(directory: Path) -> bool:
    try:
        return bool(directory.stat().st_mode & stat.S_IWOTH) and hasattr(os, "geteuid")
    except OSError:
        return False


def _make_directory(path: Path) -> None:
    """Bits and group as the parent's, but closed to others where the parent is open to anybody."""
    parent = stat.S_IMODE(path.parent.stat().st_mode)
    mode = 0o700 if _anybody_may_write(path.parent) else parent & 0o2775 | 0o700
    try:
        path.mkdir(mode)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    _give(path, mode, os.O_RDONLY)


def _make_file(path: Path, text: str) -> None:
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        _give(temporary, stat.S_IMODE(path.parent.stat().st_mode) & 0o664, os.O_RDWR)
        platform.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _give(path: Path, mode: int, access: int) -> None:
    try:
        fd = platform.open_file(path, access)
    except PermissionError:  # Windows opens no directory: it inherits its parent's rights
        return
    try:
        platform.give_like(fd, mode, path.parent)
    finally:
        os.close(fd)


def _check_owner(path: Path) -> None:
    """A spool that a stranger placed where anybody may write is not ours to use."""
    status = os.lstat(path)
    strange = status.st_uid not in (0, _user(), path.parent.stat().st_uid) or stat.S_ISLNK(status.st_mode)
    if strange and _anybody_may_write(path.parent):
        raise SpoolError(
            "another user owns this spool, in a directory where anybody may write",
            path=path,
            hint="Name a directory of your own with spool=",
        )
