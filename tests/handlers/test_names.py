"""The names of backups are data: a `strftime` pattern, a function that only rearranges, or `names=`."""

from __future__ import annotations

import itertools
import logging
import logging.handlers
import os
import re
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import logboom
from logboom.errors import ConfigurationError

DAY = 86400.0
START = 1_790_000_000.0  # 2026-09-21 in UTC


def log(handler: logging.Handler, *texts: str, **attributes: Any) -> None:
    for text in texts:
        handler.handle(logging.makeLogRecord({"msg": text} | attributes))


def names(directory: Path) -> list[str]:
    return sorted(
        path.name
        for path in directory.iterdir()
        if path.name not in ("app.log", ".logboom", ".logboom-facts")
    )


def sized(directory: Path, kind: Any = logboom.RotatingFileHandler, **options: Any) -> Any:
    return kind(directory / "app.log", maxBytes=12, **({"backupCount": 3, "collector": "off"} | options))


def timed(directory: Path, kind: Any = logboom.TimedRotatingFileHandler, **options: Any) -> Any:
    given = {"when": "midnight", "utc": True, "backupCount": 3, "collector": "off"}
    return kind(directory / "app.log", **(given | options))


def fill(handler: Any, count: int = 4) -> None:
    """So that the file is rolled before each record but the first."""
    for number in range(count):
        log(handler, f"line {number:04d}", created=START + DAY * number)
    handler.close()


class Padded:
    def __call__(self, name: str) -> str:
        base, _, number = name.rpartition(".")
        return f"{base}.{int(number):03d}"


NAMERS: dict[str, tuple[Any, list[str]]] = {
    "nothing": (lambda name: name, ["app.log.1", "app.log.2", "app.log.3"]),
    "an extension": (lambda name: name + ".txt", ["app.log.1.txt", "app.log.2.txt", "app.log.3.txt"]),
    "before the extension": (
        lambda name: name.replace(".log", "") + ".log",
        ["app.1.log", "app.2.log", "app.3.log"],
    ),
    "padded": (Padded(), ["app.log.001", "app.log.002", "app.log.003"]),
    "joined": (
        lambda name: os.path.join(os.path.dirname(name), "old_{app}_" + name.rpartition(".")[2] + ".log"),
        ["old_{app}_1.log", "old_{app}_2.log", "old_{app}_3.log"],
    ),
}


@pytest.mark.parametrize("what", NAMERS)
@pytest.mark.parametrize("way", ["set", "class", "method", "before", "late"])
def test_namer_of_numbers(tmp_path: Path, what: str, way: str) -> None:
    """However a program says it: the collector gives these names, and deletes the oldest of them."""
    namer, expected = NAMERS[what]

    class Method(logboom.RotatingFileHandler):
        def rotation_filename(self, default_name: str) -> str:
            return str(namer(default_name))

    class Before(logboom.RotatingFileHandler):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.namer = namer
            super().__init__(*arguments, **options)

    class Late(logboom.RotatingFileHandler):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.own = namer

        def rotation_filename(self, default_name: str) -> str:
            return str(self.own(default_name))

    class Attribute(logboom.RotatingFileHandler):
        pass

    Attribute.namer = staticmethod(namer)
    kinds = {"method": Method, "before": Before, "late": Late, "class": Attribute}
    handler = sized(tmp_path, kinds.get(way, logboom.RotatingFileHandler))
    if way == "set":
        handler.namer = namer
    fill(handler, 6)
    assert names(tmp_path) == expected
    assert (tmp_path / expected[0]).read_text() == "line 0004\n"
    assert (tmp_path / expected[2]).read_text() == "line 0002\n"


SUFFIXES = {
    "%Y-%m-%d": ["app.log.2026-09-21", "app.log.2026-09-22", "app.log.2026-09-23"],
    "%Y%m%d": ["app.log.20260921", "app.log.20260922", "app.log.20260923"],
    "%Y-%m-%d.log": ["app.log.2026-09-21.log", "app.log.2026-09-22.log", "app.log.2026-09-23.log"],
    "%d-%m-%y": ["app.log.21-09-26", "app.log.22-09-26", "app.log.23-09-26"],
    "%Y.%j": ["app.log.2026.264", "app.log.2026.265", "app.log.2026.266"],
    "%F_%H%M%S": ["app.log.2026-09-21_000000", "app.log.2026-09-22_000000", "app.log.2026-09-23_000000"],
    "%Y-W%W": ["app.log.2026-W38", "app.log.2026-W38.1", "app.log.2026-W38.2"],
    "%G-%V": ["app.log.2026-39", "app.log.2026-39.1", "app.log.2026-39.2"],
    "%Y-%m": ["app.log.2026-09", "app.log.2026-09.1", "app.log.2026-09.2"],
    "100%% {%Y}%m%d": ["app.log.100% {2026}0921", "app.log.100% {2026}0922", "app.log.100% {2026}0923"],
}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_suffix_of_a_timed_rotation(tmp_path: Path, suffix: str) -> None:
    """A `suffix` is a pattern: it travels."""
    handler = timed(tmp_path, backupCount=0)
    handler.suffix = suffix
    handler.extMatch = "anything: backups are known by their names"
    assert handler.suffix == suffix
    fill(handler)
    assert names(tmp_path) == SUFFIXES[suffix]


