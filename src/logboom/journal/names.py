"""What the backups of a log set are called: a template with one variable part, a number or a date.

Names are data, so that the collector, which runs no code of the application, can give them and knows its own.
"""

from __future__ import annotations

import datetime
import os
import re
import string
from functools import lru_cache
from typing import Final, NamedTuple

from logboom.platform.patterns import later

__all__ = ["PACKED", "Found", "Names", "parse_names", "text_of"]

PACKED: Final = (".gz", ".zst")
_LONGEST: Final = 200
_DIGITS: Final = {"Y": 4, "G": 4, "j": 3} | dict.fromkeys("mdHMSyUWV", 2) | dict.fromkeys("uw", 1)
_SHORT: Final = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M"}
_DIRECTIVE = later(r"%(.?)", re.DOTALL)
_NUMBER: Final = r"(?P<number>[1-9][0-9]{0,8})"
_STAMP: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:_[0-9]{2}(?:-[0-9]{2}){0,2})?"


class Found(NamedTuple):
    """What a backup's name says.

    Attributes:
        stamp: the date as it is written there; empty for a numbered one.
        number: 0 when there is none, below 0 while the file waits for its number.
        suffix: of a compression, or empty.
    """

    stamp: str
    number: int
    suffix: str


class Names(NamedTuple):
    """The parts of a template.

    Attributes:
        timed: the variable part is a date, and a number follows the whole name of a period's further files.
        head, tail: before and behind the variable part.
        date: its `strftime` pattern; empty for the standard library's, of whichever schedule.
        pad: least digits of a number.
    """

    timed: bool
    head: str
    tail: str = ""
    date: str = ""
    pad: int = 0

    def numbered(self, number: int | str, suffix: str = "") -> str:
        """The name of a backup with this number."""
        text = number if isinstance(number, str) else f"{number:0{self.pad}d}"
        return f"{self.head}{text}{self.tail}{suffix}"

    def dated(self, stamp: str, number: int = 0) -> str:
        """The name of a period's backup; `number` tells its files apart."""
        return f"{self.head}{stamp}{self.tail}" + (f".{number}" if number else "")

    def find(self, name: str) -> Found | None:
        """What a file's name says; None when the set gives no such name."""
        match = _pattern(self).fullmatch(name)
        if match is None:
            return None
        said = match.groupdict()
        number = int(said["number"] or 0) or -int(said.get("waiting") or 0)
        found = Found(said.get("stamp") or "", number, said["packed"] or "")
        if self.pad and number > 0 and self.numbered(number, found.suffix) != name:
            return None
        return found

    def began(self, stamp: str) -> datetime.datetime:
        """What the clock showed when the period of this name began. Raises `ValueError` for no date."""
        if not self.date:
            return datetime.datetime(*map(int, re.split("[-_]", stamp)))  # type: ignore[arg-type]
        match = re.fullmatch(_date_pattern(self.date, named=True), stamp)
        if match is None:
            raise ValueError(stamp)
        said = {letter: int(text) for letter, text in match.groupdict().items()}
        time = datetime.time(said.get("H", 0), said.get("M", 0), said.get("S", 0))
        return datetime.datetime.combine(_day(said), time)


def _day(said: dict[str, int]) -> datetime.date:
    """The day that the numbers of `strftime`'s directives say; its first where they say a week or a month."""
    if "V" in said:
        return datetime.date.fromisocalendar(said["G"], said["V"], 1)
    year = said["Y"] if "Y" in said else said["y"] + (2000 if said["y"] < 69 else 1900)
    first = datetime.date(year, 1, 1)
    if "j" in said:
        return first + datetime.timedelta(said["j"] - 1)
    for letter, weekday in (("W", 0), ("U", 6)):
        if letter in said and "m" not in said:
            return first + datetime.timedelta((weekday - first.weekday()) % 7 + 7 * (said[letter] - 1))
    return datetime.date(year, said.get("m", 1), said.get("d", 1))


@lru_cache(maxsize=256)
def _pattern(names: Names) -> re.Pattern[str]:
    head, tail = re.escape(names.head), re.escape(names.tail)
    packed = r"(?P<packed>\.gz|\.zst)?"
    if names.timed:
        date = _date_pattern(names.date) if names.date else _STAMP
        return re.compile(rf"{head}(?P<stamp>{date}){tail}(?:\.{_NUMBER})?{packed}")
    number = r"(?P<number>0*[1-9][0-9]{0,8})" if names.pad else _NUMBER
    return re.compile(rf"{head}(?:{number}|0\.(?P<waiting>[1-9][0-9]{{0,8}})){tail}{packed}")


