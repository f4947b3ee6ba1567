"""`logboom web`: the page for the logs, in the browser."""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
from pathlib import Path
from typing import Final

from logboom.cli.terminal import escape
from logboom.errors import ConfigurationError, LogboomError

__all__ = ["add", "run"]

_PORT: Final = 8321


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "places", nargs="*", type=Path, metavar="FILE|DIR", help="log files or directories; default: this one"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (127.0.0.1)")
    parser.add_argument("--port", type=int, help=f"the port ({_PORT}, or another when it is taken; 0: any)")
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="ask for the password in its first line"
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain (PEM)")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key (PEM)")
    parser.add_argument(
        "--proxy-header", metavar="NAME", help="trust the user that a proxy names in this header"
    )
    parser.add_argument(
        "--proxy", action="append", metavar="IP", help="the proxy's address (127.0.0.1; may be repeated)"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name of the page in browsers",
    )


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 after Ctrl-C or SIGTERM, 2 after trouble."""
    try:
        import uvicorn  # noqa: F401 - said before anything is opened

        from logboom.web.serving import serve
    except ImportError as error:
        if (error.name or "").startswith("logboom"):
            raise
        raise LogboomError(f"{error.name} is not installed", hint='pip install "logboom[web]"') from None
    from logboom.web.security import Guard, is_loopback, read_password

    if bool(arguments.tls_cert) != bool(arguments.tls_key):
        raise ConfigurationError("--tls-cert and --tls-key belong together")
    tls = (arguments.tls_cert, arguments.tls_key) if arguments.tls_cert else None
    checked = arguments.password_file or arguments.proxy_header
    if not is_loopback(arguments.host) and not (checked and tls):
        raise ConfigurationError(
            f"at {arguments.host} others could read the logs",
            hint="Name --password-file (or --proxy-header) and --tls-cert, --tls-key; or stay at 127.0.0.1",
        )
    password = read_password(arguments.password_file) if arguments.password_file else None
    listener = _listen(arguments.host, arguments.port)
    with contextlib.closing(listener):
        port = listener.getsockname()[1]
        hosts = {arguments.host, "localhost", "127.0.0.1", "::1", *arguments.allow_host} - {"0.0.0.0", "::"}
        guard = Guard(
            hosts,
            password=password,
            proxy_header=arguments.proxy_header,
            proxies=arguments.proxy or ("127.0.0.1", "::1"),
            port=port,
            secure=tls is not None,
        )
        shown = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
        link = f"{'https' if tls else 'http'}://{shown}:{port}/"
        if guard.token is not None and not arguments.proxy_header:
            link += f"?token={guard.token}"
        print(f"logboom: {escape(link)}", flush=True)
        if sys.stderr.isatty():
            print("The link lets in whoever has it. Ctrl-C ends the page.", file=sys.stderr)
        serve(arguments.places or [Path.cwd()], guard, listener, tls)
    return 0


def _listen(host: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    wanted = [_PORT, 0] if port is None else [port]
    for one in wanted:
        try:
            return socket.create_server((host, one), family=family, backlog=128)
        except OSError:
            if one == wanted[-1]:
                raise
    raise AssertionError