@pytest.mark.parametrize("when", ["S", "M", "H", "D", "midnight", "W0"])
def test_retention_knows_its_own_names(tmp_path: Path, when: str) -> None:
    """By their dates and not by the alphabet, and nothing that lies beside them."""
    others = [
        "app.log.1",
        "app.log.2026-09-20",
        "app.log.21-09-2026.bak",
        "app.log.40-09-2026",
        "app.log.31-02-2026",
    ]
    others += ["app.log.01-01-26", "app.log.01-01-2026x", "app-01-01-2026.log"]
    for name in others:
        (tmp_path / name).write_text("somebody's\n")
    handler = timed(tmp_path, when=when, backupCount=2)
    handler.suffix = "%d-%m-%Y"
    for number in range(6):
        log(handler, f"line {number}", created=START + 12 * DAY * number)
    handler.close()
    own = set(names(tmp_path)) - set(others)
    assert len(own) == 2
    assert set(names(tmp_path)) - own == set(others)
    assert sorted((tmp_path / name).read_text() for name in own) == ["line 3\n", "line 4\n"]


DATED: dict[str, tuple[Any, list[str]]] = {
    "before the extension": (
        lambda name: name.replace(".log", "") + ".log",
        ["app.2026-09-21.log", "app.2026-09-22.log"],
    ),
    "without dashes": (
        lambda name: "{}-{}.log".format(
            name.partition(".log.")[0], name.partition(".log.")[2].replace("-", "")
        ),
        ["app-20260921.log", "app-20260922.log"],
    ),
    "another form": (
        lambda name: (
            name.partition(".log.")[0]
            + datetime.strptime(name.partition(".log.")[2], "%Y-%m-%d").strftime("_%d.%m.%Y.txt")
        ),
        ["app_21.09.2026.txt", "app_22.09.2026.txt"],
    ),
    "an extension": (lambda name: name + ".txt", ["app.log.2026-09-21.txt", "app.log.2026-09-22.txt"]),
    "the date first": (
        lambda name: os.path.join(os.path.dirname(name), name[-10:] + "_app.log"),
        ["2026-09-21_app.log", "2026-09-22_app.log"],
    ),
}


@pytest.mark.parametrize("what", DATED)
def test_namer_of_dates(tmp_path: Path, what: str) -> None:
    """The date is found in whatever order and form the function puts it."""
    namer, expected = DATED[what]
    handler = timed(tmp_path, backupCount=2)
    handler.namer = namer
    fill(handler, 3)
    assert names(tmp_path) == expected


@pytest.mark.parametrize(
    ("make", "template", "expected"),
    [
        (timed, "{stem}-{date:%Y%m%d}{ext}", ["app-20260921.log", "app-20260922.log", "app-20260923.log"]),
        (
            timed,
            "{name}.{date:%Y-%m-%d_%H}",
            ["app.log.2026-09-21_00", "app.log.2026-09-22_00", "app.log.2026-09-23_00"],
        ),
        (sized, "{stem}.{number}{ext}", ["app.1.log", "app.2.log", "app.3.log"]),
        (sized, "{stem}_{number:03d}.txt", ["app_001.txt", "app_002.txt", "app_003.txt"]),
        (sized, "{{{name}}}.{number}", ["{app.log}.1", "{app.log}.2", "{app.log}.3"]),
    ],
)
def test_names_option(tmp_path: Path, make: Any, template: str, expected: list[str]) -> None:
    """The direct way."""
    handler = make(tmp_path, names=template)
    fill(handler)
    assert names(tmp_path) == expected


def test_period_that_rolls_again_has_a_number_behind_its_name(tmp_path: Path) -> None:
    """All of them are of the set."""
    handler = timed(tmp_path, names="{stem}-{date:%Y%m%d}{ext}", maxBytes=12, backupCount=4)
    for number in range(8):
        log(handler, f"line {number:04d}", created=START + DAY / 3 * number)
    handler.close()
    found = names(tmp_path)
    assert len(found) == 4
    assert all(re.fullmatch(r"app-202609[0-9]{2}\.log(\.[12])?", name) for name in found)
    assert sorted((tmp_path / name).read_text() for name in found) == [f"line 000{n}\n" for n in (3, 4, 5, 6)]


