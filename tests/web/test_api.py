"""The JSON API of a running `logboom web`: answers, the stream, limits."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import httpx
import psutil
import pytest
from web_support import Events, Page, Program, children, wait_until


def test_pages_meet_without_a_gap_or_a_repetition(page: Page) -> None:
    """Scrolling back through a set shows each record once."""
    found = page.get("records", limit=70)
    texts = [one["message"] for one in found["records"]]
    while found["more_before"]:
        found = page.get("records", limit=70, before=found["records"][0]["id"])
        texts = [one["message"] for one in found["records"]] + texts
    assert texts == [f"order {number} paid" for number in range(300)]


def test_forwards_and_around(page: Page) -> None:
    middle = page.get("records", q='"order 150 paid"')["records"][0]["id"]
    after = page.get("records", after=middle, limit=3)
    around = page.get("records", around=middle, limit=4, q="level>=error")
    assert [one["message"] for one in after["records"]] == [f"order {n} paid" for n in (151, 152, 153)]
    assert [one["message"] for one in around["records"]] == [
        f"order {n} paid" for n in (50, 100, 150, 200, 250)
    ]


def test_an_id_survives_rotation_and_a_restart(page: Page, program: Program, tmp_path: Path) -> None:
    """A permalink in a ticket must still open the record after the night's rotation."""
    first = page.get("records", q='"order 7 paid"')["records"][0]["id"]
    for number in range(6000):
        program.log(f"later {number}")
    program.flush()
    assert page.get("sets")["sets"][0]["files"] > 1
    other = Page(program.live, "--port", "0", directory=tmp_path)
    found = other.get("record", id=first)
    other.end()
    assert found["text"].endswith("order 7 paid")
    assert {"name": "logger", "value": "shop.b", "only": 'logger="shop.b"'} in found["fields"]


def test_only_this_and_not_this_are_queries_that_find_it(page: Page) -> None:
    """The buttons of a field must work for quotes, backslashes and any other value."""
    record = page.get("records", limit=1)["records"][0]
    for field in page.get("record", id=record["id"])["fields"]:
        if field["only"]:
            hits = page.get("records", q=field["only"], limit=1000)["records"]
            rest = page.get("records", q="-" + field["only"], limit=1000)["records"]
            assert record["id"] in {one["id"] for one in hits}
            assert record["id"] not in {one["id"] for one in rest}


def test_counts(page: Page) -> None:
    found = page.get("overview", steps=10)
    assert found["records"] == 300
    assert found["levels"] == [{"value": "INFO", "records": 294}, {"value": "ERROR", "records": 6}]
    assert sum(sum(one.values()) for one in found["counts"]) == 300
    facet = page.get("facet", field="logger", search="A", q="level>=error")
    assert (facet["total"], facet["values"]) == (6, [{"value": "shop.a", "records": 6}])


def test_what_is_new_since_a_mark(page: Page, program: Program) -> None:
    now = page.get("records", limit=1)["records"][0]["time"]
    program.log("the cache is gone", 40)
    program.flush()
    found = page.get("changes", new_since=repr(now + 0.000001))
    assert ("new", "the cache is gone") in [
        (one["change"], one["pattern"]["text"]) for one in found["changes"]
    ]


def test_an_error_names_the_place(page: Page) -> None:
    answer = page.http.get("api/records", params={"q": "loger:shop"})
    assert answer.status_code == 400
    assert answer.json()["column"] == 1 and "Did you mean logger?" in answer.json()["message"]


@pytest.mark.parametrize(
    "path", ["records?limit=0", "records?limit=x", "records?nothing=1", "facet", "record?id=%00"]
)
def test_what_is_not_described_is_refused(page: Page, path: str) -> None:
    assert page.http.get("api/" + path).status_code == 400


def test_a_bad_regular_expression_is_ended_and_holds_nobody_up(program: Program, tmp_path: Path) -> None:
    """It stops all threads of the Python that runs it; so that is a process of its own, which is ended."""
    program.log("a" * 60 + "!")
    program.flush()
    one = Page(program.live, "--port", "0", directory=tmp_path)
    client = httpx.Client(base_url=one.base, cookies=dict(one.http.cookies), timeout=0.5)
    with pytest.raises(httpx.ReadTimeout):
        client.get("api/records", params={"q": "re:/(a|aa)+$/"})
    assert one.get("records")["records"]
    client.close()  # the browser goes: so does the process

    def idle() -> bool:
        return sum(psutil.Process(pid).cpu_percent(0.1) for pid in children(one.process.pid)) < 50

    wait_until(idle, what="the end of the query")
    assert one.end() == 0


