"""The run: trials in turn, each in a process of its own; results as JSON; tables in the docs.

Owns: the command line, starting trials, saving results. Never knows: what a trial measures.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import machine, page, tables
from bench.contenders import CONTENDERS
from bench.plan import FULL, QUICK, SCENARIOS, Size, interleave, plan
from bench.spec import Row, Spec
from bench.summary import Results

__all__ = ["ROOT", "main", "run_trial", "say"]

ROOT = Path(__file__).resolve().parent.parent
_TIMEOUT = 120.0
_LONG = {"backlog": 1200.0, "idle": 400.0}


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small and fast; numbers for a first look only")
    parser.add_argument("--only", default="", help=f"scenarios, with commas: {','.join(SCENARIOS)}")
    parser.add_argument("--contenders", default="", help="names, with commas (all by default)")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of each group")
    parser.add_argument("--records", type=int, default=0, help="records of a throughput trial")
    parser.add_argument("--backlog", type=int, default=0, help="records of the large backlog")
    parser.add_argument("--directory", type=Path, default=None, help="where the log files go")
    parser.add_argument("--output", type=Path, default=None, help="the results' file (JSON)")
    parser.add_argument("--page", action="store_true", help="put tables and plots into the documentation")
    parser.add_argument("--from", dest="source", type=Path, help="no run: tables from this results' file")
    return parser.parse_args(arguments)


def _size(options: argparse.Namespace) -> Size:
    size = QUICK if options.quick else FULL
    given = {"rounds": options.rounds, "records": options.records, "backlog": options.backlog}
    return dataclasses.replace(size, **{name: value for name, value in given.items() if value})


def run_trial(spec: Spec, number: int, directory: Path, source: Path | None = None) -> Row:
    """One trial in a process group of its own, killed when it hangs; `source` has the logboom to measure."""
    place = Path(tempfile.mkdtemp(prefix=f"{spec.scenario}-", dir=directory))
    command = [sys.executable, "-m", "bench.trial", spec.to_json(), str(place)]
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | ({} if source is None else {"PYTHONPATH": str(source)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = child.communicate(timeout=_LONG.get(spec.scenario, _TIMEOUT))
        measures = json.loads(output) if child.returncode == 0 else {}
        error = "" if measures else _reason(errors) or f"exit status {child.returncode}"
    except subprocess.TimeoutExpired:
        measures, error = {}, "it hung"
    finally:
        _end(child)
        for leftover in (place, place.with_name(place.name + ".spent")):
            shutil.rmtree(leftover, ignore_errors=True)
    return Row(spec.scenario, spec.label, spec.case, number, measures, error)


def _end(child: subprocess.Popen[str]) -> None:
    """Kill what hangs, with its workers, also when the run itself is interrupted."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def _reason(errors: str) -> str:
    """The first exception's line, and the last: a worker's own, and what the trial made of it."""
    named = [line for line in errors.splitlines() if re.match(r"[\w.]+(Error|Exception|Full)\b", line)]
    return " | ".join(dict.fromkeys([*named[:1], *named[-1:]]))


def _run(size: Size, options: argparse.Namespace, directory: Path) -> list[Row]:
    only = [name for name in options.only.split(",") if name]
    names = {name for name in options.contenders.split(",") if name}
    chosen = [
        (number, spec)
        for number, spec in interleave(plan(size, only))
        if _possible(spec) and (not names or spec.contender in names)
    ]
    rows = []
    for index, (number, spec) in enumerate(chosen, 1):
        started = time.monotonic()
        row = run_trial(spec, number, directory)
        rows.append(row)
        say(f"{index}/{len(chosen)} {tables.one_line(row)} [{time.monotonic() - started:.1f} s]")
    return rows


def _possible(spec: Spec) -> bool:
    """Peers that are not installed are left out; the JSON variant needs our own formatter."""
    needed = [spec.contender, *(["logboom"] if spec.variant == "json" else [])]
    return all(CONTENDERS[name].available() for name in needed)


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _save(path: Path, about: dict[str, object], rows: Sequence[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"about": about, "rows": [dataclasses.asdict(row) for row in rows]}
    path.write_text(json.dumps(document, indent=1) + "\n")


def _load(path: Path) -> tuple[dict[str, object], list[Row]]:
    document = json.loads(path.read_text())
    return document["about"], [Row(**row) for row in document["rows"]]


def _measure(arguments: Sequence[str], options: argparse.Namespace) -> tuple[dict[str, object], list[Row]]:
    directory = Path(tempfile.mkdtemp(prefix="logboom-bench-", dir=options.directory))
    about = machine.describe(list(arguments), directory)
    started = time.monotonic()
    try:
        rows = _run(_size(options), options, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    about["seconds"] = round(time.monotonic() - started, 1)
    name = "quick" if options.quick else "full"
    _save(options.output or ROOT / "bench" / "results" / f"{name}.json", about, rows)
    return about, rows


def main(arguments: Sequence[str] | None = None) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given = sys.argv[1:] if arguments is None else arguments
    options = _arguments(given)
    about, rows = _load(options.source) if options.source else _measure(given, options)
    results = Results(rows)
    sys.stdout.write(tables.everything(results) + "\n")
    if options.page:
        page.update(ROOT / "docs" / "reference" / "benchmarks.md", about, results)
    return 0
