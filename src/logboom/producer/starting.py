"""Starting a collector: one at a time, and without a child that the application sees."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from logboom import platform
from logboom.platform import clock
from logboom.platform.process import this_process
from logboom.spool.doorbell import LEADER_LOCK, collector_lives, last_listened
from logboom.spool.place import place
from logboom.spool.status import LIMITS, made_way, read_values

__all__ = [
    "STARTING_LOCK",
    "Launch",
    "Starter",
    "lacks_collector",
    "leader_is_locked",
    "python_for_collector",
    "reap",
    "start_collector",
    "start_is_free",
]

STARTING_LOCK: Final = "starting.lock"
# Not `sys.modules`: it is empty when a `__del__` logs while the interpreter ends.
_PACKAGE: Final = os.path.join(os.path.dirname(os.path.dirname(__file__)), "__init__.py")
# For a package in a zip file; else the interpreter runs `logboom/__main__.py` by its path.
_FROM_ARCHIVE: Final = (
    "import os, sys; sys.path[:0] = os.environ['_LOGBOOM_PATH'].split('\\n'); "
    "from logboom.__main__ import be_collector; be_collector()"
)
# A shell, where there is one, starts it in the background and ends: a Python takes longer to do that.
_SHELL: Final = "/bin/sh"
_IN_BACKGROUND: Final = '"$@" &'
# A shell needs the first few; an interpreter on a busy machine many. Together one second.
_SEE_OFF: Final = (*[0.0005] * 40, *[0.002] * 90, *[0.01] * 80)
_IN_VAIN: Final = 10
_LOOK_AGAIN: Final = 0.005
_LIMITS_FOR: Final = 3600.0
_sigmask: Final[Any] = getattr(signal, "pthread_sigmask", lambda how, signals: signals)  # Windows has none
_SIG_BLOCK, _SIG_SETMASK = (getattr(signal, name, 0) for name in ("SIG_BLOCK", "SIG_SETMASK"))
_SIGCHLD: Final = (getattr(signal, "SIGCHLD", 0),)


class Launch(NamedTuple):
    """What came of an attempt: `started`, or the `trouble` that a person should read (else empty)."""

    started: bool
    trouble: str = ""


class Starter:
    """Keeps a collector running for one spool, on behalf of one producer."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._started = 0  # since a collector was last seen
        self._bell: tuple[int, int] | None = None

    def ensure(self, format: int) -> str:
        """Start a collector where none lives; returns what keeps one from running, or an empty string.

        Args:
            format: the journal format of this release.
        """
        if not lacks_collector(self._spool, format):
            self._started = 0
            return ""
        if self._started >= _IN_VAIN and self._started % _IN_VAIN:
            self._started += 1  # now and then is enough
            return ""
        bell = last_listened(self._spool)
        vain = bool(self._started) and bell == self._bell and start_is_free(self._spool)
        vain = vain and not leader_is_locked(self._spool)
        self._bell = bell
        launched = start_collector(self._spool)
        self._started += launched.started
        return launched.trouble or ("one was started and ended at once" if vain else "")


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
    trouble = _missing() or _forbidden(spool)
    if trouble:
        return Launch(False, trouble)
    try:
        keep = place(spool).claim(STARTING_LOCK)
    except OSError as error:
        return Launch(False, f"{spool / STARTING_LOCK}: {error.strerror or error}")
    if keep is None:
        return Launch(False)
    try:
        this_process.handing_over.add(keep)
        _spawn(_argv(python, spool), keep)
    except OSError as error:
        return Launch(False, f"cannot start {python}: {error.strerror or error}")
    finally:
        try:
            this_process.handing_over.discard(keep)
        finally:  # whatever a signal handler of the application raises
            os.close(keep)
    return Launch(True)


def drain_as_owner(spool: Path, deadline: float) -> bool:
    """Have a child that gives root's rights up write what waits; the threads of this process keep theirs.

    Args:
        deadline: on `clock.monotonic`.
    """
    python = python_for_collector()
    if python is None or _missing():
        return False
    said, say = os.pipe()
    try:
        try:
            _spawn(_argv(python, spool), say, "drain")
        finally:
            os.close(say)
        getattr(os, "set_blocking")(said, False)  # noqa: B009 - Windows has no root, and no such function
        while clock.monotonic() < deadline:
            try:
                return os.read(said, 1) == b"1"  # nothing: it has ended without
            except BlockingIOError:
                time.sleep(_LOOK_AGAIN)
        return False
    except OSError:
        return False
    finally:
        os.close(said)


