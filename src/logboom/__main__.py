"""`python -m logboom`: the same as the command `logboom`."""

from __future__ import annotations

import sys

from logboom.cli import main

if __name__ == "__main__":
    sys.exit(main())
