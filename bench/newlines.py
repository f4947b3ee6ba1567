"""Log calls whose message has several lines by its source: a newline, a traceback or a statement as text.

python -m bench.newlines DIRECTORY    (a directory of installed packages)
"""

from __future__ import annotations

import ast
import collections
import re
import sys
from pathlib import Path

METHODS = {"debug", "info", "warning", "warn", "error", "critical", "exception", "log", "fatal"}
TELLING = re.compile("format_exc|traceback|exc_string|statement|sql", re.IGNORECASE)


def is_log_call(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in METHODS and "log" in ast.unparse(node.func.value).lower().split(".")[-1]


def has_lines(node: ast.Call) -> bool:
    """Return True if the message has several lines, as far as the source says it."""
    texts = [
        inner.value for given in node.args for inner in ast.walk(given) if isinstance(inner, ast.Constant)
    ]
    newlines = any(isinstance(text, str) and "\n" in text.strip() for text in texts)
    return newlines or any(TELLING.search(ast.unparse(given)) for given in node.args)


def main(directory: Path) -> None:
    calls: collections.Counter[str] = collections.Counter()
    found: collections.Counter[str] = collections.Counter()
    for path in directory.rglob("*.py"):
        if "/test" in path.as_posix():
            continue
        try:
            tree = ast.parse(path.read_text("utf-8", "replace"))
        except (SyntaxError, ValueError, RecursionError):
            continue
        package = path.relative_to(directory).parts[0]
        for node in filter(is_log_call, ast.walk(tree)):
            calls[package] += 1
            found[package] += has_lines(node)  # type: ignore[arg-type]
    some = {package: count for package, count in found.most_common() if count}
    print(
        f"{sum(some.values())} of {calls.total()} log calls, in {len(some)} of {len(calls)} packages: {some}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
