"""Is a collector there; ring it; start one; or collect here.

Owns: what a producer may do about the collector of its spool. Never knows: how a collector works (it
is started as another program, or called through `logboom.collector.assembly` by name), formats, records.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from logboom import platform
from logboom.errors import LogboomError
from logboom.platform import clock
from logboom.platform.process import this_process

__all__ = [
    "DOORBELL",
    "FLUSH",
    "LEADER_LOCK",
    "PRUNE",
    "STARTING_LOCK",
    "STATUS",
    "STOP",
    "WAKE",
    "Launch",
    "collect_here",
    "collector_lives",
    "import_collector",
    "lacks_collector",
    "made_way",
    "make_room",
    "python_for_collector",
    "read_status",
    "reap",
    "start_collector",
    "start_is_free",
    "wait_until_flushed",
]

LEADER_LOCK: Final = "collector.lock"
STARTING_LOCK: Final = "starting.lock"
DOORBELL: Final = "doorbell"
STATUS: Final = "status.json"
WAKE: Final = b"w"
FLUSH: Final = b"f"
STOP: Final = b"s"
PRUNE: Final = b"p"

# Runs before `site`: forks so that nobody has to wait for it, then becomes the collector. One line, and
# its first word says in `ps` what this is. A shell gave it SIGINT and SIGQUIT ignored.
_PACKAGE: Final = os.path.join(os.path.dirname(os.path.dirname(__file__)), "__init__.py")
_BOOTSTRAP: Final = (
    "'logboom collector'; import os, sys, _signal as g; s, k, *p = sys.argv[1:]; "
    "k = int(k) if os.name == 'posix' else -1; "
    "hasattr(os, 'fork') and os.fork() and os._exit(0); hasattr(os, 'setsid') and os.setsid(); "
    "hasattr(os, 'fork') and [g.signal(n, g.SIG_DFL) for n in (g.SIGINT, g.SIGQUIT)]; "
    "k < 0 or os.closerange(3, k); k < 0 or os.closerange(k + 1, 65536); os.chdir(os.path.abspath(os.sep)); "
    "sys.path[:0] = p; from logboom.collector.assembly import run_detached; run_detached(s, k)"
)
# A shell, where there is one, starts it in the background and ends: a Python takes longer to do that.
_SHELL: Final = "/bin/sh"
_IN_BACKGROUND: Final = '"$@" &'
# A shell needs the first few; an interpreter on a busy machine many. Together one second.
_SEE_OFF: Final = (*[0.0005] * 40, *[0.002] * 90, *[0.01] * 80)
_RING_AGAIN_AFTER: Final = 0.05
_RING_AT_LEAST_EVERY: Final = 0.4
_TURN: Final = 3.0
_sigmask: Final[Any] = getattr(signal, "pthread_sigmask", lambda how, signals: signals)  # Windows has none
_SIG_BLOCK, _SIG_SETMASK = (getattr(signal, name, 0) for name in ("SIG_BLOCK", "SIG_SETMASK"))
_SIGCHLD: Final = (getattr(signal, "SIGCHLD", 0),)


class Launch(NamedTuple):
    """What came of an attempt: `started`, or the `trouble` that a person should read (else empty)."""

    started: bool
    trouble: str = ""


def collector_lives(spool: Path, message: bytes = WAKE) -> bool:
    """Whether a collector listens at the spool's doorbell; rings it with `message`."""
    return platform.ring(spool / DOORBELL, message)


def lacks_collector(spool: Path, format: int) -> bool:
    """Whether one is to be started: none lives to be rung, and none has just made way for a newer one.

    Args:
        format: the journal format of this release.
    """
    return not collector_lives(spool) and made_way(spool) < format


def python_for_collector() -> str | None:
    """An interpreter that can run the collector, or None.

    The one that the environment variable `LOGBOOM_PYTHON` names; without it, or where that cannot be run
    (one line on stderr says so), `sys.executable`, unless it is empty or another program, as under uWSGI and
    mod_wsgi; then the base interpreter. In a frozen program only the variable counts.
    """
    named = os.environ.get("LOGBOOM_PYTHON")
    if named and os.access(named, os.X_OK):
        return os.path.abspath(named)
    candidates: list[str] = []
    if not getattr(sys, "frozen", False):
        candidates += platform.own_interpreters()
        candidates += [os.path.join(sys.base_exec_prefix, *tail) for tail in _interpreter_tails()]
    for candidate in candidates:
        if candidate and _is_python(candidate) and os.access(candidate, os.X_OK):
            found = os.path.abspath(candidate)
            if named:
                _warn(f"LOGBOOM_PYTHON={named} cannot be run; the collector runs with {found}")
            return found
    return None


