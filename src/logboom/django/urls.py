"""The page for the logs in a Django project: `path("logs/", include("logboom.django.urls"))`.

The page polls, since a stream would occupy a worker. It reads the files of the logboom handlers in
`LOGGING`, or those that the setting `LOGBOOM` lists: `{"places": [...], "allow": "dotted.path"}`.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import path
from django.utils.module_loading import import_string
from django.views.decorators.http import require_safe

from logboom.django.settings import handlers
from logboom.web.api import OPERATIONS, BadRequest, job_of, openapi
from logboom.web.headers import HEADERS, static_file
from logboom.web.worker import Trouble, run_once

__all__ = ["app_name", "urlpatterns"]

app_name = "logboom"
_MEDIA = {
    "text": "text/plain; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
}


def _setting(name: str) -> Any:
    return getattr(settings, "LOGBOOM", {}).get(name)


def is_staff(request: HttpRequest) -> bool:
    """Return True for active members of the staff."""
    user = getattr(request, "user", None)
    return bool(user is not None and user.is_active and user.is_staff)


def _is_known(request: HttpRequest) -> bool:
    return bool(getattr(getattr(request, "user", None), "is_authenticated", False))


def _allowed(request: HttpRequest) -> bool:
    named = _setting("allow")
    return bool((import_string(named) if named else is_staff)(request))


def places() -> list[str]:
    """The log files that the page shows."""
    stated = _setting("places")
    if stated is not None:
        return [str(one) for one in stated]
    found = handlers(getattr(settings, "LOGGING", None) or {})
    ours = [one for one in found if one.type is not None and one.type.__module__.startswith("logboom")]
    return list(dict.fromkeys(str(one.file) for one in ours if one.file is not None))


def _answer(response: HttpResponse) -> HttpResponse:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _refused(status: int, text: str) -> HttpResponse:
    values = {"message": text, "column": None, "length": None, "status": status}
    return _answer(JsonResponse(values, status=status))


@require_safe
def page(request: HttpRequest) -> HttpResponseBase:
    if not _allowed(request):
        if _is_known(request):
            return _refused(403, "Only members of the staff may read the logs")
        return redirect_to_login(request.get_full_path())
    found = static_file("index.html")
    assert found is not None
    text = found[0].replace(b'<html lang="en">', b'<html lang="en" data-live="poll">')
    return _answer(HttpResponse(text, content_type=found[1]))


@require_safe
def static(request: HttpRequest, name: str) -> HttpResponse:
    found = static_file(name)
    if found is None:
        return _refused(404, "There is no such file")
    response = HttpResponse(found[0], content_type=found[1], headers={"cache-control": "no-cache"})
    return _answer(response)


@require_safe
def api(request: HttpRequest, name: str) -> HttpResponse:
    if not _allowed(request):
        return _refused(403 if _is_known(request) else 401, "Only the staff may read the logs")
    if name == "openapi.json":
        return _answer(JsonResponse(openapi("../")))
    if name not in OPERATIONS or name == "stream":
        return _refused(404, "There is no such operation; under WSGI the page polls")
    try:
        given = parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True, max_num_fields=100)
        job = job_of(name, given, places())
        frames = run_once(job)
    except (BadRequest, ValueError) as error:
        return _refused(400, str(error))
    except Trouble as error:
        return _answer(JsonResponse(error.values, status=error.values["status"]))
    if name != "export":
        return _answer(HttpResponse(frames[0][1], content_type="application/json"))
    text = "".join(json.loads(payload) for _, payload in frames)
    response = HttpResponse(
        text.encode("utf-8", "replace"), content_type=f"{_MEDIA[job['format']]}; charset=utf-8"
    )
    suffix = {"text": "log"}.get(job["format"], job["format"])
    response.headers["content-disposition"] = f'attachment; filename="logs.{suffix}"'
    return _answer(response)


urlpatterns = [
    path("", page, name="page"),
    path("static/<str:name>", static, name="static"),
    path("api/<str:name>", api, name="api"),
]
