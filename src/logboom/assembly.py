"""The name by which programs that run an earlier release start a collector; see `collector.assembly`."""

from logboom.collector.assembly import *  # noqa: F403
