"""A log set of this process, and the page for it in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="logboom[web] is not installed")
pytest.importorskip("uvicorn", reason="logboom[web] is not installed")

from web_support import Page, Program


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    one = Program(tmp_path / "logs" / "shop.log")
    yield one
    one.handler.close()


@pytest.fixture
def page(program: Program, tmp_path: Path) -> Iterator[Page]:
    for number in range(300):
        program.log(f"order {number} paid", 40 if number % 50 == 0 else 20, f"shop.{'ab'[number % 2]}")
    program.flush()
    one = Page(program.live, "--port", "0", directory=tmp_path)
    yield one
    assert one.end() == 0
