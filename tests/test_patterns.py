"""Patterns that wait for their first use."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from logboom.platform.patterns import later


def test_it_is_the_pattern() -> None:
    """Text and bytes, with flags, again and again."""
    word, digits = later(r"[a-z]+", re.IGNORECASE), later(rb"\d")
    for _ in range(2):
        assert word.findall("One two 3") == ["One", "two"]
        assert word.sub("-", "One 2") == "- 2"
        assert digits.search(b"a1") is not None
    assert word.pattern == r"[a-z]+"
    with pytest.raises(AttributeError):
        word.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_a_method_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of `re` is emptied by programs with many patterns of their own."""
    word = later("[a-z]")
    assert word.match("a")
    monkeypatch.setattr(re, "compile", None)
    assert word.match("b")


COUNT = """
import re, sys
made, genuine = [], re.compile
def counted(*arguments):
    made.append(sys._getframe(1).f_globals["__name__"])
    return genuine(*arguments)
import logging.handlers, msgspec, pathlib, zlib
re.compile = counted
import logboom
logboom.RotatingFileHandler({path!r})
print([name for name in made if name.startswith("logboom")])
"""


def test_none_is_compiled_when_a_handler_is_made(tmp_path: object) -> None:
    """Each takes a tenth of a millisecond or more, of every program."""
    code = COUNT.format(path=f"{tmp_path}/app.log")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
