"""A standard format string, compiled once, over many rows.

Owns: the generated code that makes heads (a record without its traceback), tails, the check for
control characters. Never knows: `LogRecord`, sinks, where rows come from.

The code is built as a syntax tree in which the format's text stands as constants: it is never parsed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from logboom.journal.layout import Context
from logboom.records import template
from logboom.records.encoding import below, escape, has_controls, plain_codec
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


def _clean(value: Any) -> Any:
    return escape(value) if isinstance(value, str) else value


class _Code:
    """The expressions of one format, and the constants that they name."""

    def __init__(self, context: Context, clean: bool) -> None:
        self.names: dict[str, Any] = {"clean": _clean}
        self._options = context.options
        self._style = context.options["style"]
        self._clean = clean
        self._variables = {field: field for field in ("created", "levelno", "name")}
        self._variables |= {field: f"v{i}" for i, field in enumerate(context.columns)}
        if "time" in self._options:
            self.names["stamps"] = Stamps(self._options["time"], context.offset, context.zone)

    def _constant(self, value: object) -> str:
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name

    def _variable(self, field: str) -> str:
        name = self._variables[field]
        return f"clean({name})" if self._clean else name

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


def _compile_heads(parts: Sequence[template.Part], context: Context, clean: bool) -> Heads:
    code = _Code(context, clean)
    pieces: list[ast.expr] = []
    for part in parts:
        if part.literal:
            pieces.append(ast.Constant(part.literal))
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
        own = "".join(part.literal for part in parts) + str(context.options.get("time", ""))
        self._context = context
        self._escaped_before = has_controls(own)
        self._heads = _compile_heads(parts, context, self._escaped_before and not context.raw)
        self._as_is = context.raw or self._escaped_before
        self._width = len(_LEADING) + len(context.columns)
        self._in_one = (
            plain_codec(context.encoding) == "utf-8" and context.terminator == "\n" and not self._as_is
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
        return [self._finish(head) for head in heads]

    @staticmethod
    def _clean(text: str, data: bytes, heads: Sequence[str]) -> bool:
        """Whether no head has a control character: the newlines in `data` are those between heads."""
        if text.isascii():
            return len(data) - len(data.translate(None, _ASCII_CONTROLS)) == len(heads)
        return all(map(str.isprintable, heads))

    def _apart(self, rows: Sequence[Row]) -> list[bytes]:
        """Rows of which some have a traceback, or cannot be rendered."""
        try:
            heads = self._heads([row[: self._width] for row in rows])
            return [self._finish(head, row[self._width :]) for head, row in zip(heads, rows, strict=True)]
        except Exception:
            return [self._single(row) for row in rows]

    def _single(self, row: Row) -> bytes:
        try:
            return self._finish(self._heads([row[: self._width]])[0], row[self._width :])
        except Exception as error:
            return plain_line(row, self._context, error)

    def _finish(self, head: str, tails: Sequence[str | None] = ()) -> bytes:
        text = head if self._as_is else escape(head)
        for tail in tails:
            if tail:
                if self._context.raw:
                    text = f"{text}{'' if text[-1:] == chr(10) else chr(10)}{tail}"
                else:
                    text = below(text, tail)
        return encode_line(text, self._context)


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
