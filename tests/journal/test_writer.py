"""The producer's half: appends, rolls, races, a descriptor that was taken away."""

from __future__ import annotations

import ast
import ctypes
import errno
import inspect
import os
import socket
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from logboom import platform
from logboom.errors import SpoolError, SpoolFullError
from logboom.journal import segment as module
from logboom.journal.layout import END, REST, WAKE, Header, committed_length, decode_header
from logboom.journal.reader import JournalReader
from logboom.journal.segment import Segment
from logboom.journal.target import Target
from logboom.journal.writer import FIRST_SIZE, LARGEST_SIZE, JournalWriter, program_name
from logboom.spool.directory import Spool

CONTEXT = b'{"context":1,"renderer":"message","columns":["text"]}\n'
STATED = {1: CONTEXT}


def line(text: str) -> bytes:
    return b'[1.5,1,20,"shop","%s"]\n' % text.encode()


WINDOWS = sys.platform == "win32"
MAPPED = pytest.mark.skipif(WINDOWS, reason="nothing is mapped on Windows")


def is_locked(path: Path) -> bool:
    with open(path, "rb") as other:
        return not platform.lock_is_free(other.fileno())


@pytest.fixture(params=[pytest.param(True, marks=MAPPED), False], ids=["mapped", "written"])
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> JournalWriter:
    spool = Spool.create(tmp_path / ".logboom")
    return JournalWriter(spool.journal_path, Target(name="app.log"), mapped=request.param, mode=0o640)


def put(writer: JournalWriter, data: bytes) -> None:
    """What a handler does: append, and roll when the segment refuses."""
    segment = writer.segment
    while True:
        if segment is not None:
            try:
                segment.write(data)
                return
            except ValueError:
                pass
        segment = writer.roll(segment, STATED, len(data))


def committed(path: Path) -> list[bytes]:
    block = path.read_bytes()
    return block[: committed_length(block)].splitlines(keepends=True)


def segments(writer: JournalWriter) -> list[Path]:
    return sorted(writer.directory.glob("*.segment"))


def read(writer: JournalWriter) -> list[str]:
    """All texts of the stream, as the collector reads them."""
    spool = Spool(writer.directory.parent)
    reader = JournalReader(spool, writer.producer)
    found: list[str] = []
    for _ in range(200):
        chunks = reader.read(1 << 20)
        found += [row[4] for chunk in chunks for row in chunk.rows]
        if not chunks and reader.exhausted:
            break
    spool.close()
    return found


def test_segment_begins_with_header_and_contexts(writer: JournalWriter) -> None:
    """A reader that begins at any segment must know whose it is and how to render it."""
    put(writer, line("one"))
    head, context, record = committed(segments(writer)[0])
    header = decode_header(head)
    assert (header.producer, header.segment, header.pid) == (writer.producer, 1, os.getpid())
    assert header.target.name == "app.log"
    assert isinstance(header, Header)
    assert (context, record) == (CONTEXT, line("one"))


@MAPPED
def test_mapped_segment_is_allocated_in_full(tmp_path: Path) -> None:
    """A hole in the file would be a SIGBUS in the program when the disk is full."""
    spool = Spool.create(tmp_path / ".logboom")
    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=True, mode=0o600)
    put(writer, line("one"))
    status = segments(writer)[0].stat()
    assert status.st_size == FIRST_SIZE
    assert status.st_blocks * 512 >= FIRST_SIZE


def test_stream_goes_on_over_many_segments(writer: JournalWriter) -> None:
    """A roll must neither lose, repeat nor reorder, and sizes double up to their limit."""
    texts = [f"{number:06}" + "x" * 900 for number in range(4000)]
    for text in texts:
        put(writer, line(text))
    assert read(writer) == texts
    assert len(segments(writer)) > 4
    assert max(path.stat().st_size for path in segments(writer)) <= LARGEST_SIZE + 1000


def test_segments_double_while_they_are_used(tmp_path: Path) -> None:
    """A program that logs a line takes little room; one that logs much does not roll a thousand times."""
    spool = Spool.create(tmp_path / ".logboom")
    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=True, mode=0o600)
    for _ in range(2500):
        put(writer, line("x" * 1000))
    sizes = [path.stat().st_size for path in segments(writer)]
    assert sizes == [64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 1 << 20]


def test_record_larger_than_any_segment_gets_one_of_its_own_size(writer: JournalWriter) -> None:
    """A megabyte is a record like any other."""
    texts = ["a", "b" * 5_000_000, "c"]
    for text in texts:
        put(writer, line(text))
    assert read(writer) == texts


