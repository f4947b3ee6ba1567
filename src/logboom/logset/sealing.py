"""What is done to a backup once, by a process of low priority: indexed, and compressed in blocks.

    python -m logboom.logset.sealing DIRECTORY index NAME
    python -m logboom.logset.sealing DIRECTORY pack NAME COPY CODEC

`index` puts an index into the facts file of a backup. `pack` writes the compressed backup to COPY, which
is there already with its access rights, and the facts of COPY. The collector then puts COPY in its place.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from logboom import platform
from logboom.logset import facts
from logboom.logset.facts import DIRECTORY, Facts, facts_name
from logboom.logset.index import sealed
from logboom.logset.packing import packer
from logboom.platform.files import Directory, copy_access

__all__ = ["copy_facts", "forget_facts", "index_backup", "is_indexed", "main", "pack_backup", "sweep_facts"]

_BLOCK: Final = 1 << 20
_ENDS: Final = 64
ReadAt = Callable[[int, int], bytes]


def _facts_directory(directory: Directory) -> Directory | None:
    """The directory of the facts; None where there is none, or it is not to be trusted."""
    path = directory.path / DIRECTORY
    if not path.is_dir() or path.is_symlink():
        return None
    found = Directory(path)
    if found.device != directory.device:
        found.close()
        return None
    return found


def _read_at(fd: int) -> ReadAt:
    return lambda place, length: platform.read_at(fd, length, place)


def is_indexed(directory: Directory, inode: int) -> bool:
    """Return True if the facts of this file have an index, or there are no facts to make one of."""
    places = _facts_directory(directory)
    if places is None:
        return True
    try:
        fd = places.open_read(facts_name(inode))
    except OSError:
        return True
    finally:
        places.close()
    try:
        said = next(facts.frames(lambda place, length: platform.read_at(fd, 4096, place)), None)
        return said is None or b'"sealed"' in said[2]
    finally:
        os.close(fd)


def index_backup(directory: Directory, name: str) -> bool:
    """Put an index into the facts of a backup; False when there are no facts. Raises `OSError`."""
    log = directory.open_read(name)
    try:
        status = os.fstat(log)
        return _write_sealed(directory, status.st_ino, log, status.st_size, status, {"sealed": True})
    finally:
        os.close(log)


def pack_backup(directory: Directory, name: str, copy: str, codec: str) -> None:
    """Compress a backup into `copy` and give that the backup's facts, with an index. Raises `OSError`."""
    log, out = directory.open_read(name), directory.open_append(copy)
    try:
        os.ftruncate(out, 0)
        pack = packer(codec)
        place = 0
        while block := platform.read_at(log, _BLOCK, place):
            place += len(block)
            _write(out, pack.feed(block))
        _write(out, pack.finish())
        status = os.fstat(log)
        if not copy_facts(directory, status.st_ino, out):
            _write_sealed(
                directory,
                os.fstat(out).st_ino,
                log,
                place,
                status,
                {"sealed": True, "packed": _packed(out)},
                status.st_ino,
            )
    finally:
        os.close(log)
        os.close(out)


def _packed(fd: int) -> dict[str, int]:
    """What a compressed file is known by."""
    size = os.fstat(fd).st_size
    width = min(_ENDS, size)
    head, tail = platform.read_at(fd, width, 0), platform.read_at(fd, width, size - width)
    return {"size": size, "ends": zlib.crc32(tail, zlib.crc32(head))}


def copy_facts(directory: Directory, inode: int, copy: int, *, sealed_only: bool = True) -> bool:
    """Give a compressed copy the facts of the file that it was made of. Raises `OSError`.

    Args:
        sealed_only: only facts that have an index; else the caller makes one.

    Returns:
        False when nothing was written.
    """
    places = _facts_directory(directory)
    if places is None:
        return not sealed_only
    try:
        try:
            fd = places.open_read(facts_name(inode))
        except OSError:
            return not sealed_only
        try:
            data = platform.read_at(fd, os.fstat(fd).st_size, 0)
            status = os.fstat(fd)
        finally:
            os.close(fd)
        indexed = False
        out = []
        for kind, _, payload in facts.frames(lambda place, length: data[place : place + length]):
            if kind == facts.HEADER:
                indexed = indexed or b'"sealed"' in payload
                payload = facts.encode({"logboom_facts": 1, "sealed": indexed, "packed": _packed(copy)})
            out.append(facts.frame(kind, payload))
        if sealed_only and not indexed:
            return False
        _put(places, facts_name(os.fstat(copy).st_ino), b"".join(out), status)
        return True
    finally:
        places.close()


def _write_sealed(
    directory: Directory,
    inode: int,
    log: int,
    size: int,
    status: os.stat_result,
    header: dict[str, Any],
    source: int | None = None,
) -> bool:
    places = _facts_directory(directory)
    if places is None:
        return False
    try:
        try:
            fd = places.open_read(facts_name(inode if source is None else source))
        except OSError:
            return False
        try:
            said = Facts()
            read = _read_at(fd)
            said.take(read)
            if said.index is not None:
                return True
            header = {"logboom_facts": 1, **header}
            data = b"".join(sealed(said, read, _read_at(log), size, header))
        finally:
            os.close(fd)
        _put(places, facts_name(inode), data, status)
        return True
    finally:
        places.close()


def _put(places: Directory, name: str, data: bytes, like: os.stat_result) -> None:
    """Write a facts file as a whole, with the access rights of the log."""
    temporary = f".{secrets.token_hex(8)}.tmp"
    fd = places.create(temporary)
    try:
        _write(fd, data)
        copy_access(fd, like)
        platform.sync_file(fd)
    except OSError:
        places.unlink(temporary)
        raise
    finally:
        os.close(fd)
    platform.replace(places.path / temporary, places.path / name)


def forget_facts(directory: Directory, inode: int) -> None:
    """The file is gone, and with it what is known of it. Raises nothing."""
    with contextlib.suppress(OSError):
        places = _facts_directory(directory)
        if places is not None:
            try:
                places.unlink(facts_name(inode))
            finally:
                places.close()


def sweep_facts(directory: Directory) -> None:
    """Delete the facts of files that are gone, whoever deleted them; give the others their log's access.

    Raises nothing.
    """
    with contextlib.suppress(OSError):
        places = _facts_directory(directory)
        if places is None:
            return
        try:
            # The facts first: a file that is made meanwhile has its name before it has facts.
            names = {name for name in places.names() if name.endswith(".facts")}
            there = {facts_name(status.st_ino): status for _, status in directory.files()}
            for name in names:
                if name not in there:
                    places.unlink(name)
                else:
                    _give_access(places, name, there[name])
        finally:
            places.close()


def _give_access(places: Directory, name: str, like: os.stat_result) -> None:
    mine = places.stat(name)
    if mine is None or (mine.st_mode, mine.st_uid, mine.st_gid) == (like.st_mode, like.st_uid, like.st_gid):
        return
    fd = places.open_read(name)
    try:
        copy_access(fd, like)
    finally:
        os.close(fd)


def _write(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def main(argv: list[str]) -> int:
    """Run one job; returns 0 when it is done, 1 when there was nothing to do."""
    place, job, name, *rest = argv
    platform.lower_priority()
    directory = Directory(Path(place))
    if job == "pack":
        pack_backup(directory, name, rest[0], rest[1])
        return 0
    return 0 if index_backup(directory, name) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
