"""Directories and the files in them by name, the same on every system.

Owns: the choice of `Directory` for this system. Never knows: what the files are for.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from logboom.platform._windows_files import Directory, copy_access, copy_times, set_mode
else:
    from logboom.platform._posix_files import Directory, copy_access, copy_times, set_mode

__all__ = ["Directory", "copy_access", "copy_times", "set_mode"]
