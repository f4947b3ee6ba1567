"""Which directories an explicit `spool=` may be written for, and which addresses pushed to.

A collector believes what segments ask for, and whoever may write the spool may write segments. So a directory
other than the spool's parent, or an address, counts only when it is on this list of the spool's owner.
"""

from __future__ import annotations

import contextlib
import os
import stat
import zlib
from pathlib import Path
from typing import Final

from logboom.platform.files import Directory
from logboom.spool.place import place

__all__ = ["allow", "allowed"]

_NAME: Final = "allowed"
_LONGEST: Final = 8192
_MOST: Final = 10_000
# No other file that logboom writes has these bits: who may rename things in a shared spool cannot put a log
# file in the place of an entry.
_ENTRY: Final = 0o444


def allow(spool: Path, directory: str) -> None:
    """Put a directory or an address on the list, if this process may.

    It may when it runs as the spool's owner, or as root.
    """
    with contextlib.suppress(OSError):
        own = place(spool)
        own.make_directory(_NAME, 0o755)
        listed = Directory(spool / _NAME, make=False, within=own)
        data = directory.encode("utf-8", "surrogateescape")
        entry = f"{zlib.crc32(data):08x}"
        if not _counts(listed, entry, own):
            listed.write(entry, data, _ENTRY, shared=True)


def allowed(spool: Path) -> set[str]:
    """What is on the list; an entry of another user than the spool's owner counts for nothing."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        own = place(spool)
        listed = Directory(spool / _NAME, make=False, within=own)
        if not _is_owners(listed.status(), own):
            return found
        for entry in listed.names()[:_MOST]:
            if _counts(listed, entry, own):
                with contextlib.suppress(OSError):
                    found.add(listed.read(entry, _LONGEST).decode("utf-8", "surrogateescape"))
    return found


def _counts(listed: Directory, entry: str, own: Directory) -> bool:
    status = listed.stat(entry)
    if status is None or not stat.S_ISREG(status.st_mode) or not _is_owners(status, own):
        return False
    return not own.mode & 0o022 or stat.S_IMODE(status.st_mode) == _ENTRY


def _is_owners(status: os.stat_result, own: Directory) -> bool:
    """Whether only the spool's owner, or root, can have written it."""
    spool = own.status()
    if spool.st_mode & stat.S_IWOTH:  # a volume without owners
        return status.st_uid == spool.st_uid
    return status.st_uid in (0, spool.st_uid) and not status.st_mode & 0o022
