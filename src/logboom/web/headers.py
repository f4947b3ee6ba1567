"""What every server of the page sends besides answers: its files, and the headers that protect it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from logboom.web.api import POLICY

__all__ = ["HEADERS", "static_file"]

HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # without one, a form has no Origin either
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_MEDIA: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def static_file(name: str) -> tuple[bytes, str] | None:
    """The bytes and the media type of a file of the page; None when there is none."""
    media = _MEDIA.get(Path(name).suffix)
    if media is None or "/" in name or "\\" in name or name.startswith("."):
        return None
    file = resources.files("logboom.web").joinpath("static", name)
    return (file.read_bytes(), media) if file.is_file() else None
