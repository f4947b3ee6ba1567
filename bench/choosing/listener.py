"""The other end of a network handler: `python -m bench.choosing.listener KIND PORT FILE`.

KIND is "udp", "tcp", "http", or "pipe" (standard input). What arrives is written at once: a killed listener
loses what is on its way to it, and nothing that it has.
"""

from __future__ import annotations

import http.server
import os
import socket
import socketserver
import sys
from typing import Any

__all__: list[str] = []


def main(kind: str, port: int, path: str) -> None:
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    if kind == "pipe":
        while data := os.read(0, 1 << 16):
            os.write(out, data)
        return
    if kind == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", port))
            while True:
                os.write(out, receiver.recv(1 << 16) + b"\n")

    class Lines(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                os.write(out, line)

    class Posts(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            os.write(out, self.rfile.read(int(self.headers["Content-Length"])) + b"\n")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 64

    with Server(("127.0.0.1", port), Lines if kind == "tcp" else Posts) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
