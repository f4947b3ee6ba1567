"""The page in a real browser, on a program of several processes that is logging.

With LOGBOOM_PICTURES=1 these tests also make the pictures of the documentation.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from web_support import Page, Program

CHROMIUM = os.environ.get("LOGBOOM_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if CHROMIUM is None:
    pytest.skip("no chromium is on this machine", allow_module_level=True)

PICTURES = Path(__file__).parents[2] / "docs" / "images" if os.environ.get("LOGBOOM_PICTURES") else None
HOSTILE = "<img src=x onerror=window.bad=1><script>window.bad=1</script>\"'`${window.bad=1}"
WORKER = """
    import logging, random, sys, time
    import logboom
    handler = logboom.RotatingFileHandler(sys.argv[1], maxBytes=400_000, backupCount=20)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(process)d: %(message)s"))
    logging.basicConfig(level=10, handlers=[handler])
    chance, number = random.Random(int(sys.argv[2])), 0
    while True:
        number += 1
        name = chance.choice(["shop.web", "shop.orders", "shop.mail"])
        if chance.random() < 0.03:
            logging.getLogger("shop.payment").error("card of order %d was declined", number)
        elif chance.random() < 0.08:
            logging.getLogger("shop.stock").warning("stock of item %d is low", number % 50)
        else:
            logging.getLogger(name).info("order %d sent in %d ms", number, chance.randint(5, 90))
        time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    with api.sync_playwright() as playwright:
        options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Path]:
    """A log set with history that three processes go on writing to."""
    program = Program(tmp_path / "logs" / "shop.log", maxBytes=400_000)
    now = time.time()
    for number in range(3000):
        created = now - 3600 + number * 1.19
        level, name = (
            (40, "shop.payment") if number % 60 == 0 else (20, f"shop.{['web', 'orders'][number % 2]}")
        )
        if number % 23 == 0:
            level, name = 30, "shop.stock"
        text = f"card of order {number} was declined" if level == 40 else f"order {number} paid"
        program.log(text, level, name, created)
    program.flush()
    source = tmp_path / "worker.py"
    source.write_text(textwrap.dedent(WORKER))
    processes = [
        subprocess.Popen([sys.executable, str(source), str(program.live), str(seed)]) for seed in range(3)
    ]
    yield program.live
    for process in processes:
        process.kill()
        process.wait()
    program.handler.close()


def until(page, script: str, seconds: float = 30.0) -> None:
    """Wait until a script is true. (The page's policy forbids Playwright's own way, which uses eval.)"""
    deadline = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < deadline, script
        page.wait_for_timeout(50)


class Tab:
    """A page of the browser that remembers what must not happen."""

    def __init__(self, chromium, link: str, **options) -> None:
        self.context = chromium.new_context(**({"viewport": {"width": 1280, "height": 760}} | options))
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.add_init_script(
            "window.violations = []; addEventListener('securitypolicyviolation',"
            " (event) => window.violations.push(event.violatedDirective + ' ' + event.blockedURI));"
        )
        self.page.goto(link)
        self.page.wait_for_selector(".row:not([hidden])")

    def until(self, script: str) -> None:
        until(self.page, script)

    def shoot(self, name: str) -> None:
        if PICTURES is not None:
            self.page.wait_for_selector(".facet li", state="attached")
            self.page.screenshot(path=PICTURES / f"web-{name}.png")

    def done(self) -> None:
        assert self.page.evaluate("window.violations") == []
        assert self.page.evaluate("window.bad") is None
        assert self.page.evaluate("document.querySelectorAll('.row').length") < 100
        assert self.errors == []
        self.context.close()


NEW = "!fresh.hidden && /^[1-9].* new/.test(fresh.textContent)"


def test_tail_pause_and_go_on(chromium, shop: Path, tmp_path: Path) -> None:
    """While it is paused the row that is read stays where it is, however much comes."""
    server = Page(shop, "--port", "0", directory=tmp_path)
    tab = Tab(chromium, server.link)
    page = tab.page
    tab.until("document.getElementById('list').scrollTop > 0")
    before = page.evaluate("document.getElementById('sizer').offsetHeight")
    tab.until(f"document.getElementById('sizer').offsetHeight > {before}")
    tab.shoot("live")
    page.keyboard.press(" ")
    assert page.locator("#pause").inner_text().strip() == "Paused"
    place = "[document.getElementById('list').scrollTop, document.querySelector('.row').textContent]"
    anchor = page.evaluate(place)
    tab.until(NEW)
    assert page.evaluate(place) == anchor
    page.locator("#fresh").click()
    tab.until("document.getElementById('fresh').hidden")
    page.locator("#list").evaluate("(list) => { list.scrollTop = 0 }")
    tab.until("document.getElementById('pause').textContent === 'Paused'")  # who scrolls back reads
    tab.until("document.getElementById('sizer').offsetHeight > 400 * 24")  # and earlier records come
    tab.done()
    server.end()


