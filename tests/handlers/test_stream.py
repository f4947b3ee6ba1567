"""Every road into a handler reaches the journal: the programs are copies of public ones."""

from __future__ import annotations

import io
import logging
import logging.handlers
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import logboom
from logboom.errors import ConfigurationError


@pytest.fixture(autouse=True)
def collected_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "off")


class Writing(logboom.RotatingFileHandler):
    """A copy of the standard `emit`."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self.stream is None:
                self.stream = self._open()
            self.stream.write(self.format(record) + self.terminator)
            self.flush()
        except Exception:
            self.handleError(record)


class InParts(logboom.FileHandler):
    """Writes the terminator by itself, or not at all."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream.write(self.format(record))
        if record.levelno > logging.INFO:
            self.stream.write(self.terminator)


class Printing(logboom.FileHandler):
    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=self.stream, flush=True)


class Named(logboom.TimedRotatingFileHandler):
    """What copies of `BaseRotatingHandler.emit` do."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self.shouldRollover(record):
                self.doRollover()
            logging.FileHandler.emit(self, record)
        except Exception:
            self.handleError(record)


class OfStream(logboom.FileHandler):
    def emit(self, record: logging.LogRecord) -> None:
        logging.StreamHandler.emit(self, record)


class OfRotating(logboom.RotatingFileHandler):
    emit = logging.handlers.RotatingFileHandler.emit  # type: ignore[assignment]


ROADS = [Writing, Printing, Named, OfStream, OfRotating]


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("a.b", level, __file__, 1, message, (), None)


def journal_of(log: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((log.parent / ".logboom/journal").iterdir()))


@pytest.mark.parametrize("kind", [InParts, Named, OfStream, OfRotating])
def test_a_record_takes_the_journal(kind: type[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them has the file open, so it can be rotated meanwhile."""
    monkeypatch.setenv("LOGBOOM_COLLECTOR", "external")
    handler = kind(tmp_path / "app.log", flush_timeout=0, close_timeout=0)
    for level in (logging.INFO, logging.ERROR):
        handler.handle(record("paid", level))
    assert journal_of(tmp_path / "app.log").count(b"paid") == 2
    handler.close()


@pytest.mark.parametrize("kind", ROADS)
def test_the_lines_are_those_of_a_usual_handler(kind: type[Any], tmp_path: Path) -> None:
    """Also where a message would forge a line, and where the program has a terminator of its own."""
    for name, terminator in (("lf", "\n"), ("crlf", "\r\n"), ("bar", "|\n")):
        logs = []
        for each in (kind, logboom.FileHandler):
            if each is Printing and terminator != "\n":
                continue
            handler = each(tmp_path / f"{name}-{each.__name__}.log")
            handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
            handler.terminator = terminator
            for message in ("one", "two\nERROR a.b forged", "\x1b[31mred", "last "):
                handler.handle(record(message))
            handler.close()
            logs.append(Path(handler.baseFilename).read_bytes())
        assert len(set(logs)) == 1


def test_parts_of_an_emit_are_one_record(tmp_path: Path) -> None:
    """`emit` may write a line in parts, and end it by returning."""
    handler = InParts(tmp_path / "app.log")
    handler.handle(record("one ", logging.INFO))
    handler.handle(record("two", logging.ERROR))
    handler.handle(record("three", logging.INFO))
    handler.close()
    assert (tmp_path / "app.log").read_bytes() == b"one two\nthree"


def test_the_standard_emit_called_from_outside(tmp_path: Path) -> None:
    """By name on a handler that is no subclass."""
    handler: Any = logboom.RotatingFileHandler(tmp_path / "app.log")
    emits: list[Callable[[Any, logging.LogRecord], None]] = [
        logging.StreamHandler.emit,
        logging.FileHandler.emit,
        logging.handlers.RotatingFileHandler.emit,
    ]
    for emit in emits:
        emit(handler, record(emit.__qualname__))
    logging.Handler.handle(handler, record("handle"))
    handler.close()
    assert (tmp_path / "app.log").read_text().splitlines() == [
        *(emit.__qualname__ for emit in emits),
        "handle",
    ]


