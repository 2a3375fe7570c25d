"""Answers where no view answered: a problem document for programs, a page for people."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template import loader

_PROGRAMS = ("/api/", "/v1/", "/health/")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400."""
    return _answer(request, 400, code="bad_request", detail="The request cannot be read.")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403."""
    return _answer(request, 403, code="not_allowed", detail="You may not do this.")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404."""
    return _answer(request, 404, code="not_found", detail="There is no such thing here.")


def broken(request: HttpRequest) -> HttpResponse:
    """Answer 500, without the database or the session: they may be what broke."""
    if is_of_program(request):
        return problem(500, code="internal_error", detail="A fault on our side. It is reported.")
    return HttpResponse(loader.get_template("500.html").render(), status=500)


def _answer(request: HttpRequest, status: int, *, code: str, detail: str) -> HttpResponse:
    if is_of_program(request):
        return problem(status, code=code, detail=detail)
    return render(request, f"{status}.html", status=status)


def is_of_program(request: HttpRequest) -> bool:
    """Say whether a program asks, by the address."""
    return request.path.startswith(_PROGRAMS)


def problem(status: int, *, code: str, detail: str) -> JsonResponse:
    """Give a problem document."""
    body: dict[str, Any] = {
        "type": f"urn:videogen:problem:{code}",
        "title": detail,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return JsonResponse(body, status=status, content_type="application/problem+json")
