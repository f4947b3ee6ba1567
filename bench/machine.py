"""Where and with what a run was made.

Owns: the machine's and the versions' description. Never knows: measures.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shlex
import sys
from pathlib import Path

__all__ = ["describe"]

_PACKAGES = ("logboom", "msgspec", "concurrent-log-handler", "loguru", "pyzmq")


def describe(arguments: list[str], directory: Path) -> dict[str, object]:
    return {
        "command": shlex.join(["python", "-m", "bench", *arguments]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "file_system": _file_system(directory),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
        "executable": sys.executable,
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _file_system(directory: Path) -> str:
    """The type of the longest mount point that `directory` is under."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    under = [fields for fields in mounts if directory.resolve().is_relative_to(fields[1])]
    return max(under, key=lambda fields: len(fields[1]))[2] if under else "unknown"