@pytest.mark.parametrize(
    ("make", "template", "says"),
    [
        (timed, "{stem}{ext}", "needs a date"),
        (timed, "{name}.{number}", "needs a date"),
        (sized, "{stem}-{date:%Y%m%d}{ext}", "needs {number}"),
        (timed, "{stem}-{date:%m%d}", "without a year"),
        (timed, "{stem}-{date:%H}", "without a year"),
        (timed, "{stem}-{date:%Y%H}", "%H without"),
        (timed, "{stem}-{date:%b%Y}", "locale"),
        (timed, "{stem}-{date:%Y-%-d}", "locale"),
        (timed, "{stem}/{date:%Y%m%d}", "directory"),
        (timed, "../{stem}.{date:%Y%m%d}", "directory"),
        (timed, "{date:%Y%m%d}", "another log's"),
        (sized, "{stem}{number}{ext}", "needs a sign"),
        (sized, ".{name}.{number}", "hidden"),
        (sized, "{name}.{number}.gz", 'compress="gzip"'),
        (timed, "{name}.{date:%Y%m%d.gz}", 'compress="gzip"'),
        (sized, "{name}.{number:x}", "{number:03d}"),
        (sized, "{name}.{index}", "not one of"),
        (sized, "{name}.{number}.{number}", "not one of"),
        (sized, "{name!r}.{number}", "not one of"),
        (sized, "{name}.{number", "expected"),
        (sized, "{name}" + "x" * 300 + ".{number}", "longer"),
        (sized, "{name}\n.{number}", "directory"),
        (sized, 5, "no text"),
        (sized, "", "needs"),
    ],
)
def test_names_that_cannot_work(tmp_path: Path, make: Any, template: Any, says: str) -> None:
    """Each refusal says why, and shows what works."""
    with pytest.raises(ConfigurationError) as caught:
        make(tmp_path, names=template)
    assert says in str(caught.value)
    assert "{stem}" in str(caught.value)


def test_names_without_rotation(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="RotatingFileHandler"):
        logboom.FileHandler(tmp_path / "app.log", names="{stem}.{number}")


COUNTER = itertools.count()


def broken(name: str) -> str:
    raise OSError("no such volume")


