"""The name by which programs that run the first release start a collector; see `collector.assembly`."""

import sys

# Such a program may also want to collect by itself. When its package was replaced under it, two releases in
# one process do not fit together: it takes this for "pip is replacing it", and starts a collector instead.
if "logboom.launch" in sys.modules:
    raise ImportError("another release of logboom was installed while this program ran")

from logboom.collector.assembly import *  # noqa: F403
