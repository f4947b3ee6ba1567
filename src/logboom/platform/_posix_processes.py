"""What is to be known of another process, and what a process inherits that the collector must not keep."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import contextlib
import errno
import os
import select
import signal
from pathlib import Path
from typing import Final

__all__ = [
    "detach",
    "disk_room",
    "hard_limits",
    "holds",
    "is_gone",
    "kill_stopped",
    "limit_behind",
    "process_state",
    "reap_orphans",
    "shed_limits",
]

STOPPED: Final = "stopped (SIGSTOP)"
_STATES: Final = {"T": STOPPED, "t": STOPPED, "D": "in an uninterruptible wait (state D)", "Z": "dead"}
_ENDS_WITHIN: Final = 5000  # milliseconds, after SIGKILL
_ENOUGH_FILES: Final = 65536
_LIMITS: Final = ("fsize", "nofile", "as", "data", "cpu")
_BEHIND: Final = {
    errno.EFBIG: ("fsize",),
    errno.EMFILE: ("nofile",),
    errno.ENOMEM: ("as", "data"),
}


def process_state(pid: int) -> str:
    """Why a process cannot go on, in words; empty when nothing is known to hold it up."""
    letter = _letter(pid)
    if letter in _STATES:
        return _STATES[letter]
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            hierarchy, _, path = line.partition(":")[2].partition(":")
            places = {
                "": (f"/sys/fs/cgroup{path}/cgroup.events", "frozen 1"),
                "freezer": (f"/sys/fs/cgroup/freezer{path}/freezer.state", "FROZEN"),
            }
            place, sign = places.get(hierarchy, ("", ""))
            with contextlib.suppress(OSError):
                if place and sign in Path(place).read_text():
                    return "in a frozen cgroup"
    return ""


def _letter(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def is_gone(pid: int) -> bool:
    """Return True when the process has ended: then it has no file open any more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _letter(pid) == "Z"


def holds(pid: int, path: str | Path) -> bool:
    """Return True when the process has this file open, as far as we may see."""
    try:
        wanted = os.stat(path)
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{pid}/fd/{name}"), wanted):
                    return True
    except OSError:
        pass
    return False


def kill_stopped(pid: int, path: str | Path) -> bool:
    """Kill a stopped process of ours (of any user, for root) that has `path` open; True when it is dead.

    The process id is pinned before anything is asked about it, so that no other process can be hit. Where it
    cannot be pinned, nothing is killed.
    """
    return _kill_stopped(pid, path)


if sys.platform == "linux":

    def _kill_stopped(pid: int, path: str | Path) -> bool:
        try:
            pinned = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            owner = os.stat(f"/proc/{pid}").st_uid
            if os.geteuid() not in (0, owner) or process_state(pid) != STOPPED or not holds(pid, path):
                return False
            signal.pidfd_send_signal(pinned, signal.SIGKILL)
            ends = select.poll()
            ends.register(pinned, select.POLLIN)
            return bool(ends.poll(_ENDS_WITHIN))
        except OSError:
            return False
        finally:
            os.close(pinned)

else:

    def _kill_stopped(pid: int, path: str | Path) -> bool:
        return False


def detach(keep: int, *, fork: bool) -> int:
    """Leave whoever started this process: its session, ignored signals, descriptors, directory.

    Args:
        keep: a descriptor that stays open; returned.
        fork: a child goes on instead, and this process ends.
    """
    if fork and os.fork():
        os._exit(0)
    os.setsid()
    for number in (signal.SIGINT, signal.SIGQUIT):  # a shell ignores them in the background
        signal.signal(number, signal.SIG_DFL)
    os.closerange(3, keep)
    os.closerange(keep + 1, 65536)
    os.chdir("/")
    return keep


def reap_orphans(name: str) -> None:
    """Reap dead orphans called `name` where they become our children: as process 1, or a subreaper.

    Only of those that lead a session of their own: a child that the application started is its own affair.
    """
    own = os.getpid()
    try:
        children = Path(f"/proc/self/task/{own}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        with contextlib.suppress(OSError, IndexError):
            head, _, tail = Path(f"/proc/{child}/stat").read_text(errors="replace").rpartition(")")
            state, _, _, session = tail.split()[:4]
            if state == "Z" and head.partition("(")[2] == name and int(session) == child:
                os.waitpid(child, os.WNOHANG)


def shed_limits() -> None:
    """What a detached process has inherited and need not keep: soft limits, niceness, OOM score, umask."""
    import resource  # here, so that a program that logs need not load it

    for name in _LIMITS:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            limit = getattr(resource, f"RLIMIT_{name.upper()}")
            soft, hard = resource.getrlimit(limit)
            if os.geteuid() == 0 and hard != resource.RLIM_INFINITY and name != "nofile":
                with contextlib.suppress(OSError, ValueError):
                    resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                    continue
            if name == "nofile":
                enough = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
                hard_or_soft = max(soft, enough) if soft != resource.RLIM_INFINITY else soft
                resource.setrlimit(limit, (hard_or_soft, hard))
            elif soft != hard:
                resource.setrlimit(limit, (hard, hard))
    with contextlib.suppress(OSError):
        if os.getpriority(os.PRIO_PROCESS, 0) > 0:
            os.setpriority(os.PRIO_PROCESS, 0, 0)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            if os.sched_getscheduler(0) != os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("0")
    os.umask(0o077)


def hard_limits() -> dict[str, int]:
    """The limits that this process cannot raise, by name; what is unlimited is left out."""
    import resource

    limits: dict[str, int] = {}
    for name in _LIMITS:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
            if hard != resource.RLIM_INFINITY:
                limits[name] = hard
    return limits


def limit_behind(error: BaseException | None) -> str:
    """The name of the limit of this process that an error comes from; empty when it comes from none."""
    while error is not None:
        number = getattr(error, "errno", None)
        names = _BEHIND[errno.ENOMEM] if isinstance(error, MemoryError) else _BEHIND.get(number or 0, ())
        limits = hard_limits() if names else {}
        for name in names:
            if name in limits:
                return name
        error = error.__cause__ or error.__context__
    return ""


def disk_room(path: str | Path) -> tuple[int, int, bool]:
    """Bytes and files that this user can still make on a file system, and True when it is read-only.

    Where a file system does not count files, their number is -1.
    """
    status = os.statvfs(path)
    room = (status.f_bfree if os.geteuid() == 0 else status.f_bavail) * status.f_frsize
    files = status.f_favail if status.f_files else -1
    return room, files, bool(status.f_flag & os.ST_RDONLY)
