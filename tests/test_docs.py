"""The documentation names what there is, its links lead somewhere, and its examples run."""

from __future__ import annotations

import argparse
import ast
import logging
import logging.config
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import logboom
from logboom.cli import COMMANDS, make_parser
from logboom.producer.options import Keywords

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "logboom"
PAGES = sorted(DOCS.rglob("*.md"))
EACH_PAGE = pytest.mark.parametrize("page", [pytest.param(p, id=str(p.relative_to(DOCS))) for p in PAGES])
# What only the tests of logboom itself set.
INTERNAL = {"LOGBOOM_ACT", "LOGBOOM_PATH", "LOGBOOM_KEEP", "LOGBOOM_FORK", "LOGBOOM_FAILPOINT"}
# Functions that write into the collector's log, and variables that sinks hand to them.
TELLING = {"note", "_note", "notes", "_notes", "_say"}
TOLD = {"note", "reason", "text"}


def _page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# -- nothing is missing --------------------------------------------------------------------------------


def _subparsers() -> dict[str, argparse.ArgumentParser]:
    (action,) = (a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_its_section_with_its_options(command: str) -> None:
    """An option that is only in the parser is found by nobody who needs it."""
    section = _page("reference/commands.md").split(f"\n## logboom {command}\n", 1)[1].split("\n## ", 1)[0]
    (synopsis,) = re.findall(rf"^    (logboom {command}.*)$", section, re.MULTILINE)
    for action in _subparsers()[command]._actions:
        if action.dest == "help":
            continue
        for option in action.option_strings:
            assert option in synopsis and section.count(option) > 1, f"{command} {option}"
        if not action.option_strings:
            assert str(action.metavar) in synopsis
        for choice in action.choices or ():
            assert f"`{action.option_strings[0]} {choice}`" in section


def test_no_command_is_only_on_paper() -> None:
    """Who types what a page shows must not be told "invalid choice"."""
    for page in [*PAGES, ROOT / "README.md"]:
        shown = re.findall(r"(?:`|^ {4}|\$ )logboom ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)
        assert set(shown) <= set(COMMANDS), page


def test_the_json_fields_are_all_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Monitoring is written from this table."""
    from logboom.cli.overview import overview
    from logboom.spool.directory import Spool

    table = _page("reference/commands.md").split("### --json", 1)[1].split("\n## ", 1)[0]
    for field in overview(Spool.create(tmp_path / ".logboom").path):
        assert re.search(rf"^\|.*`{field}[.`\[]", table, re.MULTILINE), field


def test_the_fields_of_producers_and_sinks_are_described(desk_values: dict[str, Any]) -> None:
    """`sinks` and `producers[]` have fields of their own, which only a collector at work shows."""
    table = _page("reference/commands.md").split("### --json", 1)[1].split("\n## ", 1)[0]
    for name, values in (
        ("sinks", desk_values["sinks"]["app.log"]),
        ("producers", desk_values["producers"][0]),
    ):
        (row,) = re.findall(rf"^\| `{name}.*$", table, re.MULTILINE)
        assert {field for field in values if f"`{field}`" not in row} == set()


@pytest.fixture
def desk_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What `status --json` says beside a program that logs, with a collector."""
    from logboom.cli.overview import overview

    monkeypatch.delenv("LOGBOOM_COLLECTOR", raising=False)
    handler = logboom.RotatingFileHandler(tmp_path / "app.log", maxBytes=1000, backupCount=1, linger=0)
    try:
        handler.handle(logging.LogRecord("shop", logging.INFO, __file__, 1, "hello", None, None))
        assert logboom.flush(30)
        yield overview(tmp_path / ".logboom")
    finally:
        handler.close()


def test_every_handler_option_is_in_the_reference() -> None:
    """An option that nobody can read about does not exist."""
    page = _page("reference/handlers.md")
    for option in Keywords.__optional_keys__:
        assert f"| `{option}` |" in page


def _variables() -> set[str]:
    code = "".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    return set(re.findall(r"LOGBOOM_[A-Z_]+", code)) - INTERNAL


def test_every_environment_variable_is_in_the_reference() -> None:
    """A variable changes a program from outside, so it must be known outside."""
    page = _page("reference/handlers.md")
    assert {name for name in _variables() if f"| `{name}` |" not in page} == set()


def test_no_variable_or_option_is_only_on_paper() -> None:
    """A page that tells of a switch that is gone costs its reader an hour."""
    for page in PAGES:
        text = page.read_text("utf-8")
        assert set(re.findall(r"LOGBOOM_[A-Z_]+", text)) <= _variables(), page


def _warnings() -> Iterator[str]:
    """What the handlers write on stderr: the constant words of each line."""
    files = ("producer/producer.py", "producer/starting.py", "handlers/base.py")
    for path in (SOURCE / name for name in files):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and {"warn", "_warn"} & {
                getattr(node.func, each, "") for each in ("attr", "id")
            }:
                constants = (part for part in ast.walk(node) if isinstance(part, ast.Constant))
                yield from (str(part.value).strip(" ;:().") for part in constants)


def test_every_line_on_stderr_is_explained() -> None:
    """A person who sees one searches for its words."""
    page = " ".join(_page("how-to/troubleshooting.md").replace("`", "").split())
    said = [words.replace("`", "") for words in _warnings()]
    assert len(said) >= 4
    assert [words for words in said if words not in page] == []


def _notes() -> Iterator[str]:
    """What the collector and its sinks write into its log: the constant words of each line."""
    for path in [
        *sorted((SOURCE / "collector").glob("*.py")),
        *sorted((SOURCE / "sinks").rglob("*.py")),
        *sorted((SOURCE / "spool").glob("*.py")),
    ]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            said: ast.expr | None = None
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "attr", getattr(node.func, "id", "")) in TELLING
            ):
                said = node.args[0] if node.args else None
            elif (
                isinstance(node, ast.Assign)
                and getattr(node.targets[0], "id", "") in TOLD
                and "sinks" in str(path)
            ):
                said = node.value if isinstance(node.value, ast.JoinedStr) else None
            parts = said.values if isinstance(said, ast.JoinedStr) else [said]
            words = (str(part.value).strip(" ;:().") for part in parts if isinstance(part, ast.Constant))
            yield from filter(None, words)


