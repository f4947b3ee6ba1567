"""Text to bytes, safely: codecs, byte order marks, and the escape rule.

Owns: which control characters are escaped and how, lines that pose as a record's head, codecs that
must not repeat their byte order mark. Never knows: formats, contexts, files.

The escape rule: one record is one line unless it has a traceback or a stack. Control characters in
values (C0 except TAB, DEL, C1, U+2028, U+2029) become visible escapes. A traceback keeps its newlines,
but a line of it that looks like the start of another record is indented by one space.
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
    "COLOURS",
    "below",
    "bom",
    "encode_surely",
    "encode_text",
    "escape",
    "escape_tail",
    "has_controls",
    "indent_heads",
    "json_text",
    "known_everywhere",
    "plain_codec",
    "u_escape",
    "visible",
]

_CLASS = "\x00-\x08{}\x0b-\x1f\x7f-\x9f\u2028\u2029"
_CONTROL = later(f"[{_CLASS.format(chr(10))}]")
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

# The start of a line, cut into runs of digits, runs of letters and single other characters.
_TOKEN = later(r"\d+|[^\W\d_]+|.", re.DOTALL)
_LEAD = 10
_LOOK = 500

# What changes the colour of a terminal's text, and nothing else of it.
COLOURS = later("\x1b\\[[0-9;]*m")


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _NAMED.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def has_controls(text: str) -> bool:
    """Whether the escape rule would change `text`."""
    return not text.isprintable() and _CONTROL.search(text) is not None


def escape(text: str) -> str:
    r"""`text` on one line: `\n`, `\r`, `\x1b`, `\u2028`, ... for its control characters."""
    return text if text.isprintable() else _CONTROL.sub(_visible, text)


@lru_cache(maxsize=256)
def _head_pattern(start: str) -> re.Pattern[str] | None:
    """What another line must look like to pose as a record that starts with `start`.

    The same shape: any digits for digits, any letters for letters. A head of plain words (a bare
    message or logger name) has no shape of its own: every line of every traceback would match.
    A first word in capitals is taken for a level.
    """
    blank = start[: len(start) - len(start.lstrip(" "))]
    tokens = _TOKEN.findall(start[len(blank) :])
    if not tokens or not tokens[0].strip():
        return None
    if tokens[0].isupper() and tokens[0].isalpha() and len(tokens[0]) > 1:
        after = "".join(map(re.escape, tokens[1:2])) or r"(?![^\W\d_])"
        return re.compile(rf"^(?= *[A-Z]{{2,}}{after})", re.MULTILINE)
    if blank or (tokens[0].isalpha() and not any(token.isdigit() for token in tokens)):
        return None
    shape = (r"\d+" if t.isdigit() else r"[^\W\d_]+" if t.isalpha() else re.escape(t) for t in tokens)
    return re.compile("^(?=" + "".join(shape) + ")", re.MULTILINE)


def escape_tail(tail: str, head: str) -> str:
    """Traceback or stack text for below `head`: newlines stay, nothing in it can pose as a record."""
    return indent_heads(visible(tail), head)


def visible(text: str) -> str:
    """`text` with escapes for all control characters but newlines."""
    return _CONTROL_BUT_NEWLINE.sub(_visible, text) if _CONTROL_BUT_NEWLINE.search(text) else text


def indent_heads(text: str, head: str) -> str:
    """`text` with one space before each line that could be taken for the start of a record like `head`."""
    pattern = _head_pattern(COLOURS.sub("", head[:_LOOK]).lstrip("\n")[:_LEAD])
    return text if pattern is None else pattern.sub(" ", text)


def below(text: str, tail: str) -> str:
    """`text` with a traceback or a stack under it, as the standard formatter puts it there."""
    return f"{text}{'' if text[-1:] == chr(10) else chr(10)}{escape_tail(tail, text)}"


@lru_cache(maxsize=64)
def _codec(encoding: str) -> tuple[str, bytes]:
    name = codecs.lookup(encoding).name if _is_pythons(encoding) else encoding
    return _WITH_BOM.get(name, (name, b""))


def _is_pythons(encoding: str) -> bool:
    return encodings.search_function(encoding.lower()) is not None


def known_everywhere(encoding: str, errors: str) -> bool:
    """Whether codec and error handler are Python's own: what a program registers no collector knows."""
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