def _warn(text: str) -> None:
    """One line on stderr, once a process."""
    if text not in this_process.warned and sys.stderr is not None:
        this_process.warned.add(text)
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"logboom: {text}\n")


def _interpreter_tails() -> list[tuple[str, ...]]:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return [("bin", version), ("bin", "python3"), ("python.exe",)]


def _is_python(path: str) -> bool:
    name = os.path.basename(path).lower().removesuffix(".exe")
    return name.startswith(("python", "pypy"))


def start_collector(spool: Path) -> Launch:
    """Start a collector for `spool` unless somebody is starting one at this moment.

    The lock `starting.lock` goes to the candidate with its descriptor, so 32 producers that miss their
    leader at once start one interpreter.
    """
    reap()
    python = python_for_collector()
    if python is None:
        named = os.environ.get("LOGBOOM_PYTHON")
        unknown = "no Python interpreter is known here; set LOGBOOM_PYTHON to one"
        return Launch(False, f"LOGBOOM_PYTHON={named} cannot be run" if named else unknown)
    try:
        keep = platform.claim(spool / STARTING_LOCK)
    except OSError as error:
        return Launch(False, f"{spool / STARTING_LOCK}: {error.strerror}")
    if keep is None:
        return Launch(False)
    try:
        this_process.handing_over.add(keep)
        _spawn(_argv(python, spool, keep), keep)
    except OSError as error:
        return Launch(False, f"cannot start {python}: {error.strerror or error}")
    finally:
        try:
            this_process.handing_over.discard(keep)
        finally:  # whatever a signal handler of the application raises
            os.close(keep)
    return Launch(True)


def start_is_free(spool: Path) -> bool:
    """Whether nobody is starting a collector; on Windows also whether the process of the last one is gone."""
    try:
        claimed = platform.claim(spool / STARTING_LOCK)
    except OSError:
        return True
    if claimed is None:
        return False
    os.close(claimed)
    return True


def _argv(python: str, spool: Path, keep: int) -> list[str]:
    command = [python, "-I", "-S", "-c", _BOOTSTRAP, os.fspath(spool), str(keep), *_library_paths()]
    if hasattr(os, "posix_spawn") and os.access(_SHELL, os.X_OK):
        return [_SHELL, "-c", _IN_BACKGROUND, "sh", *command]
    return command


def _library_paths() -> list[str]:
    """Where the collector finds logboom and msgspec: absolute, and nothing of the application's."""
    paths = []
    # Not `sys.modules`: it is empty when a `__del__` logs while the interpreter ends.
    for file in (_PACKAGE, msgspec.__file__):
        paths.append(os.path.dirname(os.path.dirname(os.path.abspath(file))))
    return list(dict.fromkeys(paths))


def _environment() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LD_PRELOAD"))
    }
    return kept | {"LC_ALL": "C.UTF-8", "LOGBOOM_COLLECTOR": ""}


def _spawn(argv: list[str], keep: int) -> None:
    """The application is told of no child here: its SIGCHLD handler would take ours for one of its own.

    What a thread blocks, the programs that it starts block too, and a `forkserver` that never hears of
    SIGCHLD waits for ever. So the mask is read before it is changed: a signal handler of the application
    may raise at any call.
    """
    before = _sigmask(_SIG_BLOCK, ())
    try:
        _sigmask(_SIG_BLOCK, _SIGCHLD)
        this_process.helpers.append(platform.spawn_detached(argv, _environment(), keep))
        _see_off()
    finally:
        _sigmask(_SIG_SETMASK, before)


def _see_off() -> None:
    """Wait until the helper has ended, so that an `os.wait()` of the application does not find it.

    It does at once; one that hangs is left to a later `reap`. The time is counted in pauses: where the
    whole machine stood still, the helper has not had it.
    """
    for pause in _SEE_OFF:
        if not reap():
            return
        time.sleep(pause)


