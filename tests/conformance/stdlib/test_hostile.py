"""Input of any kind cannot forge, break or lose another record, nor raise into the program."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

Programs = Any

SETUP = """
import logging, os, signal, sys, threading
import logboom
log = logging.getLogger()
log.setLevel(logging.INFO)
handler = logboom.FileHandler("app.log")
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(process)d %(message)s"))
log.addHandler(handler)
"""
HEAD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?:INFO|ERROR) \d+ ")
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")

MESSAGES = [
    "a\nb",
    "a\r\nb\r",
    "NUL \0 NUL",
    "\x1b[31mred\x1b[0m \x9b2J",
    "a\u2028b\u2029c\x85d\x0be\x0cf",
    "lone \ud800 and \udfff",
    "\x7f\x08\x08",
    "2026-11-22 10:00:00,000 INFO 1 forged",
    "x\n2026-11-22 10:00:00,000 INFO 1 forged",
    '"],[1,2,3,"forged"]\n[0,0,20,"x","forged"]',
    '{"end":true}\n{"end":true}',
    "\ufeffBOM \ufffe\uffff \U0010ffff",
    "",
    " ",
    "\n",
]


def run(programs: Programs, body: str, **options: Any) -> Any:
    return programs.run(SETUP + body, **options)


def messages(programs: Programs) -> list[str]:
    """What stands after the head of each record; further lines are blank or begin with the mark."""
    text = programs.log.read_bytes().decode("utf-8")
    if not text:
        return []
    assert text.endswith("\n")
    records = re.split("\n(?! |\n)", text[:-1])
    assert [record for record in records if not HEAD.match(record)] == []
    return [HEAD.sub("", record, count=1) for record in records]


@pytest.mark.parametrize("how", ["log.info(text)", "log.info('%s', text)", "log.info('%s', [text])"])
def test_no_message_looks_like_a_record(programs: Programs, how: str) -> None:
    """A message that somebody outside chose must not look like a record of its own, or erase one."""
    run(programs, f"for text in {MESSAGES!r}:\n    {how}\n    log.info('after')\n")
    found = messages(programs)
    assert found[1::2] == ["after"] * len(MESSAGES)
    assert not any(CONTROL.search(text.replace("\n ", "").rstrip("\n")) for text in found)
    if "[" not in how:
        assert found[0:10:2] == [
            "a\n b",
            "a\\r\n b\\r",
            r"NUL \x00 NUL",
            r"\x1b[31mred\x1b[0m \x9b2J",
            r"a\u2028b\u2029c\x85d\x0be\x0cf",
        ]


def test_other_values_than_the_message_are_as_harmless(programs: Programs) -> None:
    """A logger's, a thread's or a user's name can come from outside, too."""
    run(
        programs,
        """
names = "%(name)s %(user)s %(threadName)s"
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(process)d " + names))
threading.current_thread().name = "t\\nforged"
logging.getLogger("n\\nforged").info("x", extra={"user": "u\\r\\nforged"})
""",
    )
    assert len(messages(programs)) == 1


def test_an_exceptions_text_cannot_look_like_a_record(programs: Programs) -> None:
    """The lines of a traceback stay lines, but none of them may pass for a record's first."""
    run(
        programs,
        """
try:
    raise ValueError("x\\n2026-11-22 10:00:00,000 INFO 1 forged\\x1b[2J")
except ValueError:
    log.exception("failed")
log.info("after")
""",
    )
    text = programs.log.read_text(encoding="utf-8")
    heads = [line for line in text.split("\n") if HEAD.match(line)]
    assert [HEAD.sub("", line) for line in heads] == ["failed", "after"]
    assert "Traceback (most recent call last):\n" in text
    assert "\x1b" not in text


def test_twenty_megabytes(programs: Programs) -> None:
    """A record larger than any segment or buffer arrives whole, and its neighbours as well."""
    run(programs, "log.info('before'); log.info('x' * 20_000_000); log.info('after')")
    assert [len(text) for text in messages(programs)] == [6, 20_000_000, 5]


def test_a_str_that_raises(programs: Programs) -> None:
    """It costs its own record, said on stderr as by the standard handlers, and nothing else."""
    done = run(
        programs,
        """
class Bad:
    def __str__(self):
        raise RuntimeError("no text")
log.info("before")
log.info("%s", Bad())
log.info(Bad())
log.info("after")
""",
    )
    assert messages(programs) == ["before", "after"]
    assert done.stderr.count("--- Logging error ---") == 2