@pytest.mark.parametrize(
    ("namer", "says"),
    [
        (lambda name: name + ".gz", 'compress="gzip"'),
        (lambda name: f"{name}.{time.time_ns()}", "another name each time"),
        (lambda name: f"{name}.{next(COUNTER)}", "another name each time"),
        (lambda name: f"{os.path.dirname(name)}/app.log.{time.strftime('%Y%m%d')}", "no template"),
        (lambda name: name + time.strftime(".%Y%m%d"), "clock or a counter"),
        (lambda name: os.path.join(os.path.dirname(name), "old", os.path.basename(name)), "not in"),
        (lambda name: "/var/backups/" + os.path.basename(name), "/var/backups"),
        (lambda name: os.path.basename(name), "working directory"),
        (lambda name: os.path.dirname(name) + "/backup." + name.rpartition(".")[2], "another log's"),
        (lambda name: None, "None"),
        (lambda name: name.encode(), "a path"),
        (lambda name: f"{name[:-1]}{int(name[-1]) ^ 1}", "no template"),
        (broken, "OSError: no such volume"),
    ],
)
def test_namer_that_is_no_template(tmp_path: Path, namer: Any, says: str) -> None:
    """The reason is named, the handler is as it was, and logs."""
    handler = sized(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        handler.namer = namer
    assert says in str(caught.value)
    assert handler.namer is None
    fill(handler, 2)
    assert names(tmp_path) == ["app.log.1"]


@pytest.mark.parametrize("suffix", ["%H", "%m-%d", "%b", "%Y/%m", "%c", "%Y%m%d.gz", "", 5, "%Y-%d"])
def test_suffix_that_cannot_work(tmp_path: Path, suffix: Any) -> None:
    """A pattern whose names come again would overwrite backups, as it does in the standard library."""
    handler = timed(tmp_path)
    with pytest.raises(ConfigurationError):
        handler.suffix = suffix
    assert handler.suffix == "%Y-%m-%d"
    fill(handler, 2)
    assert names(tmp_path) == ["app.log.2026-09-21"]


def test_what_the_standard_library_ignores(tmp_path: Path) -> None:
    """`suffix` counts for timed handlers, and there only what is set when they are made."""

    class Class(logboom.TimedRotatingFileHandler):
        suffix = "%H"

    class Early(logboom.TimedRotatingFileHandler):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.suffix = "%H"
            super().__init__(*arguments, **options)

    for number, kind in enumerate((Class, Early)):
        directory = tmp_path / str(number)
        directory.mkdir()
        fill(timed(directory, kind), 2)
        assert names(directory) == ["app.log.2026-09-21"]
    plain, by_size = logboom.FileHandler(tmp_path / "plain.log"), sized(tmp_path)
    for handler in (plain, by_size):
        handler.suffix = "%H"
        assert handler.suffix == "%H"
        handler.close()


def test_names_are_set_after_the_first_record(tmp_path: Path) -> None:
    """What was logged before is in the file, once, and the next rollover gives the new name."""
    handler = timed(tmp_path)
    log(handler, "one", created=START)
    handler.suffix = "%Y%m%d"
    log(handler, "two", created=START + 1)
    log(handler, "three", created=START + DAY)
    handler.close()
    assert names(tmp_path) == ["app.log.20260921"]
    assert (tmp_path / "app.log.20260921").read_text() == "one\ntwo\n"
    assert (tmp_path / "app.log").read_text() == "three\n"


def test_names_and_a_namer_are_one_too_many(tmp_path: Path) -> None:
    handler = sized(tmp_path, names="{stem}.{number}{ext}")
    with pytest.raises(ConfigurationError, match="both"):
        handler.namer = lambda name: name + ".txt"
    handler.close()


def compressing(source: str, dest: str) -> None:
    import gzip

    with open(source, "rb") as plain, gzip.open(dest, "wb") as packed:
        shutil.copyfileobj(plain, packed)
    os.remove(source)


@pytest.mark.parametrize(
    ("name", "function", "says"),
    [
        ("rotator", compressing, 'compress="gzip"'),
        ("rotator", lambda source, dest: os.chmod(source, 0o600), "file_mode="),
        ("rotator", lambda source, dest: None, 'compress="gzip"'),
        ("rotate", compressing, 'compress="gzip"'),
        ("doRollover", lambda self: os.chmod(self.baseFilename, 0o640), "file_mode="),
        ("doRollover", lambda self: self.stream.write("time,level,message"), "Leave headers"),
        ("doRollover", lambda self: [os.remove(path) for path in os.listdir(".")], "backupCount="),
        ("doRollover", lambda self: None, "max_age="),
        ("shouldRollover", lambda self, record: False, "maxBytes=0"),
        ("computeRollover", lambda self, now: now + 60, "interval="),
        ("getFilesToDelete", lambda self: [], "backupCount="),
        ("_open", lambda self: open(self.baseFilename, "a"), "file_mode="),  # noqa: SIM115
        ("_open", lambda self: os.makedirs("x"), "directories are created"),
        ("_open", lambda self: open("x", encoding="utf-8"), "encoding="),  # noqa: SIM115
    ],
)
@pytest.mark.parametrize("way", ["class", "set"])
def test_refusal_names_what_was_found_and_its_replacement(
    tmp_path: Path, name: str, function: Any, says: str, way: str
) -> None:
    """By what people do in it."""
    with pytest.raises(ConfigurationError) as caught:
        if way == "class":
            own = staticmethod(function) if name == "rotator" else function
            timed(tmp_path, type("Mine", (logboom.TimedRotatingFileHandler,), {name: own}))
        else:
            setattr(timed(tmp_path), name, function)
    assert says in str(caught.value)
    assert f"{name} cannot be used" in str(caught.value)


@pytest.mark.parametrize("rotator", [os.rename, os.replace, shutil.move, None])
def test_rotator_that_renames(tmp_path: Path, rotator: Any) -> None:
    """It is what is done anyway."""
    handler = sized(tmp_path)
    handler.rotator = rotator
    fill(handler, 2)
    assert names(tmp_path) == ["app.log.1"]


def test_another_collector_reads_the_names_of_a_header(tmp_path: Path) -> None:
    """A planted template gives the standard names: it cannot lead out of the directory."""
    from logboom.journal.target import Rotation, Target
    from logboom.sinks.file.rotation import names_of

    for template in (
        "../{name}.{number}",
        "{name",
        "{x}",
        "\0{name}.{number}",
        "{number}",
        "{name}.{number}.gz",
    ):
        target = Target(name="app.log", rotation=Rotation(max_bytes=1, backup_count=1, names=template))
        assert names_of(target).numbered(1) == "app.log.1"
