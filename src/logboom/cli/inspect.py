"""`logboom inspect`: what one journal segment holds.

Owns: its description, and the export of its records. Never knows: spools, collectors.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from logboom.cli.terminal import Paint, escape, plural, size
from logboom.errors import JournalError
from logboom.journal.inspection import SegmentFile
from logboom.journal.target import Asked, Target
from logboom.records.rendering import renderer_for

__all__ = ["add", "run"]

_HEAD = ("created", "context", "levelno", "name")
_TAIL = ("exception", "stack")
Row = list[Any]


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("segment", type=Path, metavar="SEGMENT", help="a file of a spool's journal/")
    parser.add_argument(
        "--export",
        choices=("jsonl", "text"),
        help="print the records instead: as JSON Lines, or as they would stand in the log",
    )


def run(arguments: argparse.Namespace) -> int:
    """Returns 0, or 1 when something in the segment cannot be read."""
    if arguments.segment.exists() and not arguments.segment.is_file():
        raise JournalError("not a file", path=arguments.segment, hint="Name a file of a spool's journal/")
    segment = SegmentFile(arguments.segment)
    if arguments.export:
        _export(segment, {"jsonl": _as_json, "text": _as_text}[arguments.export])
    else:
        print("\n".join(_describe(segment, Paint(sys.stdout))))
    return 1 if _damage(segment) or segment.header is None else 0


def _export(segment: SegmentFile, render: Callable[[SegmentFile, Row], bytes]) -> None:
    out = sys.stdout.buffer
    for rows in segment.rows():
        out.writelines(render(segment, row) for row in rows)
    out.flush()
    for gap in segment.gaps:
        print(f"logboom: bytes {gap.start} to {gap.end} hold no whole record", file=sys.stderr)


def _as_json(segment: SegmentFile, row: Row) -> bytes:
    columns = segment.contexts[row[1]].columns
    names = [*_HEAD, *columns, *_TAIL]
    values = dict(zip(names, row, strict=False))
    del values["context"]
    return json.dumps(values).encode() + b"\n"


def _as_text(segment: SegmentFile, row: Row) -> bytes:
    return renderer_for(segment.contexts[row[1]])([row])[0]


def _damage(segment: SegmentFile) -> int:
    return sum(not gap.last for gap in segment.gaps)


def _describe(segment: SegmentFile, paint: Paint) -> list[str]:
    count, first, last = 0, math.inf, -math.inf
    for rows in segment.rows():
        count += len(rows)
        times = [row[0] for row in rows]
        first, last = min([first, *times]), max([last, *times])
    lines = [paint("bold", escape(segment.path)), *_header(segment, paint)]
    lines += (_context(number, segment) for number in sorted(segment.contexts))
    lines.append(f"{'records':10} {count:,}")
    if count:
        lines.append(f"{'times':10} {_moment(first)} to {_moment(last)}")
    lines += (
        f"{'dropped':10} {plural(one.dropped, 'record')}: {escape(one.reason)}" for one in segment.dropped
    )
    used = f"{size(segment.committed)} of {size(segment.size)}"
    lines.append(f"{'used':10} {used}, {'ended' if segment.ended else 'not ended'}")
    return lines + [_gap(gap.start, gap.end, gap.last, paint) for gap in segment.gaps]


def _header(segment: SegmentFile, paint: Paint) -> list[str]:
    header = segment.header
    if header is None:
        return [paint("red", f"{'header':10} damaged: {escape(segment.header_trouble)}")]
    kind = "mapped" if header.mapped else "written"
    place = f"segment {header.segment} of {escape(header.producer)}"
    sinks = [f"{asked.kind:10} {escape(asked.name)}{_directory(asked)}" for asked in header.sinks]
    return [
        f"{'header':10} format {header.logboom}, {place}, {kind}",
        f"{'program':10} {escape(header.program)} (pid {header.pid} on {escape(header.host)}), "
        f"logboom {escape(header.version or '?')}, {_moment(header.created)}",
        *sinks,
    ]


def _directory(asked: Asked) -> str:
    named = asked.directory if isinstance(asked, Target) else None
    return "" if named is None else f" in {escape(named)}"


def _context(number: int, segment: SegmentFile) -> str:
    context = segment.contexts[number]
    form = context.options.get("format", "")
    about = f"{escape(context.renderer)} {escape(form)}".rstrip()
    return f"{'context':10} {number}: {about}, {escape(context.encoding)}, zone {escape(context.zone)}"


def _gap(start: int, end: int, last: bool, paint: Paint) -> str:
    if last:
        return paint(
            "yellow", f"{'unfinished':10} bytes {start} to {end}: a record that is, or was, being written"
        )
    return paint("red", f"{'damage':10} bytes {start} to {end} hold no whole record")


def _moment(wall: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))
    except (ValueError, OverflowError, OSError):
        return str(wall)
