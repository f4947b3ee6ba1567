"""Named places between durable effects, at which a test can kill the process.

Owns: `reach`. Never knows: what the places mean.

`LOGBOOM_FAILPOINT=name` kills at the first arrival at `name`, `name:7` at the seventh. Unset, as it
always is outside tests, a place costs one call.
"""

from __future__ import annotations

import os
import signal
from typing import Final

__all__ = ["armed", "reach"]

VARIABLE: Final = "LOGBOOM_FAILPOINT"


def _parse(text: str) -> tuple[str, int]:
    name, _, nth = text.partition(":")
    return name, int(nth) if nth.isdecimal() else 1


_name, _left = _parse(os.environ.get(VARIABLE, ""))


def reach(name: str) -> None:
    """Note that the process has come to `name`; dies here when that is asked for."""
    global _left
    if not _name or name != _name:
        return
    _left -= 1
    if _left == 0:
        # On Windows any signal number but the console's two is a TerminateProcess.
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def armed(name: str) -> bool:
    """Whether this process shall die at `name`: for a place that has to prepare for it."""
    return bool(_name) and name == _name
