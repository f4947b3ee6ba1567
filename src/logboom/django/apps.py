"""The app's registration with Django.

Owns: its label and when the check is registered. Never knows: what is checked.
"""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register

from logboom.django.checks import check_logging

__all__ = ["LogboomConfig"]


class LogboomConfig(AppConfig):
    """`logboom.django`, with a label that no other app is likely to have."""

    name = "logboom.django"
    label = "logboom"
    verbose_name = "logboom"

    def ready(self) -> None:
        register(check_logging, "logging")