def test_every_line_of_the_collectors_log_is_explained() -> None:
    """`logboom status` quotes these lines, and a person searches for their words."""
    page = " ".join(_page("how-to/troubleshooting.md").replace("`", "").split())
    said = [words.replace("`", "") for words in _notes()]
    assert len(said) >= 20
    assert [words for words in said if words not in page] == []


@EACH_PAGE
def test_options_are_spelled_as_the_code_has_them(page: Path) -> None:
    """`maxBytes` and `max_age` stand side by side: a page that mixes them up is copied, and refused."""
    plain = {name.replace("_", ""): name for name in Keywords.__optional_keys__}
    words = set(re.findall(r"`(\w+)=?`", page.read_text("utf-8")))
    assert {
        word for word in words if plain.get(word.replace("_", "").lower(), word.lower()) != word.lower()
    } == set()


# -- links ---------------------------------------------------------------------------------------------


@EACH_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    """Pages are moved, headings are renamed."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target.read_text("utf-8")), link


PAPERS = [*PAGES, *sorted(ROOT.glob("*.md"))]


@pytest.mark.parametrize("paper", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in PAPERS])
def test_the_files_and_tests_that_are_named_exist(paper: Path) -> None:
    """ "Shown by" with a test that is gone is a claim that nobody can check."""
    text = paper.read_text("utf-8")
    for name in re.findall(r"`((?:tests|bench|examples|scripts|tools|docs|src)/[\w./-]*)`", text):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`([\w-]+/[\w/-]+\.py)`", text):
        assert any((root / name).exists() for root in (ROOT, SOURCE)), name
    assert {name for name in re.findall(r"`(test_\w+)`", text) if name not in _tests()} == set()


@cache
def _tests() -> set[str]:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    cpython = re.findall(r"^\| `\w+\.(test_\w+)` \|", _page("reference/differences.md"), re.MULTILINE)
    return {*re.findall(r"def (test_\w+)\(", code), *cpython}


def test_every_page_is_in_the_index() -> None:
    """A page that nothing links to is not read."""
    index = _page("README.md")
    missing = [str(p.relative_to(DOCS)) for p in PAGES if p.name != "README.md" or p.parent != DOCS]
    assert [name for name in missing if f"({name})" not in index] == []


# -- examples ------------------------------------------------------------------------------------------


@EACH_PAGE
def test_python_on_the_page_is_python(page: Path) -> None:
    """A missing bracket in an example is the first thing that anybody copies."""
    for block in _blocks(page.read_text("utf-8"), "python"):
        compile(textwrap.dedent(block), str(page), "exec")


@EACH_PAGE
def test_logging_settings_on_the_page_can_be_configured(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each `LOGGING` of a page makes the handlers that it names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "off")
    for number, block in enumerate(_blocks(page.read_text("utf-8"), "python")):
        if "LOGGING = {" not in block:
            continue
        names: dict[str, Any] = {"BASE_DIR": tmp_path / str(number)}
        exec(compile(block, str(page), "exec"), names)
        config = names["LOGGING"]
        root = logging.getLogger()
        before = root.handlers[:], root.level
        try:
            logging.config.dictConfig(config | {"disable_existing_loggers": False})
            ours = [handler for handler in root.handlers if isinstance(handler, logboom.FileHandler)]
            ours += [h for h in root.handlers if type(h).__module__.startswith("logboom")]
            assert ours, "no handler of logboom at the root"
            logging.getLogger("shop").warning("hello")
            assert "hello" in Path(ours[0].baseFilename).read_text("utf-8")
        finally:
            for handler in [handler for handler in root.handlers if handler not in before[0]]:
                root.removeHandler(handler)
                handler.close()
            root.handlers[:], root.level = before


def _shell(directory: Path) -> dict[str, str]:
    """An environment in which `python` and `logboom` are those under test."""
    commands = directory / "bin"
    commands.mkdir()
    for name, call in (("python", ""), ("logboom", " -m logboom")):
        path = commands / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable}{call} "$@"\n')
        path.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM")}
    return kept | {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(SOURCE.parent)}


# What `sleep 1` in the tutorial is for: the program has logged some records. On a busy machine that
# takes longer.
UNTIL_IT_LOGS = """#!/bin/sh
for _ in $(seq 300); do
  cat app.log* .logboom/journal/*.segment 2>/dev/null | grep -aq "plum has done job 5" && exit
  SLEEP 0.1
done
echo "no record of plum" >&2
"""


def _alike(output: str) -> list[str]:
    """Lines without what differs between two runs: numbers, their widths, and which process was first."""
    lines = (re.sub(r"\b(apple|pear)\b", "fruit", line) for line in output.splitlines())
    return [re.sub(r"\s+", " ", re.sub(r"\d+", "0", line)).strip() for line in lines]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the tutorial's shell lines are for sh")
@pytest.mark.parametrize("name", ["tutorial/first-log.md"])
def test_the_tutorial_prints_what_it_says(name: str, tmp_path: Path) -> None:
    """A beginner compares the page with the screen, line by line."""
    page, shop = _page(name), tmp_path / "shop"
    shop.mkdir()
    environment = _shell(tmp_path)
    patient = tmp_path / "bin" / "sleep"
    patient.write_text(UNTIL_IT_LOGS.replace("SLEEP", str(shutil.which("sleep"))))
    patient.chmod(0o755)
    for file, code in re.findall(r"```python\n# (\S+\.py)\n(.*?)```", page, re.DOTALL):
        (shop / file).write_text(code)
    try:
        for command, expected in re.findall(
            r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "\n".join(_blocks(page, "console")), re.MULTILINE
        ):
            done = subprocess.run(
                ["sh", "-c", command], cwd=shop, env=environment, capture_output=True, text=True, timeout=60
            )
            shown = (done.stdout + done.stderr).replace(str(shop), "/home/you/shop")
            assert _alike(shown) == _alike(expected.strip()), command
    finally:
        subprocess.run(
            ["sh", "-c", "logboom stop"], cwd=shop, env=environment, capture_output=True, timeout=60
        )


LEAVING = """
import logging, sys, logboom
SPOOL = sys.argv[1] or None
handler = logboom.RotatingFileHandler("logs/django.log", maxBytes=1000, backupCount=3, spool=SPOOL)
logging.getLogger().addHandler(handler)
logging.warning("the last record")
"""


@pytest.mark.skipif(os.name != "posix", reason="the page's shell lines are for sh")
@pytest.mark.parametrize("spool", ["", "journal"])
def test_the_way_back_works(tmp_path: Path, spool: str) -> None:
    """Who leaves must not find a command that does nothing; with `spool=` it is another directory."""
    page, environment = _page("how-to/going-back.md"), _shell(tmp_path)
    assert "With `spool=`, name that directory" in " ".join(page.split())
    environment["LOGBOOM_PYTHON"] = sys.executable
    subprocess.run(
        [sys.executable, "-c", LEAVING, spool], cwd=tmp_path, env=environment, check=True, timeout=60
    )
    commands = re.findall(r"^ {8}(.+)$", page, re.MULTILINE)
    commands.insert(-1, *re.findall(r"`(logboom status logs/django.log)` now", page))
    assert [command.split()[:2] for command in commands[:3]] == [
        ["logboom", "drain"],
        ["logboom", "stop"],
        ["logboom", "status"],
    ]
    for command in commands:
        if spool:
            command = re.sub(r"logs/(?:django\.log|\.logboom(?!-))", spool, command)
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, command + done.stdout + done.stderr
        assert "status" not in command or re.search(r"^waiting +nothing$", done.stdout, re.MULTILINE), (
            done.stdout
        )
    assert {path.name for path in tmp_path.rglob("*") if path.parent.name != "bin"} == {
        "bin",
        "logs",
        "django.log",
    }


def _files_of(name: str, directory: Path) -> None:
    for file, code in re.findall(r"```python\n# (\S+\.py)\n(.*?)```", _page(name), re.DOTALL):
        (directory / file).write_text(code)


@pytest.mark.parametrize("name", ["how-to/tests.md", "reference/testing.md"])
def test_the_pages_tests_pass(name: str, tmp_path: Path) -> None:
    """A fixture that is copied and fails costs the first impression."""
    _files_of(name, tmp_path)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM")}
    # Without a base of its own it tidies up after earlier runs of whole suites before it ends: minutes.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, "--basetemp", str(tmp_path / "base"), "."],
        cwd=tmp_path,
        env=kept | {"PYTHONPATH": str(SOURCE.parent)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def _snippets(name: str) -> Iterator[tuple[str, str]]:
    """Each program of a page that has no file's name, and the lines under "prints"."""
    pattern = r"```python\n((?!# \S+\.py\n).*?)```\n(?:\nprints\n\n((?: {4}[^\n]*\n)+))?"
    for code, output in re.findall(pattern, _page(name), re.DOTALL):
        yield code, textwrap.dedent(output)


@pytest.mark.parametrize(
    ("name", "code", "output"),
    [(name, *each) for name in ("reference/errors.md", "reference/testing.md") for each in _snippets(name)],
)
def test_the_pages_snippets_print_what_they_say(tmp_path: Path, name: str, code: str, output: str) -> None:
    """A reference is believed; what it shows must be what happens."""
    kept = {each: value for each, value in os.environ.items() if not each.startswith("LOGBOOM")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=kept | {"PYTHONPATH": str(SOURCE.parent)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", output), name


def test_the_pages_process_pool_shows_every_record(tmp_path: Path) -> None:
    """Workers that are spawned, and terminated by the pool's end."""
    _files_of("how-to/multiprocessing-celery.md", tmp_path)
    done = subprocess.run(
        [sys.executable, "pool.py"],
        cwd=tmp_path,
        env=_shell(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len((tmp_path / "app.log").read_text().splitlines()) == 100
