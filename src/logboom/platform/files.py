"""Directories and the files in them by name, the same on every system.

Every file of a spool and of a log set is reached through `Directory`.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from logboom.platform._windows_files import (
        Directory,
        copy_access,
        copy_times,
        may_follow,
        resolve,
        set_mode,
    )
else:
    from logboom.platform._posix_files import (
        Directory,
        copy_access,
        copy_times,
        may_follow,
        resolve,
        set_mode,
    )

__all__ = ["Directory", "copy_access", "copy_times", "may_follow", "resolve", "set_mode"]
