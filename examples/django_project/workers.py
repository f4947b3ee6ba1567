"""Two `multiprocessing` workers that log, and their parent, which replaces one that dies.

`workers.py SECONDS PIDS` runs for so long, and appends the workers' pids to the file PIDS.
"""

import multiprocessing
import os
import sys
import time
from pathlib import Path

import django

WORKERS = 2
PAUSE = 0.02


def work(end: float) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    django.setup()
    from shop.audit import log

    while time.monotonic() < end:
        for number in range(10):
            log("workers", f"job {number} is done")
        time.sleep(PAUSE)


def start(end: float, pids: Path) -> multiprocessing.Process:
    process = multiprocessing.Process(target=work, args=(end,))
    process.start()
    with pids.open("a") as file:
        print(process.pid, file=file)
    return process


def main(seconds: float, pids: Path) -> None:
    end = time.monotonic() + seconds
    processes = [start(end, pids) for _ in range(WORKERS)]
    while processes:
        for process in processes[:]:
            process.join(timeout=0.05)
            if process.exitcode is not None:
                processes.remove(process)
                if process.exitcode and time.monotonic() < end:
                    processes.append(start(end, pids))


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]))
