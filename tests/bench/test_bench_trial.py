"""A trial from end to end, small, with what every machine has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench.spec import Spec

from bench import micro

_ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="reads /proc")


def _trial(spec: Spec, directory: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.trial", spec.to_json(), str(directory)]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{_ROOT / 'src'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    child = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=60, env=environment)
    assert child.returncode == 0, child.stderr
    measures: dict[str, float] = json.loads(child.stdout)
    return measures


def test_throughput_counts_every_record(tmp_path: Path) -> None:
    """The contender that loses nothing must come out as one."""
    measures = _trial(Spec("throughput", "own-file", "2", 2, 200), tmp_path)
    assert measures["records"] == 200
    assert measures["lost"] == measures["duplicated"] == measures["torn"] == 0
    assert measures["rate"] > 0
    assert measures["cpu_us"] > 0


def test_a_server_of_its_own_is_charged(tmp_path: Path) -> None:
    """CPU time end to end includes the process that writes for all."""
    measures = _trial(Spec("throughput", "mp-queue", "1", 1, 2000), tmp_path)
    assert measures["lost"] == 0
    assert measures["servant_cpu_us"] > 1


def test_calls_have_percentiles(tmp_path: Path) -> None:
    """The tail of a call is a promise of its own."""
    directory = tmp_path / "set"
    directory.mkdir()
    measures = _trial(Spec("calls", "own-file", "2", 2, 200), directory)
    assert 0 < measures["p50_us"] <= measures["p99_us"] <= measures["p999_us"]


def test_micro_benchmarks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that the architecture page names must work."""
    monkeypatch.setattr(micro, "_REPEATS", {"decode": 1, "checkpoint": 2, "append": 2, "encode": 2})
    monkeypatch.setattr(micro, "_ROUNDS", 1)
    for name in micro._MEASURES:
        directory = tmp_path / name
        directory.mkdir()
        assert min(micro.measure(name, directory).values()) > 0