def test_threads_that_roll_at_once(writer: JournalWriter) -> None:
    """Of several new segments one is kept; whoever lost unlinks its own, and no line goes there."""
    start = threading.Barrier(8)

    def log(name: int) -> None:
        start.wait()
        for number in range(300):
            put(writer, line(f"{name}-{number:04}" + "y" * 2000))

    threads = [threading.Thread(target=log, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [text.rstrip("y") for text in read(writer)]
    assert sorted(found) == sorted(f"{name}-{number:04}" for name in range(8) for number in range(300))
    for name in range(8):
        own = [text for text in found if text.startswith(f"{name}-")]
        assert own == sorted(own)


def test_loser_of_a_roll_goes_on_in_the_winners_segment(writer: JournalWriter) -> None:
    """Rule "roll": another writer comes between the making of a segment and the swap."""
    put(writer, line("one"))
    old = writer.segment
    make = writer._make
    winners: list[Segment | None] = []

    def interrupted(*arguments: Any) -> Segment | None:
        segment = make(*arguments)
        if not winners:
            winners.append(None)
            winners[0] = writer.roll(old, STATED, 0)
        return segment

    writer._make = interrupted  # type: ignore[method-assign]
    assert writer.roll(old, STATED, 0) is winners[0] is writer.segment
    put(writer, line("two"))
    assert read(writer) == ["one", "two"]
    assert len(segments(writer)) == 2


def test_segment_gets_its_name_when_it_is_locked_and_has_its_header(
    writer: JournalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found without a lock it would be taken for a dead one's, without a header for damage."""
    real = module.platform.rename
    named: list[str] = []

    def rename(source: Path, target: Path) -> None:
        assert segments(writer) == []
        assert [decode_header(committed(source)[0]).segment, committed(source)[1:]] == [1, [CONTEXT]]
        assert is_locked(source)
        real(source, target)
        named.append(target.name)

    monkeypatch.setattr(module.platform, "rename", rename)
    put(writer, line("one"))
    assert named == [path.name for path in segments(writer)]


def test_nothing_is_called_between_the_look_and_the_swap() -> None:
    """Another thread, or a signal handler, can only run at a call: it would lose its segment by the swap."""
    source = textwrap.dedent(inspect.getsource(JournalWriter.roll))
    (swap,) = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.If) and any(ast.unparse(one) == "self.segment = new" for one in node.body)
    )
    assert ast.unparse(swap.body[0]) == "self.segment = new"
    assert ast.unparse(swap.test) == "self.segment is old or self.segment is None"


@MAPPED
def test_full_segment_is_ended_by_one_write(tmp_path: Path) -> None:
    """Between two of them a late writer's line would stand in the middle of the filling."""
    spool = Spool.create(tmp_path / ".logboom")
    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=True, mode=0o600)
    put(writer, line("one"))
    segment = writer.segment
    assert segment is not None
    written: list[bytes] = []
    real = segment.write

    def write(data: bytes) -> object:
        if not written:
            written.append(data)
            real(line("late"))
        else:
            written.append(data)
        return real(data)

    segment.write = write
    start = segment.written()
    segment.end()
    assert [len(data) for data in written] == [FIRST_SIZE - start, FIRST_SIZE - start - len(line("late"))]
    assert all(data.strip(b" ") == b"\n" for data in written)
    assert read(writer) == ["one", "late"]


def test_late_writer_is_refused_by_the_old_segment(writer: JournalWriter) -> None:
    """A signal handler may hold the old segment's `write` for as long as it likes."""
    put(writer, line("one"))
    old = writer.segment
    assert old is not None
    late: Callable[[bytes], object] = old.write
    writer.roll(old, STATED, 0)
    with pytest.raises(ValueError, match=r"."):
        late(line("lost?"))


def test_roll_after_a_closed_segment_keeps_the_new_one(writer: JournalWriter) -> None:
    """Another thread may have closed the stream meanwhile: the new segment must not be thrown away."""
    put(writer, line("one"))
    old = writer.segment
    assert old is not None
    writer.close()
    new = writer.roll(old, STATED, 0)
    assert new is writer.segment
    assert new is not None
    assert new.is_linked()


def test_segment_is_locked_while_it_lives_and_free_when_closed(writer: JournalWriter) -> None:
    """Dead is who holds no lock: a collector must never take a living stream for a dead one."""
    put(writer, line("one"))
    (path,) = segments(writer)
    assert is_locked(path)
    writer.close()
    assert not is_locked(path)


