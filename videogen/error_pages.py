"""Answers where no view answered: a problem for programs, a page for people."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader

from videogen import error_shapes
from videogen.error_shapes import Problem

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
    if request.path.startswith(_PROGRAMS):
        detail = "A fault on our side. It is reported."
        return _problem(request, 500, code="internal_error", detail=detail)
    return HttpResponse(loader.get_template("500.html").render(), status=500)


def _answer(request: HttpRequest, status: int, *, code: str, detail: str) -> HttpResponse:
    if request.path.startswith(_PROGRAMS):
        return _problem(request, status, code=code, detail=detail)
    return render(request, f"{status}.html", status=status)


def _problem(request: HttpRequest, status: int, *, code: str, detail: str) -> HttpResponse:
    problem = Problem(status=status, code=code, detail=detail)
    return error_shapes.answer(problem, path=request.path)
