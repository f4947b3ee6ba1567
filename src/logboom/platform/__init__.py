"""The operating system, chosen once.

Owns: the choice between `posix` and `windows`, and the names that both have. Never knows: the journal
format, records, configuration.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from logboom.platform.windows import (
        Doorbell,
        allocate,
        disk_size,
        drop_privileges,
        extend_open_flags,
        filesystem_of,
        give_like,
        host_name,
        is_network,
        lock_is_free,
        mapping_is_safe,
        name_process,
        open_for_reading,
        read_at,
        ring,
        spawn_detached,
        sync_directory,
        sync_file,
        try_lock,
        unlock,
    )
else:
    from logboom.platform.posix import (
        Doorbell,
        allocate,
        disk_size,
        drop_privileges,
        extend_open_flags,
        filesystem_of,
        give_like,
        host_name,
        is_network,
        lock_is_free,
        mapping_is_safe,
        name_process,
        open_for_reading,
        read_at,
        ring,
        spawn_detached,
        sync_directory,
        sync_file,
        try_lock,
        unlock,
    )

__all__ = [
    "Doorbell",
    "allocate",
    "disk_size",
    "drop_privileges",
    "extend_open_flags",
    "filesystem_of",
    "give_like",
    "host_name",
    "is_network",
    "lock_is_free",
    "mapping_is_safe",
    "name_process",
    "open_for_reading",
    "read_at",
    "ring",
    "spawn_detached",
    "sync_directory",
    "sync_file",
    "try_lock",
    "unlock",
]