@MAPPED
def test_mapping_keeps_the_lock_when_every_descriptor_is_closed(tmp_path: Path) -> None:
    """A daemoniser closes all descriptors; its segment is alive all the same."""
    spool = Spool.create(tmp_path / ".logboom")
    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=True, mode=0o600)
    put(writer, line("one"))
    segment = writer.segment
    assert segment is not None
    os.close(segment._fd)
    assert is_locked(segment.path)
    put(writer, line("two"))
    assert read(writer) == ["one", "two"]
    writer.close()


@pytest.mark.parametrize("mapped", [True, False])
def test_append_without_the_interpreters_lock_takes_one_that_its_own_thread_may_take_again(
    mapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free-threaded builds, and `write(2)`: a signal handler that logs inside an append must not hang."""
    monkeypatch.setattr(module, "_FREE_THREADED", True)
    spool = Spool.create(tmp_path / ".logboom")
    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=mapped, mode=0o600)
    put(writer, line("one"))
    segment: Any = writer.segment
    thread = threading.Thread(target=segment.write, args=(line("three"),))
    with segment._lock:
        thread.start()
        assert segment._lock.acquire(timeout=10)
        segment._lock.release()
        segment.write(line("two"))
        thread.join(0.05)
        assert thread.is_alive(), "it waits for its turn"
    thread.join(60)
    assert read(writer) == ["one", "two", "three"]


def test_foreign_descriptor_under_our_number_is_left_alone(writer: JournalWriter, tmp_path: Path) -> None:
    """After a daemoniser our descriptor's number may be somebody's socket: hands off."""
    put(writer, line("one"))
    segment = writer.segment
    assert segment is not None
    number = segment._fd
    ours, theirs = socket.socketpair()
    with ours, theirs:
        os.dup2(ours.fileno(), number)
        put(writer, line("two"))
        writer.close()
        assert os.path.sameopenfile(number, ours.fileno())
        ours.shutdown(socket.SHUT_WR)
        assert theirs.recv(10) == b""
    os.close(number)
    assert read(writer) == ["one", "two"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each line looks first")
def test_number_of_a_written_segment_is_not_taken_again(tmp_path: Path) -> None:
    """A daemon that closes every descriptor opens its own files next, and a line must go to none of them."""
    spool = Spool.create(tmp_path / ".logboom")
    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=False, mode=0o600)
    put(writer, line("one"))
    assert writer.segment is not None
    os.close(writer.segment._fd)
    theirs = [open(tmp_path / f"{number}", "w+b") for number in range(100)]  # noqa: SIM115
    put(writer, line("two"))
    for file in theirs:
        assert os.fstat(file.fileno()).st_size == 0
        file.close()
    assert read(writer) == ["one", "two"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each line looks first")
def test_foreign_file_under_our_number_is_seen_at_the_next_look(tmp_path: Path) -> None:
    """What one system call cannot tell is looked at once a second."""
    spool = Spool.create(tmp_path / ".logboom")
    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=False, mode=0o600)
    put(writer, line("one"))
    assert writer.segment is not None and writer.segment.is_linked()
    number = writer.segment._fd
    with open(tmp_path / "theirs", "w+b") as theirs:
        os.dup2(theirs.fileno(), number)
        assert not writer.segment.is_linked()
        writer.close()
        assert os.path.sameopenfile(number, theirs.fileno())
    os.close(number)


def test_unlinked_segment_is_noticed(writer: JournalWriter) -> None:
    """A tmp cleaner removes a segment in silence."""
    put(writer, line("one"))
    segment = writer.segment
    assert segment is not None
    assert segment.is_linked()
    segment.path.unlink()
    assert not segment.is_linked()


@pytest.mark.skipif(WINDOWS, reason="no fork")
def test_forked_child_has_a_stream_of_its_own(writer: JournalWriter) -> None:
    """A child that wrote to its parent's segment would tear the parent's lines."""
    put(writer, line("parent"))
    parent = writer.producer
    child = os.fork()
    if child == 0:
        writer.forget()
        put(writer, line("child"))
        os._exit(0 if writer.producer != parent else 1)
    assert os.waitpid(child, 0)[1] == 0
    put(writer, line("parent again"))
    assert read(writer) == ["parent", "parent again"]
    (path,) = (path for path in segments(writer) if path.name.startswith(parent))
    assert is_locked(path)


@pytest.mark.skipif(WINDOWS, reason="no fork")
def test_fork_in_the_middle_of_a_roll_leaves_the_parents_segment(writer: JournalWriter) -> None:
    """uWSGI's fork runs no hook: a child that went on with the roll would end what is its parent's."""
    put(writer, line("parent"))
    old, make = writer.segment, writer._make
    assert old is not None
    before = old.path.read_bytes()
    pids: list[int] = []

    def forked(*arguments: Any) -> Segment | None:
        pids.append(ctypes.PyDLL(None).fork())
        if pids[0]:
            raise InterruptedError
        return make(*arguments)

    writer._make = forked  # type: ignore[method-assign]
    try:
        writer.roll(old, STATED, 0)
        os._exit(0)
    except InterruptedError:
        assert os.waitpid(pids[0], 0)[1] == 0
    finally:
        if pids == [0]:
            os._exit(1)
    assert old.path.read_bytes() == before
    assert is_locked(old.path)


def test_forked_child_waits_for_no_lock_of_a_thread_that_it_has_not(writer: JournalWriter) -> None:
    """The thread that held it at the fork is not in the child: nobody there would ever give it back."""
    put(writer, line("parent"))
    segment: Any = writer.segment
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with segment._lock:
            held.set()
            done.wait(60)

    threads = [threading.Thread(target=hold), threading.Thread(target=writer.forget, daemon=True)]
    threads[0].start()
    held.wait(60)
    threads[1].start()
    threads[1].join(10)
    waits = threads[1].is_alive()
    done.set()
    for thread in threads:
        thread.join(60)
    assert not waits


def test_no_room_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    """The quota, or a full disk, is an exception at the roll; no half-made segment stays."""
    spool = Spool.create(tmp_path / ".logboom")

    def refuse(size: int, least: int, gone_on: Callable[[], bool]) -> int:
        raise SpoolFullError("the spool is full")

    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=True, mode=0o600, admit=refuse)
    with pytest.raises(SpoolFullError):
        writer.roll(None, STATED, 100)
    assert list(spool.journal_path.iterdir()) == []


def test_nearly_full_spool_takes_the_least_that_will_do(tmp_path: Path) -> None:
    """A stream whose segments have grown would be stuck: its full one goes only when there is a next one."""
    spool = Spool.create(tmp_path / ".logboom")
    asked: list[int] = []

    def admit(size: int, least: int, gone_on: Callable[[], bool]) -> int:
        asked.append(size)
        return size if len(asked) <= 2 else least

    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=True, mode=0o600, admit=admit)
    texts = [f"{number} " + "x" * 1000 for number in range(230)]
    for text in texts:
        put(writer, line(text))
    assert asked[:3] == [FIRST_SIZE, FIRST_SIZE * 2, FIRST_SIZE * 4]
    assert [path.stat().st_size for path in segments(writer)] == [FIRST_SIZE, FIRST_SIZE * 2, FIRST_SIZE]
    assert read(writer) == texts


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, SpoolFullError), (errno.EROFS, SpoolError)])
def test_errors_of_the_disk_leave_nothing_behind(
    number: int, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An allocation that fails must not leave a file that a reader would find."""
    spool = Spool.create(tmp_path / ".logboom")
    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=True, mode=0o600)

    def fail(fd: int, size: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module.platform, "allocate", fail)
    with pytest.raises(kind):
        writer.roll(None, STATED, 100)
    assert list(spool.journal_path.iterdir()) == []


