"""A management command that logs."""

from django.core.management.base import BaseCommand
from program import work


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("name")
        parser.add_argument("count", type=int)

    def handle(self, *args, **options):
        work(options["name"], options["count"])