def test_the_stream_has_what_comes_and_goes_on_where_it_was(page: Page, program: Program) -> None:
    """A browser that was cut off gets each record once: `Last-Event-ID` says where it was."""
    with page.http.stream("GET", "api/stream") as answer:
        events = Events(answer)
        first = events.read(200)
        program.log("first")
        program.flush()
        more = events.read(1)
    assert [one["message"] for one in more[-1]["records"]] == ["first"]
    assert len(first[0]["records"]) == 200
    for number in range(3000):  # rotates
        program.log(f"while away {number}")
    program.flush()
    headers = {"last-event-id": more[-1]["id"]}
    with page.http.stream("GET", "api/stream", headers=headers) as answer:
        program.log("back")
        program.flush()
        events, batches = Events(answer), []
        while not batches or batches[-1]["records"][-1]["message"] != "back":
            batches += events.read(1)
    texts = [record["message"] for event in batches for record in event["records"]]
    left_out = sum((event["gap"] or {}).get("records", 0) for event in batches)
    assert texts == [*(f"while away {number}" for number in range(3001 - len(texts), 3000)), "back"]
    assert left_out + len(texts) == 3001


def test_a_position_survives_compression(tmp_path: Path) -> None:
    program = Program(tmp_path / "logs" / "shop.log", compress="gzip")
    program.log("one")
    program.flush()
    page = Page(program.live, "--port", "0", directory=tmp_path)
    position = page.get("poll")["position"]
    for number in range(12_000):  # the newest backup stays as it is for a while
        program.log(f"more {number}")
    program.flush()
    wait_until(lambda: list(program.live.parent.glob("*.gz")), what="compression")
    found = page.get("poll", position=position)
    assert found["gap"]["records"] + len(found["records"]) == 12_000
    again = page.get("poll", position=found["position"])
    assert again["records"] == [] and again["gap"] is None
    assert page.end() == 0
    program.handler.close()


def test_processes_end_with_their_browsers(page: Page) -> None:
    """A hundred visits must not leave a hundred processes."""
    for _ in range(5):
        with page.http.stream("GET", "api/stream") as answer:
            Events(answer).read(1)
    wait_until(lambda: len(children(page.process.pid)) <= 2, what="their end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_with_a_stream_open(program: Program, tmp_path: Path, number: int) -> None:
    program.log("x")
    program.flush()
    one = Page(program.live, "--port", "0", directory=tmp_path)
    with one.http.stream("GET", "api/stream") as answer:
        Events(answer).read(1)
        workers = children(one.process.pid)
        one.process.send_signal(number)
        assert one.process.wait(5) == 0
    wait_until(lambda: not any(map(psutil.pid_exists, workers)), what="the end of its processes")
    one.end()


def test_export_is_the_query(page: Page) -> None:
    text = page.http.get("api/export", params={"q": "level>=error", "format": "jsonl"})
    assert 'filename="logs.jsonl"' in text.headers["content-disposition"]
    assert [json.loads(line)["message"] for line in text.text.splitlines()] == [
        f"order {number} paid" for number in range(0, 300, 50)
    ]
    table = page.http.get("api/export", params={"format": "csv"}).text.splitlines()
    assert len(table) == 301 and table[0].startswith("time,level")


def test_a_line_of_20_mb_is_clipped_and_opens(tmp_path: Path) -> None:
    log = tmp_path / "big.log"
    log.write_bytes(b"2026-01-01 00:00:00,000 INFO shop: " + b"x" * 20_000_000 + b"\n")
    page = Page(log, "--port", "0", directory=tmp_path)
    answer = page.http.get("api/records")
    assert len(answer.content) < 10_000
    record = answer.json()["records"][0]
    assert record["clipped"]
    opened = page.get("record", id=record["id"], most=1 << 25)
    assert opened["size"] > 16_000_000 and len(opened["text"]) == opened["size"]
    assert page.end() == 0
