"""One logging process of the demonstration; run with `python -m logboom.demo.producer SPEC`.

Owns: the pace of one process. Never knows: which handler it was given, and who kills it.
"""

from __future__ import annotations

import json
import logging
import logging.config
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from logboom.demo.oracle import Writer

__all__ = ["main"]

_BURST = 25
_PAUSE = 0.005


def main(arguments: Sequence[str]) -> None:
    """Log in bursts until the time is over. `SPEC` is JSON: `logging`, `notes`, `writer`, `seconds`."""
    spec: dict[str, Any] = json.loads(arguments[0])
    logging.config.dictConfig(spec["logging"])
    writer = Writer(logging.getLogger("shop"), Path(spec["notes"]), spec["writer"])
    end = time.monotonic() + spec["seconds"]
    while time.monotonic() < end:
        for _ in range(_BURST):
            writer.log("an order is paid")
        time.sleep(_PAUSE)


if __name__ == "__main__":
    main(sys.argv[1:])
