"""The project's settings with `PUSHHandler`: every process sends its lines to one `LoggingServer`."""

import os

from shop.settings import *  # noqa: F403
from shop.settings import LOGGING, LOGS

LOG_BASE_DIR = LOGS
LOG_LISTEN_PORT = int(os.environ.get("SHOP_PORT", "5557"))

LOGGING["handlers"]["file"] = {
    "level": "INFO",
    "class": "logboom.zeromq.PUSHHandler",
    "interface_or_socket": f"tcp://localhost:{LOG_LISTEN_PORT}",
    "formatter": "verbose",
}
if "SHOP_SPOOL" in os.environ:
    LOGGING["handlers"]["file"]["spool"] = os.environ["SHOP_SPOOL"]
