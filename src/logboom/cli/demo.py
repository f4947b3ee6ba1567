"""`logboom demo`: killed processes, and the count of what arrived.

Owns: its place among the commands. Never knows: what it shows.
"""

from __future__ import annotations

import argparse

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """It has no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Returns 0, or 1 when one of logboom's numbers is wrong."""
    from logboom.demo.run import run as play

    return play()
