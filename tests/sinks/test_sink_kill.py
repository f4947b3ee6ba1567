"""Real processes, really killed: at named places, at every few effects, and inside a large write."""

from __future__ import annotations

import gzip
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from logboom.journal.names import parse_names
from logboom.platform import failpoints
from logboom.sinks.file import rotation

pytestmark = pytest.mark.crash

# On Windows any signal is a TerminateProcess, and its number the status.
KILLED = -signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM
DRIVER = Path(__file__).with_name("sink_driver.py")
PLACES = [
    "append.before",
    "append.after",
    "roll.move",
    "roll.place",
    "delete",
    "compress.place",
    "compress.unlink",
]


def cases(name: str) -> Any:
    spec = importlib.util.spec_from_file_location("sink_driver", DRIVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.cases(name)


def start(home: Path, name: str, failpoint: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, failpoints.VARIABLE: failpoint}
    return subprocess.Popen(
        [sys.executable, DRIVER, home, name], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(home: Path, name: str) -> None:
    out, err = start(home, name).communicate(timeout=60)
    assert out.split()[-1:] == [b"done"], err.decode()


def content(logs: Path, *, timed: bool) -> bytes:
    files = [(path.name, 0, 0, 0.0) for path in logs.iterdir()]
    names = [
        one.name for one in reversed(rotation.archives_of(parse_names("", "app.log", timed=timed), files))
    ]
    texts = [(logs / name).read_bytes() for name in [*names, "app.log"]]
    return b"".join(gzip.decompress(one) if one.startswith(b"\x1f\x8b") else one for one in texts)


def check(home: Path, name: str) -> None:
    lines = cases(name)[1]
    text = content(home / "logs", timed=name == "time")
    whole = b"".join(lines)
    assert text == whole if name != "few" else whole.endswith(text)
    assert [path for path in (home / "logs").iterdir() if path.name.startswith(".")] == []
    if name == "few":
        assert len(list((home / "logs").iterdir())) == 5


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize(
    ("name", "place"),
    [
        *((name, place) for name in ("size", "time") for place in PLACES if place != "delete"),
        ("few", "delete"),
    ],
)
def test_killed_at_a_named_place(tmp_path: Path, name: str, nth: int, place: str) -> None:
    """Every name of a failpoint is one that the sink comes by, and dying there is harmless."""
    killed = start(tmp_path, name, f"{place}:{nth}")
    killed.communicate(timeout=60)
    assert killed.returncode == KILLED
    finish(tmp_path, name)
    check(tmp_path, name)


@pytest.mark.parametrize("name", ["size", "time", "few"])
def test_killed_again_and_again(tmp_path: Path, name: str) -> None:
    """A process that dies at its every ninth effect gets there all the same."""
    deaths = 0
    while deaths < 200:
        process = start(tmp_path, name, "effect:9")
        process.communicate(timeout=60)
        if process.returncode == 0:
            break
        assert process.returncode == KILLED
        deaths += 1
    assert deaths > 5
    check(tmp_path, name)


def test_killed_inside_a_large_write(tmp_path: Path) -> None:
    """SIGKILL leaves a part of a large write; what is missing is added, nothing twice."""
    for attempt in range(5):
        home = tmp_path / str(attempt)
        home.mkdir()
        process = start(home, "large")
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().strip() == b"intended"
        live, deadline = home / "logs" / "app.log", time.monotonic() + 10
        while not live.stat().st_size and time.monotonic() < deadline and process.poll() is None:
            pass
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
        finish(home, "large")
        check(home, "large")
        live.unlink()