def test_short_write_is_written_again_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the `write` mode a full disk may take half a line: the line comes once, whole."""
    spool = Spool.create(tmp_path / ".logboom")
    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=False, mode=0o600)
    put(writer, line("one"))
    real, armed = os.write, [True]

    def short(fd: int, data: bytes) -> int:
        if armed and b"two" in data:
            armed.clear()
            return real(fd, data[:9])
        return real(fd, data)

    monkeypatch.setattr(module.os, "write", short)
    put(writer, line("two"))
    put(writer, line("three"))
    assert read(writer) == ["one", "two", "three"]


def test_signal_handler_that_logs_behind_a_short_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nested append must never continue the outer one's torn line."""
    spool = Spool.create(tmp_path / ".logboom")
    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=False, mode=0o600)
    put(writer, line("one"))
    real, armed = module.platform.append, [True]

    def torn_and_nested(fd: int, data: bytes, end: int) -> int:
        if armed and b"outer" in data:
            armed.clear()
            done = real(fd, data[:9], end)
            put(writer, line("nested"))
            return done
        return real(fd, data, end)

    monkeypatch.setattr(module.platform, "append", torn_and_nested)
    put(writer, line("outer"))
    assert sorted(read(writer)) == ["nested", "one", "outer"]


def test_written_segment_says_where_it_ends(tmp_path: Path) -> None:
    """It grows by appends, so its size says nothing: a line does."""
    spool = Spool.create(tmp_path / ".logboom")
    writer = JournalWriter(spool.journal_path, Target(name="a"), mapped=False, mode=0o600)
    put(writer, line("one"))
    writer.roll(writer.segment, STATED, 0)
    assert committed(segments(writer)[0])[-1] == END


