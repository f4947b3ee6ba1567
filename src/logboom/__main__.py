"""`python -m logboom`: the same as the command `logboom`.

A program that logs starts its collector by this directory's path, so that `ps` shows a short line.
"""

from __future__ import annotations

import os
import sys

__all__ = ["be_collector"]


def be_collector() -> None:
    """Become the collector of the spool that the command line names, apart from whoever started it.

    Runs without `site`. The environment has where logboom and msgspec are (`_LOGBOOM_PATH`), the
    descriptor of `starting.lock`, held (`_LOGBOOM_KEEP`), and a sign to fork (`_LOGBOOM_FORK`). With
    `_LOGBOOM_ACT=drain` it only writes what waits, and says so on that descriptor.
    """
    package = os.path.dirname(os.path.abspath(__file__))
    paths = os.environ.pop("_LOGBOOM_PATH").split("\n")
    sys.path[:] = [*paths, *(path for path in sys.path if path != package)]
    from logboom import platform

    keep = platform.detach(
        int(os.environ.pop("_LOGBOOM_KEEP")), fork=bool(os.environ.pop("_LOGBOOM_FORK", ""))
    )
    platform.shed_limits()
    from logboom.collector.assembly import run_detached, run_drain

    act = run_drain if os.environ.pop("_LOGBOOM_ACT", "") == "drain" else run_detached
    act(sys.argv[-1], keep)


if __name__ == "__main__":
    if "_LOGBOOM_KEEP" in os.environ:
        be_collector()
    else:
        from logboom.cli import main

        sys.exit(main())
