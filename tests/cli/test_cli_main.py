"""The command line itself."""

from __future__ import annotations

from typing import Any

import pytest

import logboom
from logboom.cli import COMMANDS
from logboom.cli.terminal import age, escape, plural, size


def test_the_module_is_the_command(desk: Any) -> None:
    """`python -m logboom` works where no script was installed."""
    process = desk.start("--version")
    assert process.communicate(timeout=20)[0] == f"logboom {logboom.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    ["statsu", "collect", "status --jsn", "drain --timeout x", "drain --timeout -1", "stop --timeout nan"],
)
def test_wrong_arguments_end_with_status_2(desk: Any, arguments: str) -> None:
    """A script can tell "wrong call" from "not running"."""
    with pytest.raises(SystemExit) as exit_info:
        desk.type(*arguments.split())
    assert exit_info.value.code == 2


@pytest.mark.parametrize("option", ["--max-bytes ten", "--backup-count -1", "--backup-count x"])
def test_wrong_sizes_of_a_server_end_with_status_2(desk: Any, option: str) -> None:
    """It must not start with a default that nobody asked for."""
    with pytest.raises(SystemExit) as exit_info:
        desk.type("pull", *option.split())
    assert exit_info.value.code == 2


def test_command_alone_shows_the_help(desk: Any) -> None:
    """Who does not know what to type gets the list, and no error."""
    status, out, errors = desk.type()
    assert (status, errors) == (0, "") and "drain" in out and "usage: logboom" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(desk: Any, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` is the first page of the manual."""
    with pytest.raises(SystemExit):
        desk.type(command, "--help")
    assert "usage: logboom " + command in capsys.readouterr().out


def test_a_reader_that_leaves_early_gets_no_traceback(desk: Any) -> None:
    """`logboom inspect --export text ... | head` is how people look at a large segment."""
    desk.emit("x" * 1000)
    (path,) = (desk.spool / "journal").iterdir()
    lines = path.read_bytes().rstrip(b"\0").splitlines(keepends=True)
    segment = desk.directory / "long.segment"
    segment.write_bytes(b"".join(lines) + lines[-1] * 2000)
    process = desk.start("inspect", "--export", "text", segment)
    process.stdout.read(1)
    process.stdout.close()
    process.stdout = None
    assert process.wait(20) == 1
    assert process.stderr.read() == ""


def test_words_for_numbers() -> None:
    """People read these, so each has its unit."""
    assert [plural(1, "record"), plural(2000, "record")] == ["1 record", "2,000 records"]
    assert [size(1), size(999), size(5790), size(3 * 10**9)] == ["1 byte", "999 bytes", "5.8 KB", "3.0 GB"]
    assert [age(3.21), age(300), age(27000), age(259_200)] == ["3.2 s", "5 min", "7.5 h", "3.0 d"]
    assert escape("plain ü") == "plain ü" and escape("a\x1b\u2028\udcff") == r"a\x1b\u2028\udcff"


def test_demo_is_called_and_its_status_is_ours(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demonstration itself has its own tests."""
    for status in (0, 1):
        monkeypatch.setattr("logboom.demo.run.run", lambda status=status: status)
        assert desk.type("demo")[0] == status
