"""The sign-in of apps, as allauth answers it, with our problem documents and our refusals around it."""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Final

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.urls import urlpatterns as headless
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import ParseError

from jobs import bodies
from jobs.requests import InvalidFields
from videogen import error_pages, error_shapes, problems
from videogen.accounts import access, known_fields, tokens
from videogen.throttling import sign_in_wait

_BAD: Final = 400
_CODES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("invalid_request", "Something in the request is not right. See errors."),
    401: ("sign_in_needed", "The sign-in is not complete. See data.flows for the next step."),
    403: ("not_allowed", "You may not do this."),
    404: ("not_found", "There is no such thing here."),
    405: ("method_not_allowed", "This address does not take that method."),
    409: ("conflict", "Not possible in the present state."),
    410: ("session_over", "This session is over. Sign in again, without the old token."),
    429: ("throttled", "Too many tries. Wait a minute and try again."),
}
# Nobody signs in with a telephone number here, and allauth's views of it break for whoever is not signed in.
_NOT_OURS: Final = "phone"
_View = Callable[..., HttpResponse]


def _documented(view: _View) -> _View:
    @csrf_exempt
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if refusal := _refused(request):
            return refusal
        try:
            _check_body(request)
            found = view(request, *args, **kwargs)
        except ImmediateHttpResponse as answered:
            found = answered.response
        except (InvalidFields, ParseError, RequestDataTooBig) as fault:
            return error_shapes.answer(problems.told(fault), path=request.path)
        return found if found.status_code < _BAD else _problem(found)

    return answer


def _refused(request: HttpRequest) -> HttpResponse | None:
    if request.method == "POST" and (wait := sign_in_wait(request)):
        refusal = error_pages.problem(429, code="throttled", detail=f"Try again in {wait} s.")
        refusal["Retry-After"] = str(wait)
        return refusal
    token = request.headers.get("X-Session-Token")
    found = tokens.access_of(token) if token else None
    if found is None or found.user.suspension is None:
        return None
    told = access.told(found.user.suspension.reason)
    return error_pages.problem(403, code="account_suspended", detail=told)


def _check_body(request: HttpRequest) -> None:
    """Read a body as strictly as ours. Raises InvalidFields, ParseError, RequestDataTooBig."""
    # Whatever allauth would read it for.
    if request.method == "GET" or not request.body:
        return
    if not isinstance(bodies.read_json(request.body), dict):
        raise InvalidFields({"body": "Send a JSON object."})


def _problem(found: HttpResponse) -> HttpResponse:
    """Keep what allauth says as further members: clients written for it go on to work."""
    code, detail = _CODES.get(found.status_code, ("refused", "The request was refused."))
    said: dict[str, Any] = {}
    if found.headers.get("Content-Type", "").startswith("application/json"):
        said = json.loads(found.content)
    errors = [_error(one) for one in said.pop("errors", [])]
    if errors:
        detail = " ".join(one["message"] for one in errors)
    answer = error_pages.problem(found.status_code, code=code, detail=detail)
    document = json.loads(answer.content) | said | ({"errors": errors} if errors else {})
    answer.content = json.dumps(document).encode()
    for name in ("Allow", "Retry-After", "Cache-Control", "Expires"):
        if name in found.headers:
            answer[name] = found.headers[name]
    return answer


def _error(said: Mapping[str, Any]) -> dict[str, Any]:
    return {**said, "field": said.get("param", "body")}


def _wrapped(patterns: Iterable[URLPattern | URLResolver]) -> list[URLPattern | URLResolver]:
    found: list[URLPattern | URLResolver] = []
    for pattern in patterns:
        if str(pattern.pattern).startswith(_NOT_OURS):
            continue
        if isinstance(pattern, URLPattern):
            # What Django's `as_view` writes down.
            callback: Any = pattern.callback
            strict = known_fields.strict(callback.view_class)
            view = _documented(strict.as_api_view(**callback.view_initkwargs))
            found.append(URLPattern(pattern.pattern, view, pattern.default_args, pattern.name))
        else:
            inner = _wrapped(pattern.url_patterns)
            found.append(
                URLResolver(
                    pattern.pattern,
                    inner,
                    pattern.default_kwargs,
                    app_name=pattern.app_name,
                    namespace=pattern.namespace,
                )
            )
    return found


app_name = "headless"
urlpatterns = _wrapped(headless)
