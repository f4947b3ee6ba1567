"""The handlers that a `LOGGING` dictionary describes, as far as it tells.

Owns: reading a `dictConfig` dictionary, finding a handler's class and file, finding the settings' line.
Never knows: which of them are a fault.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import logging
import logging.handlers
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from logging.config import BaseConfigurator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeGuard, get_type_hints

__all__ = ["Handler", "attached", "called", "dotted", "handlers", "line_of"]


@dataclass(frozen=True)
class Handler:
    """One entry of `LOGGING["handlers"]`.

    Attributes:
        name: its key.
        key: `class`, or `()` for a factory.
        written: the class as it is written in the settings.
        type: the class that it makes, or None when only running the factory would tell.
        options: the arguments, with `cfg://` and `ext://` resolved; what the handler that was made of them
            has instead, where there is one.
        made: what the class or the factory is, or None when it cannot be had.
    """

    name: str
    key: str
    written: str
    type: type[logging.Handler] | None
    options: Mapping[str, Any]
    made: Any = None

    @property
    def file(self) -> Path | None:
        """Where it writes, as an absolute path without symbolic links."""
        filename = self.options.get("filename")
        if not isinstance(filename, (str, bytes, os.PathLike)):
            return None
        try:
            return Path(os.path.realpath(os.fsdecode(filename)))
        except (OSError, ValueError):  # a name that no file can have
            return None

    @property
    def is_special(self) -> bool:
        """Whether a device, a FIFO or a directory stands there, and not a file or nothing."""
        try:
            return self.file is not None and not stat.S_ISREG(os.stat(self.file).st_mode)
        except (OSError, ValueError):  # nothing is there, or nothing that this user may see
            return False


def handlers(configuration: Mapping[str, Any]) -> Iterator[Handler]:
    """Each handler that the dictionary describes well enough to judge."""
    resolver = BaseConfigurator(dict(configuration))
    section = configuration.get("handlers")
    for name, options in section.items() if isinstance(section, Mapping) else ():
        key = "()" if isinstance(options, Mapping) and "()" in options else "class"
        if not isinstance(options, Mapping) or key not in options:
            continue
        made = _resolve(resolver, options[key])
        written = options[key] if isinstance(options[key], str) else dotted(options[key])
        kind = _type(str(name), made)
        arguments = _arguments(resolver, options, made) | _made(name, kind)
        yield Handler(str(name), key, written, kind, arguments, made)


def attached(known: Iterable[Handler]) -> Iterator[Handler]:
    """Handlers of this process that write to files and that `LOGGING` says nothing of."""
    files = {handler.file for handler in known}
    for live in _configured():
        kind = type(live)
        if isinstance(live, logging.FileHandler):
            options = _set_by(live)
            handler = Handler(_name(live) or "", "", dotted(kind), kind, options)
            if handler.file not in files:
                yield handler


def line_of(handler: Handler, configuration: Any) -> str | None:
    """`path:line` of the settings' line that names the class; None when it is not exactly one."""
    modules = [module for module in list(sys.modules.values()) if _has(module, configuration)]
    paths = sorted({path for module in modules if (path := getattr(module, "__file__", None))})
    found = [f"{path}:{number}" for path in paths for number in _lines(handler, linecache.getlines(path))]
    return found[0] if len(found) == 1 else None


def _has(module: Any, configuration: Any) -> bool:
    return isinstance(module, ModuleType) and vars(module).get("LOGGING") is configuration


def _lines(handler: Handler, source: list[str]) -> list[int]:
    """Where the entry of this handler names its class; else where the class is named at all."""
    try:
        tree = ast.parse("".join(source))
    except (SyntaxError, ValueError):
        return []
    entries = [value for key, value in _items(tree) if key == handler.name and isinstance(value, ast.Dict)]
    classes = [value for entry in entries for key, value in _items(entry) if key == handler.key]
    for nodes in (classes, ast.walk(tree)):
        constants = [node for node in nodes if isinstance(node, ast.Constant)]
        if found := [node.lineno for node in constants if node.value == handler.written]:
            return found
    return []