def test_text_without_a_record(tmp_path: Path) -> None:
    """Headers and what is printed: each line as it is, in the order of the program."""
    handler = logboom.FileHandler(tmp_path / "app.log", encoding="utf-16")
    assert handler.stream.tell() == 0
    handler.stream.write("  time,level\n\x1b[1mtitle\x1b[0m\r\nbegun ")
    handler.handle(record("record"))
    print("and ended", 1, file=handler.stream)
    handler.stream.writelines(["a\n", "b\n"])
    handler.stream.write("no newline")
    handler.stream.flush()
    handler.close()
    text = (tmp_path / "app.log").read_bytes().decode("utf-16")
    assert text == "  time,level\n\x1b[1mtitle\x1b[0m\r\nrecord\nbegun and ended 1\na\nb\nno newline"


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    handler = logboom.FileHandler(tmp_path / "app.log")
    turns = threading.Barrier(4)

    def work(number: int) -> None:
        for _ in range(5):
            handler.stream.write(f"{number}")
            turns.wait(10)
            handler.stream.write(f"{number}\n")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()
    lines = (tmp_path / "app.log").read_text().splitlines()
    assert sorted(lines) == sorted(f"{number}{number}" for number in range(4) for _ in range(5))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_children_that_call_emit_by_name(tmp_path: Path) -> None:
    """The plainest use of `multiprocessing`; a line that the parent had begun is not the children's."""
    handler = Named(tmp_path / "app.log", when="midnight")

    def work(number: int) -> None:
        for i in range(10):
            handler.handle(record(f"worker {number} {i}"))

    handler.stream.write("half ")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=work, args=(number,)) for number in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    handler.stream.write("line\n")
    handler.close()
    lines = (tmp_path / "app.log").read_text().splitlines()
    assert len(lines) == 31
    assert lines[-1] == "half line"


def test_what_programs_ask_a_stream(tmp_path: Path) -> None:
    """Daemon libraries, colour libraries, and those who look for the handler of a terminal."""
    log = tmp_path / "app.log"
    handler = logboom.FileHandler(log)
    stream = handler.stream
    assert stream.name == str(log)
    assert not stream.isatty()
    assert stream.writable()
    assert not stream.closed
    assert (stream.encoding, stream.errors, stream.mode) == ("utf-8", "backslashreplace", "a")
    stream.close()
    handler.handle(record("after close"))
    assert handler.stream is stream
    assert stream is not sys.stderr
    with pytest.raises(TypeError, match="bytes"):
        stream.write(b"bytes")
    handler.close()
    assert log.read_text() == "after close\n"


def test_reopening_changes_nothing(tmp_path: Path) -> None:
    """As after SIGHUP: the file that a program opens is closed, and not written to."""
    handler = logboom.FileHandler(tmp_path / "app.log")
    handler.acquire()
    handler.stream.close()
    handler.stream = None
    handler.stream = opened = open(handler.baseFilename, handler.mode)  # noqa: SIM115
    handler.release()
    assert opened.closed
    handler.handle(record("after"))
    handler.close()
    assert (tmp_path / "app.log").read_text() == "after\n"


def test_another_stream_is_refused(tmp_path: Path) -> None:
    handler = logboom.FileHandler(tmp_path / "app.log")
    for stream in (sys.stdout, io.StringIO()):
        with pytest.raises(ConfigurationError, match="StreamHandler"):
            handler.stream = stream
        with pytest.raises(ConfigurationError, match="StreamHandler"):
            handler.setStream(stream)
    handler.close()


@pytest.mark.skipif(sys.platform == "win32", reason="renames an open file as a rotation of POSIX does")
def test_the_descriptor_is_of_the_live_file(tmp_path: Path) -> None:
    """`keep_fds` of a daemon keeps a number; a number that the program closed may be another file's."""
    log = tmp_path / "app.log"
    handler = logboom.FileHandler(log)
    fd = handler.stream.fileno()
    os.write(fd, b"faulthandler\n")
    log.rename(tmp_path / "app.log.1")
    log.touch()
    assert handler.stream.fileno() == fd
    os.write(fd, b"new\n")
    assert log.read_bytes() == b"new\n"
    os.close(fd)
    other = os.open(tmp_path / "other", os.O_WRONLY | os.O_CREAT)
    assert other == fd
    assert handler.stream.fileno() != other
    handler.close()
    os.write(other, b"still open")
    os.close(other)


