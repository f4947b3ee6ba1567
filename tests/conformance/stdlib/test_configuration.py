"""Every way to configure logging leads to the same handler, as often as one likes."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

Programs = Any

DICT = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{levelname} {name} {message}", "style": "{"}},
    "handlers": {
        "file": {
            "class": "logboom.RotatingFileHandler",
            "filename": "app.log",
            "maxBytes": 10_000_000,
            "backupCount": 10,
            "formatter": "plain",
            "level": "INFO",
        }
    },
    "root": {"handlers": ["file"], "level": "DEBUG"},
}
FACTORY = json.loads(json.dumps(DICT).replace('"class"', '"()"'))
BY_HANDLERS = json.loads(json.dumps(DICT).replace("logboom.R", "logboom.handlers.R"))
OPTIONS: dict[str, Any] = json.loads(json.dumps(DICT))
OPTIONS["handlers"]["file"] |= {
    "maxBytes": "10 MB",
    "max_age": "7 d",
    "compress": "gzip",
    "when_full": "block",
}

USE = """
import logging
logging.getLogger("shop").info("hello")
logging.getLogger("shop").debug("not shown")
"""

INI = """
[loggers]
keys=root
[handlers]
keys=file
[formatters]
keys=plain
[logger_root]
level=DEBUG
handlers=file
[handler_file]
class=logboom.RotatingFileHandler
level=INFO
formatter=plain
args=("app.log", "a", 10000000, 10)
kwargs={"encoding": "utf-8", "close_timeout": 2}
[formatter_plain]
format={levelname} {name} {message}
style={
"""


def dict_config(config: dict[str, Any], times: int = 1) -> str:
    return "import logging.config\n" + f"logging.config.dictConfig({config!r})\n" * times


@pytest.mark.parametrize(
    "config", [DICT, FACTORY, BY_HANDLERS, OPTIONS], ids=["class", "()", "handlers", "options"]
)
@pytest.mark.parametrize("times", [1, 2])
def test_dict_config(programs: Programs, config: dict[str, Any], times: int) -> None:
    """One changed line is the promise; spawn and reloads configure twice."""
    programs.run(dict_config(config, times) + USE)
    assert programs.lines() == ["INFO shop hello"]


@pytest.mark.parametrize("times", [1, 2])
def test_file_config(programs: Programs, times: int) -> None:
    """Older programs keep their configuration in an INI file."""
    (programs.directory / "logging.ini").write_text(INI)
    programs.run("import logging.config\n" + "logging.config.fileConfig('logging.ini')\n" * times + USE)
    assert programs.lines() == ["INFO shop hello"]


def test_records_between_two_configurations_are_kept(programs: Programs) -> None:
    """Configuring again closes the old handlers: what they took must be written."""
    config = dict_config(DICT)
    programs.run(config + USE + config + USE + config + USE)
    assert programs.lines() == ["INFO shop hello"] * 3


def test_mode_w_configured_again_keeps_the_runs_records(programs: Programs) -> None:
    """The second process of a run, or the second configuration, must not empty what the first wrote."""
    config: dict[str, Any] = json.loads(json.dumps(DICT))
    config["handlers"]["file"] = {
        "class": "logboom.FileHandler",
        "filename": "app.log",
        "mode": "w",
        "formatter": "plain",
        "level": "INFO",
    }
    programs.log.write_text("from an earlier run\n")
    programs.run(dict_config(config) + USE + dict_config(config) + USE)
    assert programs.lines()[-1] == "INFO shop hello"
    assert "from an earlier run" not in programs.lines()


DJANGO = """
import django
django.setup()
django.setup()
"""


def test_django(programs: Programs) -> None:
    """Django's `LOGGING`, with the time zone that Django sets in the process."""
    if importlib.util.find_spec("django") is None:
        pytest.skip("Django is not installed here")
    config: dict[str, Any] = json.loads(json.dumps(DICT))
    config["formatters"]["plain"] = {"format": "%(asctime)s %(levelname)s %(message)s", "datefmt": "%z"}
    settings = f"LOGGING = {config!r}\nTIME_ZONE = 'Asia/Tokyo'\nUSE_TZ = True\n"
    (programs.directory / "shop_settings.py").write_text(settings)
    programs.run(DJANGO + USE, TZ="UTC", DJANGO_SETTINGS_MODULE="shop_settings")
    assert programs.lines() == ["+0900 INFO hello"]


IDENTITY = """
import logging, logging.handlers, os
import logboom, logboom.handlers
for name in ("FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler"):
    ours, theirs = getattr(logboom, name), getattr(logging.handlers, name, logging.FileHandler)
    assert issubclass(ours, theirs) and getattr(logboom.handlers, name) is ours, name
handler = logboom.RotatingFileHandler("app.log", maxBytes=1000, backupCount=3)
assert isinstance(handler, logging.FileHandler) and isinstance(handler, logging.handlers.RotatingFileHandler)
assert handler.baseFilename == os.path.abspath("app.log")
assert (handler.maxBytes, handler.backupCount, handler.mode) == (1000, 3, "a")
assert repr(handler) == f"<RotatingFileHandler {handler.baseFilename} (NOTSET)>", repr(handler)
handler.name = "file"
assert logging.getHandlerByName("file") is handler if hasattr(logging, "getHandlerByName") else True
"""


def test_what_other_code_asks_a_file_handler(programs: Programs) -> None:
    """Libraries look for `FileHandler`s, and at their attributes."""
    programs.run(IDENTITY)


def processes_of(directory: Path) -> list[str]:
    """Command lines that name `directory`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            found += [command] if str(directory) in command else []
    return found


def test_disable(programs: Programs) -> None:
    """`LOGBOOM_DISABLE=1` makes the handlers null: no file, no directory, no process."""
    programs.run(dict_config(DICT) + USE, LOGBOOM_DISABLE="1")
    assert [path.name for path in programs.directory.iterdir()] == ["script.py"]


def test_collector_off(programs: Programs) -> None:
    """A test suite reads its log at once, and leaves no process behind."""
    read = "print(open('app.log').read())\n"
    done = programs.run(dict_config(DICT) + (USE + read) * 2, LOGBOOM_COLLECTOR="off")
    assert done.stdout.split("\n") == ["INFO shop hello", "", "INFO shop hello", "INFO shop hello", "", ""]
    assert processes_of(programs.directory) == []


def test_collector_off_by_option(programs: Programs) -> None:
    """The option does what the environment does."""
    config: dict[str, Any] = json.loads(json.dumps(DICT))
    config["handlers"]["file"]["collector"] = "off"
    done = programs.run(dict_config(config) + USE + "print(open('app.log').read())\n")
    assert done.stdout == "INFO shop hello\n\n"


def test_configuring_starts_no_process(programs: Programs) -> None:
    """A command that logs nothing must not pay for, or leave behind, a collector."""
    programs.run(dict_config(DICT))
    assert programs.log.exists()
    assert processes_of(programs.directory) == []


def test_the_directory_can_be_deleted_after_shutdown(programs: Programs) -> None:
    """pytest's `tmp_path` must go, and not come back.

    A collector that is just starting may put a file into the spool while it is deleted, so, as pytest does,
    what is left then is deleted once more.
    """
    code = "import shutil, time\nfrom pathlib import Path\nPath('logs').mkdir()\n"
    code += dict_config(json.loads(json.dumps(DICT).replace("app.log", "logs/app.log"))) + USE
    code += "logging.shutdown()\ndeadline = time.monotonic() + 5\n"
    code += "while Path('logs').exists() and time.monotonic() < deadline:\n"
    code += "    shutil.rmtree('logs', ignore_errors=True)\nassert not Path('logs').exists()\n"
    done = programs.run(code)
    assert done.stderr == ""
    assert not (programs.directory / "logs").exists()


ROTATING = [
    "handler = logboom.RotatingFileHandler('app.log')\nhandler.rotator = print",
    "class Own(logboom.RotatingFileHandler):\n    def rotator(self, source, dest): ...\nOwn('app.log')",
    "class Own(logboom.TimedRotatingFileHandler):\n    def rotate(self, source, dest): ...\nOwn('app.log')",
]


@pytest.mark.parametrize("code", ROTATING)
def test_code_that_rotates_is_refused(programs: Programs, code: str) -> None:
    """It would never be called, as the collector rotates: better a word when the program starts."""
    done = programs.run("import logboom\n" + code, check=False)
    assert done.returncode == 1
    assert "another process rotates" in done.stderr and "compress=" in done.stderr


@pytest.mark.parametrize("namer", ["None", "str", "lambda name: name + '.txt'"])
def test_namers_that_only_rearrange_are_fine(programs: Programs, namer: str) -> None:
    """`handler.namer = None` is the default of the standard library, and configurations say it."""
    programs.run(f"import logboom\nhandler = logboom.RotatingFileHandler('app.log')\nhandler.namer = {namer}")


REFUSED = [
    ("compress='rar'", "compress"),
    ("when_full='panic'", "when_full"),
    ("collector='maybe'", "collector"),
    ("max_age='soon'", "max_age"),
    ("spool_max_size='lots'", "spool_max_size"),
    ("encoding='utf-99'", "encoding"),
    ("errors='sometimes'", "errors"),
    ("fsync_level='LOUD'", "fsync_level"),
]


@pytest.mark.parametrize("option, named", REFUSED)
def test_a_wrong_option_is_refused_when_the_handler_is_made(
    programs: Programs, option: str, named: str
) -> None:
    """A mistake shows when the program starts, as a `ValueError` that names the option, not in the night."""
    done = programs.run(f"import logboom\nlogboom.RotatingFileHandler('app.log', {option})", check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert named in last and "Error" in last