def _items(tree: ast.AST) -> Iterator[tuple[Any, ast.expr]]:
    """Key and value of each entry of each dictionary, as far as keys are constants; `dict(a=...)` too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            yield from ((_constant(key), value) for key, value in zip(node.keys, node.values, strict=True))
        elif isinstance(node, ast.Call):
            yield from ((keyword.arg, keyword.value) for keyword in node.keywords)


def _constant(node: ast.AST | None) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def _resolve(resolver: BaseConfigurator, value: Any) -> Any:
    """What a dotted name or a reference means; None when it cannot be had, which `dictConfig` will say."""
    try:
        value = resolver.convert(value)
        return resolver.resolve(value) if isinstance(value, str) else value
    except (Exception, SystemExit):  # whatever a module does while it is imported
        return None


def _type(name: str, made: Any) -> type[logging.Handler] | None:
    """The class itself; for a factory what it says that it returns, or the handler of that name it made."""
    made = called(made)
    if _is_handler(made):
        return made
    said = _returned(made) if inspect.isroutine(made) else None
    promised = said if _is_handler(said) else None
    live = _live(name) if made is None or callable(made) else None
    return type(live) if live is not None and isinstance(live, promised or logging.Handler) else promised


def _is_handler(value: Any) -> TypeGuard[type[logging.Handler]]:
    return isinstance(value, type) and issubclass(value, logging.Handler)


def _returned(factory: Callable[..., Any]) -> Any:
    try:
        return get_type_hints(factory).get("return")
    except Exception:  # an annotation that only a type checker can resolve, and that may be anything
        return None


def _live(name: str) -> logging.Handler | None:
    return next((handler for handler in _configured() if _name(handler) == name), None)


def _name(live: logging.Handler) -> str | None:
    return getattr(live, "name", None)  # it has none before `Handler.__init__`


def _made(name: Any, kind: type | None) -> dict[str, Any]:
    """What a class or a factory that passes arguments of its own on has made of them."""
    live = _live(str(name))
    return _set_by(live) if kind is not None and type(live) is kind else {}


def _set_by(live: logging.Handler | None) -> dict[str, Any]:
    attributes = {"filename": "baseFilename", "maxBytes": "maxBytes", "backupCount": "backupCount"}
    return {option: getattr(live, each) for option, each in attributes.items() if hasattr(live, each)}


def _configured() -> Iterator[logging.Handler]:
    """The handlers that are attached to loggers now, and those behind a `MemoryHandler`; each once."""
    loggers = [
        each for each in list(logging.root.manager.loggerDict.values()) if isinstance(each, logging.Logger)
    ]
    direct = [handler for logger in (logging.root, *loggers) for handler in logger.handlers]
    behind = [
        getattr(each, "target", None) for each in direct if isinstance(each, logging.handlers.MemoryHandler)
    ]
    found = {id(each): each for each in [*direct, *behind] if isinstance(each, logging.Handler)}
    yield from found.values()


def _arguments(resolver: BaseConfigurator, options: Mapping[str, Any], made: Any) -> dict[str, Any]:
    """The arguments with those of a partial and the defaults of the class or the factory under them."""
    args, keywords = (made.args, made.keywords) if isinstance(made, functools.partial) else ((), {})
    given = keywords | {str(key): _convert(resolver, value) for key, value in options.items()}
    try:
        bound = inspect.signature(called(made)).bind_partial(*args)
    except (TypeError, ValueError):
        return given
    bound.apply_defaults()
    return dict(bound.arguments) | given


def _convert(resolver: BaseConfigurator, value: Any) -> Any:
    try:
        return resolver.convert(value)
    except (Exception, SystemExit):
        return value


def called(made: Any) -> Any:
    """The class or the function that is called in the end."""
    return called(made.func) if isinstance(made, functools.partial) else made


def dotted(made: Any, name: str = "") -> str:
    """Its name as an import has it, or `name`; a partial with its arguments."""
    if isinstance(made, functools.partial):
        arguments = [*map(repr, made.args), *(f"{key}={value!r}" for key, value in made.keywords.items())]
        return f"functools.partial({', '.join([dotted(made.func, name), *arguments])})"
    return name or f"{getattr(made, '__module__', '?')}.{getattr(made, '__qualname__', made)}"
