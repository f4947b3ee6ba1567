"""A small project's settings; `LOGGING` is the part to look at."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
LOGS = Path(os.environ.get("SHOP_LOGS", BASE_DIR / "logs"))

SECRET_KEY = "only for the demonstration"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["shop", "logboom.django"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
USE_TZ = True

# The demonstration runs the project twice; in yours, the name of the class stands in LOGGING itself.
HANDLER = os.environ.get("SHOP_HANDLER", "logboom.RotatingFileHandler")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "verbose": {"format": "{asctime} {levelname} {name} {process} {message}", "style": "{"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "level": "WARNING", "formatter": "verbose"},
        "file": {
            "class": HANDLER,
            "filename": LOGS / "django.log",
            "maxBytes": 4_000,
            "backupCount": 1000,
            "formatter": "verbose",
        },
    },
    "root": {"handlers": ["console", "file"], "level": "INFO"},
}
