"""What a program pays once: `import` and a configured handler, and leaving.

Owns: the measures `setup_ms`, `setup_cpu_ms`, `rss_mb`, `exit_ms`, `missing_at_exit`.
Each runs a fresh interpreter.
"""

from __future__ import annotations

import compileall
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench.contenders import Contender
from bench.crew import Crew
from bench.logset import log_files
from bench.spec import Spec
from bench.workload import FORMAT, MAX_BYTES, MESSAGE, Call

__all__ = ["run"]

_RECORDS: Final = 100
_MARK: Final = b" shop "  # the program's logger, which nobody else uses
_HANDLERS: Final = {
    "own-file": "logging.FileHandler({path!r}, encoding='utf-8')",
    "concurrent-log-handler": "ConcurrentRotatingFileHandler({path!r}, maxBytes={size})",
    "logboom": "logboom.RotatingFileHandler({path!r}, maxBytes={size}, backupCount=10)",
}
_IMPORTS: Final = {
    "concurrent-log-handler": "from concurrent_log_handler import *\n",
    "logboom": "import logboom\n",
}
_PROGRAM: Final = """
import time
started, cpu = time.perf_counter(), time.process_time()
import logging
{imports}handler = {handler}
handler.setFormatter(logging.Formatter({format!r}))
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.INFO)
setup, cpu = time.perf_counter() - started, time.process_time() - cpu
with open('/proc/self/status') as status:
    rss = next(int(line.split()[1]) for line in status if line.startswith('VmRSS'))
import json
for number in range({records}):
    logging.getLogger('shop').info({message!r}, number, 'alice', 12)
print(json.dumps([setup, cpu, rss, time.perf_counter()]), flush=True)
"""


def run(spec: Spec, contender: Contender) -> dict[str, float]:
    """Beside a process that keeps a contender's server, or collector, alive."""
    contender.keeps = contender.name == "logboom"
    _compile(contender)
    crew = Crew(contender, 1, _stay)
    crew.start()
    crew.release()
    program = _program(contender)
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    output, _ = child.communicate(timeout=60)
    ended = time.perf_counter()
    found = sum(path.read_bytes().count(_MARK) for path in log_files(contender.directory))
    setup, cpu, rss, finished = json.loads(output)
    crew.join()
    return {
        "setup_ms": setup * 1e3,
        "setup_cpu_ms": cpu * 1e3,
        "rss_mb": rss * 1024 / 1e6,
        "exit_ms": (ended - finished) * 1e3,
        "missing_at_exit": _RECORDS - found,
    }


def _stay(call: Call, message: str, writer: int) -> None:
    time.sleep(1.0)


def _compile(contender: Contender) -> None:
    """As installed: with bytecode, also where the environment keeps Python from writing it."""
    found = importlib.util.find_spec(contender.module) if contender.name in _IMPORTS else None
    if found is not None and found.origin is not None:
        compileall.compile_dir(Path(found.origin).parent, quiet=2)


def _program(contender: Contender) -> str:
    handler = _HANDLERS[contender.name].format(path=str(contender.path), size=MAX_BYTES)
    imports = _IMPORTS.get(contender.name, "")
    return _PROGRAM.format(imports=imports, handler=handler, format=FORMAT, records=_RECORDS, message=MESSAGE)
