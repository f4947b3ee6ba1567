"""A set as it stands at one moment: every record once, delivered or pending, whatever is renamed meanwhile.

Nothing is written, and no right to write is needed. The checkpoint decides which records are pending: it is
read before and after the files are opened, and again when it changed between the two.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from logboom import platform
from logboom.journal.layout import (
    ROLLOVER,
    Context,
    Header,
    committed_length,
    decode_header,
    segment_name,
    unpack_position,
)
from logboom.journal.lines import LineDecoder
from logboom.journal.target import Target
from logboom.logset.layouts import JsonLayout, OpaqueLayout, TextLayout
from logboom.logset.names import LogSet, backup_of, codec_of, files_of
from logboom.logset.reading import LogFile, Reading
from logboom.logset.record import Kind, Layout, Record
from logboom.records.rendering import renderer_for
from logboom.spool.directory import DEAD_SUFFIX, Spool
from logboom.spool.ledger import Intent, State, replay, unframe

__all__ = ["SetView", "open_set", "spool_of"]

_TRIES: Final = 40
_PAUSE: Final = 0.005
_FILE_BITS: Final = 44
_PENDING_FILE: Final = 1 << 18
_CHECKPOINT: Final = "checkpoint.jsonl"
_SPOOL: Final = ".logboom"
DEFAULT: Final = Reading()


class SetView:
    """One set, open.

    Attributes:
        path: the live file.
        number: place among the sets that are read together.
        files: the oldest first.
        pending: records that are committed and not delivered yet.
        notes: what could not be read, in sentences.
        positions: of the streams, up to which `files` has them; None where no spool is read.
    """

    def __init__(self, path: Path, number: int) -> None:
        self.path = path
        self.number = number
        self.files: list[LogFile] = []
        self.pending: list[Record] = []
        self.notes: list[str] = []
        self.spool: Path | None = None
        self.key = ""

    def close(self) -> None:
        for file in self.files:
            file.close()
        self.files = []


def open_set(one: LogSet, number: int = 0, reading: Reading = DEFAULT, *, pending: bool = True) -> SetView:
    """Open the files of a set as they are now.

    Raises:
        OSError: one of them cannot be read, or none is there.
    """
    view = SetView(one.path, number)
    spool = None if one.alone or not pending else spool_of(one.path)
    for attempt in range(_TRIES):
        last = attempt == _TRIES - 1
        view.close()
        recorded = _recorded(spool)
        listed = _listing(one)
        try:
            _open_files(view, one, listed, reading)
        except FileNotFoundError:
            if last:
                raise
            time.sleep(_PAUSE)
            continue
        if last or (_listing(one) == listed and _recorded(spool) == recorded):
            break
        time.sleep(_PAUSE * (attempt > 3))
    if not view.files and not listed:
        raise FileNotFoundError(2, "No such file", str(one.path))
    if spool is not None:
        view.spool = spool
        _take_pending(view, spool, recorded, reading)
    return view


def spool_of(live: Path) -> Path | None:
    """The spool of a log file: beside it, or where its facts say."""
    spool = live.parent / _SPOOL
    return spool if (spool / "journal").is_dir() else None


def _listing(one: LogSet) -> list[tuple[str, int, int]]:
    """Name and inode of each file; a roll, a compression or a deletion makes another list."""
    names = [one.path.name] if one.alone else files_of(one.path.name, os.listdir(one.path.parent))
    found = []
    for name in names:
        try:
            status = os.stat(one.path.parent / name, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if status.st_mode & 0o170000 == 0o100000:
            found.append((name, status.st_ino, status.st_mtime_ns))
    packed = {name: stamp for name, _, stamp in found if codec_of(name) is not None}
    plain = {name: stamp for name, _, stamp in found if codec_of(name) is None}
    # While a backup is compressed, for a moment there are both.
    twice = {name for name, stamp in packed.items() if plain.get(os.path.splitext(name)[0]) == stamp}
    return [(name, inode, 0) for name, inode, _ in found if name not in twice]


def _open_files(view: SetView, one: LogSet, listed: Sequence[tuple[str, int, int]], reading: Reading) -> None:
    for number, (name, inode, _) in enumerate(listed):
        file = LogFile(one.path.parent / name, (view.number, number), reading)
        view.files.append(file)
        if file.file.status.st_ino != inode:
            raise FileNotFoundError(2, "renamed meanwhile", name)


# --- what is pending ---


def _recorded(spool: Path | None) -> bytes | None:
    if spool is None:
        return None
    try:
        return platform.read_file(spool / _CHECKPOINT)
    except FileNotFoundError:
        return b""
    except OSError:
        return None


def _take_pending(view: SetView, spool: Path, recorded: bytes | None, reading: Reading) -> None:
    if recorded is None:
        view.notes.append(f"{spool} may not be read: records that are still on their way are not shown")
        return
    state = State()
    for event in filter(None, map(unframe, recorded.split(b"\n")[:-1])):
        state = replay(state, event)
    live = view.files[-1] if view.files and view.files[-1].file.name == view.path.name else None
    for intent in state.intents.values():
        if live is not None and intent.step.kind == "append":
            _leave_out(view, live, intent, reading)
    try:
        rows = list(_pending(view, spool, state))
    except OSError as error:
        view.notes.append(f"{spool}: {error.strerror or error}: pending records are not shown")
        return
    rows.sort(key=lambda record: record.time)
    for place, record in enumerate(rows):
        record.position = (_PENDING_FILE << _FILE_BITS) + place
    view.pending = rows


def _leave_out(view: SetView, live: LogFile, intent: Intent, reading: Reading) -> None:
    """What a collector is about to append, or has and did not record yet, is pending."""
    details = intent.step.details
    status = live.file.status
    size = live.file.size or 0
    if (details.get("dev"), details.get("ino")) == (status.st_dev, status.st_ino) and size > details[
        "before"
    ]:
        limited = LogFile(live.file.path, (view.number, len(view.files) - 1), reading, details["before"])
        if limited.file.status.st_ino == status.st_ino:
            live.close()
            view.files[-1] = limited


def _pending(view: SetView, spool: Path, state: State) -> Iterator[Record]:
    directory = Spool(spool)
    name = os.path.normcase(view.path.name)
    for producer, numbers in directory.segments().items():
        position = state.positions.get(producer, 0)
        intent = next((one for one in state.intents.values() if producer in one.advance), None)
        del intent  # its records are not in the positions, and are left out of the file
        first, offset = unpack_position(position)
        for number in numbers:
            if number < first:
                continue
            data = _segment(directory, producer, number)
            if not data:
                continue
            yield from _records(view, data, offset if number == first else 0, name)


def _segment(directory: Spool, producer: str, number: int) -> bytes:
    path = directory.journal_path / segment_name(producer, number)
    for one in (path, path.with_name(path.name + DEAD_SUFFIX)):
        try:
            fd = platform.open_for_reading(one)
        except FileNotFoundError:
            continue
        try:
            data: bytes = platform.read_at(fd, os.fstat(fd).st_size, 0)
        finally:
            os.close(fd)
        return data[: committed_length(data)]
    return b""


def _records(view: SetView, data: bytes, offset: int, name: str) -> Iterator[Record]:
    newline = data.find(b"\n") + 1
    try:
        header = decode_header(data[:newline])
    except Exception:  # damaged: its collector says so
        return
    target = header.target
    if not isinstance(target, Target) or os.path.normcase(target.name) != name:
        return
    contexts: dict[int, Context] = {}
    decoded = LineDecoder(contexts).decode(data[newline:], newline)
    layouts: dict[int, Layout] = {}
    kinds: dict[Any, Kind] = {}
    renderers: dict[int, Any] = {}
    for row, end in zip(decoded.rows, decoded.ends, strict=True):
        number = row[1]
        if end <= offset or number == ROLLOVER or number not in contexts:
            continue
        context = contexts[number]
        if number not in renderers:
            renderers[number] = renderer_for(context)
            layouts[number] = layout_of_context(context)
        key = (number, row[2], row[3])
        if key not in kinds:
            kinds[key] = _kind(row, context, header, layouts[number])
        text = renderers[number]([row])[0]
        yield Record(row[0], view.number, 0, _utf8(text, context).rstrip(b"\r\n"), kinds[key])


def _kind(row: list[Any], context: Context, header: Header, layout: Layout) -> Kind:
    name = None
    if "levelname" in context.columns:
        value = row[4 + context.columns.index("levelname")]
        name = value if isinstance(value, str) else None
    return Kind(layout, row[2], name, row[3], header.pid, header.program)


def layout_of_context(context: Context) -> Layout:
    """How the records of a journal's context are written."""
    if context.renderer == "text":
        return TextLayout(context.options["format"], context.options["style"], "utf-8")
    if context.renderer == "json":
        return JsonLayout("utf-8", context.options.get("fields"), guessed=False)
    return OpaqueLayout("utf-8")


def _utf8(text: bytes, context: Context) -> bytes:
    if context.encoding in ("utf-8", "ascii"):
        return text
    try:
        return text.decode(context.encoding, "replace").encode()
    except LookupError:
        return text


def backups_too(path: Path, name: str) -> bool:
    """Return True if `name` is a file of the set of `path`."""
    return backup_of(path.name, name) is not None
