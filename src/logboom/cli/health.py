"""If the collector and the disk of a spool are well, found out without trusting what the collector wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from logboom import platform
from logboom.spool.doorbell import answers, collector_lives, listener_pid, may_ring
from logboom.spool.status import read_status

__all__ = ["collector_pid", "disk_trouble", "hung", "lives", "may_not_ring", "troubles_of"]

_ANSWERS_WITHIN: Final = 2.0
_LEAST: Final = 64 * 1024  # the smallest segment


def lives(spool: Path) -> bool | None:
    """True when a collector listens; None where this user is not permitted to know."""
    if collector_lives(spool, b""):
        return True
    return None if may_not_ring(spool) else False


def may_not_ring(spool: Path) -> bool:
    """True for a user without the right to say anything to the collector."""
    return not may_ring(spool)


def collector_pid(spool: Path) -> int | None:
    """The process id that the collector wrote down: for people, and to tell it from the next one."""
    pid = listener_pid(spool)
    if pid is None:
        said = read_status(spool).get("collector")
        pid = said.get("pid") if isinstance(said, dict) else None
    return pid if isinstance(pid, int) else None


def hung(spool: Path, timeout: float = _ANSWERS_WITHIN) -> str:
    """Why a living collector does nothing, in words; empty when it answers, or there is none."""
    if answers(spool, timeout) is not False:
        return ""
    pid = collector_pid(spool)
    state = "" if pid is None else platform.process_state(pid)
    return f"does not answer{': it is ' * bool(state)}{state}"


def disk_trouble(place: Path) -> str:
    """Why nothing can be written at `place`, in words; empty when something can."""
    try:
        room, files, read_only = platform.disk_room(place)
    except OSError as error:
        return f"{place}: {error.strerror or error}"
    if read_only:
        return f"the file system of {place} is read-only"
    if room < _LEAST:
        return f"the disk of {place} is full: {room:,} bytes are free"
    if files == 0:
        return f"the file system of {place} has no inodes left"
    return ""


def troubles_of(values: dict[str, Any]) -> list[str]:
    """What an overview says is wrong, the most telling first."""
    found = list(values["troubles"])
    found += (str(sink["trouble"]) for sink in values["sinks"].values() if sink.get("trouble"))
    found += values["refused"].values()
    return found
