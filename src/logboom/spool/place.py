"""The spool directory of a path, opened once a process and trusted for what its owner and mode allow.

Everything in a spool is reached from here: `place(path)` and the directories in it, by `Directory`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import weakref
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom.errors import SpoolError
from logboom.platform.files import Directory
from logboom.platform.patterns import later

__all__ = [
    "HOMES",
    "collects_here",
    "decode",
    "inside",
    "make_place",
    "place",
    "read",
    "spool_of",
    "subdirectory",
]

_OWN: Final = "Name a directory of your own with spool="
_user: Final[Any] = getattr(os, "geteuid", int)
_MOST: Final = 64
HOMES: Final = ".sinks"
_HOME: Final = later(r"[a-z0-9]{1,32}-[0-9a-f]{8}")
_opened: dict[str, weakref.ref[Directory]] = {}  # no callbacks: a signal handler could raise in one


def place(path: Path) -> Directory:
    """The spool at `path`, the same object as long as that is where it was.

    Raises:
        SpoolError: it is a link, or a stranger's.
        OSError: there is none, or it may not be entered.
    """
    key = os.fspath(path)
    known = _known(key)
    if known is not None:
        return known
    spool = spool_of(path)
    return _keep(
        key, _trusted(_open(path)) if spool == path else subdirectory(inside(spool, HOMES), path.name)
    )


def spool_of(home: Path) -> Path:
    """The spool in which the home of a sink is; `home` itself where it is none."""
    within = home.parent.name == HOMES and _HOME.fullmatch(home.name)
    return home.parent.parent if within else home


def make_place(path: Path, fresh: Collection[str] = ()) -> Directory:
    """As `place`; made when there is none, with its parent's owner, group and bits, closed to all others.

    Args:
        fresh: names that another process may put into a new one at once.
    """
    with contextlib.suppress(FileNotFoundError):
        return place(path)
    try:
        found = Directory.made(path, _mode, fresh)
    except (FileExistsError, NotADirectoryError):
        _refuse_link(path)
        raise
    return _keep(os.fspath(path), _trusted(found))


def collects_here(path: Path) -> bool:
    """Return False where this process is root and the spool another user's: a child of that user collects.

    Raises as `place`.
    """
    return _user() != 0 or place(spool_of(path)).acting_owner() is None


def inside(path: Path, name: str) -> Directory:
    """The directory `name` of the spool at `path`, the same object as long as it is where it was.

    Raises as `place`.
    """
    key = os.path.join(path, name)
    return _known(key) or _keep(key, subdirectory(place(path), name))


def subdirectory(spool: Directory, name: str, *, make: bool = False) -> Directory:
    """A directory in the spool, for those who share it.

    Raises:
        SpoolError: it is a link.
        OSError: there is none.
    """
    try:
        return _tightened(Directory(spool.path / name, make=False, within=spool))
    except FileNotFoundError:
        if not make:
            raise
    except NotADirectoryError:
        _refuse_link(spool.path / name)
        raise
    spool.make_directory(name, 0o700 | spool.mode & 0o2070)
    return Directory(spool.path / name, make=False, within=spool)


def read(path: Path, name: str, most: int) -> bytes:
    """A file of the spool at `path`; `OSError` when there is none, or it is larger than `most`."""
    return place(path).read(name, most)


def decode(raw: bytes, kind: Any = Any) -> Any:
    """JSON that anybody may have written; `ValueError` for what is none, or not of this kind."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(f"not what it should be: {error}") from None


def _known(key: str) -> Directory | None:
    """What is open for a path, as long as that leads there."""
    known = _opened.get(key)
    found = None if known is None else known()
    return found if found is not None and found.is_current() else None


def _keep(key: str, found: Directory) -> Directory:
    _opened[key] = weakref.ref(found)
    if len(_opened) > _MOST:
        for one in [one for one, known in list(_opened.items()) if known() is None]:
            _opened.pop(one, None)
    return found


def _mode(parent: os.stat_result) -> int:
    """Of a new spool: the parent's bits for its owner and group, none for others."""
    if parent.st_mode & stat.S_IWOTH and hasattr(os, "geteuid"):
        return 0o700
    return stat.S_IMODE(parent.st_mode) & 0o2770 | 0o700


def _open(path: Path) -> Directory:
    try:
        return Directory(path, make=False, follow=False)
    except FileNotFoundError:
        raise
    except OSError:
        _refuse_link(path)
        raise


def _refuse_link(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            what = "a link, which is not followed" if path.is_symlink() else "not a directory"
            raise SpoolError(f"{path.name} is {what}", path=path, hint=_OWN)


def _trusted(found: Directory) -> Directory:
    """The same, unless a stranger made it where anybody may; closed to those who need no access.

    Where others cannot write, what is there was put there by whom the directory belongs to.
    """
    parent, own = found.parent, found.status()
    if parent is None:
        return found
    ours = own.st_uid in (0, _user(), parent.st_uid)
    if parent.st_mode & stat.S_IWOTH and not ours and _keeps_owners(found):
        raise SpoolError(
            "another user owns this spool, in a directory where anybody may write", path=found.path, hint=_OWN
        )
    if found.stat("journal") is None:
        return found
    return _tightened(found)


def _keeps_owners(found: Directory) -> bool:
    """Whether the volume has a file belong to whom it was made by: not where all are mapped to one user."""
    name = f".{os.urandom(4).hex()}.tmp"
    try:
        fd = found.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except OSError:
        return True
    try:
        return bool(os.fstat(fd).st_uid == _user())
    finally:
        os.close(fd)
        found.remove(name)


def _tightened(found: Directory) -> Directory:
    """Earlier releases let those in who may only read the log: each of them could hold a lock in it.

    A directory that anybody may write is a volume without owners, or was made so by a person.
    """
    now = found.mode
    if now & 0o004 and not now & 0o002 and found.status().st_uid == _user():
        with contextlib.suppress(OSError):
            found.set_mode(now & 0o2770)
    return found
