"""Which tests run on Windows: every file of tests is named, or has its reason."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

import windows_suite

ROOT = Path(__file__).parents[1]


def test_every_file_runs_or_says_why_not() -> None:
    """A new file of tests must not be left out on Windows because nobody thought of it."""
    files = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests").rglob("test_*.py"))]
    beginnings = (*windows_suite.FILES, *windows_suite.ELSEWHERE)
    named = {file: sum(file.startswith(beginning) for beginning in beginnings) for file in files}
    assert [file for file, times in named.items() if times != 1] == []
    assert [one for one in beginnings if not any(file.startswith(one) for file in files)] == []


def test_an_excuse_without_its_test_is_refused() -> None:
    """Else a test that was renamed is skipped, or not, by accident."""
    first = next(iter(windows_suite.DIFFERENT))
    file = first.partition("::")[0]
    with pytest.raises(pytest.UsageError, match="no such test"):
        windows_suite._refuse_stale_excuses([f"{file}::test_another"])
