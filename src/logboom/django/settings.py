"""The handlers that a `LOGGING` dictionary describes, as far as it tells.

Owns: reading a `dictConfig` dictionary, finding a handler's class and file, finding the settings' line.
Never knows: which of them are a fault.
"""

from __future__ import annotations

import inspect
import linecache
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from logging.config import BaseConfigurator
from pathlib import Path
from typing import Any, get_type_hints

__all__ = ["Handler", "handlers", "line_of"]


@dataclass(frozen=True)
class Handler:
    """One entry of `LOGGING["handlers"]`.

    Attributes:
        name: its key.
        key: `class`, or `()` for a factory.
        written: the class as it is written in the settings.
        type: the class that it makes, or None when only running the factory would tell.
        options: the arguments, with `cfg://` and `ext://` resolved.
    """

    name: str
    key: str
    written: str
    type: type[logging.Handler] | None
    options: Mapping[str, Any]

    @property
    def file(self) -> Path | None:
        """Where it writes, as an absolute path without symbolic links."""
        filename = self.options.get("filename")
        if not isinstance(filename, (str, Path)):
            return None
        return Path(filename).resolve()


def handlers(configuration: Mapping[str, Any]) -> Iterator[Handler]:
    """Each handler that the dictionary describes well enough to judge."""
    resolver = BaseConfigurator(dict(configuration))
    section = configuration.get("handlers")
    for name, options in section.items() if isinstance(section, Mapping) else ():
        key = "()" if isinstance(options, Mapping) and "()" in options else "class"
        if not isinstance(options, Mapping) or key not in options:
            continue
        made = _resolve(resolver, options[key])
        written = options[key] if isinstance(options[key], str) else _dotted(options[key])
        yield Handler(str(name), key, written, _type(str(name), made), _arguments(resolver, options, made))


def line_of(written: str, settings_module: str | None) -> str | None:
    """`path:line` of the settings' line that has `written` in quotes; None when it is not exactly one."""
    path = getattr(sys.modules.get(settings_module or ""), "__file__", None)
    lines = linecache.getlines(path) if path else []
    quoted = (f'"{written}"', f"'{written}'")
    found = [number for number, line in enumerate(lines, 1) if any(text in line for text in quoted)]
    return f"{path}:{found[0]}" if len(found) == 1 else None


def _resolve(resolver: BaseConfigurator, value: Any) -> Any:
    """What a dotted name means; None when it cannot be imported, which `dictConfig` will say."""
    if not isinstance(value, str):
        return value
    try:
        return resolver.resolve(value)
    except (ValueError, ImportError, AttributeError):
        return None


def _type(name: str, made: Any) -> type[logging.Handler] | None:
    if isinstance(made, type):
        return made if issubclass(made, logging.Handler) else None
    returned = _returned(made) if inspect.isfunction(made) else None
    if isinstance(returned, type) and issubclass(returned, logging.Handler):
        return returned
    live = next((handler for handler in _configured() if handler.name == name), None)
    return type(live) if live is not None and callable(made) else None


def _returned(factory: Callable[..., Any]) -> Any:
    try:
        return get_type_hints(factory).get("return")
    except (NameError, TypeError, AttributeError):  # an annotation that only a type checker can resolve
        return None


def _configured() -> Iterator[logging.Handler]:
    """The handlers that are attached to loggers now."""
    yield from logging.root.handlers
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            yield from logger.handlers


def _arguments(resolver: BaseConfigurator, options: Mapping[str, Any], made: Any) -> dict[str, Any]:
    """The arguments with the defaults of the class or the factory under them."""
    try:
        parameters = inspect.signature(made).parameters.values() if callable(made) else ()
    except (TypeError, ValueError):
        parameters = ()
    defaults = {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}
    return defaults | {str(key): _convert(resolver, value) for key, value in options.items()}


def _convert(resolver: BaseConfigurator, value: Any) -> Any:
    try:
        return resolver.convert(value)
    except (ValueError, ImportError, AttributeError, KeyError):
        return value


def _dotted(made: Any) -> str:
    return f"{getattr(made, '__module__', '?')}.{getattr(made, '__qualname__', made)}"
