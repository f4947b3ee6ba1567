"""A view that logs, as views do."""

import os

from django.http import HttpRequest, JsonResponse

from shop.audit import log


def order(request: HttpRequest, number: int) -> JsonResponse:
    log(__name__, f"order {number} is received")
    log(__name__, f"order {number} is paid")
    return JsonResponse({"order": number, "pid": os.getpid()})
