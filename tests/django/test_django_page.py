"""The page in a Django project: for the staff, by polling, with the files of the project's handlers."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("django")

PROJECT = """
    import json, logging, sys
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="x", ALLOWED_HOSTS=["testserver"], ROOT_URLCONF=__name__, LOGIN_URL="/login/",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                    "django.contrib.auth.middleware.AuthenticationMiddleware"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        LOGGING={"version": 1, "disable_existing_loggers": False,
                 "handlers": {"file": {"class": "logboom.RotatingFileHandler", "filename": sys.argv[1],
                              "maxBytes": 100000, "backupCount": 3}},
                 "root": {"handlers": ["file"], "level": "INFO"}},
    )
    django.setup()
    from django.urls import include, path
    urlpatterns = [path("logs/", include("logboom.django.urls"))]
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User
    from django.test import Client
    import logboom

    logging.getLogger("shop").error("the order failed")
    assert logboom.flush(timeout=30)
    client = Client()
    assert client.get("/logs/").status_code == 302
    assert client.get("/logs/api/records").status_code == 401
    client.force_login(User.objects.create_user("guest"))
    assert client.get("/logs/").status_code == 403
    assert client.get("/logs/api/records").status_code == 403
    client.force_login(User.objects.create_user("ann", is_staff=True))
    page = client.get("/logs/")
    assert b'data-live="poll"' in page.content
    assert "require-trusted-types-for" in page.headers["content-security-policy"]
    assert client.get("/logs/static/app.js").status_code == 200
    found = client.get("/logs/api/records", {"q": "level:error logger=shop"}).json()
    assert [one["message"].endswith("the order failed") for one in found["records"]] == [True], found
    position = client.get("/logs/api/poll").json()["position"]
    logging.getLogger("shop").error("again")
    logboom.flush(timeout=30)
    found = client.get("/logs/api/poll", {"position": position, "q": "again"}).json()
    assert len(found["records"]) == 1, found
    assert client.get("/logs/api/stream").status_code == 404
    assert client.get("/logs/api/records", {"q": "loger:x"}).json()["column"] == 1
    assert b"the order failed" in client.get("/logs/api/export").content
    assert client.post("/logs/api/records").status_code == 405
    print("all right")
"""


def test_the_staff_see_the_projects_logs(tmp_path: Path) -> None:
    script = tmp_path / "project.py"
    script.write_text(textwrap.dedent(PROJECT))
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "site.log")], capture_output=True, text=True, timeout=110
    )
    assert done.stdout.strip() == "all right", done.stderr