def _date_pattern(date: str, *, named: bool = False) -> str:
    """What a date looks like that was written by this `strftime` pattern."""
    parts, position, seen = [], 0, set[str]()
    for match in _DIRECTIVE.finditer(date):
        parts.append(re.escape(date[position : match.start()]))
        position, letter = match.end(), match[1]
        if letter == "%":
            parts.append("%")
            continue
        group = f"?P<{letter}>" if named and letter not in seen else "?:"
        parts.append(f"({group}[0-9]{{{_DIGITS[letter]}}})")
        seen.add(letter)
    return "".join([*parts, re.escape(date[position:])])


def text_of(date: str, shown: datetime.datetime) -> str:
    """`shown` as the pattern writes it; what is no directive stays as it is."""
    return _DIRECTIVE.sub(lambda match: "%" if match[1] == "%" else shown.strftime(match[0]), date)


def _spelled_out(date: str) -> str:
    """The pattern without abbreviations. Raises `ValueError` when it does not tell the order of periods."""
    date = _DIRECTIVE.sub(lambda match: _SHORT.get(match[1], match[0]), date)
    letters = set(_DIRECTIVE.findall(date)) - {"%"}
    if odd := sorted(letters - _DIGITS.keys()):
        raise ValueError(f"%{odd[0]} depends on the locale, or has no fixed width")
    if not letters & {"Y", "y"} and not letters >= {"G", "V"}:
        raise ValueError("without a year, names would come again")
    day = "j" in letters or letters >= {"m", "d"}
    week = letters & {"U", "W"} or letters >= {"G", "V"}
    wanted = (
        ("d", "m" in letters),
        ("H", day),
        ("M", day and "H" in letters),
        ("S", day and "M" in letters),
        ("V", "G" in letters),
        ("u", day or not week),
        ("w", day or not week),
    )
    for letter, complete in wanted:
        if letter in letters and not complete:
            raise ValueError(f"%{letter} without what it is a part of: names would come again")
    return date


@lru_cache(maxsize=64)
def parse_names(template: str, live: str, *, timed: bool) -> Names:
    """The names that a template gives to the backups of `live`; an empty one is the standard library's.

    Args:
        template: text with `{name}`, `{stem}`, `{ext}` and one `{date:%Y%m%d}` or `{number}`.
        live: the live file's name.
        timed: in a timed rotation it is a date, else a number.

    Raises:
        ValueError: it cannot work; says why.
    """
    if not template:
        return Names(timed, f"{live}.")
    stem, ext = os.path.splitext(live)
    known = {"name": live, "stem": stem, "ext": ext}
    texts, variable = [""], ""
    for literal, field, spec, conversion in string.Formatter().parse(template):
        texts[-1] += literal
        if field is None:
            continue
        if field in known and not spec and not conversion:
            texts[-1] += known[field]
        elif field in ("date", "number") and not conversion and not variable:
            variable = f"{field}:{spec}"
            texts.append("")
        else:
            raise ValueError(
                f"{{{field}}} is not one of {{name}}, {{stem}}, {{ext}} and one {{date:...}} or {{number}}"
            )
    kind, _, spec = variable.partition(":")
    if kind != ("date" if timed else "number"):
        said = "a date such as {date:%Y%m%d}" if timed else "{number}"
        raise ValueError(f"it needs {said}")
    head, tail = texts
    if timed:
        names = Names(True, head, tail, _spelled_out(spec))
    else:
        pad = re.fullmatch(r"(?:0?([1-9]))?d?", spec)
        if pad is None:
            raise ValueError(f"{{number:{spec}}} is not {{number}} or {{number:03d}}")
        names = Names(False, head, tail, pad=int(pad[1] or 0))
    _check(names, live, stem)
    return names


def _check(names: Names, live: str, stem: str) -> None:
    """Names that could be another file's would be renamed and deleted as if they were backups."""
    fixed = names.head + names.tail + names.date
    if any(character in "/\\" or not character.isprintable() for character in fixed):
        raise ValueError("backups stay in the directory of the log")
    if stem not in names.head + names.tail:
        raise ValueError(f"without {stem!r} in it, the name could be another log's")
    if names.head.startswith(".") and not live.startswith("."):
        raise ValueError("it would be hidden")
    if not names.timed and names.head[-1:].isalnum():
        raise ValueError("a number needs a sign before it, or the name could be another log's")
    if (names.date + names.tail).endswith(PACKED):
        raise ValueError('its ending says that it is compressed: use compress="gzip"')
    if len(os.fsencode(fixed)) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST} bytes")
