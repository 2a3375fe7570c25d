"""Lets pages reach the push process on their own host name, in an otherwise closed content policy."""

from typing import Final

from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from notifications.addresses import http_origin, push_origin

_ADMIN: Final = "/admin/"
_OF_THE_THEME: Final = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}


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
        if request.path.startswith(_ADMIN):
            # The admin's theme evaluates its templates' expressions, and writes its colours into the page.
            parts.update = {**(parts.update or {}), **_OF_THE_THEME}
        parts.update = {
            **(parts.update or {}),
            "connect-src": [push_origin(request)],
            # Videos that a backend opens only to us are streamed by the push process.
            "media-src": [http_origin(request)],
        }
        return parts
