"""Which directories an explicit `spool=` may be written for, and which addresses pushed to.

Owns: the list `allowed/` of a spool. Never knows: targets, sinks.

A collector believes what segments ask for, and whoever may write the spool may write segments. So a
directory other than the spool's parent, or an address, counts only when the spool's owner put it on the list.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path

from logboom import platform

__all__ = ["allow", "allowed"]


def allow(spool: Path, directory: str) -> None:
    """Put a directory or an address on the list, if this process may.

    It may when it runs as the spool's owner, or as root.
    """
    path = spool / "allowed"
    with contextlib.suppress(OSError):
        path.mkdir(mode=0o755, exist_ok=True)
        entry = path / f"{zlib.crc32(directory.encode('utf-8', 'surrogateescape')):08x}"
        if entry.exists():
            return
        temporary = path / f".{os.urandom(4).hex()}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        fd = platform.open_file(temporary, flags, 0o644)
        try:
            platform.give_like(fd, 0o644, spool)
            os.write(fd, directory.encode("utf-8", "surrogateescape"))
        finally:
            os.close(fd)
        platform.replace(temporary, entry)


def allowed(spool: Path) -> set[str]:
    """What is on the list; an entry of somebody else than the spool's owner counts for nothing."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        owner = spool.stat().st_uid
        for entry in (spool / "allowed").iterdir():
            if entry.lstat().st_uid == owner and entry.is_file() and not entry.is_symlink():
                found.add(entry.read_bytes().decode("utf-8", "surrogateescape"))
    return found