def test_search_filters_record_context_and_permalink(chromium, shop: Path, tmp_path: Path) -> None:
    server = Page(shop, "--port", "0", directory=tmp_path)
    tab = Tab(chromium, server.link)
    page = tab.page
    page.keyboard.press("/")
    page.keyboard.type("level:err")
    page.wait_for_selector("#proposals li")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    tab.until("location.search.includes('level%3Aerror')")
    tab.until("[...document.querySelectorAll('.row:not([hidden])')].every((row) => row.matches('.error'))")
    page.locator("#query").fill("loger:shop")
    page.keyboard.press("Enter")
    page.wait_for_selector("#trouble mark")
    assert page.locator("#trouble mark").inner_text() == "loger"
    assert "Did you mean logger?" in page.locator("#trouble").inner_text()
    tab.shoot("error")
    page.goto(server.base)
    page.locator(".facet[data-field=logger] li", has_text="shop.stock").locator(".value").click()
    tab.until("location.search.includes('logger%3Dshop.stock')")
    page.locator(".facet[data-field=logger] li", has_text="shop.stock").locator(".not").click()
    tab.until("location.search.includes('-logger%3Dshop.stock')")
    page.goto(server.base + "?q=level:error")
    page.locator(".row.error").last.click()
    page.wait_for_selector("#details table")
    tab.shoot("record")
    shown = page.locator("#details pre").inner_text()
    link = page.url
    page.locator("#details button", has_text="Around it").click()
    page.wait_for_selector(".row.marked")
    tab.until("document.querySelectorAll('.row:not(.error):not([hidden])').length > 5")
    page.locator("[data-around=filter]").click()
    tab.until("[...document.querySelectorAll('.row:not([hidden])')].every((row) => row.matches('.error'))")
    other = Tab(chromium, server.link)
    other.page.goto(link)  # in another browser
    other.page.wait_for_selector("#details pre")
    assert other.page.locator("#details pre").inner_text() == shown
    other.page.locator("#details tr", has_text="logger").get_by_text("not this").click()
    other.until("location.search.includes('-logger%3D%22shop.payment%22')")
    other.done()
    tab.done()
    server.end()


def test_zoom_new_since_compare_patterns(chromium, shop: Path, tmp_path: Path) -> None:
    server = Page(shop, "--port", "0", directory=tmp_path)
    tab = Tab(chromium, server.link)
    page = tab.page
    page.wait_for_selector("#histogram rect.error")
    box = page.locator("#histogram").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20, steps=4)
    page.mouse.up()
    tab.until("/since=.*until=/.test(location.search)")
    tab.until("/^[0-9,]+ records/.test(document.getElementById('summary').textContent)")
    page.go_back()
    tab.until("location.search === ''")
    page.locator("nav [data-view=new]").click()
    page.locator("#other input").fill("-20s")
    page.keyboard.press("Enter")
    page.wait_for_selector("#other .change.new")
    assert "order <n> sent in <n> ms" in page.locator("#other").inner_text()
    tab.shoot("new-since")
    page.locator("#other .link").first.click()  # a pattern filters
    tab.until("location.search.includes('q=') && !location.search.includes('view=')")
    page.locator("nav [data-view=compare]").click()
    page.wait_for_selector("#other form")
    page.locator("#other input").first.fill("-1h..-1m")
    page.locator("#other input").last.fill("-1m..now")
    page.keyboard.press("Enter")
    page.wait_for_selector("#other .change")
    page.locator("nav [data-view=patterns]").click()
    page.wait_for_selector("#other td .link")
    tab.done()
    server.end()


