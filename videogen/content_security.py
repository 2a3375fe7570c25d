"""Lets pages reach the push process and show the pools' videos, in an otherwise closed content policy."""

from typing import Final

from csp.middleware import CSPMiddleware, PolicyParts
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jobs import media_hosts
from notifications.addresses import http_origin, push_origin

_ADMIN: Final = "/admin/"
_OF_THE_THEME: Final = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}


class ContentSecurityMiddleware(CSPMiddleware):
    """Writes the policy of settings, with the push origin to connect to and the hosts of results to show."""

    def get_policy_parts(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        report_only: bool = False,  # noqa: FBT001, FBT002 - the base class calls it so
    ) -> PolicyParts:
        """Give the parts of this answer's policy."""
        parts = super().get_policy_parts(request, response, report_only)
        hosts = _result_hosts(response)
        if request.path.startswith(_ADMIN):
            # The admin's theme evaluates its templates' expressions, and writes its colours into the page.
            parts.update = {**(parts.update or {}), **_OF_THE_THEME}
        parts.update = {
            **(parts.update or {}),
            "connect-src": [push_origin(request)],
            # Videos that a backend opens only to us are streamed by the push process.
            "media-src": [http_origin(request), *hosts],
            "img-src": hosts,
        }
        return parts


def _result_hosts(response: HttpResponseBase) -> list[str]:
    """Give the hosts that pools put results on, for pages; none while the database is away."""
    if not response.get("Content-Type", "").startswith("text/html"):
        return []
    try:
        return list(media_hosts.hosts())
    except (OperationalError, InterfaceError):
        return []
