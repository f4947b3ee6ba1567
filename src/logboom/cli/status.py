"""`logboom status`: who logs, who collects, what waits.

Owns: the text of it and its exit status. Never knows: where the values come from.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

from logboom.cli.overview import overview
from logboom.cli.places import one_spool, spools_here, spools_of
from logboom.cli.terminal import Paint, age, escape, plural, size

__all__ = ["add", "run"]

_NAMED: Final = 5


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("place", nargs="?", type=Path, metavar="FILE|SPOOL", help="a log file or its spool")
    parser.add_argument("--json", action="store_true", help="print the values as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 when a collector runs for every spool that is shown, else 1."""
    if arguments.json:
        values = overview(one_spool(arguments.place))
        print(json.dumps(values, indent=2))
        return 0 if values["collector"]["alive"] else 1
    place: Path | None = arguments.place
    spools = spools_of(place) if place is not None else spools_here(Path.cwd())
    shown = [overview(spool) for spool in spools or [one_spool(None)]]
    paint = Paint(sys.stdout)
    print("\n\n".join("\n".join(_describe(values, paint)) for values in shown))
    return 0 if all(values["collector"]["alive"] for values in shown) else 1


def _describe(values: dict[str, Any], paint: Paint) -> list[str]:
    lines = [paint("bold", escape(values["spool"])), *_collector(values, paint), *_sinks(values, paint)]
    lines += [f"{'waiting':10} {_waiting(values)}", f"{'totals':10} {_totals(values)}"]
    lines += _producers(values, paint)
    if values["trouble"]:
        lines.append(paint("red", f"{'trouble':10} {escape(values['trouble'])}"))
    if values["collector_log"]:
        lines.append(f"the last lines of {escape(values['spool'])}/collector.log:")
        lines += (paint("dim", f"  {escape(line)}") for line in values["collector_log"])
    return lines


def _collector(values: dict[str, Any], paint: Paint) -> list[str]:
    collector = values["collector"]
    if collector["alive"]:
        since = "" if collector["since"] is None else f" since {_moment(collector['since'])}"
        pid = "of unknown pid" if collector["pid"] is None else f"pid {collector['pid']}"
        text = f"{pid}{since}, version {escape(collector['version'] or 'unknown')}"
        return [f"{'collector':10} " + paint("green", text)]
    if collector["alive"] is None:
        return [
            f"{'collector':10} " + paint("yellow", "not known: permission denied"),
            f"{'':10} Ask as the user whose programs log here, or as root",
        ]
    return [f"{'collector':10} " + paint("yellow", "none runs"), f"{'':10} {_why(values)}"]


def _why(values: dict[str, Any]) -> str:
    """Why no collector runs, and what to do about it."""
    living = sum(producer["alive"] for producer in _programs(values["producers"]))
    if living:
        return (
            f"{plural(living, 'program')} can log here, and the next record starts a collector; if it "
            'cannot, the program says why on stderr. Under collector="external" run '
            f"`logboom collect --stay {escape(values['spool'])}`"
        )
    if values["pending_bytes"]:
        return (
            "No program logs here now. Run `logboom drain` to write what waits; "
            "the next program that logs here writes it too"
        )
    return "No program logs here now, and nothing waits: nothing needs to be done"


def _sinks(values: dict[str, Any], paint: Paint) -> list[str]:
    lines = []
    for key, sink in sorted(values["sinks"].items()):
        if "connected" in sink:
            alive = bool(sink.get("alive", values["collector"]["alive"]))
            lines += _server(sink, alive=alive, paint=paint)
            continue
        about = [] if "size" not in sink else ["missing" if sink["size"] is None else size(sink["size"])]
        if sink.get("rotations"):
            about.append(plural(sink["rotations"], "rotation"))
        lines.append(f"{'file':10} {escape(sink.get('path', key))}: {', '.join(about) or 'in use'}")
        for trouble in filter(None, (sink.get("trouble"), sink.get("unrotated"), _differing(sink))):
            lines.append(f"{'':10} " + paint("red", escape(trouble)))
    for key, reason in sorted(values["refused"].items()):
        lines.append(f"{'refused':10} " + paint("red", f"{escape(key)}: {escape(reason)}"))
    return lines


def _differing(sink: dict[str, Any]) -> str:
    pids = sink.get("differing", [])
    if not pids:
        return ""
    more = f" and {len(pids) - _NAMED} more" if len(pids) > _NAMED else ""
    named = ", ".join(map(str, pids[:_NAMED])) + more
    return f"settings differ: those of the process configured last are in force, not those of pid {named}"


def _server(sink: dict[str, Any], *, alive: bool, paint: Paint) -> list[str]:
    """The place to which the records of a `PUSHHandler` go; whether it is there only a collector knows."""
    state = ("connected" if sink["connected"] else "not connected") if alive else "nobody pushes now"
    line = f"{'server':10} {escape(sink.get('path', '?'))}: {state}"
    return [line, *(f"{'':10} " + paint("red", escape(text)) for text in [sink.get("trouble")] if text)]


def _waiting(values: dict[str, Any]) -> str:
    if not values["pending_bytes"]:
        return "nothing"
    return f"{size(values['pending_bytes'])}, the oldest record for {age(values['lag'])}"


def _totals(values: dict[str, Any]) -> str:
    names = ("written", "dropped", "late", "damaged", "rewritten")
    return ", ".join(f"{values[name]:,} {name}" for name in names if values[name] or name != "rewritten")


def _programs(producers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The journals of each process and file, as several handlers make them, in one."""
    programs: dict[Any, dict[str, Any]] = {}
    for one in producers:
        of_its_own = one["producer"] if one["trouble"] or one["pid"] is None else ""
        key = one["pid"], one["host"], one["program"], one["file"], one["alive"], one["journal"], of_its_own
        same = programs.setdefault(key, one | {"waiting": 0, "dropped": 0})
        same["waiting"] += one["waiting"]
        same["dropped"] += one["dropped"]
    return list(programs.values())


def _producers(values: dict[str, Any], paint: Paint) -> list[str]:
    if not values["producers"]:
        return [f"{'programs':10} none"]
    heads = f"{'pid':>8}  {'state':6} {'waiting':>10} {'dropped':>8}  {'journal':7}  program"
    lines = [f"{'programs':10} {heads}"]
    for one in sorted(
        _programs(values["producers"]), key=lambda producer: (not producer["alive"], producer["pid"] or 0)
    ):
        state = "alive" if one["alive"] else "ended"
        dropped = f"{one['dropped']:,}"
        line = f"{'':10} {one['pid'] or '?':>8}  {state:6} {size(one['waiting']):>10} {dropped:>8}  "
        line += f"{one['journal'] or '?':7}  {escape(one['program']) or '?'} -> {escape(one['file']) or '?'}"
        lines.append(line if not one["trouble"] else paint("red", f"{line} ({escape(one['trouble'])})"))
    return lines


def _moment(wall: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))
    except (ValueError, OverflowError, OSError):
        return str(wall)
