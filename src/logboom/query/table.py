"""Records as rows of a table, for SQL, Parquet, CSV and JSON Lines.

time        TIMESTAMP WITH TIME ZONE   UTC; of the preceding record where a line has none
level       ENUM                       as the program names it, ordered by its number; NULL where not known
levelno     INTEGER
logger      VARCHAR
process     BIGINT                     its pid
program     VARCHAR
message     VARCHAR                    NULL where the format does not say which part it is
exc         VARCHAR                    type of the exception of a traceback
set         VARCHAR                    the live file's name
fields      JSON                       all other fields: of JSON Lines, and what a format prints
text        VARCHAR                    the record as written
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from logboom.errors import LogboomError
from logboom.logset.record import Missing, Record

__all__ = ["COLUMNS", "as_row", "open_table", "write_csv", "write_jsonl", "write_parquet"]

COLUMNS: Final = {
    "time": "TIMESTAMPTZ",
    "level": "VARCHAR",
    "levelno": "INTEGER",
    "logger": "VARCHAR",
    "process": "BIGINT",
    "program": "VARCHAR",
    "message": "VARCHAR",
    "exc": "VARCHAR",
    "set": "VARCHAR",
    "fields": "JSON",
    "text": "VARCHAR",
}
_OWN: Final = frozenset(COLUMNS) | {"level_name"}
_CHUNK: Final = 50_000
_MEMORY: Final = "256MB"


def as_row(record: Record, names: list[str]) -> dict[str, Any]:
    """The row of a record; `names` are those of the sets."""
    kind = record.kind

    def known(field: str) -> Any:
        value = record.get(field)
        return None if isinstance(value, Missing) else value

    level, message, process, exception = kind.level, known("message"), known("process"), known("exc")
    name = kind.level_name or known("level")
    fields = {key: value for key, value in record.fields.items() if key not in _OWN and key != "exc"}
    return {
        "time": datetime.fromtimestamp(record.time, UTC).isoformat(timespec="microseconds"),
        "level": _text(name),
        "levelno": level,
        "logger": _text(known("logger")),
        "process": process if isinstance(process, int) else None,
        "program": _text(known("program")),
        "message": _text(message),
        "exc": _text(exception),
        "set": names[record.set],
        "fields": fields or None,
        "text": record.text.decode("utf-8", "replace"),
    }


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def write_jsonl(records: Iterable[Record], names: list[str], out: IO[str]) -> int:
    """One object a line; returns how many."""
    count = 0
    for record in records:
        out.write(json.dumps(as_row(record, names), ensure_ascii=True, default=str) + "\n")
        count += 1
    return count


def write_csv(records: Iterable[Record], names: list[str], out: IO[str]) -> int:
    """A head and one row a record; returns how many."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for record in records:
        row = as_row(record, names)
        if row["fields"] is not None:
            row["fields"] = json.dumps(row["fields"], ensure_ascii=True, default=str)
        writer.writerow(row.values())
        count += 1
    return count


@contextlib.contextmanager
def open_table(records: Iterable[Record], names: list[str]) -> Iterator[Any]:
    """A DuckDB connection with the table `logs`, which nothing outside of it can be read from or written to.

    The table is in a file of a temporary directory, and memory is bounded.

    Raises:
        LogboomError: DuckDB is not installed.
    """
    duckdb = _duckdb()
    directory = Path(tempfile.mkdtemp(prefix="logboom-sql-"))
    try:
        connection = duckdb.connect(str(directory / "logs.duckdb"))
        try:
            _fill(connection, records, names, directory)
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield connection
        finally:
            connection.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def write_parquet(records: Iterable[Record], names: list[str], target: Path) -> int:
    """Write a Parquet file, under its name once it is whole; returns how many records it has.

    Raises:
        LogboomError: DuckDB is not installed.
    """
    duckdb = _duckdb()
    with tempfile.TemporaryDirectory(prefix="logboom-sql-") as name:
        directory = Path(name)
        connection = duckdb.connect(str(directory / "logs.duckdb"))
        try:
            _fill(connection, records, names, directory)
            temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
            try:
                connection.execute("COPY logs TO ? (FORMAT parquet, COMPRESSION zstd)", [str(temporary)])
                os.replace(temporary, target)
            finally:
                temporary.unlink(missing_ok=True)
            return int(connection.execute("SELECT count(*) FROM logs").fetchone()[0])
        finally:
            connection.close()


def _fill(connection: Any, records: Iterable[Record], names: list[str], directory: Path) -> None:
    connection.execute(f"SET memory_limit = '{_MEMORY}'")
    connection.execute("SET threads = 2")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET temp_directory = ?", [str(directory / "spill")])
    columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
    connection.execute(f"CREATE TABLE logs ({columns})")
    struct = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items()) + "}"
    part = directory / "part.jsonl"
    source = iter(records)
    while True:
        count = 0
        with part.open("w", encoding="utf-8") as file:
            for record in source:
                file.write(json.dumps(as_row(record, names), ensure_ascii=True, default=str) + "\n")
                count += 1
                if count == _CHUNK:
                    break
        if count:
            connection.execute(
                f"INSERT INTO logs SELECT * FROM read_json(?, format='newline_delimited', columns={struct}, "
                "maximum_object_size=67108864)",
                [str(part)],
            )
        if count < _CHUNK:
            break
    part.unlink(missing_ok=True)
    _order_levels(connection)


def _order_levels(connection: Any) -> None:
    """Make an enumeration of the levels that there are, ordered by their numbers."""
    found = connection.execute("SELECT level, min(levelno) FROM logs WHERE level IS NOT NULL GROUP BY level")
    numbers = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50} | dict(found.fetchall())
    order = sorted(numbers, key=lambda name: (numbers[name] or 0, name))
    values = ", ".join("'" + name.replace("'", "''") + "'" for name in order)
    connection.execute(f"CREATE TYPE level AS ENUM ({values})")
    connection.execute("ALTER TABLE logs ALTER level TYPE level")


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError:
        raise LogboomError("this needs DuckDB", hint='Run pip install "logboom[sql]"') from None
    return duckdb
