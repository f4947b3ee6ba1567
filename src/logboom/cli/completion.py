"""`logboom completion`: what a shell proposes: commands, options, fields of a query, levels."""

from __future__ import annotations

import argparse
import contextlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from logboom.errors import LogboomError
from logboom.query.asking import ask
from logboom.query.language import TIME_WORDS

__all__ = ["add", "propose", "run"]

_BASH: Final = r"""
_logboom() {
    local IFS=$'\n'
    COMPREPLY=($(logboom completion words bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
    case "${COMPREPLY[0]}" in *[:=/]) compopt -o nospace 2>/dev/null ;; esac
}
complete -o default -F _logboom logboom
"""
_ZSH: Final = r"""
#compdef logboom
_logboom() {
    local -a found
    found=("${(@f)$(logboom completion words zsh "$BUFFER[1,CURSOR]" 2>/dev/null)}")
    found=(${found:#})
    if (( ${#found} )); then compadd -S '' -- "${found[@]}"; else _files; fi
}
compdef _logboom logboom
"""
_ASKING: Final = frozenset(("search", "tail", "export", "sql"))
_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_USUAL: Final = frozenset(("level", "logger", "process", "program", "message", "exc", "time")) | TIME_WORDS


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("shell", metavar="bash|zsh", help='the shell: eval "$(logboom completion bash)"')
    parser.add_argument("rest", nargs="*", metavar="", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Returns 0."""
    if arguments.shell == "words":
        shell, line = (*arguments.rest, "", "")[:2]
        print("\n".join(propose(line, shell, arguments.commands, arguments.make_parser)))
        return 0
    script = {"bash": _BASH, "zsh": _ZSH}.get(arguments.shell)
    if script is None:
        raise LogboomError(f"no completion for {arguments.shell}", hint="There are bash and zsh")
    print(script.strip())
    return 0


def propose(
    line: str, shell: str, commands: Sequence[str], make_parser: Callable[[str], argparse.ArgumentParser]
) -> list[str]:
    """What may stand where the line ends.

    Args:
        shell: `bash` takes what follows the last colon of a word for a word of its own.
        commands: names of all commands.
        make_parser: name of a command -> a parser that knows its arguments.
    """
    words, current = _words(line)
    found = sorted(
        {
            word
            for word in _candidates(words, current, commands, make_parser)
            if word.startswith(current) and word != current
        }
    )
    cut = max(current.rfind(":"), current.rfind("=")) + 1 if shell == "bash" else 0
    return [word[cut:] for word in found]


def _words(line: str) -> tuple[list[str], str]:
    try:
        words = shlex.split(line)
    except ValueError:  # inside quotes
        words = line.replace('"', " ").replace("'", " ").split()
        return words[:-1], words[-1] if words and not line[-1:].isspace() else ""
    if not words or line[-1:].isspace():
        return words, ""
    return words[:-1], words[-1].rpartition(" ")[2]


def _candidates(
    words: list[str],
    current: str,
    commands: Sequence[str],
    make_parser: Callable[[str], argparse.ArgumentParser],
) -> Iterator[str]:
    if len(words) <= 1:
        yield from commands
        return
    command = words[1]
    if command not in commands:
        return
    if current.startswith("-"):
        for action in make_parser(command)._actions:
            if isinstance(action, argparse._SubParsersAction):
                for one in action.choices[command]._actions:
                    yield from one.option_strings
        if not current[1:2].isalpha():
            return
    if command in _ASKING:
        sign = "-" if current.startswith("-") else ""
        for operator in (":", "=", ">=", "<=", ">", "<"):
            if current.startswith(f"{sign}level{operator}"):
                yield from (f"{sign}level{operator}{level}" for level in _LEVELS)
                return
        yield from (f"{sign}{field}:" for field in _fields(words[2:]))


def _fields(words: list[str]) -> set[str]:
    """The fields of the files that the line names, or of this directory."""
    places = [path for word in words if not word.startswith("-") and (path := Path(word)).exists()]
    names = set(_USUAL)
    with contextlib.suppress(LogboomError, OSError, ValueError):
        asked = ask("", places or [Path.cwd()], pending=False)
        names |= asked.names | {
            field for file in asked.files for kind in file.kinds for field in kind.layout.fields
        }
        asked.close()
    return {name for name in names if name.isprintable() and " " not in name}
