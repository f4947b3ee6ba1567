"""A program's way of naming backups as a template: its functions cannot travel, so probes are taken."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from logboom.errors import ConfigurationError
from logboom.journal.names import Names, parse_names, text_of

__all__ = ["advice_for", "check_names", "derived_names", "moves_files"]

_MOVES: Final = frozenset(("move", "rename", "replace"))
_OPTION: Final = 'names="{stem}-{date:%Y%m%d}{ext}"'
_NUMBERED: Final = 'names="{stem}.{number}{ext}"'
_PROBE: Final = 7391
_NUMBERS: Final = (1, 2, 9, 10, 45, 128, 6482)
# Of each, all numbers that a date is written with are different, and none is in another's place.
_MOMENTS: Final = (
    datetime.datetime(2031, 7, 26, 19, 48, 53),
    datetime.datetime(2042, 5, 17, 21, 39, 8),
    datetime.datetime(2053, 12, 9, 6, 27, 41),
    datetime.datetime(2064, 3, 28, 11, 56, 7),
)
_DIRECTIVES: Final = ("%Y", "%j", "%m", "%d", "%H", "%M", "%S", "%y")
# What a replaced method does is seen in the names that it uses, and each has an option that does it.
_ADVICE: Final = (
    (("gzip", "zipfile", "bz2", "lzma", "zlib", "tarfile", "compress"), 'compress="gzip"'),
    (("chmod", "umask", "fchmod"), 'file_mode=0o640 (or "0640")'),
    (
        ("remove", "unlink", "rmtree", "glob", "listdir", "getmtime"),
        "backupCount=, max_age= or max_total_size=",
    ),
    (("chown", "fchown"), "nothing: a file belongs to those who share its directory"),
    (("makedirs", "mkdir"), "nothing: missing directories are created"),
    (("rename", "replace", "move", "strftime"), _OPTION),
    (("write",), "a formatter, or the reader of the logs, for headers"),
    (("encoding", "codecs"), "encoding= (UTF-8 by default)"),
)


def moves_files(rotator: Any) -> bool:
    """Return True for `os.rename`, `shutil.move` and the like, which do what is done anyway."""
    return rotator is None or (
        getattr(rotator, "__name__", "") in _MOVES
        and getattr(rotator, "__module__", "") in ("os", "posix", "nt", "shutil")
    )


def advice_for(function: Any, usual: str) -> str:
    """What to use in the place of a function that no collector can call: by what it does, else `usual`."""
    used = set(_names_in(getattr(function, "__code__", None)))
    found = [advice for names, advice in _ADVICE if used.intersection(names)]
    return f"Use {' and '.join([*dict.fromkeys(found)]) or usual}"


def _names_in(code: Any) -> Iterator[str]:
    """What a function's code and that of functions inside it refer to."""
    if code is None:
        return
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, tuple):  # names of keyword arguments
            yield from (name for name in constant if isinstance(name, str))
        elif hasattr(constant, "co_names"):
            yield from _names_in(constant)


def check_names(template: str, live: str, *, timed: bool) -> str:
    """The value of `names=`. Raises `ConfigurationError`."""
    try:
        if not isinstance(template, str):
            raise ValueError("it is no text")
        if not template:
            raise ValueError("it needs a date or a number")
        parse_names(template, live, timed=timed)
    except ValueError as error:
        hint = f"Use for example {_OPTION if timed else _NUMBERED}"
        raise ConfigurationError(f"names={template!r}: {error}", hint=hint) from None
    return template


