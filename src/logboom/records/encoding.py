"""Text to bytes, safely: codecs, byte order marks, and escapes for control characters.

Control characters are C0 except TAB, DEL, C1, U+2028 and U+2029.
"""

from __future__ import annotations

import codecs
import encodings
import re
import sys
from functools import lru_cache
from types import BuiltinFunctionType

from logboom.platform.patterns import later

__all__ = [
    "CONTROL",
    "bom",
    "bytes_as_text",
    "encode_surely",
    "encode_text",
    "escape",
    "has_controls",
    "json_text",
    "known_everywhere",
    "plain_codec",
    "text_as_bytes",
    "u_escape",
    "visible",
]

_CLASS = "\x00-\x08{}\x0b-\x1f\x7f-\x9f\u2028\u2029"
CONTROL = later(f"[{_CLASS.format(chr(10))}]")
_CONTROL_BUT_NEWLINE = later(f"[{_CLASS.format('')}]")
_NAMED = {"\n": "\\n", "\r": "\\r"}
_NOT_ASCII = later(r"[^\x00-\x7f]")
_BYTE_ORDER = "le" if sys.byteorder == "little" else "be"
_HANDLERS = frozenset(("strict", "ignore", "replace", "backslashreplace", "namereplace", "xmlcharrefreplace"))
_HANDLERS |= {"surrogateescape", "surrogatepass"}
_WITH_BOM = {
    "utf-8-sig": ("utf-8", codecs.BOM_UTF8),
    "utf-16": (f"utf-16-{_BYTE_ORDER}", codecs.BOM_UTF16),
    "utf-32": (f"utf-32-{_BYTE_ORDER}", codecs.BOM_UTF32),
}


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _NAMED.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def has_controls(text: str) -> bool:
    """Return True if `text` has control characters."""
    return not text.isprintable() and CONTROL.search(text) is not None


def escape(text: str) -> str:
    r"""`text` on one line: `\n`, `\r`, `\x1b`, `\u2028`, ... for its control characters."""
    return text if text.isprintable() else CONTROL.sub(_visible, text)


def visible(text: str) -> str:
    """`text` with escapes for all control characters but newlines."""
    return _CONTROL_BUT_NEWLINE.sub(_visible, text) if _CONTROL_BUT_NEWLINE.search(text) else text


@lru_cache(maxsize=64)
def _codec(encoding: str) -> tuple[str, bytes]:
    name = codecs.lookup(encoding).name if _is_pythons(encoding) else encoding
    return _WITH_BOM.get(name, (name, b""))


def _is_pythons(encoding: str) -> bool:
    return encodings.search_function(encoding.lower()) is not None


@lru_cache(maxsize=64)
def known_everywhere(encoding: str, errors: str) -> bool:
    """Return True if codec and error handler are Python's own: what a program registers no collector knows.

    Called when a handler is configured, too: in the interpreter's last moments no codec can be looked up.
    """
    encode_surely("", encoding, errors)
    handler = codecs.lookup_error(errors)
    return errors in _HANDLERS and isinstance(handler, BuiltinFunctionType) and _is_pythons(encoding)


def plain_codec(encoding: str) -> str:
    """The codec's name without a byte order mark: what each record is encoded with."""
    return _codec(encoding)[0]


def bom(encoding: str) -> bytes:
    """What a file in `encoding` begins with; empty for most codecs, and for those that are not known here."""
    return _codec(encoding)[1]


def encode_text(text: str, encoding: str, errors: str) -> bytes:
    """`text` in `encoding`, without a byte order mark.

    Raises:
        UnicodeError: `errors` is `strict` (or the like) and the codec lacks a character.
    """
    return text.encode(_codec(encoding)[0], errors)


def encode_surely(text: str, encoding: str, errors: str) -> bytes:
    """As `encode_text`; what the codec lacks becomes an escape, whatever `errors` says.

    A codec that fails all the same has UTF-8 in its place.
    """
    for handler in (errors, "backslashreplace"):
        try:
            return encode_text(text, encoding, handler)
        except UnicodeError:
            continue
    return text.encode("utf-8", "backslashreplace")


def bytes_as_text(data: bytes) -> str:
    """Each byte as the character of that code point; without the codec's name, which would be looked up."""
    return codecs.latin_1_decode(data)[0]


def text_as_bytes(text: str) -> bytes:
    """The reverse of `bytes_as_text`; `UnicodeError` for any other text."""
    return codecs.latin_1_encode(text)[0]


def u_escape(match: re.Match[str]) -> str:
    """What `match` has found as JSON writes it in ASCII."""
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def json_text(text: str, encoding: str) -> str:
    """JSON that `encoding` can carry: where it lacks a character, all but ASCII is escaped in JSON's way."""
    try:
        encode_text(text, encoding, "strict")
        return text
    except (UnicodeError, LookupError):
        return _NOT_ASCII.sub(u_escape, text)
