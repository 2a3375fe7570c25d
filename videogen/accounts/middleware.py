"""Keeps a suspended person out of every page and address that a cookie opens, and says why."""

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from videogen import error_pages
from videogen.accounts import access, last_used

# Where a suspended person may still go.
_OPEN: Final = ("sign_out",)


class SuspensionMiddleware:
    """Asks nothing of requests without a session cookie."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or refuse with 403."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self._get_response(request)
        user = request.user
        if user.is_authenticated:
            if user.suspension is not None and request.path not in map(reverse, _OPEN):
                return _refuse(request, user.suspension.reason)
            last_used.mark_session(request.session.session_key or "")
        return self._get_response(request)


def _refuse(request: HttpRequest, reason: str) -> HttpResponse:
    if error_pages.is_of_program(request):
        detail = access.told(reason)
        return error_pages.problem(403, code="account_suspended", detail=detail, path=request.path)
    context = {"reason": reason}
    return render(request, "accounts/suspended.html", context, status=403)
