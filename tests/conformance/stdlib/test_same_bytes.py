"""The same program with the standard handlers and with logboom's: the same files with the same bytes."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)
HERE = Path(__file__).parent
SCRIPTS = (HERE / "formats.py").read_text(encoding="utf-8") + (HERE / "cases.py").read_text(encoding="utf-8")
CASES = re.findall(r"^def ((?:case|format)_\w+)", SCRIPTS, re.MULTILINE)
PRODUCER = {"TZ": "Asia/Kolkata", "LANG": "C.UTF-8"}

# What differs by intent, with the heading of `docs/reference/differences.md` that gives the reason.
# Strict: a case that is here and does not differ fails.
DIFFERENT = {
    "case_warnings": "Control characters",
    "case_ascii_strict": "Characters that the encoding does not have",
    "case_ascii_no_errors_named": "Characters that the encoding does not have",
    "case_rotating_unicode": "The size of a file",
}


def run_cases(library: str, directory: str | Path, environment: dict[str, str]) -> set[str]:
    """The names of the cases that did not end well."""
    command = [sys.executable, "-W", "error", str(HERE / "driver.py"), library, str(directory), *CASES]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode in (0, 1), done.stderr
    sys.stderr.write(done.stderr)
    return set(done.stdout.split())


def files(directory: Path, case: str) -> dict[str, bytes]:
    """What the case left, in its own directory or in that of all."""
    found = [*directory.glob(f"{case}.log*"), *directory.glob(f"{case}/{case}.log*")]
    return {path.name: path.read_bytes() for path in sorted(found)}


def without_marks(found: bytes, standard: bytes) -> bytes:
    """`found` without the marks of further lines, which the page on differences explains."""
    pairs = itertools.zip_longest(found.split(b"\n"), standard.split(b"\n"), fillvalue=b"")
    return b"\n".join(its if is_marked(line, its) else line for line, its in pairs)


def is_marked(line: bytes, standard: bytes) -> bool:
    """Return True if a mark before it is all that `line` has more; a wide newline ends in NUL bytes."""
    at = len(standard) - len(standard.lstrip(b"\0"))
    return any(line == standard[:at] + mark + standard[at:] for mark in (b" ", b"\t", b" \0", b"\t\0"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, german: dict[str, str], environ: Any) -> Path:
    directory = tmp_path_factory.mktemp("standard")
    assert not run_cases("logging.handlers", directory, environ(**PRODUCER, **german))
    return directory


@pytest.fixture(scope="module", params=["auto", "off", "started by cron"])
def actual(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    german: dict[str, str],
    environ: Any,
    wait_until: Callable[..., None],
) -> Iterator[tuple[Path, set[str]]]:
    directory = tmp_path_factory.mktemp("logboom")
    if request.param != "started by cron":
        producer = environ(LOGBOOM_COLLECTOR=request.param, **PRODUCER, **german)
        places = directory / "{}" if request.param == "off" else directory
        yield directory, run_cases("logboom", places, producer)
        return
    collect = [sys.executable, "-m", "logboom", "collect", "--stay", str(directory / ".logboom")]
    collector = subprocess.Popen(collect, cwd="/", env=environ(TZ="UTC", LANG="C"), stdin=subprocess.DEVNULL)
    wait_until((directory / ".logboom/status.json").exists, what="the collector is up")
    yield (
        directory,
        run_cases("logboom", directory, environ(LOGBOOM_COLLECTOR="external", **PRODUCER, **german)),
    )
    collector.terminate()
    assert collector.wait(20) == 0


@pytest.mark.parametrize("case", CASES)
def test_the_bytes_are_those_of_the_standard_library(
    case: str, expected: Path, actual: tuple[Path, set[str]]
) -> None:
    """Changing one line of a configuration changes nothing in the files."""
    directory, failed = actual
    assert case not in failed, "the program ended with an error"
    if case in DIFFERENT:
        assert files(directory, case) != files(expected, case), "no longer different: take it off the list"
    else:
        found, standard = files(directory, case), files(expected, case)
        assert found.keys() == standard.keys()
        assert {name: without_marks(found[name], standard[name]) for name in found} == standard


def test_each_listed_difference_has_its_heading() -> None:
    """A difference that a user cannot read about is a bug."""
    page = (HERE.parents[2] / "docs/reference/differences.md").read_text(encoding="utf-8")
    assert all(f"## {heading}\n" in page for heading in DIFFERENT.values())