# --- a subclass that calls the standard library's `__init__` by its name ---


class Sized(logboom.RotatingFileHandler):
    def __init__(self, path: Path, **options: Any) -> None:
        logging.handlers.RotatingFileHandler.__init__(self, path, maxBytes=100, backupCount=2, **options)


class Daily(logboom.TimedRotatingFileHandler):
    def __init__(self, path: Path, **options: Any) -> None:
        logging.handlers.TimedRotatingFileHandler.__init__(self, path, **options)


class PlainFile(logboom.FileHandler):
    def __init__(self, path: Path, **options: Any) -> None:
        logging.FileHandler.__init__(self, path, **options)


@pytest.mark.parametrize("delay", [True, False])
def test_a_handler_that_was_never_configured_rotates(delay: bool, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    handler = Sized(log, delay=delay)
    assert log.exists() != delay
    for i in range(8):
        handler.handle(record(f"line {i} ..........................."))
    handler.close()
    assert (tmp_path / ".logboom").is_dir()
    assert sorted(path.name for path in tmp_path.glob("app.log*")) == ["app.log", "app.log.1", "app.log.2"]
    assert all(path.stat().st_size < 100 for path in tmp_path.glob("app.log*"))


@pytest.mark.parametrize(
    ("options", "when", "interval"),
    [
        ({}, "H", 1),
        ({"when": "s", "interval": 90}, "S", 90),
        ({"when": "D", "interval": 3}, "D", 3),
        ({"when": "midnight"}, "MIDNIGHT", 1),
        ({"when": "W2", "interval": 2}, "W2", 2),
    ],
)
def test_its_schedule_is_the_one_that_was_named(
    options: dict[str, Any], when: str, interval: int, tmp_path: Path
) -> None:
    """The standard library keeps the interval in seconds."""
    own, usual = (
        Daily(tmp_path / "a.log", utc=True, **options),
        logboom.TimedRotatingFileHandler(tmp_path / "b.log", utc=True, **options),
    )
    for handler in (own, usual):
        handler.handle(record("made"))
    rotations = [handler._producer.target.rotation for handler in (own, usual) if handler._producer]
    assert rotations[0] == rotations[1]
    assert (rotations[0].when, rotations[0].interval) == (when, interval)
    for handler in (own, usual):
        handler.close()


def test_it_has_the_encoding_that_a_handler_has(tmp_path: Path) -> None:
    """The platform's encoding, which the standard library takes by itself, is UTF-8 as everywhere here."""
    for name, options in (("utf8", {}), ("latin", {"encoding": "latin-1"})):
        handler = PlainFile(tmp_path / f"{name}.log", **options)
        handler.handle(record("Grüße"))
        handler.close()
    assert (tmp_path / "utf8.log").read_bytes() == "Grüße\n".encode()
    assert (tmp_path / "latin.log").read_bytes() == "Grüße\n".encode("latin-1")


def test_what_cannot_work_is_refused_at_once(tmp_path: Path) -> None:
    class Compressing(Sized):
        def rotate(self, source: str, dest: str) -> None:
            raise AssertionError

    with pytest.raises(ConfigurationError, match="rotate"):
        Compressing(tmp_path / "app.log")
    with pytest.raises(ConfigurationError, match="is a directory"):
        PlainFile(tmp_path)


def test_one_that_writes_to_its_stream_first(tmp_path: Path) -> None:
    handler = Sized(tmp_path / "app.log")
    handler.stream.write("header\n")
    handler.flush()
    handler.handle(record("one"))
    handler.close()
    assert (tmp_path / "app.log").read_text() == "header\none\n"


@pytest.mark.skipif(os.name != "posix", reason="devices have other names")
@pytest.mark.parametrize("kind", [PlainFile, logboom.FileHandler])
def test_a_device_has_its_own_stream(kind: type[Any]) -> None:
    handler = kind(Path(os.devnull))
    handler.handle(record("gone"))
    assert handler.stream.fileno() > 2
    handler.close()
