"""One process that logs: `python -m bench.choosing.worker SPEC`, or the parent of several that are forked.

After each log call has returned, the process notes the record's number in a file of its own: the log has to
hold these.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
import zlib
from typing import Any

from bench.choosing import ways
from bench.choosing.ways import WAYS, Log, Place

__all__ = ["text_of"]


def text_of(writer: int, number: int, size: int) -> str:
    """The message of a record: its number, filler up to `size` characters, and a checksum over both."""
    head = f"rec {writer:03d}-{number:07d} "
    body = head + "x" * max(size - len(head) - 9, 1)
    return f"{body} {zlib.crc32(body.encode()):08x}"


def write(log: Log, writer: int, spec: dict[str, Any]) -> None:
    """Log `spec["count"]` records, `spec["rate"]` a second (0: as fast as possible), and note each."""
    notes = os.open(f"{spec['notes']}/{writer:03d}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(notes, b"pid %d\n" % os.getpid())
    began = time.monotonic()
    for number in range(spec["count"]):
        if spec["rate"]:
            time.sleep(max(0.0, began + number / spec["rate"] - time.monotonic()))
        log(text_of(writer, number, spec["size"]))
        os.write(notes, b"%d\n" % number)


def main(spec: dict[str, Any]) -> None:
    way, place = WAYS[spec["way"]], Place(spec["path"], spec["port"])
    if len(spec["writers"]) == 1:
        write(way.attach(place), spec["writers"][0], spec)
        return
    # As a preloading server does: logging is configured once, then the workers are forked.
    listener = ways.start_listener(place) if way.attach is ways.queue_handler else None
    log = way.attach(place)
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=write, args=(log, writer, spec)) for writer in spec["writers"]]
    for child in children:
        child.start()
    for child in children:
        child.join()
    if listener:
        listener.stop()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
