"""What a contender is: how it is set up before the processes start, in each of them, and how it ends.

Owns: `Contender`, the base with the common case. Never knows: what is measured.
"""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import ClassVar

from bench.workload import LOGGER, MESSAGE, Call, formatter, with_variant

__all__ = ["Contender"]


class Contender:
    """One way for many processes to log; made in the trial's process, inherited by forked workers.

    Attributes:
        name: what tables call it.
        module: what must be importable, or an empty string.
        message: the message in the style of its API.
        share: part of the records of a run that it gets, so that slow ones take as long as fast ones.
        keeps: it writes files at all.
        one_set: what all processes log is in one set of files, so there is an order to keep.
    """

    name: ClassVar[str] = ""
    module: ClassVar[str] = ""
    message: ClassVar[str] = MESSAGE
    share: ClassVar[float] = 1.0
    keeps: bool = True
    one_set: ClassVar[bool] = True

    def __init__(self, directory: Path, variant: str = "text", backups: int = 10) -> None:
        self.directory = directory
        self.path = directory / "app.log"
        self.variant = variant
        self.backups = backups

    @classmethod
    def available(cls) -> bool:
        return not cls.module or importlib.util.find_spec(cls.module) is not None

    def start(self) -> None:
        """In the trial's process, before there are workers."""

    def handler(self, writer: int) -> logging.Handler:
        """In a worker: the handler, without a formatter."""
        raise NotImplementedError

    def attach(self, writer: int) -> Call:
        """In a worker: configure logging, and return the bound method that logs."""
        handler = self.handler(writer)
        handler.setFormatter(formatter(self.variant))
        return self.call_through(handler)

    def call_through(self, handler: logging.Handler) -> Call:
        root = logging.getLogger()
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        return with_variant(logging.getLogger(LOGGER).info, self.variant)

    def detach(self) -> None:
        """In a worker: what a program does at its end."""
        logging.shutdown()

    def finish(self) -> None:
        """In the trial's process, the workers gone: what was handed over to this process is written."""

    def close(self) -> None:
        """In the trial's process: stop whatever `start` began."""
