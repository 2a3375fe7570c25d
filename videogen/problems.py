"""Errors as RFC 9457 problem documents: the one table from situations to statuses."""

from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from jobs.errors import (
    AttemptSuperseded,
    Busy,
    CancelFeeChanged,
    JobError,
    JobMissing,
    KeyReused,
    QuotaExceeded,
    RetryRefused,
    StillInProgress,
    TransitionRefused,
)
from jobs.requests import InvalidFields
from notifications.errors import (
    DeliveryMissing,
    EndpointDisabled,
    EndpointMissing,
    InvalidValues,
    NotificationError,
    TooManyEndpoints,
    TooSoon,
)

_STATUS: Final[Mapping[type[JobError | NotificationError], int]] = {
    EndpointMissing: 404,
    DeliveryMissing: 404,
    TooManyEndpoints: 409,
    EndpointDisabled: 409,
    TooSoon: 429,
    JobMissing: 404,
    TransitionRefused: 409,
    AttemptSuperseded: 409,
    CancelFeeChanged: 409,
    RetryRefused: 409,
    KeyReused: 422,
    QuotaExceeded: 429,
    StillInProgress: 409,
    Busy: 503,
}
_TITLES: Final = {
    400: "The request cannot be read",
    401: "Sign in or send an API key",
    403: "Not allowed",
    404: "Not found",
    405: "This address does not take that method",
    406: "This address cannot answer in that format",
    409: "Not possible in the present state",
    413: "The request is too large",
    415: "Send JSON",
    422: "The key was used for another request",
    429: "Too many for now",
    503: "Not possible at this moment",
}


def render(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer an error of an API view. None leaves it to Django: a bug, reported and answered 500."""
    set_rollback()
    match error:
        case InvalidFields() | InvalidValues():
            faults = [{"field": name, "message": text} for name, text in error.faults.items()]
            return _problem(400, code="invalid_request", detail=str(error), errors=faults)
        case JobError() | NotificationError():
            status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400)
            return _refusal(error, status=status)
        case RequestDataTooBig():
            return _problem(413, code="too_large", detail="A request may have 64 kB at most.")
        case Http404():
            return _problem(404, code="not_found", detail="There is no such thing here.")
        case PermissionDenied():
            return _problem(403, code="not_allowed", detail="You may not do this.")
        case exceptions.ParseError():
            return _problem(
                400,
                code="invalid_json",
                detail="The body is not valid JSON. Send a JSON object.",
                errors=[{"field": "body", "message": "Not valid JSON."}],
            )
        case exceptions.APIException():
            return _framework(error)
        case _:
            return None


def _refusal(error: JobError | NotificationError, *, status: int) -> Response:
    extra: dict[str, Any] = {}
    headers = {}
    if isinstance(error, QuotaExceeded):
        extra = {"limit": error.limit, "value": error.value}
    if (wait := getattr(error, "retry_after_seconds", None)) is not None:
        headers["Retry-After"] = str(wait)
    return _problem(status, code=error.code, detail=str(error), headers=headers, **extra)


def _framework(error: exceptions.APIException) -> Response:
    headers = {}
    if scheme := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = scheme
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    detail = error.detail if isinstance(error.detail, str) else error.default_detail
    return _problem(
        error.status_code, code=str(error.default_code), detail=str(detail), headers=headers
    )


def _problem(
    status: int,
    *,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> Response:
    body = {
        "type": f"urn:videogen:problem:{code}",
        "title": _TITLES.get(status, "The request failed"),
        "status": status,
        "code": code,
        "detail": detail,
        **extra,
    }
    return Response(
        body, status=status, headers=dict(headers or {}), content_type="application/problem+json"
    )
