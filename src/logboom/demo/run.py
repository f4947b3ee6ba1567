"""`logboom demo`: both contenders, one after the other, and the table.

Owns: what the demonstration prints, and its exit status. Never knows: the command line.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TextIO

from logboom.demo.stage import PROCESSES, SECONDS, Turn, play
from logboom.demo.table import Kills, draw, look_of, prose, verdict

__all__ = ["run"]

_STANDARD = "logging.handlers.RotatingFileHandler"
_LOGBOOM = "logboom.RotatingFileHandler"
_QUOTED_LINES = 5


def run(stream: TextIO | None = None, *, seconds: float = SECONDS, handler: str = _LOGBOOM) -> int:
    """Show the standard handler and logboom under the same traffic and kills.

    Args:
        stream: where to print; standard output by default.
        seconds: how long each of the two logs.
        handler: the class in logboom's place.

    Returns:
        0, or 1 when one of logboom's numbers is wrong.
    """
    out = sys.stdout if stream is None else stream
    look = look_of(out)
    about = f"{PROCESSES} processes log to one rotating set, and some are killed with SIGKILL."
    print(f"\n{prose(about, look)}\n", file=out)
    with tempfile.TemporaryDirectory(prefix="logboom-demo-", ignore_cleanup_errors=True) as name:
        standard = _turn("standard library", _STANDARD, Path(name, "standard"), out, seconds).score
        ours = _turn("logboom", handler, Path(name, "logboom"), out, seconds).score
    print(f"\n{draw((('standard library', standard), ('logboom', ours)), look)}\n", file=out)
    print(f"{verdict(standard, ours, look)}\n", file=out)
    return 0 if ours.exact else 1


def _turn(title: str, handler: str, directory: Path, out: TextIO, seconds: float) -> Turn:
    print(f"  {title}: {handler} ...", file=out, flush=True)
    kills, ours = Kills(out, look_of(out)), not handler.startswith("logging.")
    turn = play(handler, directory, seconds=seconds, kill_collectors=ours, killed=kills)
    kills.end()
    for line in turn.complaints.splitlines()[-_QUOTED_LINES:] if ours else ():
        print(f"    {line}", file=out)
    return turn
