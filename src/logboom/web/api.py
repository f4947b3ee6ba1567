"""The operations of the JSON API: their parameters, checked once, and their OpenAPI description.

Nothing here knows a web framework: Starlette's application and Django's views both use it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from logboom import __version__
from logboom.errors import LogboomError

__all__ = ["OPERATIONS", "POLICY", "BadRequest", "Operation", "job_of", "openapi"]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_LONGEST: Final = 10_000
_ID: Final = re.compile(r"[\w.+~:-]{1,200}", re.ASCII)


class BadRequest(LogboomError):  # noqa: N818
    """A parameter that is not in the description."""


class Param(NamedTuple):
    """One parameter of the URL."""

    name: str
    text: str
    kind: str = "string"
    default: Any = ""
    least: int = 0
    most: int = _LONGEST
    values: tuple[str, ...] = ()
    required: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        if self.kind == "integer":
            return {"type": "integer", "minimum": self.least, "maximum": self.most, "default": self.default}
        if self.kind == "strings":
            return {"type": "array", "items": {"type": "string", "maxLength": 300}, "maxItems": 50}
        schema: dict[str, Any] = {"type": "string", "maxLength": self.most}
        if self.values:
            schema = {"type": "string", "enum": list(self.values)}
        if self.kind == "id":
            schema = {"type": "string", "pattern": f"^{_ID.pattern}$"}
        if self.required and not self.values and self.kind != "id":
            schema["minLength"] = 1
        return schema

    def read(self, given: list[str]) -> Any:
        """The value, checked. Raises `BadRequest`."""
        if self.kind == "strings":
            if len(given) > 50 or any(len(one) > 300 for one in given):
                raise BadRequest(f"{self.name}: too many, or too long")
            return given
        if len(given) > 1:
            raise BadRequest(f"{self.name} is given more than once")
        text = given[0]
        if self.kind == "integer":
            if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not self.least <= int(text) <= self.most:
                raise BadRequest(f"{self.name} must be a number from {self.least} to {self.most}")
            return int(text)
        if self.values and text not in self.values:
            raise BadRequest(f"{self.name} must be one of: {', '.join(self.values)}")
        if self.kind == "id" and _ID.fullmatch(text) is None:
            raise BadRequest(f"{self.name} is no id of a record")
        if self.required and not text:
            raise BadRequest(f"{self.name} is empty")
        if len(text) > self.most:
            raise BadRequest(f"{self.name} is longer than {self.most} characters")
        return text


class Operation(NamedTuple):
    """One operation.

    Attributes:
        answer: JSON schema of the answer, or the media type of one that is no JSON.
        seconds: after which its process is ended; infinite for a stream.
    """

    summary: str
    params: tuple[Param, ...]
    answer: dict[str, Any] | str
    seconds: float = 20.0


_Q = Param("q", "the query, in the language of `logboom search`")
_WHICH = (
    _Q,
    Param(
        "since", "only records from this time on: `03:00`, `-2h`, `mark:NAME`, seconds since 1970", most=100
    ),
    Param("until", "only records before this time", most=100),
    Param("set", "only these log sets, by their names", "strings", ()),
)
_TEXT, _NUMBER, _COUNT = {"type": "string"}, {"type": "number"}, {"type": "integer", "minimum": 0}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_RECORD = _object(
    id=_TEXT,
    time=_NUMBER,
    level=_or_null(_TEXT),
    severity=_or_null({"type": "integer"}),
    logger=_or_null(_TEXT),
    process=_or_null({"type": "integer"}),
    program=_or_null(_TEXT),
    set=_TEXT,
    message=_TEXT,
    lines=_COUNT,
    clipped={"type": "boolean"},
)
_NOTES = _list(_TEXT)
_PATTERN = _object(
    text=_TEXT, level=_TEXT, logger=_TEXT, records=_COUNT, first=_NUMBER, last=_NUMBER, example=_RECORD
)
_VALUE = _object(value=_or_null(_TEXT), records=_COUNT)
_BATCH = _object(
    position=_TEXT, records=_list(_RECORD), gap=_or_null(_object(records=_or_null(_COUNT), why=_TEXT))
)

OPERATIONS: Final[dict[str, Operation]] = {
    "sets": Operation(
        "The log sets, the fields that records have, and the marks",
        (),
        _object(
            sets=_list(_object(name=_TEXT, path=_TEXT, files=_COUNT, bytes=_COUNT)),
            fields=_list(_TEXT),
            levels=_list(_TEXT),
            marks=_list(_object(name=_TEXT, time=_NUMBER)),
            notes=_NOTES,
            now=_NUMBER,
        ),
    ),
    "records": Operation(
        "A page of records in the order of time: the newest, or those before, after or around one",
        (
            *_WHICH,
            Param("limit", "how many", "integer", 200, 1, 1000),
            Param("before", "the id of a record", "id"),
            Param("after", "the id of a record", "id"),
            Param("around", "the id of a record", "id"),
        ),
        _object(
            records=_list(_RECORD),
            more_before={"type": "boolean"},
            more_after={"type": "boolean"},
            notes=_NOTES,
        ),
    ),
    "overview": Operation(
        "How many records there are: by time and level, by level, logger and program, by set",
        (*_WHICH, Param("steps", "of the histogram, at most", "integer", 120, 1, 500)),
        _object(
            records=_COUNT,
            first=_or_null(_NUMBER),
            last=_or_null(_NUMBER),
            start=_NUMBER,
            step=_NUMBER,
            counts=_list({"type": "object", "additionalProperties": _COUNT}),
            levels=_list(_VALUE),
            loggers=_list(_VALUE),
            programs=_list(_VALUE),
            sets=_list(_VALUE),
        ),
    ),
    "facet": Operation(
        "The values of a field, and how many records have each",
        (
            *_WHICH,
            Param("field", "its name", most=100, required=True),
            Param("search", "only values with this text in them", most=200),
            Param("limit", "how many", "integer", 20, 1, 500),
        ),
        _object(field=_TEXT, total=_COUNT, distinct=_COUNT, values=_list(_VALUE)),
    ),
    "record": Operation(
        "One record with all of its text and fields",
        (
            Param("id", "its id", "id", required=True),
            Param("most", "bytes of its text", "integer", 1 << 18, 1, 1 << 25),
        ),
        _object(
            record=_RECORD,
            text=_TEXT,
            size=_COUNT,
            fields=_list(_object(name=_TEXT, value=_TEXT, only=_or_null(_TEXT))),
        ),
    ),
    "patterns": Operation(
        "What the records have in common: their text with numbers, ids and quoted strings masked",
        (*_WHICH, Param("limit", "how many", "integer", 100, 1, 1000)),
        _object(patterns=_list(_PATTERN), distinct=_COUNT, records=_COUNT),
        60.0,
    ),
    "changes": Operation(
        "Patterns that are new, gone, or changed their rate: since a time, or between two windows",
        (
            *_WHICH,
            Param(
                "new_since",
                "a time or `mark:NAME`; what is before it is compared with what is after",
                most=100,
            ),
            Param("before", "the first window, `A..B`", most=200),
            Param("after", "the second window, `C..D`", most=200),
            Param("limit", "how many", "integer", 200, 1, 1000),
        ),
        _object(
            changes=_list(
                _object(
                    change={"type": "string", "enum": ["new", "more", "less", "gone"]},
                    before=_COUNT,
                    after=_COUNT,
                    rate_before=_NUMBER,
                    rate_after=_NUMBER,
                    pattern=_PATTERN,
                )
            ),
            before=_list(_or_null(_NUMBER)),
            after=_list(_or_null(_NUMBER)),
            total=_COUNT,
        ),
        60.0,
    ),
    "groups": Operation(
        "Records that belong together, by the id of a trace or a request: the latest groups first",
        (
            *_WHICH,
            Param(
                "field",
                "the field of the id; without it, the first of the usual ones that is there",
                most=100,
            ),
            Param("limit", "how many", "integer", 100, 1, 1000),
        ),
        _object(
            field=_or_null(_TEXT),
            groups=_list(
                _object(
                    value=_TEXT,
                    records=_COUNT,
                    first=_NUMBER,
                    last=_NUMBER,
                    level=_or_null(_TEXT),
                    severity=_COUNT,
                    programs=_list(_TEXT),
                    message=_TEXT,
                )
            ),
        ),
        60.0,
    ),
    "poll": Operation(
        "The records that came since a position; without one, the last ones and where they end",
        (*_WHICH, Param("position", "as an earlier answer gave it", most=4000)),
        _BATCH,
    ),
    "export": Operation(
        "Every record of the query as a file",
        (*_WHICH, Param("format", "of the file", default="text", values=("text", "jsonl", "csv"))),
        "text/plain",
        600.0,
    ),
    "stream": Operation(
        "The last records, then those that come, as server-sent events `batch` whose ids are positions; "
        "`Last-Event-ID` or `position` goes on from there",
        (*_WHICH, Param("position", "as the id of an event gave it", most=4000)),
        "text/event-stream",
        math.inf,
    ),
}


def job_of(name: str, given: Iterable[tuple[str, str]], places: list[str]) -> dict[str, Any]:
    """What a worker is asked to do. Raises `BadRequest`."""
    operation = OPERATIONS[name]
    values: dict[str, list[str]] = {}
    for key, value in given:
        values.setdefault(key, []).append(value)
    known = {param.name for param in operation.params}
    for key in values:
        if key not in known:
            raise BadRequest(f"{name} has no parameter {key[:100]!r}")
    job: dict[str, Any] = {"do": name, "places": places}
    for param in operation.params:
        if param.name in values:
            job[param.name] = param.read(values[param.name])
        elif param.required:
            raise BadRequest(f"{param.name} is missing")
        else:
            job[param.name] = param.default
    return job


def openapi(server: str = "./") -> dict[str, Any]:
    """The OpenAPI description of all operations."""
    trouble = {
        "description": "The request or the query cannot be understood, or nothing is there",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Trouble"}}},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "logboom",
            "version": __version__,
            "description": "Reads log sets. Every operation is a GET and changes nothing.",
        },
        "servers": [{"url": server}],
        "paths": {
            f"/api/{name}": {"get": _described(name, one, trouble)} for name, one in OPERATIONS.items()
        },
        "components": {
            "schemas": {
                "Trouble": _object(
                    message=_TEXT, column=_or_null(_COUNT), length=_or_null(_COUNT), status=_COUNT
                )
            },
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": "logboom_PORT"}},
        },
        "security": [{"session": []}],
    }


def _described(name: str, operation: Operation, trouble: Mapping[str, Any]) -> dict[str, Any]:
    json = isinstance(operation.answer, dict)
    content = (
        {"application/json": {"schema": operation.answer}}
        if json
        else {str(operation.answer): {"schema": _TEXT}}
    )
    if name == "export":
        content |= {"application/x-ndjson": {"schema": _TEXT}, "text/csv": {"schema": _TEXT}}
    codes = {"400", "401", "403", "404", "503", "504"}
    return {
        "operationId": name,
        "summary": operation.summary,
        "parameters": [
            {
                "name": param.name,
                "in": "query",
                "required": param.required,
                "description": param.text,
                "schema": param.schema,
            }
            for param in operation.params
        ],
        "responses": {"200": {"description": operation.summary, "content": content}}
        | dict.fromkeys(sorted(codes), trouble),
    }
