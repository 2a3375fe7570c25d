"""Says on every answer of the native API which limits its caller's plan has, whichever room answered."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

from jobs.api import rate_limits

_HEADER: Final = "RateLimit-Policy"


class RateLimitPolicyMiddleware:
    """Adds `RateLimit-Policy` where a view did not: to those that know nothing of plans."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith("/api/v1/") and _HEADER not in response.headers:
            # Who asked is known by now; a call that nobody was let in by has no user, or nobody.
            user = getattr(request, "user", None)
            if user is not None and user.is_authenticated and (text := rate_limits.policy(user.pk)):
                response.headers[_HEADER] = text
        return response
