"""What is published, and what its papers say: they must be true."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import logboom

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]

needs_sh = pytest.mark.skipif(shutil.which("sh") is None, reason="needs a POSIX shell")


def _run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    settings = {"capture_output": True, "text": True, "timeout": 100, "check": False} | options
    return subprocess.run([str(part) for part in command], **settings)


def _code(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_one_version() -> None:
    """A wheel that calls itself differently from the package is a riddle in every bug report."""
    assert PROJECT["version"] == logboom.__version__
    assert f"## {logboom.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_msgspec_is_the_only_dependency() -> None:
    """The README says so, and a logging library is in every process."""
    assert [re.split(r"[<>=~!]", each)[0] for each in PROJECT["dependencies"]] == ["msgspec"]
    assert {"all", "zstd"} <= PROJECT["optional-dependencies"].keys()


def test_the_build_asks_for_a_backend_that_can_build_it() -> None:
    """`license-files` as a list is read by hatchling from 1.27 on; 1.25 ends with an error."""
    (backend,) = PYPROJECT["build-system"]["requires"]
    assert isinstance(PROJECT["license-files"], list)
    assert tuple(map(int, re.findall(r"\d+", backend))) >= (1, 27)


def test_the_metadata_name_who_made_it_and_where_it_runs() -> None:
    """It is what an index shows, and what tools that collect licences read."""
    assert PROJECT["authors"] == [{"name": "the logboom developers"}]
    systems = {
        each.removeprefix("Operating System :: ") for each in PROJECT["classifiers"] if "System ::" in each
    }
    assert {"POSIX :: Linux", "Microsoft :: Windows"} <= systems
    assert "[what was shown](docs/how-to/windows.md)" in README


def test_without_an_address_the_papers_say_what_is_to_be_filled_in() -> None:
    """An index cannot follow a relative link; the pages are in the source distribution."""
    assert "/docs" in PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    if "urls" not in PROJECT:
        assert "source distribution" in " ".join(README.split())
        for name in ("README.md", "SECURITY.md", "[project.urls]"):
            assert (
                f"`{name}`" in (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## Before a release")[1]
            )


def test_the_readmes_settings_work(tmp_path: Path) -> None:
    """The first lines that anybody copies."""
    settings, _ = _code("python")
    program = f"""{settings}
import logging, logging.config
logging.config.dictConfig(LOGGING)
logging.getLogger("shop").info("an order is paid")
"""
    done = _run(sys.executable, "-c", program, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = (tmp_path / "logs" / "django.log").read_text("utf-8").splitlines()
    assert len(lines) == 1 and lines[0].endswith("shop an order is paid")


def test_the_readmes_script_shows_every_record(tmp_path: Path) -> None:
    """One screen to success: all records of the script are in the file when it has ended."""
    _, script = _code("python")
    (tmp_path / "script.py").write_text(script, "utf-8")
    done = _run(sys.executable, "script.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "app.log").read_text("utf-8")
    assert sorted(int(number) for number in re.findall(r"order (\d+) is paid\n", text)) == list(range(100))


def test_the_commands_of_the_readme_exist() -> None:
    """A command that is only on paper is the first thing a new user meets."""
    shown = set(re.findall(r"`(?:logboom) ([a-z]+)", README))
    assert {"demo", "status", "drain", "stop", "inspect"} <= shown
    for command in sorted(shown):
        done = _run(sys.executable, "-P", "-m", "logboom", command, "--help")
        assert done.returncode == 0, command + done.stderr


def test_the_make_targets_of_the_papers_exist() -> None:
    """The same for `make`; and CI runs the test command that the README names."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    targets = set(re.findall(r"\bmake ([a-z-]+)(?=`|  )", README + contributing))
    assert {"test", "demo", "bench"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert re.search(r"\bmake test\b", (ROOT / ".ci" / "run").read_text("utf-8"))


def test_the_files_that_the_papers_name_exist() -> None:
    """A link to nowhere costs a reader's trust."""
    for paper in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"):
        text = (ROOT / paper).read_text("utf-8")
        names = re.findall(r"`((?:docs|tests|src)/[\w./-]+\.(?:md|py))`|\]\((?!http)([^)]+)\)", text)
        for name in map("".join, names):
            assert (ROOT / name).exists(), f"{paper}: {name}"


@needs_sh
def test_interpreters_are_found_once_each_and_run() -> None:
    """pyenv's shims are on PATH and fail when run; several paths lead to one version."""
    lines = _run("sh", ROOT / "scripts" / "interpreters").stdout.splitlines()
    versions = [line.split()[0] for line in lines]
    assert versions and len(set(versions)) == len(versions)
    assert versions == sorted(versions, key=lambda version: int(version.split(".")[1]))
    for line in lines:
        version, path = line.split(maxsplit=1)
        done = _run(path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        assert done.stdout.strip() == version


@needs_sh
def test_without_a_new_enough_python_the_message_says_what_to_do(tmp_path: Path) -> None:
    """A machine with an old Python only must get a sentence, not a traceback of the installer."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "awk", "sort", "sed", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or "/missing")
    old = tools / "python3"
    old.write_text('#!/bin/sh\ncase "$1" in --version) echo "Python 3.9.2";; *) exit 1;; esac\n')
    old.chmod(0o755)
    for name in ("scripts/interpreters", "scripts/environment"):
        (tmp_path / "scripts").mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "pyproject.toml").touch()
    environment = {"PATH": str(tools), "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    done = _run(tools / "sh", tmp_path / "scripts" / "environment", ".venv", "", "test", env=environment)
    if done.returncode == 0 or "No such file" in done.stderr:
        pytest.skip("this machine has interpreters outside of PATH and HOME")
    assert "Python 3.11 or newer" in done.stderr and "Found: Python 3.9.2" in done.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.slow
def test_the_wheel_is_whole_and_runs_anywhere(tmp_path: Path) -> None:
    """What `pip install` brings: modules, the page's files, the marker for types; and it starts anywhere."""
    built = _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"logboom-{logboom.__version__}-py3-none-any.whl"
    source = ROOT / "src"
    modules = {str(path.relative_to(source)) for path in source.rglob("*.py")} | {"logboom/py.typed"}
    modules |= {str(path.relative_to(source)) for path in (source / "logboom/web/static").iterdir()}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        archive.extractall(tmp_path / "site")
    assert {name.replace("/", os.sep) for name in names} == modules
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    done = _run(sys.executable, "-P", "-m", "logboom", "--version", env=environment, cwd=tmp_path)
    assert logboom.__version__ in done.stdout, done.stderr
