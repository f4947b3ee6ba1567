"""Fixtures of the tests with real processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from harness import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A log set with size rotation that keeps everything."""
    made = Lab(tmp_path, maxBytes=50_000, backupCount=1000)
    yield made
    made.close()
