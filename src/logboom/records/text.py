"""A standard format string, compiled once, over many rows.

Heads are records without their tracebacks and stacks, which are the tails.
The code is built as a syntax tree in which the format's text stands as constants: it is never parsed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from logboom.journal.layout import Context
from logboom.records import template
from logboom.records.encoding import has_controls, plain_codec
from logboom.records.marks import NAMES, below, lines_of, mask, tame
from logboom.records.plain import encode_line, plain_line
from logboom.records.stamps import Memo, Stamps

__all__ = ["compile_text"]

Row: TypeAlias = list[Any]
Heads: TypeAlias = Callable[[Sequence[Row]], list[str]]

_LEADING: Final = ("created", "context", "levelno", "name")
# `%-8s` and the like; every other flag is left to the `%` operator.
_ALIGNED: Final = re.compile(r"(-?)([1-9]\d*)?(\.\d+)?")
_STAMP_AND_MSECS: Final = re.compile(r"%s([^%]*%0?\d*d[^%]*)")
_ASCII_CONTROLS: Final = bytes([*range(9), *range(10, 32), 127])


class _Code:
    """The expressions of one format, and the constants that they name."""

    def __init__(self, context: Context) -> None:
        self.names: dict[str, Any] = {}
        self._options = context.options
        self._style = context.options["style"]
        self._variables = {field: field for field in ("created", "levelno", "name")}
        self._variables |= {field: f"v{i}" for i, field in enumerate(context.columns)}
        if "time" in self._options:
            form = self._options["time"] if context.raw else mask(self._options["time"])
            self.names["stamps"] = Stamps(form, context.offset, context.zone)

    def _constant(self, value: object) -> str:
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name

    def _variable(self, field: str) -> str:
        return self._variables[field]

    def _memo(self, make: Callable[[Any], str], variable: str) -> str:
        return f"{self._constant(Memo(make))}[{variable}]"

    def _asctime(self, plain: bool) -> list[str]:
        """Expressions whose texts together are `asctime`; one expression if it is not `plain`."""
        msecs = self._options["msecs"]
        if msecs is None:
            return ["stamps[created // 1]"]
        match = _STAMP_AND_MSECS.fullmatch(msecs)
        if plain and match is not None:
            tail = match[1]
            return [
                "stamps[created // 1]",
                self._memo(lambda value: str(tail % (value,)), self._variables["msecs"]),
            ]
        return [f"{self._constant(msecs)} % (stamps[created // 1], {self._variables['msecs']})"]

    def values(self, part: template.Part) -> list[ast.expr]:
        """The nodes of an f-string that render a field."""
        conversion, spec = part.conversion, part.spec
        if part.field == "asctime" and "asctime" not in self._variables:
            sources = self._asctime(not spec and conversion in ("", "s"))
        else:
            sources = [self._variable(part.field)]
        if self._style == "%":
            return [self._percent(source, part) for source in sources]
        if part.field == "levelname" and not conversion and spec:
            return [_formatted(self._memo(lambda value: format(value, spec), sources[0]))]
        return [
            _formatted(source, conversion.replace("s", "") if not spec else conversion, spec)
            for source in sources
        ]

    def _percent(self, source: str, part: template.Part) -> ast.expr:
        conversion, spec = part.conversion, part.spec
        operator = f"%{spec}{conversion}"
        if (part.field == "levelname" and spec) or conversion in "diu":
            return _formatted(self._memo(lambda value: operator % (value,), source))
        aligned = _ALIGNED.fullmatch(spec)
        if conversion not in "sra" or aligned is None:
            return _formatted(f"{self._constant(operator)} % ({source},)")
        width = f"{'<' if aligned[1] else '>'}{aligned[2]}" if aligned[2] else ""
        return _formatted(source, conversion if spec or conversion != "s" else "", width + (aligned[3] or ""))


def _formatted(source: str, conversion: str = "", spec: str = "") -> ast.expr:
    """`{source!conversion:spec}`; `source` is made of generated names alone."""
    value = ast.parse(source, mode="eval").body
    inner = ast.JoinedStr([ast.Constant(spec)]) if spec else None
    return ast.FormattedValue(value, ord(conversion) if conversion else -1, inner)


def _compile_heads(parts: Sequence[template.Part], context: Context) -> Heads:
    code = _Code(context)
    pieces: list[ast.expr] = []
    for part in parts:
        if part.literal:
            pieces.append(ast.Constant(part.literal if context.raw else mask(part.literal)))
        if part.field:
            pieces.extend(code.values(part))
    variables = ", ".join((*_LEADING, *(f"v{i}" for i in range(len(context.columns)))))
    tree = ast.parse(f"def heads(rows):\n    return [None for {variables} in rows]")
    comprehension = next(node for node in ast.walk(tree) if isinstance(node, ast.ListComp))
    comprehension.elt = ast.JoinedStr(pieces)
    exec(compile(ast.fix_missing_locations(tree), "<logboom heads>", "exec"), code.names)
    heads: Heads = code.names["heads"]
    return heads


class _Text:
    """One context's rows as bytes."""

    def __init__(self, context: Context, parts: Sequence[template.Part]) -> None:
        options = context.options
        own = "".join(part.literal for part in parts) + str(options.get("time", ""))
        stamp, msecs = _stamp(options)
        self._context = context
        self._heads = _compile_heads(parts, context)
        self._lines = lines_of(options["format"], options["style"], stamp, msecs, context.one_line)
        self._width = len(_LEADING) + len(context.columns)
        self._names = [3, *(4 + i for i, field in enumerate(context.columns) if field in NAMES)]
        self._in_one = (
            plain_codec(context.encoding) == "utf-8"
            and context.terminator == "\n"
            and not context.raw
            and not has_controls(own)
        )

    def render(self, rows: Sequence[Row]) -> list[bytes]:
        """A whole batch at once where no row is special; row by row otherwise."""
        try:
            heads = self._heads(rows)
        except Exception:
            return self._apart(rows)
        if self._in_one and heads:
            text = "\n".join(heads) + "\n"
            data = text.encode("utf-8", "backslashreplace")
            if self._clean(text, data, heads):
                return data.splitlines(True)
        return [self._finish(row, head) for row, head in zip(rows, heads, strict=True)]

    def _clean(self, text: str, data: bytes, heads: Sequence[str]) -> bool:
        """Return True if the heads can stay as they are."""
        if self._lines.needed(text, heads):
            return False
        if text.isascii():
            return len(data) - len(data.translate(None, _ASCII_CONTROLS)) == len(heads)
        return all(map(str.isprintable, heads))

    def _apart(self, rows: Sequence[Row]) -> list[bytes]:
        """Rows of which some have a traceback, or cannot be rendered."""
        try:
            heads = self._heads([row[: self._width] for row in rows])
            return [self._finish(row, head) for row, head in zip(rows, heads, strict=True)]
        except Exception:
            return [self._single(row) for row in rows]

    def _single(self, row: Row) -> bytes:
        try:
            return self._finish(row, self._heads([row[: self._width]])[0])
        except Exception as error:
            return plain_line(row, self._context, error)

    def _finish(self, row: Row, text: str) -> bytes:
        raw = self._context.raw
        if not raw and not text.isprintable():
            text = self._tamed(row, text)
        for tail in row[self._width :]:
            if tail:
                text = below(text, tail)
        return encode_line(text if raw else self._lines(text), self._context)

    def _tamed(self, row: Row, head: str) -> str:
        """The head with names on one line, and without the colours that another formatter put there."""
        found = [i for i in self._names if isinstance(row[i], str) and not row[i].isprintable()]
        if not found:
            return head
        row = row[: self._width]
        for index in found:
            row[index] = tame(row[index])
        return self._heads([row])[0]


def _stamp(options: dict[str, Any]) -> tuple[str | None, str | None]:
    """The formats of `asctime`, where they are known."""
    stamp, msecs = options.get("time", options.get("stamp")), options.get("msecs")
    return stamp if isinstance(stamp, str) else None, msecs if isinstance(msecs, str) else None


def compile_text(context: Context) -> Callable[[Sequence[Row]], list[bytes]]:
    """The renderer of a `text` context.

    Raises:
        ValueError: the format is not one that this release can take apart.
    """
    parts = template.parse(context.options["format"], context.options["style"])
    if parts is None:
        raise ValueError(f"format {context.options['format'][:100]!r} is unknown")
    msecs, time = context.options.get("msecs") or "", context.options.get("time", "")
    if template.width(msecs, "%") > template.WIDEST or not template.safe_datefmt(time):
        raise ValueError(f"time {time[:100]!r} {msecs[:100]!r} is unknown")
    return _Text(context, parts).render
