"""Answers where no view answered: a problem for programs, a page for people."""

import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader

from videogen import error_shapes, outages
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
    """Answer 500, or 503 where the database is away; without it and the session: they may be what broke."""
    error = sys.exc_info()[1]
    if error is not None and outages.is_one(error):
        return _away(request, error)
    if is_of_program(request):
        detail = "A fault on our side. It is reported."
        return problem(500, code="internal_error", detail=detail, path=request.path)
    return HttpResponse(loader.get_template("500.html").render(), status=500)


def _away(request: HttpRequest, error: BaseException) -> HttpResponse:
    outages.note(error)
    if is_of_program(request):
        answer = error_shapes.answer(outages.PROBLEM, path=request.path)
    else:
        answer = HttpResponse(loader.get_template("503.html").render(), status=503)
        answer["Retry-After"] = str(outages.RETRY_AFTER)
    # Else Django logs it once more, with its traceback, for every call.
    answer._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - Django's own mark
    return answer


def _answer(request: HttpRequest, status: int, *, code: str, detail: str) -> HttpResponse:
    if is_of_program(request):
        return problem(status, code=code, detail=detail, path=request.path)
    return render(request, f"{status}.html", status=status)


def is_of_program(request: HttpRequest) -> bool:
    """Say whether a program asks, by the address."""
    return request.path.startswith(_PROGRAMS)


def problem(status: int, *, code: str, detail: str, path: str = "/api/") -> HttpResponse:
    """Give a problem document, in the shape of the face that the path is of."""
    return error_shapes.answer(Problem(status=status, code=code, detail=detail), path=path)
