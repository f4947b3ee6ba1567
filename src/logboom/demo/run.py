"""`logboom demo`: both contenders, one after the other, and the table.

Owns: what the demonstration prints, and its exit status. Never knows: the command line.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TextIO

from logboom.demo.stage import PROCESSES, SECONDS, Turn, play
from logboom.demo.table import draw, verdict, wants_colour

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
    print(f"\n  {PROCESSES} processes log to one rotating set, and some are killed with SIGKILL.", file=out)
    with tempfile.TemporaryDirectory(prefix="logboom-demo-", ignore_cleanup_errors=True) as name:
        standard = _turn("the standard library's handler", _STANDARD, Path(name, "standard"), out, seconds)
        ours = _turn("logboom's", handler, Path(name, "logboom"), out, seconds)
    colour = wants_colour(out)
    print(
        f"\n{draw((('standard library', standard.score), ('logboom', ours.score)), colour=colour)}\n",
        file=out,
    )
    print(verdict(ours.score, colour=colour) + "\n", file=out)
    return 0 if ours.score.exact else 1


def _turn(title: str, handler: str, directory: Path, out: TextIO, seconds: float) -> Turn:
    print(f"  {title} ({handler}) ...", end=" ", file=out, flush=True)
    turn = play(handler, directory, seconds=seconds, kill_collectors=not handler.startswith("logging."))
    kills = [f"{number} {kind}{'s' * (number != 1)}" for kind, number in turn.killed.items() if number]
    print(f"{' and '.join(kills) or 'nothing'} killed", file=out)
    for line in turn.complaints.splitlines()[-_QUOTED_LINES:] if not handler.startswith("logging.") else ():
        print(f"    {line}", file=out)
    return turn
