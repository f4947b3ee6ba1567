"""A Django project as people have it on Windows: one LOGGING for every process."""

import os

SECRET_KEY = "of a test"
INSTALLED_APPS = ["shop"]
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "plain"},
        "file": {
            "class": os.environ["LOG_CLASS"],
            "filename": os.environ["LOG_FILE"],
            "maxBytes": int(os.environ.get("LOG_BYTES", "20000")),
            "backupCount": 500,
            "encoding": "utf-8",
            "formatter": "plain",
        },
    },
    "root": {"handlers": os.environ.get("LOG_HANDLERS", "file").split(","), "level": "INFO"},
}