def test_mode_is_set_whatever_the_umask(writer: JournalWriter) -> None:
    """A segment is never more readable than the log."""
    before = os.umask(0)
    try:
        put(writer, line("one"))
    finally:
        os.umask(before)
    assert segments(writer)[0].stat().st_mode & 0o777 == 0o640


def test_sync_reaches_the_disk(writer: JournalWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the page of the last sync on to the end of the last line; nothing when nothing is new."""
    synced: list[tuple[int, int]] = []
    put(writer, line("one" * 3000))
    segment: Any = writer.segment
    if writer.mapped:
        segment._map = SimpleNamespace(
            tell=segment._map.tell, flush=lambda start, size: synced.append((start, start + size))
        )
    monkeypatch.setattr(module.platform, "sync_file", lambda fd: synced.append((0, os.fstat(fd).st_size)))
    first = segment.sync(5000)
    assert synced == [(4096 if writer.mapped else 0, first)]
    assert segment.sync(first) == first and len(synced) == 1


@pytest.mark.parametrize("synced", [True, False])
def test_roll_syncs_a_line_that_came_at_the_last_moment(
    synced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread appended while the next segment was made; nobody could sync it later."""
    spool = Spool.create(tmp_path / ".logboom")
    target = Target(name="a", synced=synced)
    writer = JournalWriter(spool.journal_path, target, mapped=True, mode=0o600)
    put(writer, line("one"))
    old, seen = writer.segment, list[tuple[int, int]]()
    monkeypatch.setattr(
        module.MappedSegment, "sync", lambda one, start: seen.append((one.number, one.written()))
    )
    writer.roll(old, STATED, 0)
    assert seen == ([(1, FIRST_SIZE)] if synced else [])


def test_sync_covers_what_was_written_since_the_last_one(writer: JournalWriter) -> None:
    """A synced level syncs only what is new."""
    put(writer, line("one"))
    segment = writer.segment
    assert segment is not None
    first = segment.sync(0)
    assert first == segment.written()
    put(writer, line("two"))
    assert segment.sync(first) == segment.written() > first


def test_rest_and_wake_do_not_count_as_written(writer: JournalWriter) -> None:
    """A flush when nothing new was logged returns at once, whatever other flushes said meanwhile."""
    put(writer, line("one"))
    before = writer.written()
    writer.rest()
    writer.rest()
    assert content(writer).endswith(line("one") + REST), "said once"
    assert writer.written() == before
    writer.wake()
    writer.wake()
    assert content(writer).endswith(line("one") + REST + WAKE)
    assert writer.written() == before
    writer.rest()
    assert writer.written() == before
    put(writer, line("two"))
    assert writer.written()[2] == len(content(writer))
    writer.wake()
    assert content(writer).endswith(line("two")), "who logs is awake"


def test_record_of_another_thread_beside_rest_counts(writer: JournalWriter) -> None:
    put(writer, line("one"))
    segment = writer.segment
    assert segment is not None
    write = segment.write

    def write_late(data: bytes) -> object:
        write(line("between"))
        return write(data)

    segment.write = write_late  # type: ignore[method-assign]
    before = writer.written()
    writer.rest()
    segment.write = write  # type: ignore[method-assign]
    assert writer.written()[2] > before[2]


def test_rest_in_a_full_segment_is_left_unsaid(tmp_path: Path) -> None:
    """It costs a reader a wait, and nothing else."""
    writer = JournalWriter(
        Spool.create(tmp_path / ".logboom").journal_path,
        Target(name="app.log"),
        mapped=not WINDOWS,
        mode=0o640,
    )
    writer.rest()
    put(writer, line("one"))
    assert writer.segment is not None
    writer.segment.end()
    before = writer.written()
    writer.rest()
    writer.wake()
    assert writer.written() == before


def content(writer: JournalWriter) -> bytes:
    assert writer.segment is not None
    return writer.segment.path.read_bytes().rstrip(b"\0")


class Unsayable:
    def __str__(self) -> str:
        raise RuntimeError("no name")


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/srv/shop.py", Path("x")], "shop.py x"),
        (["shop.py", 8000], "shop.py 8000"),
        ([5], "5"),
        ([b"shop.py", None], "shop.py None"),
        ([Unsayable(), "run"], "run"),
        ([], "python"),
        (["shop\udcff"], "shop\\udcff"),
    ],
)
def test_a_program_has_a_name_whatever_its_arguments_are(
    argv: list[object], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs put paths and numbers into `sys.argv` for a library; that must not cost their records."""
    monkeypatch.setattr(sys, "argv", argv)
    assert program_name() == name
