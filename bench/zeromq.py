"""PUSHHandler and LoggingServer beside the bare pyzmq pair: `python -m bench.zeromq [--quick]`.

Owns: the bare pair as people write it, the CPU time of a log call, records a second from end to end. Never
knows: how any of them works.

The bare pair: a PUSH with a formatter in the program; a PULL with a rotating file in the server. All take
turns, and the best of the rounds counts: the machine's other work only ever adds.
"""

from __future__ import annotations

import argparse
import json
import logging
import logging.handlers
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

__all__ = ["main"]

_FORMAT: Final = "%(asctime)s %(levelname)-8s %(pathname)s[line:%(lineno)d] %(message)s"
_KINDS: Final = ("bare pyzmq pair", "PUSHHandler", "PUSHHandler(spool=)")
_TARGETS: Final = {"PUSHHandler": (1.0, 1.5), "PUSHHandler(spool=)": (0.6, 1.5)}


def _handler(kind: str, address: str, directory: Path) -> logging.Handler:
    if kind == "bare pyzmq pair":
        return _bare_handler(address)
    from logboom.zeromq import PUSHHandler

    return (
        PUSHHandler(address, spool=directory / "spool")
        if "spool" in kind
        else PUSHHandler(address, block_timeout=30)
    )


def _bare_handler(address: str) -> logging.Handler:
    import zmq

    class Bare(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.socket: Any = zmq.Context.instance().socket(zmq.PUSH)
            self.socket.connect(address)
            self.setFormatter(logging.Formatter(_FORMAT))

        def emit(self, record: logging.LogRecord) -> None:
            self.socket.send(self.format(record).encode())

        def close(self) -> None:
            self.socket.close(30_000)
            zmq.Context.instance().term()  # without it the pair loses its last thousand at exit
            super().close()

    return Bare()


def _serve_bare(address: str, log: str) -> None:
    import zmq

    pull: Any = zmq.Context.instance().socket(zmq.PULL)
    pull.bind(address)
    logger = logging.Logger("server")
    logger.addHandler(logging.handlers.RotatingFileHandler(log, maxBytes=10_000_000, backupCount=100))
    while True:
        logger.info("%s", pull.recv().decode())


def _serve(kind: str, address: str, log: str) -> None:
    if kind == "bare pyzmq pair":
        _serve_bare(address, log)
    from logboom.zeromq import LoggingServer

    LoggingServer(address, log, maxBytes=10_000_000, backupCount=100).run()


def _produce(kind: str, address: str, directory: str, count: str) -> None:
    """Logs, and prints the CPU seconds of all log calls together, and when the first began."""
    logger = logging.Logger("bench")
    handler = _handler(kind, address, Path(directory))
    logger.addHandler(handler)
    for number in range(200):
        logger.info("warm %d", number)
    begin, cpu = time.time(), time.thread_time()
    for number in range(int(count)):
        logger.info("order %07d paid by customer %d", number, number % 97)
    print(json.dumps([time.thread_time() - cpu, begin]), flush=True)
    handler.close()


def _lines(log: Path) -> int:
    total = 0
    for path in log.parent.glob(log.name + "*"):
        try:
            total += path.read_bytes().count(b"order ")
        except FileNotFoundError:
            continue
    return total


def _spawn(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.zeromq", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _round(kind: str, count: int, producers: int) -> tuple[float, float]:
    """CPU seconds a call, and records a second from the first call to the last line in the file."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        log = Path(name, "logs", "bench.log")
        log.parent.mkdir()
        server = _spawn("serve", kind, address, log)
        running = [_spawn("produce", kind, address, name, count) for _ in range(producers)]
        try:
            told = [json.loads(process.communicate(timeout=300)[0]) for process in running]
            deadline = time.monotonic() + 120
            while _lines(log) < count * producers and time.monotonic() < deadline:
                time.sleep(0.01)
            took = time.time() - min(begin for _, begin in told)
            if _lines(log) < count * producers:
                raise SystemExit(f"{kind}: {_lines(log)} of {count * producers} records arrived")
        finally:
            server.terminate()
            server.wait(20)
    return sum(cpu for cpu, _ in told) / (count * producers), count * producers / took


def _measure(rounds: int, count: int) -> dict[str, dict[str, float]]:
    best: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for kind in _KINDS:
            cpu, _unused = _round(kind, count, 1)
            _unused, rate = _round(kind, count, 2)
            one = best.setdefault(kind, {"call_us": cpu * 1e6, "records_per_s": rate})
            one["call_us"] = min(one["call_us"], cpu * 1e6)
            one["records_per_s"] = max(one["records_per_s"], rate)
    return best


def _show(best: dict[str, dict[str, float]]) -> None:
    base = best[_KINDS[0]]
    print("| | CPU time of a call | to the pair's | records a second, end to end | to the pair's | target |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind, values in best.items():
        call, rate = values["call_us"] / base["call_us"], values["records_per_s"] / base["records_per_s"]
        target = " / ".join(map(str, _TARGETS.get(kind, ("", ""))))
        cells = (kind, f"{values['call_us']:.1f} us", f"{call:.2f}", f"{values['records_per_s']:,.0f}")
        print("| " + " | ".join((*cells, f"{rate:.2f}", target)) + " |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    _show(_measure(1 if arguments.quick else 5, 20_000 if arguments.quick else 100_000))


if __name__ == "__main__":
    parts: dict[str, Callable[..., None]] = {"serve": _serve, "produce": _produce}
    if len(sys.argv) > 1 and sys.argv[1] in parts:
        parts[sys.argv[1]](*sys.argv[2:])
    else:
        main()