def start_is_free(spool: Path) -> bool:
    """Whether nobody is starting a collector; on Windows also whether the process of the last one is gone."""
    try:
        claimed = place(spool).claim(STARTING_LOCK)
    except OSError:
        return True
    if claimed is None:
        return False
    os.close(claimed)
    return True


def _missing() -> str:
    """What a collector would need of this installation and is there no more, in words."""
    for file in (_PACKAGE, msgspec.__file__):
        place = package = os.path.dirname(os.path.abspath(file))
        while not os.path.exists(place) and place != os.path.dirname(place):
            place = os.path.dirname(place)
        if place != package and os.path.isdir(place):  # else it is in a zip file
            return f"{package} was removed"
    return ""


def _forbidden(spool: Path) -> str:
    """Why a collector of ours would fail as the last one did: it would have our limits. Empty if not."""
    try:
        said = read_values(spool, LIMITS)
        failed, since = dict(said["limits"]), float(said["time"])
        if not 0.0 <= time.time() - since < _LIMITS_FOR:
            return ""
        own = platform.hard_limits()
        for name, limit in failed.items():
            if name in own and own[name] <= limit:
                return f"the {name} limit of this process ({own[name]}) stopped the last one (see ulimit)"
    except (OSError, KeyError, TypeError, ValueError):
        pass
    return ""


def leader_is_locked(spool: Path) -> bool:
    """Return True while any process leads: a look that saves importing a collector for nothing."""
    try:
        fd = place(spool).open(LEADER_LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        return not platform.lock_is_free(fd)
    finally:
        os.close(fd)


def _argv(python: str, spool: Path) -> list[str]:
    package = os.path.dirname(os.path.abspath(_PACKAGE))
    # `ps` shows this line: `.../python -I -S .../logboom collect /srv/app/logs/.logboom`.
    program = [package] if os.path.isdir(package) else ["-c", _FROM_ARCHIVE, "logboom"]
    command = [python, "-I", "-S", *program, "collect", os.fspath(spool)]
    if _has_shell():
        return [_SHELL, "-c", _IN_BACKGROUND, "sh", *command]
    return command


def _has_shell() -> bool:
    return hasattr(os, "posix_spawn") and os.access(_SHELL, os.X_OK)


def _library_paths() -> list[str]:
    """Where the collector finds logboom and msgspec: absolute, and nothing of the application's."""
    paths = []
    for file in (_PACKAGE, msgspec.__file__):
        paths.append(os.path.dirname(os.path.dirname(os.path.abspath(file))))
    return list(dict.fromkeys(paths))


def _environment(keep: int, act: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LD_PRELOAD"))
    }
    return kept | {
        "LC_ALL": "C.UTF-8",
        "LOGBOOM_COLLECTOR": "",
        "_LOGBOOM_PATH": "\n".join(_library_paths()),
        "_LOGBOOM_KEEP": str(keep),
        "_LOGBOOM_ACT": act,
        "_LOGBOOM_FORK": "" if _has_shell() else "1",
    }


def _spawn(argv: list[str], keep: int, act: str = "") -> None:
    """The application is told of no child here: its SIGCHLD handler would take ours for one of its own.

    What a thread blocks, the programs that it starts block too, and a `forkserver` that never hears of
    SIGCHLD waits for ever. So the mask is read before it is changed: a signal handler of the application
    may raise at any call.
    """
    before = _sigmask(_SIG_BLOCK, ())
    try:
        _sigmask(_SIG_BLOCK, _SIGCHLD)
        this_process.helpers.append(platform.spawn_detached(argv, _environment(keep, act), keep))
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
    if os.getpid() == 1:
        platform.reap_orphans("logboom")
    for child in list(this_process.helpers):
        try:
            done, _ = os.waitpid(child, getattr(os, "WNOHANG", 0)) if hasattr(os, "WNOHANG") else (child, 0)
        except OSError:
            done = child
        if done:
            with contextlib.suppress(ValueError):
                this_process.helpers.remove(child)
    return bool(this_process.helpers)
