"""The flood shield in front of signing in."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from jobs import client_addresses
from jobs.shield import flood_wait


def sign_in_shield(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Limit tries to sign in, by address and by e-mail."""

    @wraps(view)
    def shielded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        for key in (client_addresses.counted_as(request), request.POST.get("username", "").lower()):
            if wait := _wait(request, key):
                response = render(request, "429.html", {"retry_after": wait}, status=429)
                response["Retry-After"] = str(wait)
                return response
        return view(request, *args, **kwargs)

    return shielded


def sign_in_wait(request: HttpRequest) -> int | None:
    """Count one try of this address to sign in or up; give the seconds to wait when there were too many."""
    return _wait(request, client_addresses.counted_as(request))


def _wait(request: HttpRequest, key: str) -> int | None:
    return flood_wait(
        request, group="sign_in", key=key, per_minute=settings.FLOOD_SIGN_INS_PER_MINUTE
    )
