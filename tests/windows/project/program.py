"""A process of the project that logs numbered records: python program.py KIND NAME COUNT."""

import logging
import logging.config
import multiprocessing
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
NOTES = os.environ.get("LOG_NOTES")


def work(name, count):
    """Log, and note each record after its call returned."""
    logger = logging.getLogger("shop")
    meet(name)
    notes = open(Path(NOTES, name), "ab", buffering=0) if NOTES else None  # noqa: SIM115
    for number in range(1, count + 1):
        logger.info("%s %d 订单已支付 ä", name, number)
        if notes is not None:
            notes.write(b"%d\n" % number)


def meet(name):
    """Wait for the others, so that all log at the same time."""
    names = os.environ.get("LOG_TOGETHER", "").split()
    if names:
        Path(NOTES, os.pardir, f"{name}.ready").touch()
        while not all(Path(NOTES, os.pardir, f"{own}.ready").exists() for own in names):
            time.sleep(0.005)


def independent(name, count):
    import settings

    logging.config.dictConfig(settings.LOGGING)
    work(name, count)


def spawned(name, count):
    process = multiprocessing.get_context("spawn").Process(target=independent, args=(name, count))
    process.start()
    process.join()


def script(name, count):
    import django

    django.setup()
    work(name, count)


def command(name, count):
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", "pay", name, str(count)])


if __name__ == "__main__":
    kinds = {"independent": independent, "spawn": spawned, "script": script, "command": command}
    kinds[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
