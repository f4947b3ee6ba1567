"""ZeroMQ's addresses as sockets of the system.

Owns: `tcp://` and `ipc://`, connecting and listening, which hosts an address lets in. Never knows: protocols.
"""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401  Resolving a name imports it: not in a thread, while the program may fork.
import os
import selectors
import socket
import stat
from collections.abc import Iterable
from typing import Final

from logboom.errors import ConfigurationError

__all__ = [
    "absolute",
    "check_address",
    "dial",
    "has_ipc",
    "inode",
    "is_public",
    "listen",
    "remove_name",
    "wait",
]

_BACKLOG: Final = 128
# Not `select`, which ends at descriptor 1,024, and not what takes a descriptor of its own.
_Selector: Final = getattr(selectors, "PollSelector", selectors.SelectSelector)
# Where a system has room for less, it says so itself.
_LONGEST_PATH: Final = 107
_HINT: Final = 'Use one such as "tcp://localhost:5557"'


def check_address(address: str, *, listening: bool = False, inproc: bool = False) -> None:
    """Whether `address` can be used here.

    Args:
        listening: `*` may stand for the host, and for the port.
        inproc: a context is there for `inproc://`.

    Raises:
        ConfigurationError: it cannot; the hint says what to use.
    """
    scheme, found, place = str(address).partition("://")
    if not found or not place or scheme not in ("tcp", "ipc", "inproc"):
        raise ConfigurationError(f"{address!r} is not an address of ZeroMQ", hint=_HINT)
    if scheme == "ipc" and not has_ipc():
        raise ConfigurationError(
            f"{address!r}: there is no ipc:// on this system", hint='Use "tcp://127.0.0.1:5557"'
        )
    if scheme == "ipc" and len(os.fsencode(absolute(address))) > len("ipc://") + _LONGEST_PATH:
        raise ConfigurationError(
            f"{address!r}: the path is longer than {_LONGEST_PATH} bytes", hint="Use a shorter one"
        )
    if scheme == "inproc" and not inproc:
        raise ConfigurationError(
            f"{address!r}: inproc:// connects the threads of one process",
            hint="Give its context= to both ends",
        )
    host, _, port = place.rpartition(":")
    wild = listening and port in ("*", "0")
    if scheme == "tcp" and not (host and (wild or (port.isdecimal() and 0 < int(port) < 65536))):
        raise ConfigurationError(f"{address!r} has no host and port", hint=_HINT)
    if host == "*" and not listening:
        raise ConfigurationError(f"{address!r} names no host to connect to", hint=_HINT)


def absolute(address: str) -> str:
    """With the whole path of an `ipc://`: the program, or who connects for it, may be elsewhere later."""
    scheme, _, place = address.partition("://")
    if scheme != "ipc" or place.startswith("@"):
        return address
    return f"ipc://{os.path.abspath(place)}"


def has_ipc() -> bool:
    """Whether this system has `ipc://`."""
    return hasattr(socket, "AF_UNIX")


def is_public(address: str) -> bool:
    """Whether other hosts may be able to connect."""
    scheme, _, place = address.partition("://")
    host = place.rpartition(":")[0].strip("[]")
    return scheme == "tcp" and not (host.startswith("127.") or host in ("localhost", "::1"))


def dial(address: str, timeout: float, send_buffer: int) -> socket.socket:
    """Connect, to the first place of that name where somebody listens. Raises `OSError`."""
    places = _places(address)
    for number, (family, where) in enumerate(places, 1):
        try:
            return _dial(family, where, timeout, send_buffer)
        except OSError:
            if number == len(places):
                raise
    raise OSError(f"{address}: no such place")


def wait(
    timeout: float, *, reading: Iterable[socket.socket] = (), writing: Iterable[socket.socket] = ()
) -> bool:
    """Wait at most `timeout` seconds until one of these can be used; False when none can."""
    with _Selector() as selector:
        for each in reading:
            selector.register(each, selectors.EVENT_READ)
        for each in writing:
            selector.register(each, selectors.EVENT_WRITE)
        return bool(selector.select(max(0.0, timeout)))


def _dial(family: int, where: str | tuple[str, int], timeout: float, send_buffer: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family in (socket.AF_INET, socket.AF_INET6):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        made.settimeout(timeout)
        made.connect(where)
    except BaseException:
        made.close()
        raise
    return made


def listen(address: str, receive_buffer: int) -> tuple[socket.socket, str]:
    """Listen without blocking; returns the socket, and the address with its port, or its whole path.

    Raises:
        OSError: another program has it, or it is no address of this machine.
    """
    address = absolute(address)
    try:
        return _listen(address, receive_buffer)
    except OSError as error:
        raise OSError(error.errno, f"{address}: {error.strerror or error}") from None


def _listen(address: str, receive_buffer: int) -> tuple[socket.socket, str]:
    family, where = _places(address.replace("tcp://*", "tcp://0.0.0.0").replace(":*", ":0"))[0]
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family in (socket.AF_INET, socket.AF_INET6):
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            _remove_stale(str(where))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.bind(where)
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    if family not in (socket.AF_INET, socket.AF_INET6):
        return made, address
    head, _, _ = address.rpartition(":")
    return made, f"{head}:{made.getsockname()[1]}"


def keep_alive(peer: socket.socket) -> None:
    """A peer whose host has gone without a word is noticed within minutes, not never."""
    with contextlib.suppress(OSError):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, seconds in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20)):
            if peer.family != getattr(socket, "AF_UNIX", None) and hasattr(socket, name):
                peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


def inode(address: str) -> tuple[int, int] | None:
    """Which file the name of an `ipc://` socket is now; None for other addresses, and when there is none."""
    scheme, _, place = address.partition("://")
    if scheme != "ipc" or place.startswith("@"):
        return None
    with contextlib.suppress(OSError):
        found = os.stat(place)
        return found.st_dev, found.st_ino
    return None


def remove_name(address: str, ours: tuple[int, int] | None) -> None:
    """Remove the name of an `ipc://` socket that is about to be closed, unless it is another's by now.

    Behind the end of the listener a successor may have bound the name already.
    """
    if ours is not None and inode(address) == ours:
        with contextlib.suppress(OSError):
            os.unlink(address.removeprefix("ipc://"))


def _places(address: str) -> list[tuple[int, str | tuple[str, int]]]:
    """Where it is; of a name with several addresses those of IPv4 first, as ZeroMQ has them."""
    scheme, _, place = address.partition("://")
    if scheme == "ipc":
        family = getattr(socket, "AF_UNIX", None)
        if not isinstance(family, int):
            raise OSError("there is no ipc:// on this system")
        return [(family, "\0" + place[1:] if place.startswith("@") else place)]
    host, _, port = place.rpartition(":")
    found = socket.getaddrinfo(_host(host.strip("[]")), int(port), type=socket.SOCK_STREAM)
    places = [(int(family), (str(where[0]), int(where[1]))) for family, _, _, _, where in found]
    return sorted(places, key=lambda each: each[0] != socket.AF_INET)


def _host(name: str) -> str | bytes:
    """As bytes where it can be: a codec is looked for otherwise."""
    return name.encode() if name.isascii() else name


def _remove_stale(path: str) -> None:
    """A socket file of a program that was killed; one that somebody listens on stays."""
    address = f"ipc://{path}"
    with contextlib.suppress(OSError):
        if not path.startswith("\0") and stat.S_ISSOCK(os.stat(path).st_mode):
            found = inode(address)
            try:
                dial(address, 1.0, 4096).close()
            except ConnectionRefusedError:
                remove_name(address, found)
