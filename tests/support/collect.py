"""`collect.py collect SPOOL` is a collector in the foreground; `collect.py drain SPOOL` writes what waits."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from logboom.assembly import collect, drain

if __name__ == "__main__":
    command, spool = sys.argv[1:]
    if command == "collect":
        print(collect(Path(spool)))
    else:
        deadline = time.monotonic() + 20.0
        while not drain(Path(spool), deadline):
            if time.monotonic() > deadline:
                raise SystemExit("not drained")
            threading.Event().wait(0.02)
