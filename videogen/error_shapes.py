"""How an error is written: RFC 9457 problem documents, and OpenAI's shape below /v1/.

Source of the second: the OpenAI API reference, "Errors", and what its SDKs read and obey: `error.message`, `type`,
`code`, `param`, and the headers `x-should-retry` and `retry-after`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.http import HttpResponse

_OPENAI: Final = "/v1/"
_TITLES: Final = {
    400: "The request cannot be read",
    401: "Sign in or send an API key",
    403: "Not allowed",
    404: "Not found",
    405: "This address does not take that method",
    406: "This address cannot answer in that format",
    409: "Not possible in the present state",
    411: "The length of the body is missing",
    413: "The request is too large",
    415: "Send JSON",
    422: "The key was used for another request",
    429: "Too many for now",
    500: "A fault on our side",
    503: "Not possible at this moment",
}
_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
# OpenAI's words, where it has one for the same thing.
_CODES: Final = {
    "not_authenticated": "missing_api_key",
    "authentication_failed": "invalid_api_key",
    "quota_exceeded": "rate_limit_exceeded",
    "throttled": "rate_limit_exceeded",
    "invalid_json": "invalid_body",
}
# A wait that the SDKs sleep through. Of a longer one they give up at once, so they are told not to try.
_LONGEST_WAIT: Final = 120
# The SDKs send these again unless they are told not to.
_RESENT: Final = frozenset({408, 409, 429})
_SERVER: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a caller is told: `retry_after` in seconds, `faults` by field."""

    status: int
    code: str
    detail: str
    faults: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int | None = None
    # Sent beside the body, whatever the face.
    headers: Mapping[str, str] = field(default_factory=dict)
    # The scheme that a 401 asks for.
    scheme: str = ""


def answer(problem: Problem, *, path: str) -> HttpResponse:
    """Write a problem as the face at this path does."""
    is_openai = path.startswith(_OPENAI)
    body, kind = (
        (_openai_body(problem), "application/json")
        if is_openai
        else (_native_body(problem), "application/problem+json")
    )
    response = HttpResponse(json.dumps(body), status=problem.status, content_type=kind)
    for name, value in problem.headers.items():
        response[name] = value
    if problem.scheme:
        response["WWW-Authenticate"] = problem.scheme
    if problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    if is_openai and (should := _should_retry(problem)) is not None:
        response["X-Should-Retry"] = "true" if should else "false"
    return response


def _should_retry(problem: Problem) -> bool | None:
    """Say whether an SDK should send it again by itself; None leaves it to the SDK."""
    wait = problem.retry_after
    if wait is not None:
        return wait <= _LONGEST_WAIT
    return False if problem.status in _RESENT else None


def _native_body(problem: Problem) -> dict[str, Any]:
    body = {
        "type": f"urn:videogen:problem:{problem.code}",
        "title": _TITLES.get(problem.status, "The request failed"),
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        **problem.extra,
    }
    if problem.faults:
        body["errors"] = [{"field": name, "message": text} for name, text in problem.faults.items()]
    return body


def _openai_body(problem: Problem) -> dict[str, Any]:
    kind = _TYPES.get(problem.status, "invalid_request_error")
    code = _CODES.get(problem.code, problem.code)
    if problem.status >= _SERVER:
        kind = "server_error"
    elif problem.extra.get("limit") == "credits":
        kind = code = "insufficient_quota"
    return {
        "error": {
            "message": problem.detail,
            "type": kind,
            "param": next(iter(problem.faults), None),
            "code": code,
        }
    }
