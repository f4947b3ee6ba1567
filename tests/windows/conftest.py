"""What the tests of Windows share; elsewhere they are skipped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from windows_log_set import LogSet


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and sys.platform != "win32":
            item.add_marker(pytest.mark.skip("a Windows Python: make test-windows"))


@pytest.fixture
def log_set(tmp_path: Path) -> Iterator[LogSet]:
    made = LogSet(tmp_path)
    yield made
    made.stop()
