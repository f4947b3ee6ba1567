"""Statistics, patterns and comparisons of `logboom search`, as text or JSON."""

from __future__ import annotations

import argparse

from logboom.query.asking import Asked

__all__ = ["show"]


def show(arguments: argparse.Namespace, question: Asked) -> int:
    raise NotImplementedError