def derived_names(
    what: str, name_for: Callable[[str], str], base: str, suffix: str | None, usual_suffix: str | None
) -> str:
    """The template of the names that `name_for` makes of the standard library's; empty for just those.

    Args:
        what: how messages call `name_for`.
        name_for: path of a backup in the standard library's form -> path that the program wants.
        base: path of the live file.
        suffix: `strftime` pattern in the names of a timed rotation; None for numbers.
        usual_suffix: the standard library's.

    Raises:
        ConfigurationError: it is no template; says why, and what to use.
        Exception: what `name_for` raises.
    """
    timed = suffix is not None
    probes = _MOMENTS if timed else _NUMBERS

    def usual(probe: Any) -> str:
        return f"{base}.{probe.strftime(suffix) if timed else probe}"

    def asked(probe: Any) -> str:
        return _one_component(what, name_for, usual(probe), base)

    answers = {probe: asked(probe) for probe in (*probes, *(() if timed else (_PROBE,)))}
    unchanged = all(answer == os.path.basename(usual(probe)) for probe, answer in answers.items())
    if unchanged and suffix == usual_suffix:
        return ""
    live = os.path.basename(base)
    tried = [f"{{name}}.{{date:{suffix}}}"] if unchanged else _candidates(answers, timed=timed)
    reason = (
        f"it gives {answers[probes[0]]!r} for {os.path.basename(usual(probes[0]))!r}, which is no template"
    )
    for template in tried:
        try:
            names = parse_names(template, live, timed=timed)
        except ValueError as error:
            reason = str(error)
            continue
        if all(_given(names, probe) == answer for probe, answer in answers.items()):
            if odd := set(re.findall(r"\d{2,}", names.head + names.tail)) - set(re.findall(r"\d+", live)):
                reason = f"{min(odd)!r} in {answers[probes[0]]!r} is of a clock or a counter"
                continue
            return template
    if any(answer.endswith((".gz", ".zst")) for answer in answers.values()):
        reason = "a name that ends in .gz is that of a compressed file"
        raise _refusal(
            what, reason, f'Use compress="gzip"; for other names {_OPTION if timed else _NUMBERED}'
        )
    raise _refusal(what, reason, f"Use {_OPTION if timed else _NUMBERED}")


def _refusal(what: str, reason: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"{what} cannot be used: {reason}", hint=hint)


def _one_component(what: str, name_for: Callable[[str], str], usual: str, base: str) -> str:
    """The name that is wanted, without the live file's directory."""
    answer = name_for(usual)
    if not isinstance(answer, (str, os.PathLike)):
        raise _refusal(what, f"it gives {answer!r} for a name", "Return a path")
    path = os.fspath(answer)
    if os.path.abspath(os.path.dirname(path)) != os.path.dirname(base):
        where = os.path.dirname(path) or "the working directory"
        raise _refusal(
            what, f"backups stay beside the log, not in {where}", "A job may move finished backups"
        )
    if name_for(usual) != answer:
        raise _refusal(what, "it gives another name each time", f"Use {_OPTION}")
    return os.path.basename(path)


def _given(names: Names, probe: Any) -> str:
    if isinstance(probe, int):
        return names.numbered(probe)
    return names.dated(text_of(names.date, probe))


def _candidates(answers: dict[Any, str], *, timed: bool) -> Iterator[str]:
    """Templates that could have made these answers."""
    if timed:
        yield from (_dated_template(answer, moment) for moment, answer in answers.items())
        return
    answer = answers[_PROBE]
    for match in re.finditer(str(_PROBE), answer):
        head, tail = (_escaped(text) for text in (answer[: match.start()], answer[match.end() :]))
        yield f"{head}{{number}}{tail}"
        yield from (f"{head}{{number:0{pad}d}}{tail}" for pad in range(2, 7))


def _dated_template(answer: str, moment: datetime.datetime) -> str:
    """The answer with directives in the place of the numbers of this moment."""
    tokens = {moment.strftime(directive): directive for directive in reversed(_DIRECTIVES)}
    pattern = "|".join(sorted(tokens, key=len, reverse=True))
    places = list(re.finditer(pattern, answer))
    if not places:
        return _escaped(answer)
    first, last = places[0].start(), places[-1].end()
    inner = re.sub(pattern, lambda match: f"\0{match[0]}", answer[first:last]).replace("%", "%%")
    date = re.sub(f"\0({pattern})", lambda match: tokens[match[1]], inner)
    return f"{_escaped(answer[:first])}{{date:{date}}}{_escaped(answer[last:])}"


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
