"""The how-to about queues, run as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from zmq_lab import Processes, wait_for_lines

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "zeromq" / "queues.md"
SLOWLY = """
import threading
class Slow(logging.Handler):
    def emit(self, record):
        threading.Event().wait(0.005)
listener.handlers = (Slow(), *listener.handlers)
for number in range(200):
    logging.warning("n %d", number)
"""


def test_who_keeps_the_queue_loses_nothing_at_exit(tmp_path: Path, processes: Processes) -> None:
    """A listener's thread is a daemon: what is still in the queue when the program ends would go with it."""
    snippets = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (kept,) = [snippet for snippet in snippets if "QueueListener(" in snippet]
    assert processes.program(kept + SLOWLY).wait(60) == 0, processes.errors()
    lines = wait_for_lines(tmp_path / "app.log", lambda lines: len(lines) >= 200)
    assert lines == [f"n {number}" for number in range(200)]
