"""Compression of an archive, a slice at a time, into a temporary file; then the change of names.

Owns: the codecs, the job and its descriptors, putting the result in the archive's place. Never knows:
which archive is next, when there is time.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Final

from logboom import platform
from logboom.errors import ConfigurationError, SinkError
from logboom.logset.packing import has_zstd, packer
from logboom.logset.sealing import copy_facts
from logboom.platform.failpoints import reach
from logboom.platform.files import Directory, copy_access, copy_times
from logboom.sinks.file.live import temporary_name
from logboom.sinks.file.rollover import find_inode
from logboom.sinks.file.rotation import SUFFIXES, Archive

__all__ = ["CompressionJob", "check_compression", "replace_by_compressed"]

_BLOCK: Final = 1 << 18


def check_compression(name: str | None) -> None:
    """Raises `ConfigurationError` when this interpreter cannot compress with `name`."""
    if name is None or name == "gzip":
        return
    if name != "zstd":
        raise ConfigurationError(f"compress={name!r}", hint='Use None, "gzip" or "zstd"')
    if not has_zstd():
        raise ConfigurationError(
            'compress="zstd" needs the package zstandard',
            hint='Run pip install "logboom[zstd]", or use "gzip"',
        )


class CompressionJob:
    """One archive on its way to a compressed copy.

    The copy has a temporary name; `details` says, once `advance` returned True, what
    `replace_by_compressed` needs.
    """

    def __init__(self, directory: Directory, live: str, archive: Archive, codec: str) -> None:
        """Raises `OSError`, and `ImportError` when the codec's package is missing."""
        self.archive = archive
        self.temporary = temporary_name(live)
        self._directory = directory
        self._suffix = SUFFIXES[codec]
        self._packer = packer(codec)
        self._read = 0
        self._source = directory.open_read(archive.name)
        try:
            self._status = os.fstat(self._source)
            self._copy = directory.create(self.temporary)
        except OSError:
            os.close(self._source)
            raise

    def advance(self, seconds: float) -> bool:
        """Compress for about that long; True when the copy is whole and on the disk. Raises `OSError`."""
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            block = os.read(self._source, _BLOCK)
            if not block:
                self._finish()
                return True
            self._read += len(block)
            _write(self._copy, self._packer.feed(block))
        return False

    def details(self) -> dict[str, Any]:
        """What `replace_by_compressed` needs, as JSON values."""
        return {
            "dev": self._status.st_dev,
            "ino": self._status.st_ino,
            "size": self._read,
            "mtime": self._status.st_mtime_ns,
            "name": self.archive.name,
            "suffix": self._suffix,
            "temp": self.temporary,
            "temp_ino": os.fstat(self._copy).st_ino,
        }

    def close(self, *, discard: bool) -> None:
        """Give up the descriptors and, with `discard`, the copy; harmless when called again."""
        for fd in (self._source, self._copy):
            if fd >= 0:
                os.close(fd)
        if discard and self._copy >= 0:
            with contextlib.suppress(OSError):
                self._directory.unlink(self.temporary)
        self._source = self._copy = -1

    def _finish(self) -> None:
        self._status = os.fstat(self._source)
        _write(self._copy, self._packer.finish())
        copy_access(self._copy, self._status)
        copy_times(self._copy, self._status)
        with contextlib.suppress(OSError):  # without them the copy is parsed
            copy_facts(self._directory, self._status.st_ino, self._copy, sealed_only=False)
        # The plain file is deleted next: its content must not be on its way to the disk alone.
        platform.sync_file(self._copy)


def _write(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def replace_by_compressed(directory: Directory, details: dict[str, Any]) -> str:
    """Put the copy in the archive's place, under the name that the archive bears now.

    Finishes what a killed process began. Returns a sentence when the archive stays plain, else "".

    Raises:
        OSError: a change of names failed.
    """
    temporary, suffix = details["temp"], details["suffix"]
    copies = _names(directory, details["dev"], details["temp_ino"])
    plain = find_inode(directory, details["dev"], details["ino"], (details["name"],))
    if copies and plain is not None:
        if _changed(directory, plain, details):
            return _give_up(directory, copies, details, f"{plain} changed while it was compressed")
        if copies == {temporary}:
            reach("compress.place")
            try:
                directory.move(temporary, plain + suffix)
            except FileExistsError:
                return _give_up(directory, copies, details, f"somebody else's {plain}{suffix} is there")
        reach("compress.unlink")
        _replace_plain(directory, plain, details)
    if temporary in _names(directory, details["dev"], details["temp_ino"]):
        directory.unlink(temporary)
    return ""


def _replace_plain(directory: Directory, plain: str, details: dict[str, Any]) -> None:
    """Delete the plain file; where that is refused, the copy, so that no record is there twice.

    Raises:
        SinkError: it is not known which of the two is there: the step has to be made again.
        OSError: it was refused.
    """
    try:
        directory.unlink(plain)
    except OSError as error:
        try:
            kept = directory.links(plain) > 0
        except OSError:
            raise SinkError(f"cannot replace {plain} by its compressed copy: {error}") from error
        if kept:
            for copy in _names(directory, details["dev"], details["temp_ino"]):
                with contextlib.suppress(OSError):
                    directory.unlink(copy)
            raise


def _names(directory: Directory, device: int, inode: int) -> set[str]:
    return {name for name, one in directory.files() if (one.st_ino, one.st_dev) == (inode, device)}


def _changed(directory: Directory, plain: str, details: dict[str, Any]) -> bool:
    status = directory.stat(plain)
    return status is None or (status.st_size, status.st_mtime_ns) != (details["size"], details["mtime"])


def _give_up(directory: Directory, copies: set[str], details: dict[str, Any], reason: str) -> str:
    # A copy that bears its final name may be all that there is: the number of a deleted file is used again.
    if details["temp"] in copies:
        directory.unlink(details["temp"])
    return f"{reason}: it stays plain"
