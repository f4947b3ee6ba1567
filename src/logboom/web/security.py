"""Who may read the logs: a token or a password in exchange for a cookie, or a proxy that knows its users."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from logboom import platform
from logboom.errors import ConfigurationError

__all__ = ["Guard", "is_loopback", "read_password"]

_HOST: Final = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[^:\[\]/@\s]+))(?::\d{1,5})?", re.ASCII)
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def is_loopback(host: str) -> bool:
    return host in _LOOPBACK


def read_password(path: Path) -> str:
    """The first line of a file that only its owner may read.

    Raises:
        ConfigurationError: others may read it, or it is empty.
        OSError: it cannot be read.
    """
    if platform.others_may_read(path):
        raise ConfigurationError(f"{path} may be read by others", hint=f"chmod 600 {path}")
    password = path.read_text("utf-8").split("\n", 1)[0].strip()
    if len(password) < 8:
        raise ConfigurationError(f"{path} needs a password of 8 characters or more in its first line")
    return password


class Guard:
    """Decides about each request.

    Args:
        hosts: the names under which the page may be asked for; others are refused, since a name of somebody
            else's may point to this machine (DNS rebinding).
        password: what is exchanged for the cookie; without one, a token that is made here.
        proxy_header: a header in which a proxy names the user; what it lets through is trusted.
        proxies: the addresses from which that header counts.
        port: distinguishes the cookies of several pages on one host.
        secure: the page is served over TLS.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        *,
        password: str | None = None,
        proxy_header: str | None = None,
        proxies: Iterable[str] = _LOOPBACK,
        port: int = 0,
        secure: bool = False,
    ) -> None:
        self.hosts = {host.lower() for host in hosts}
        self.token = None if password else secrets.token_urlsafe(24)
        self._secret = password or self.token or ""
        self._proxy_header = proxy_header.lower() if proxy_header else None
        self._proxies = frozenset(proxies)
        self._session = hmac.new(self._secret.encode(), b"logboom session", hashlib.sha256).hexdigest()
        self.cookie = f"logboom_{port}"
        self._secure = secure

    def knows_host(self, host: str) -> bool:
        """Return True if the `Host` header names this page, with any port."""
        match = _HOST.fullmatch(host.lower())
        return match is not None and (match["address"] or match["name"]) in self.hosts

    @staticmethod
    def same_origin(headers: Mapping[str, str], scheme: str) -> bool:
        """Return True unless the browser says that another site's page asks."""
        origin = headers.get("origin")
        if origin is not None and origin != f"{scheme}://{headers.get('host', '')}":
            return False
        return headers.get("sec-fetch-site", "none") in ("same-origin", "none")

    def is_allowed(self, headers: Mapping[str, str], cookies: Mapping[str, str], peer: str) -> bool:
        if self._proxy_header is not None:
            return peer in self._proxies and bool(headers.get(self._proxy_header))
        return hmac.compare_digest(cookies.get(self.cookie, "").encode(), self._session.encode())

    @property
    def asks(self) -> bool:
        """Return True if there is something to type to be let in."""
        return self._proxy_header is None

    def is_secret(self, given: str) -> bool:
        """Return True for the token or the password."""
        return self._proxy_header is None and hmac.compare_digest(given.encode(), self._secret.encode())

    def session(self) -> dict[str, Any]:
        """The arguments of the cookie that lets in."""
        return {
            "key": self.cookie,
            "value": self._session,
            "httponly": True,
            "samesite": "lax",
            "secure": self._secure,
            "path": "/",
        }
