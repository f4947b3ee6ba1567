"""`manage.py logboom_pull`: a `LoggingServer` that the project's settings describe.

Owns: the settings `LOG_BASE_DIR` and `LOG_LISTEN_PORT`. Never knows: how the server works.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from logboom.cli import pull

__all__ = ["Command"]


class Command(BaseCommand):
    """Loopback only, unless `--bind` says otherwise."""

    help = "Write what programs push over ZeroMQ to LOG_BASE_DIR/django.log; listens on LOG_LISTEN_PORT."
    requires_system_checks: Any = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Those of `python -m logboom.zeromq`, with defaults from the settings."""
        pull.add(parser)
        port = getattr(settings, "LOG_LISTEN_PORT", 5557)
        directory = getattr(settings, "LOG_BASE_DIR", None) or ""
        parser.set_defaults(bind=f"tcp://127.0.0.1:{port}", file=os.path.join(str(directory), "django.log"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGTERM or Ctrl-C."""
        try:
            pull.run(argparse.Namespace(**options))
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from None
