"""`python -m logboom.zeromq`: a `LoggingServer`.

Owns: the entry. Never knows: arguments, the server.
"""

import sys

from logboom.zeromq import main

if __name__ == "__main__":
    sys.exit(main())