def reap() -> bool:
    """Take leave of helpers that have ended, without waiting; whether there are others."""
    for child in list(this_process.helpers):
        try:
            done, _ = os.waitpid(child, getattr(os, "WNOHANG", 0)) if hasattr(os, "WNOHANG") else (child, 0)
        except OSError:
            done = child
        if done:
            with contextlib.suppress(ValueError):
                this_process.helpers.remove(child)
    return bool(this_process.helpers)


def import_collector() -> Any:
    """Return `logboom.collector.assembly`, or None where it cannot be imported (pip is replacing it)."""
    if not this_process.may_import:
        return None
    thread = threading.get_ident()
    this_process.importing.add(thread)
    try:
        return importlib.import_module("logboom.collector.assembly")
    except ImportError:
        return None
    finally:
        this_process.importing.discard(thread)


def collect_here(spool: Path, deadline: float) -> bool:
    """Become the collector for a moment and write what waits in `spool`.

    Args:
        deadline: on `clock.monotonic`.

    Returns:
        True when everything that was committed at the call is in the files. False while the interpreter
        ends: nothing can be imported then, and the records wait safely.
    """
    if sys.is_finalizing():
        return False
    if _is_locked(spool / LEADER_LOCK):
        return False
    drain = getattr(import_collector(), "drain", None)  # None as well when we interrupt this very import
    if drain is None:
        return False
    try:
        return bool(drain(spool, deadline))
    except (OSError, LogboomError):  # a full disk, another user's files: the collector's log says it
        return False


def _is_locked(path: Path) -> bool:
    """Whether somebody holds the lock: a look that saves importing a collector for nothing."""
    try:
        fd = platform.open_file(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not platform.lock_is_free(fd)
    finally:
        os.close(fd)


def make_room(spool: Path, room: int) -> None:
    """Have the oldest records given up for `room` bytes: by the collector, or here."""
    if not collector_lives(spool, PRUNE):
        with contextlib.suppress(OSError, LogboomError):
            assembly = import_collector()
            if assembly is not None:
                assembly.prune(spool, room)


def read_status(spool: Path) -> dict[str, Any]:
    """The collector's last word on itself, or an empty dictionary."""
    try:
        value = msgspec.json.decode(platform.read_file(spool / STATUS))
    except (OSError, msgspec.MsgspecError):
        return {}
    return value if isinstance(value, dict) else {}


def made_way(spool: Path) -> int:
    """The journal format of a collector that has just left for a newer release's; 0 when none has.

    Of many programs most may be of the older release: without a pause theirs would win every election.
    """
    said: Any = read_status(spool).get("collector")
    try:
        return int(said["format"]) if 0.0 <= clock.perf_counter() - said["made_way"] < _TURN else 0
    except (KeyError, TypeError, ValueError):
        return 0


def wait_until_flushed(spool: Path, deadline: float, target: Collection[str] | None = None) -> bool:
    """Wait until everything that was committed in `spool` at the call is in the files.

    A living collector is asked to hold nothing back; without one this process collects by itself.

    Args:
        deadline: on `clock.monotonic`, in seconds.
        target: the key of the target that has to be written, or several; None for all.
    """
    targets = {target} if isinstance(target, str) else target
    asked = clock.perf_counter()
    watch = _StatusWatch(spool)
    rung_at, again, pause = float("-inf"), _RING_AGAIN_AFTER, 0.001
    while True:
        now = clock.monotonic()
        if now - rung_at >= again:
            if collector_lives(spool, FLUSH):
                rung_at, again = now, min(again * 2, _RING_AT_LEAST_EVERY)
            elif collect_here(spool, deadline):
                return True
        status = watch.news()
        flushed = status.get("flushed")
        # A status of before the last boot tells a time that is not yet.
        if isinstance(flushed, float) and asked <= flushed <= clock.perf_counter():
            failing = status.get("failing", [])
            return not failing if targets is None else not any(target in failing for target in targets)
        if clock.monotonic() + pause >= deadline:  # not `now`: who collected here has used up the time
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.04)


class _StatusWatch:
    """Reads the status only when it was replaced."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._path = os.fspath(spool / STATUS)
        self._seen: tuple[int, int] | None = None

    def news(self) -> dict[str, Any]:
        """The status, or an empty dictionary when it is the one that was seen before."""
        try:
            found = os.stat(self._path)
        except OSError:
            return {}
        seen = found.st_ino, found.st_mtime_ns
        if seen == self._seen:
            return {}
        status = read_status(self._spool)
        self._seen = seen if status else None
        return status