def test_records_are_text_never_markup(chromium, tmp_path: Path) -> None:
    """Everything in a record comes from strangers, the names of loggers and fields too."""
    import logboom

    program = Program(tmp_path / "logs" / "x.log", logboom.JSONFormatter())
    for _ in range(30):
        program.log(HOSTILE, 40, HOSTILE, request_id=HOSTILE, **{"onerror": HOSTILE})
    program.flush()
    server = Page(program.live, "--port", "0", directory=tmp_path)
    tab = Tab(chromium, server.link)
    tab.page.wait_for_selector(".facet li")
    tab.page.locator(".row").first.click()
    tab.page.wait_for_selector("#details table")
    assert HOSTILE in tab.page.locator("#details").inner_text()
    for view in ("patterns", "groups", "new&new_since=-1h"):
        tab.page.goto(f"{server.base}?view={view}")
        tab.page.wait_for_selector("#other td, #other .note")
    for name in ("q", "since", "until", "set", "record", "around", "new_since", "view", "field"):
        tab.page.goto(f"{server.base}?{name}=%3Cimg%20src%3Dx%20onerror%3Dwindow.bad%3D1%3E")
        tab.page.wait_for_selector("#list, #other", state="attached")
        assert tab.page.evaluate("window.violations") == []
    tab.done()
    server.end()
    program.handler.close()


def test_a_restart_loses_and_repeats_nothing(chromium, tmp_path: Path) -> None:
    program = Program(tmp_path / "logs" / "shop.log", maxBytes=5_000)
    program.log("begin")
    program.flush()
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    password.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    options = (program.live, "--port", port, "--password-file", password)
    server = Page(*options, directory=tmp_path)
    context = chromium.new_context()
    page = context.new_page()
    page.goto(server.base)
    page.locator("#secret").fill("correct horse")
    page.keyboard.press("Enter")
    page.wait_for_selector(".row:not([hidden])")
    for turn in range(2):
        server.end(signal.SIGKILL if turn else signal.SIGTERM)
        for number in range(100):
            program.log(f"turn {turn} number {number}")
        program.flush()
        server = Page(*options, directory=tmp_path)
        rows = 1 + 100 * (turn + 1)
        until(page, f"document.getElementById('sizer').offsetHeight >= {rows} * 24")
        assert page.evaluate("document.getElementById('sizer').offsetHeight") == rows * 24
    context.close()
    server.end()
    program.handler.close()


def test_many_records_stay_few_rows(chromium, tmp_path: Path) -> None:
    """A burst is bounded: what is left out is a row that says so, and that opens."""
    program = Program(tmp_path / "logs" / "shop.log", maxBytes=50_000_000)
    program.log("begin")
    program.flush()
    server = Page(program.live, "--port", "0", directory=tmp_path)
    tab = Tab(chromium, server.link)
    for number in range(3000):
        program.log(f"burst {number}")
    program.flush()
    tab.until("/burst 2999/.test(document.body.textContent)")
    gaps = tab.page.evaluate("document.getElementById('sizer').offsetHeight / 24")
    if gaps < 3001:
        tab.page.keyboard.press("g")
        tab.page.wait_for_selector(".row.gap")
        tab.page.locator(".row.gap").first.click()
        tab.until(f"document.getElementById('sizer').offsetHeight / 24 > {gaps}")
    tab.done()
    server.end()
    program.handler.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it(chromium, shop: Path, tmp_path: Path, scheme: str) -> None:
    """axe finds nothing; the keyboard alone is enough; and it fits a phone."""
    server = Page(shop, "--port", "0", directory=tmp_path)
    tab = Tab(chromium, server.link, color_scheme=scheme)
    page = tab.page
    page.wait_for_selector(".facet li")
    page.keyboard.press("e")
    page.keyboard.press("j")
    page.keyboard.press("E")
    page.keyboard.press("Enter")
    page.wait_for_selector("#details table")
    assert page.locator("#details h2").inner_text() == "ERROR"
    if scheme == "dark":
        tab.shoot("dark")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    # axe itself is injected past the page's policy, by the browser's debugger.
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.keyboard.press("Escape")
    tab.until("document.getElementById('details').hidden")
    page.keyboard.press("c")
    page.wait_for_selector(".row.marked")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    page.keyboard.press("Escape")
    tab.done()
    phone = Tab(chromium, server.link, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    phone.page.locator("#facets-toggle").click()
    phone.page.wait_for_selector(".facet li")
    phone.page.locator("#facets-toggle").click()
    if scheme == "light":
        phone.shoot("phone")
    phone.done()
    server.end()
