"""The one table from situations to answers; `videogen/error_shapes.py` says how each face writes them."""

from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.views import set_rollback

from jobs.api import rate_limits
from jobs.errors import (
    AttemptSuperseded,
    Busy,
    CancelFeeChanged,
    ContentMissing,
    FileTooLarge,
    JobError,
    JobMissing,
    KeyReused,
    LengthRequired,
    NoRoom,
    QuotaExceeded,
    RemixRefused,
    RetryRefused,
    StillInProgress,
    TransitionRefused,
    Unsupported,
)
from jobs.moderation import ModerationAway
from jobs.requests import InvalidFields
from notifications.errors import (
    ChannelUnavailable,
    DeliveryMissing,
    EndpointDisabled,
    EndpointMissing,
    EndpointUnreachable,
    InvalidValues,
    NotificationError,
    PushTargetMissing,
    TooManyEndpoints,
    TooSoon,
)
from videogen import error_shapes, outages
from videogen.accounts.deletions import DeletionRefused
from videogen.accounts.keys import KeyRefused
from videogen.accounts.own_data import ExportNotReady
from videogen.error_shapes import Problem

_STATUS: Final[Mapping[type[JobError | NotificationError], int]] = {
    EndpointMissing: 404,
    DeliveryMissing: 404,
    PushTargetMissing: 404,
    ChannelUnavailable: 409,
    TooManyEndpoints: 409,
    EndpointDisabled: 409,
    EndpointUnreachable: 400,
    TooSoon: 429,
    JobMissing: 404,
    ContentMissing: 404,
    TransitionRefused: 409,
    AttemptSuperseded: 409,
    CancelFeeChanged: 409,
    RetryRefused: 409,
    RemixRefused: 409,
    Unsupported: 400,
    LengthRequired: 411,
    FileTooLarge: 413,
    KeyReused: 422,
    KeyRefused: 409,
    DeletionRefused: 409,
    ExportNotReady: 409,
    QuotaExceeded: 429,
    StillInProgress: 409,
    Busy: 503,
    ModerationAway: 503,
    NoRoom: 503,
}
_TOO_LARGE: Final = "A request may have 64 kB at most."
_UNREADABLE: Final = "The body cannot be read. Send a JSON object."
# The framework's own, the special before the general.
_PLAIN: Final[tuple[tuple[type[Exception], Problem], ...]] = (
    (
        RequestDataTooBig,
        Problem(status=413, code="too_large", detail=_TOO_LARGE, faults={"body": _TOO_LARGE}),
    ),
    (
        SuspiciousOperation,
        Problem(status=400, code="bad_request", detail="The request cannot be read."),
    ),
    (Http404, Problem(status=404, code="not_found", detail="There is no such thing here.")),
    (PermissionDenied, Problem(status=403, code="not_allowed", detail="You may not do this.")),
    (
        exceptions.ParseError,
        Problem(status=400, code="invalid_json", detail=_UNREADABLE, faults={"body": _UNREADABLE}),
    ),
)


def render(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Answer an error of an API view. None leaves it to Django: a bug, reported and answered 500."""
    set_rollback()
    problem = of(error)
    if problem is outages.PROBLEM:
        outages.note(error)
    return error_shapes.answer(problem, path=context["request"].path) if problem else None


def of(error: Exception) -> Problem | None:
    """Say what an error is to a caller; None for a bug."""
    match error:
        case InvalidFields() | InvalidValues():
            return Problem(status=400, code=error.code, detail=str(error), faults=error.faults)
        case JobError() | NotificationError():
            return _refusal(error)
        case exceptions.APIException() if not isinstance(error, exceptions.ParseError):
            return _framework(error)
        case _ if outages.is_one(error):
            return outages.PROBLEM
        case _:
            return next((told for kind, told in _PLAIN if isinstance(error, kind)), None)


def told(error: Exception) -> Problem:
    """Say what an error is to a caller. Raises a bug again."""
    problem = of(error)
    if problem is None:
        raise error
    return problem


def _refusal(error: JobError | NotificationError) -> Problem:
    extra: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if isinstance(error, QuotaExceeded | NoRoom):
        headers, extra = rate_limits.of_refusal(error)
    faults = {error.field: str(error)} if isinstance(error, FileTooLarge) else {}
    return Problem(
        status=next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400),
        code=error.code,
        detail=str(error),
        faults=faults,
        extra=extra,
        headers=headers,
        retry_after=getattr(error, "retry_after_seconds", None),
    )


def _framework(error: exceptions.APIException) -> Problem:
    detail = error.detail if isinstance(error.detail, str) else error.default_detail
    wait = int(getattr(error, "wait", None) or 0) or None
    headers, extra = rate_limits.of_flood(wait) if wait else ({}, {})
    return Problem(
        status=error.status_code,
        code=str(error.default_code),
        detail=str(detail),
        extra=extra,
        headers=headers,
        retry_after=wait,
        scheme=getattr(error, "auth_header", None) or "",
    )
