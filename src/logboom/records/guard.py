"""The escape rule for text that a formatter has made in this process.

Owns: which values of a record others may have chosen, where they stand in a finished text, what stays there
as the formatter's own. Never knows: how a record travels, codecs, files.

Of a text alone nobody can tell the formatter's newlines from those of a value. So the record's values are
looked for in it. What cannot be told apart is escaped: a layout suffers from that, a line cannot be forged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final

from logboom.platform.patterns import later
from logboom.records.encoding import COLOURS, escape, has_controls, indent_heads, visible

__all__ = ["guard"]

_CONTROLS: Final = later("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_TAILS: Final = ("exc_text", "stack_info")
_NO_TEXT: Final = (int, float, bool, type(None))
_DEPTH: Final = 4
# Beyond these the text is escaped as a whole, rather than looked through for seconds.
_MOST_VALUES: Final = 1000
_MOST_PLACES: Final = 1000

Span = tuple[int, int]


class _TooManyError(Exception):
    """Values or places; whoever made so many is not to be trusted with a newline."""


def guard(text: str, record: logging.LogRecord, before: dict[str, Any]) -> str:
    """`text`, in which no value of `record` can pose as a line of its own or drive a terminal.

    `before` is the record's dictionary as the formatter got it: what it has changed since is its own.
    """
    if text.isprintable() or not has_controls(text):
        return text
    try:
        return _guarded(text, record, before)
    except _TooManyError:
        return escape(text)


def _guarded(text: str, record: logging.LogRecord, before: dict[str, Any]) -> str:
    tails = _tails(text, record)
    values = _texts(_given(before)) | set(_messages(record, before))
    rest = COLOURS.sub("", "".join(text[start:end] for start, end in _between(tails, len(text))))
    if has_controls(rest.strip("\n")):
        values |= set(_shown(_given(before)))
    hostile = sorted(filter(has_controls, values))
    spans = _merged([span for value in hostile for span in _places(text, value)])
    tails = [tail for tail in tails if not any(_crosses(span, tail) for span in spans)]
    grams = {gram for value in hostile for gram in _grams(value)}
    own = (_own(text, start, end, spans, grams) for start, end in _between(tails, len(text)))
    whole = next(own)
    for start, end in tails:  # a message's own last newline is escaped by now
        whole += f"{'' if whole[-1:] == chr(10) else chr(10)}{visible(text[start:end])}{next(own)}"
    return _indented(whole)


# --- the record's values ---


def _given(before: dict[str, Any]) -> list[Any]:
    return [value for key, value in before.items() if key not in (*_TAILS, "exc_info")]


def _texts(values: list[Any]) -> set[str]:
    """The strings among `values`, and in the containers among them."""
    texts, level, seen = set(), values, 0
    for _ in range(_DEPTH):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, str):
                texts.add(str.__str__(value))
            elif isinstance(value, dict):
                inner += [*dict.keys(value), *dict.values(value)]
            elif isinstance(value, (list, tuple, set, frozenset)):
                inner += value
        seen += len(level)
        if seen > _MOST_VALUES:
            raise _TooManyError
        level = inner
    return texts


def _shown(values: list[Any]) -> Iterator[str]:
    """What `str` says of values that are no text. Their code runs, so this is the last resort."""
    for value in values:
        if type(value) not in (str, *_NO_TEXT):
            try:
                yield str.__str__(str(value))
            except Exception:
                continue


def _messages(record: logging.LogRecord, before: dict[str, Any]) -> Iterator[str]:
    """The message that the formatter got, and the one that it used, unless that is the same with colours."""
    try:
        twin = object.__new__(type(record))
        twin.__dict__.update(before)
        message = twin.getMessage()
    except Exception:
        message = ""
    yield message
    used = getattr(record, "message", "")
    if isinstance(used, str) and (not message or message not in used):
        yield used


# --- where they stand ---


def _places(text: str, value: str) -> Iterator[Span]:
    """All occurrences, overlapping ones too: the second half of one must not count as the formatter's."""
    at = text.find(value)
    for _ in range(_MOST_PLACES):
        if at < 0:
            return
        yield at, at + len(value)
        at = text.find(value, at + 1)
    raise _TooManyError


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _tails(text: str, record: logging.LogRecord) -> list[Span]:
    """Where the traceback and the stack stand, each on lines of its own."""
    tails: list[Span] = []
    for name in _TAILS:
        tail = getattr(record, name, None)
        if isinstance(tail, str) and tail:
            at = text.rfind("\n" + tail) + 1
            if at > 0 and (not tails or at >= tails[-1][1]):
                tails.append((at, at + len(tail)))
    return tails


def _crosses(span: Span, tail: Span) -> bool:
    """Whether a value reaches over an end of what seems to be a tail: then it is a copy in that value."""
    return span[0] < tail[0] < span[1] or span[0] < tail[1] < span[1]


def _between(tails: list[Span], length: int) -> Iterator[Span]:
    """The parts of the text around `tails`, one more than they are."""
    start = 0
    for tail in tails:
        yield start, tail[0]
        start = tail[1]
    yield start, length


def _grams(value: str) -> Iterator[str]:
    """The surroundings of a value's control characters, by which a part of it is known again."""
    lower = value.lower()
    for match in _CONTROLS.finditer(lower):
        at = match.start()
        before = max(0, at - 1)
        yield from (lower[before : at + 2], lower[at : at + 4], lower[before : at + 1])


# --- what becomes of it ---


def _own(text: str, start: int, end: int, spans: list[Span], grams: set[str]) -> str:
    """A part outside of tails: values on one line, the formatter's newlines and colours as they are."""
    pieces = []
    at = start
    for first, last in spans:
        first, last = max(first, start), min(last, end)
        if first < last:
            pieces += [_formatters(text, at, first, grams), escape(text[first:last])]
            at = last
    return "".join((*pieces, _formatters(text, at, end, grams)))


def _formatters(text: str, start: int, end: int, grams: set[str]) -> str:
    """Text between values. A control character with the surroundings of a value's is a part of that value."""
    pieces = []
    at = start
    colours = {match.start() for match in COLOURS.finditer(text, start, end)}
    for match in _CONTROLS.finditer(text, start, end):
        place = match.start()
        around = text[max(0, place - 1) : place + 2].lower(), text[place : place + 4].lower()
        if grams.isdisjoint(around) and (match[0] == "\n" or place in colours):
            continue
        pieces += [text[at:place], escape(match[0])]
        at = place + 1
    return "".join((*pieces, text[at:end]))


def _indented(text: str) -> str:
    """`text`, in which no line after the first looks like the start of a record."""
    lead = len(text) - len(text.lstrip("\n"))
    head, newline, rest = text[lead:].partition("\n")
    return text[:lead] + head + newline + indent_heads(rest, head)
