"""Who gets in, and under which names."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from web_support import Page, Program


def test_without_the_link_nothing_is_shown(page: Page) -> None:
    with httpx.Client(base_url=page.base) as stranger:
        for path in ("api/records", "api/stream", "api/export", "api/openapi.json"):
            assert stranger.get(path).status_code == 401
        assert stranger.get("/").status_code == 401
        assert stranger.get("/?token=wrong").status_code == 401
        assert stranger.post("/login", data={"secret": "wrong"}).status_code == 401


def test_the_token_is_exchanged_for_a_cookie_that_scripts_cannot_read(page: Page) -> None:
    with httpx.Client() as browser:
        answer = browser.get(page.link + "&q=level%3Aerror")
        cookie = answer.headers["set-cookie"]
        assert answer.status_code == 303 and "token" not in answer.headers["location"]
        assert "q=level" in answer.headers["location"]
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie
        assert page.link.partition("token=")[2] not in cookie


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "null"},
    ],
)
def test_another_sites_page_gets_nothing(page: Page, headers: dict) -> None:
    assert page.http.get("api/records", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "[::1].evil"]
)
def test_a_foreign_name_for_this_machine_is_refused(page: Page, host: str) -> None:
    """DNS rebinding: evil.example may be made to point to 127.0.0.1."""
    assert page.http.get("api/records", headers={"host": host}).status_code in (400, 421)


@pytest.mark.parametrize("path", ["/", "static/app.js", "api/records", "nothing", "login"])
def test_every_answer_has_the_policy(page: Page, path: str) -> None:
    headers = page.http.get(path).headers
    assert "require-trusted-types-for 'script'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "server" not in headers


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", ".hidden", "nothing.js", "%2e%2e/api.py"])
def test_only_the_files_of_the_page_are_served(page: Page, name: str) -> None:
    assert page.http.get(f"static/{name}").status_code == 404


def test_only_the_given_sets_are_read(page: Page, tmp_path: Path) -> None:
    (tmp_path / "logs" / "secret.log").write_text("2026-01-01 00:00:00 INFO x: secret\n")
    assert [one["name"] for one in page.get("sets")["sets"]] == ["shop.log"]
    assert page.http.get("api/records", params={"set": "secret.log"}).status_code == 404
    assert page.http.get("api/records", params={"set": "../secret.log"}).status_code == 404


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "logboom", "web", *arguments], capture_output=True, text=True, timeout=60
    )


def test_another_address_needs_a_password_and_tls(tmp_path: Path) -> None:
    done = run("--host", "0.0.0.0", "--port", "0", str(tmp_path))
    assert done.returncode == 1 and "--password-file" in done.stderr
    (tmp_path / "password").write_text("long enough\n")
    (tmp_path / "password").chmod(0o600)
    done = run(
        "--host", "0.0.0.0", "--port", "0", "--password-file", str(tmp_path / "password"), str(tmp_path)
    )
    assert done.returncode == 1 and "--tls-cert" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_password_that_others_can_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("long enough\n")
    (tmp_path / "password").chmod(0o644)
    done = run("--port", "0", "--password-file", str(tmp_path / "password"), str(tmp_path))
    assert done.returncode == 1 and "chmod 600" in done.stderr


def test_a_password_lets_in_and_outlives_the_server(program: Program, tmp_path: Path) -> None:
    program.log("x")
    program.flush()
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    password.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    options = (program.live, "--port", port, "--password-file", password)
    page = Page(*options, directory=tmp_path)
    assert "token" not in page.link
    assert page.http.get("api/records").status_code == 401
    page.http.post("login", data={"secret": "correct horse"})
    cookies = dict(page.http.cookies)
    assert page.http.get("api/records").status_code == 200
    page.end()
    page = Page(*options, directory=tmp_path)
    page.http.cookies.update(cookies)
    assert page.http.get("api/records").status_code == 200
    page.end()


def test_a_proxys_header_counts_only_from_the_proxy(program: Program, tmp_path: Path) -> None:
    program.log("x")
    program.flush()
    options = (program.live, "--port", "0", "--proxy-header", "X-User", "--allow-host", "logs.example")
    page = Page(*options, directory=tmp_path)
    proxied = {"x-user": "ann", "host": "logs.example"}
    assert page.http.get("api/records").status_code == 401
    assert page.http.get("api/records", headers=proxied).status_code == 200
    page.end()
    page = Page(*options, "--proxy", "10.0.0.1", directory=tmp_path)
    assert page.http.get("api/records", headers=proxied).status_code == 401
    page.end()