def test_wrong_arguments(programs: Programs) -> None:
    """The standard library's most common mistake is met the same way."""
    done = run(programs, "log.info('%d', 'x'); log.info('%s %s', 1); log.info('x', 1); log.info('after')")
    assert messages(programs) == ["after"]
    assert done.stderr.count("--- Logging error ---") == 3


def test_nothing_is_said_when_errors_are_not_to_be_raised(programs: Programs) -> None:
    """`logging.raiseExceptions = False` is how programs ask for silence."""
    done = run(programs, "logging.raiseExceptions = False; log.info('%d', 'x'); log.info('after')")
    assert (messages(programs), done.stderr) == (["after"], "")


def test_a_str_that_logs(programs: Programs) -> None:
    """A log call inside a log call: both records, once each, the inner one first."""
    run(
        programs,
        """
class Chatty:
    def __str__(self):
        log.info("inner")
        return "outer"
for _ in range(100):
    log.info("%s", Chatty())
""",
    )
    assert messages(programs) == ["inner", "outer"] * 100


@pytest.mark.parametrize("journal", ["", "write"])
def test_a_str_that_forks(programs: Programs, journal: str) -> None:
    """The child comes back from the fork in the middle of a log call, and both finish it."""
    run(
        programs,
        """
class Forking:
    def __str__(self):
        self.child = os.fork()
        if self.child == 0:
            log.info("child, inside")
        return "child" if self.child == 0 else "parent"
log.info("before")
forking = Forking()
log.info("%s", forking)
if forking.child == 0:
    logging.shutdown()
    os._exit(0)
os.waitpid(forking.child, 0)
log.info("after")
""",
        LOGBOOM_JOURNAL=journal,
    )
    found = messages(programs)
    assert sorted(found) == sorted(["before", "child, inside", "child", "parent", "after"])
    assert found.index("child, inside") < found.index("child")
    assert found[0] == "before" and found.index("parent") < found.index("after")


@pytest.mark.parametrize(
    "formatter", ["logging.Formatter('%(asctime)s %(levelname)s 1 %(message)s %(thing)s')", "JSON"]
)
def test_extra_with_anything(programs: Programs, formatter: str) -> None:
    """`extra` holds requests, sockets, locks: what cannot be written costs at most its own record."""
    formatter = formatter.replace("JSON", "logboom.JSONFormatter()")
    run(
        programs,
        f"""
class Bad:
    def __repr__(self):
        raise RuntimeError("no text")
loop = []
loop.append(loop)
deep = value = []
for _ in range(5000):
    value.append([])
    value = value[0]
handler.setFormatter({formatter})
things = [threading.Lock(), sys.stdout, lambda: 0, loop, float("nan"), float("inf"), 2**200, b"\\xff"]
things += [{{1: 2}}, {{(1, 2): "x"}}, {{"k": {{"n": Exception("e")}}}}, "lone \\ud800", "new\\nline"]
things += [object, 1j, range(3), deep]
logging.raiseExceptions = False
for thing in things + [Bad()]:
    log.info("with", extra={{"thing": thing}})
    log.info("after", extra={{"thing": "plain"}})
""",
    )
    text = programs.log.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert sum("after" in line and "plain" in line for line in lines) == 18
    assert sum("with" in line for line in lines) >= 16
    assert len(lines) == text.count("\n")


# A timer that fires once, set anew before each record: one signal a record at most, so that however slow the
# machine is, records and signals come forward; and so early that most signals come inside the log call.
ALARMS = """
import itertools
numbers = itertools.count(1)
def on_alarm(number, frame):
    log.info("signal %d", next(numbers))
signal.signal(signal.SIGALRM, on_alarm)
def record(number, delay):
    signal.setitimer(signal.ITIMER_REAL, delay * 1e-6)
    log.info("record %d", number)
"""


def check_signals(programs: Programs, records: int) -> None:
    """Each record once, each signal's once, and enough of them to have shown something."""
    found = messages(programs)
    (signals,) = (int(text.split()[1]) for text in found if text.startswith("signals "))
    assert sorted(text for text in found if text.startswith("record")) == sorted(
        f"record {n}" for n in range(records)
    )
    assert sorted(text for text in found if text.startswith("signal ")) == sorted(
        f"signal {n}" for n in range(1, signals)
    )
    assert signals > records / 20


