"""Failpoints kill when they are told to, and else do nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from logboom.platform import failpoints

PROGRAM = """
from logboom.platform.failpoints import reach
for count in range(3):
    print(count, flush=True)
    reach("other")
    reach("here")
"""


@pytest.mark.parametrize(
    ("value", "printed"), [("", 3), ("here", 1), ("here:2", 2), ("here:9", 3), ("there", 3)]
)
def test_reach(value: str, printed: int) -> None:
    """The nth arrival is the last thing that the process does."""
    environment = {**os.environ, failpoints.VARIABLE: value}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=False)
    assert len(done.stdout.split()) == printed
    assert (done.returncode == 0) == (printed == 3)
