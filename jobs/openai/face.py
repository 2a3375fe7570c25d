"""What every view of the OpenAI face has in common."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from django.http import HttpResponse
from django.utils.http import parse_etags
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from jobs.bodies import StrictFormParser, StrictJSONParser

# Lists, models and errors are never kept by anybody on the way.
PRIVATE: Final = "private, no-cache"


class AnyAccept(BaseContentNegotiation):
    """Answers JSON whatever is asked for: SDKs ask for application/binary where a file may come."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        """Choose by the body's type; a body without one is JSON."""
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        if not kind:
            return parsers[0]
        return next((parser for parser in parsers if parser.media_type == kind), None)

    def select_renderer(
        self, request: Any, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        """Choose the first."""
        return renderers[0], renderers[0].media_type


class Face(APIView):
    """Takes JSON and forms, answers JSON. Who calls is told by an API key alone: cookies are for pages."""

    # The settings name keys first, and sessions after them.
    authentication_classes = cast(
        "Sequence[type[BaseAuthentication]]", api_settings.DEFAULT_AUTHENTICATION_CLASSES[:1]
    )
    parser_classes = (StrictJSONParser, StrictFormParser)
    content_negotiation_class = AnyAccept
    http_method_names = ["get", "post", "delete", "head"]


def answer(body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer 200 with JSON."""
    return HttpResponse(
        json.dumps(body),
        content_type="application/json",
        headers={"Cache-Control": PRIVATE, **(headers or {})},
    )


def is_known(request: Request, tag: str) -> bool:
    """Tell whether the caller has this version already (`If-None-Match`, compared weakly: RFC 9110, 13.1.2)."""
    sent = {one.removeprefix("W/") for one in parse_etags(request.headers.get("If-None-Match", ""))}
    return bool(sent & {"*", tag.removeprefix("W/")})
