"""CPython's own tests of the file handlers, run against logboom's classes by `runner.py`."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import logboom

RUNNER = Path(__file__).with_name("runner.py")
PAGE = Path(__file__).parents[3] / "docs/reference/differences.md"
AT_MOST = 5

# Whole classes where all is about files; else the tests that make a file handler.
# `HandlerTest.test_race` is about `WatchedFileHandler` alone.
TESTS = {
    "FileHandlerTest": [],
    "RotatingFileHandlerTest": [],
    "TimedRotatingFileHandlerTest": [],
    "HandlerTest": ["test_path_objects", "test_pathlike_objects", "test_post_fork_child_no_deadlock"],
    "EncodingTest": ["test_encoding_plain_file"],
    "ConfigFileTest": ["test_config8_ok"],
    "ConfigDictTest": ["test_config15_ok", "test_config_queue_handler", "test_90195"],
    "BasicConfigTest": [
        "test_filename",
        "test_filemode",
        "test_incompatible",
        "test_encoding",
        "test_encoding_errors",
        "test_encoding_errors_default",
        "test_encoding_errors_none",
        "test_log_taskName",
    ],
    "ModuleLevelMiscTest": ["test_logging_at_shutdown_open"],
}

# The strict list: a test that fails and is not here is a failure, and one that passes and is here too.
# `docs/reference/differences.md` gives the reason of each.
DIFFERENT: dict[str, set[str]] = {
    "FileHandlerTest": {"test_delay"},
    "RotatingFileHandlerTest": {
        "test_should_rollover",
        "test_namer_rotator_inheritance",
        "test_rotator",
    },
    "TimedRotatingFileHandlerTest": {
        "test_rollover_at_midnight",
        "test_rollover_at_weekday",
    },
    "EncodingTest": {"test_encoding_plain_file"},
    "BasicConfigTest": {"test_filename", "test_filemode", "test_encoding_errors_none"},
}

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("test.test_logging") is None,
    reason="this interpreter comes without its `test` package",
)


def run(class_name: str, directory: Path, collector: str) -> dict[str, Any]:
    methods = TESTS[class_name]
    names = [f"{class_name}.{method}" for method in methods] or [class_name]
    report = directory / "report.json"
    logs = directory / "logs"
    logs.mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(Path(logboom.__file__).parents[1]),
        "TMPDIR": str(logs),
        "LOGBOOM_COLLECTOR": collector,
    }
    command = [sys.executable, str(RUNNER), str(report), *names]
    done = subprocess.run(command, cwd=logs, env=environment, capture_output=True, text=True, timeout=100)
    assert report.exists(), done.stdout + done.stderr
    return json.loads(report.read_text())


@pytest.mark.parametrize("collector", ["off", "auto"])
@pytest.mark.parametrize("class_name", TESTS)
def test_the_interpreters_own_tests_pass(class_name: str, collector: str, tmp_path: Path) -> None:
    """Whoever replaces `logging.handlers` by `logboom.handlers` relies on what these tests say."""
    report = run(class_name, tmp_path, collector)
    failed = {name: text for name, text in report["outcomes"].items() if text not in ("passed", "skipped")}
    passed = {name for name, text in report["outcomes"].items() if text == "passed"}
    listed = {f"{class_name}.{method}" for method in DIFFERENT.get(class_name, ())}
    unlisted = "\n".join(f"{name}\n{failed[name]}" for name in failed if name not in listed)
    assert not unlisted, unlisted
    assert not listed & passed, f"these pass now: take them off the list: {listed & passed}"
    assert report["made"] or not report["outcomes"], "no handler of logboom's was made"


def test_few_tests_differ() -> None:
    """A list that may grow without end would make the suite say nothing."""
    assert all(len(methods) <= AT_MOST for methods in DIFFERENT.values())


def test_the_page_gives_a_reason_for_each_test_that_differs() -> None:
    """A user finds each difference with its reason, and no difference that is none."""
    page = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+Test\.test_\w+)` \| (.+?) \|$", page, re.MULTILINE))
    assert set(rows) == {f"{name}.{method}" for name in DIFFERENT for method in DIFFERENT[name]}
    assert all(len(reason.split()) > 5 for reason in rows.values())
