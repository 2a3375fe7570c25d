"""Lets pages reach the push process on their own host name, in an otherwise closed content policy."""

from urllib.parse import urlsplit

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase


def push_origin(request: HttpRequest) -> str:
    """Give the websocket origin for the host name that the browser used."""
    if settings.PUSH_URL:
        parts = urlsplit(settings.PUSH_URL)
        scheme = "wss" if parts.scheme in {"https", "wss"} else "ws"
        return f"{scheme}://{parts.netloc}"
    host = request.get_host()
    host = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return f"{'wss' if request.is_secure() else 'ws'}://{host}:{settings.PUSH_PORT}"


class ContentSecurityMiddleware(CSPMiddleware):
    """Writes the policy of settings, with the push origin as one more place to connect to."""

    def get_policy_parts(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        report_only: bool = False,  # noqa: FBT001, FBT002 - the base class calls it so
    ) -> PolicyParts:
        """Give the parts of this answer's policy."""
        parts = super().get_policy_parts(request, response, report_only)
        parts.update = {**(parts.update or {}), "connect-src": [push_origin(request)]}
        return parts
