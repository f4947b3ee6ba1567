"""The standard library's files: nothing, a file for each process, one file for all, one rotated by all.

Owns: four contenders. Never knows: what is measured.
"""

from __future__ import annotations

import logging
import logging.handlers

from bench.contenders.base import Contender
from bench.workload import MAX_BYTES

__all__ = ["NullContender", "OwnFile", "RotatingShared", "SharedAppend"]


class NullContender(Contender):
    """What every log call pays before any handler does a thing."""

    name = "null"
    keeps = False

    def handler(self, writer: int) -> logging.Handler:
        return logging.NullHandler()


class OwnFile(Contender):
    """The reference: nothing is shared, nothing is rotated."""

    name = "own-file"
    one_set = False

    def handler(self, writer: int) -> logging.Handler:
        return logging.FileHandler(self.directory / f"own-{writer}.log", encoding="utf-8")


class SharedAppend(Contender):
    """One file that every process has opened with `O_APPEND`; nothing is rotated."""

    name = "shared-append"

    def handler(self, writer: int) -> logging.Handler:
        return logging.FileHandler(self.path, mode="a", encoding="utf-8")


class RotatingShared(Contender):
    """What breaks: each process rotates under the others' feet."""

    name = "rotating-shared"

    def handler(self, writer: int) -> logging.Handler:
        return logging.handlers.RotatingFileHandler(
            self.path, maxBytes=MAX_BYTES, backupCount=self.backups, encoding="utf-8"
        )