def test_a_signal_handler_that_logs_inside_a_log_call(programs: Programs) -> None:
    """It runs between any two bytecodes of `emit`: no record may be overwritten, doubled or lost."""
    run(
        programs,
        ALARMS
        + """
for number in range(20_000):
    record(number, 1 + number % 40)
signal.setitimer(signal.ITIMER_REAL, 0)
log.info("signals %d", next(numbers))
assert logboom.flush(30)
""",
    )
    check_signals(programs, 20_000)
    in_order = [text for text in messages(programs) if text.startswith("record")]
    assert in_order == [f"record {n}" for n in range(20_000)]


def test_a_signal_handler_that_logs_inside_a_first_record(programs: Programs) -> None:
    """A first record makes a directory, a file, a process: the handler finds any of it half made."""
    run(
        programs,
        ALARMS
        + """
usual, formatter = handler, handler.formatter
for number in range(200):
    fresh = logboom.FileHandler("app.log", linger=5 + number)
    fresh.setFormatter(formatter)
    log.handlers[:] = [fresh]
    record(number, 1 + 10 * number)
signal.setitimer(signal.ITIMER_REAL, 0)
log.handlers[:] = [usual]
log.info("signals %d", next(numbers))
assert logboom.flush(30)
""",
    )
    check_signals(programs, 200)


def test_a_del_that_logs(programs: Programs) -> None:
    """The garbage collector runs when it likes: in a log call, and while the interpreter shuts down."""
    run(
        programs,
        """
class Last:
    def __init__(self, name):
        self.name, self.me = name, self
    def __del__(self):
        log.info("gone %s", self.name)
import gc
gc.set_threshold(5)
for number in range(500):
    Last(number)
    log.info("record %d", number)
gc.collect()
kept = Last("at the end")
""",
    )
    found = messages(programs)
    assert [text for text in found if text.startswith("record")] == [f"record {n}" for n in range(500)]
    expected = [f"gone {n}" for n in range(500)]
    assert sorted(text for text in found if text.startswith("gone") and "end" not in text) == sorted(expected)


@pytest.mark.parametrize("before", [["first"], []])
def test_a_record_in_the_interpreters_last_moments(
    programs: Programs, wait_until: Callable[..., None], before: list[str]
) -> None:
    """A `__del__` that runs after `logging.shutdown()` is heard, even when nothing was logged until then."""
    done = run(
        programs,
        f"""
class Last:
    def __del__(self):
        log.info("the last word")
last = Last()
for text in {before!r}:
    log.info(text)
""",
    )
    assert done.stderr == ""
    wait_until(lambda: messages(programs) == [*before, "the last word"])


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii", "cp1252", "utf-16"])
@pytest.mark.parametrize(
    "form", ["None", "logging.Formatter('%(name)s %(message)s')", "logboom.JSONFormatter()"]
)
def test_the_first_record_in_the_last_moments_needs_no_codec(
    programs: Programs, wait_until: Callable[..., None], encoding: str, form: str
) -> None:
    """Nothing can be imported or looked up any more; `-X dev` looks every codec up by its name."""
    code = f"""
import logging, logboom, builtins
handler = logboom.FileHandler("app.log", encoding={encoding!r}, errors="backslashreplace")
handler.setFormatter({form})
logging.root.addHandler(handler)
class Client:
    def __del__(self):
        logging.getLogger("client").error("Unclosed ünd \\ud800")
client = Client()
client.me = client
builtins.client = client
"""
    done = programs.run(code, PYTHONDEVMODE="1")
    assert done.stderr == ""
    wait_until(lambda: "Unclosed" in programs.log.read_bytes().decode(encoding, "replace"))


def test_raw_keeps_what_was_logged(programs: Programs) -> None:
    """Who colours a console log on purpose can have the standard library's bytes."""
    run(
        programs,
        """
raw = logboom.FileHandler("raw.log", control_characters="raw")
raw.setFormatter(logging.Formatter("%(message)s"))
log.addHandler(raw)
log.info("\\x1b[31mred\\x1b[0m\\ntwo")
""",
    )
    assert (programs.directory / "raw.log").read_text() == "\x1b[31mred\x1b[0m\ntwo\n"
