"""A script outside of the project's commands: it calls `django.setup()` by itself."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()

from shop.audit import log  # noqa: E402

for number in range(100):
    log("report", f"line {number} of the report is written")
