"""Runs tests of the interpreter's own `test.test_logging` against logboom's handlers.

Owns: which names the test module sees replaced, and the one shim that flushes before it looks.
Never knows: which tests may differ (`test_cpython.py` does).

Usage: python runner.py REPORT CLASS[.TEST] ...
"""

from __future__ import annotations

import json
import logging
import logging.config
import logging.handlers
import os
import subprocess
import sys
import types
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import logboom

HANDLERS = ("RotatingFileHandler", "TimedRotatingFileHandler")


class Overlay(types.ModuleType):
    """A module with some names replaced for whoever holds the overlay; assignments reach the module."""

    def __init__(self, module: types.ModuleType, replaced: dict[str, Any]) -> None:
        super().__init__(module.__name__)
        object.__setattr__(self, "_module", module)
        object.__setattr__(self, "_replaced", replaced)

    def __getattribute__(self, name: str) -> Any:
        module = object.__getattribute__(self, "_module")
        replaced = object.__getattribute__(self, "_replaced")
        if name == "__dict__":
            return {**vars(module), **replaced}
        return replaced[name] if name in replaced else getattr(module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(object.__getattribute__(self, "_module"), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(object.__getattribute__(self, "_module"), name)


class Used:
    """How many of logboom's handlers the tests have made: a run that made none has shown nothing."""

    count = 0

    @classmethod
    def counting(cls, handler: type[logging.FileHandler]) -> type[logging.FileHandler]:
        made = handler.__init__

        def init(self: logging.FileHandler, *args: Any, **kwargs: Any) -> None:
            cls.count += 1
            made(self, *args, **kwargs)

        handler.__init__ = init  # type: ignore[method-assign]
        return handler


def flushing(look: Callable[..., Any]) -> Callable[..., Any]:
    """The shim: what was logged is in the files before the test looks."""

    def flush_and_look(*args: Any, **kwargs: Any) -> Any:
        logboom.flush(10)
        return look(*args, **kwargs)

    return flush_and_look


def overlay_os() -> Overlay:
    looks = {"exists": flushing(os.path.exists), "isfile": flushing(os.path.isfile)}
    return Overlay(
        os,
        {
            "path": Overlay(os.path, looks),
            "unlink": flushing(os.unlink),
            "remove": flushing(os.remove),
            "utime": flushing(os.utime),
        },
    )


def overlay_logging() -> Overlay:
    handlers = Overlay(logging.handlers, {name: Used.counting(getattr(logboom, name)) for name in HANDLERS})
    file_handler = Used.counting(logboom.FileHandler)
    scope = {**vars(logging), "FileHandler": file_handler}
    basic_config = types.FunctionType(logging.basicConfig.__code__, scope, "basicConfig")
    basic_config.__kwdefaults__ = logging.basicConfig.__kwdefaults__
    return Overlay(logging, {"FileHandler": file_handler, "handlers": handlers, "basicConfig": basic_config})


def in_child(run: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a program that a test starts: logboom in its `logging`, a drain when it has ended."""
    prelude = f"import sys\nsys.path[:0] = {sys.path!r}\nimport logging, types, logboom\n"
    prelude += "scope = {**vars(logging), 'FileHandler': logboom.FileHandler}\n"
    prelude += "logging.basicConfig = types.FunctionType(logging.basicConfig.__code__, scope)\n"

    def run_and_drain(option: str, code: str, *rest: str, **env: str) -> Any:
        result = run(option, prelude + code, *rest, **env)
        drain = [sys.executable, "-m", "logboom", "drain", str(Path.cwd() / ".logboom")]
        subprocess.run(drain, check=False, capture_output=True, timeout=30)
        Used.count += 1
        return result

    return run_and_drain


def patch(tests: Any) -> None:
    seen = overlay_logging()
    tests.logging = seen
    tests.os = overlay_os()
    tests.open = flushing(open)
    tests.assert_python_ok = in_child(tests.assert_python_ok)
    # `logging.config` finds handlers by name: in its own namespace, and with its importer.
    logging.config.logging = seen  # type: ignore[attr-defined]
    by_name = staticmethod(lambda name, *rest: seen if name == "logging" else __import__(name, *rest))
    logging.config.BaseConfigurator.importer = by_name  # type: ignore[attr-defined]


class Outcomes(unittest.TestResult):
    """What became of each test: `passed`, `skipped`, or the traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.by_name: dict[str, str] = {}

    def stopTest(self, test: unittest.TestCase) -> None:
        name = test.id().removeprefix("test.test_logging.")
        failures = {case.id(): text for case, text in self.failures + self.errors}
        skipped = {case.id() for case, _ in self.skipped}
        self.by_name[name] = "skipped" if test.id() in skipped else failures.get(test.id(), "passed")
        super().stopTest(test)


def main(report: str, names: list[str]) -> None:
    import test.test_logging as tests

    patch(tests)
    outcomes = Outcomes()
    known = [name for name in names if hasattr(tests, name.partition(".")[0])]
    for name in known:
        class_name, _, method = name.partition(".")
        if not method or hasattr(getattr(tests, class_name), method):
            unittest.defaultTestLoader.loadTestsFromName(name, tests).run(outcomes)
    logging.shutdown()
    Path(report).write_text(json.dumps({"made": Used.count, "outcomes": outcomes.by_name}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
