"""JSON as bytes, made once: what an answer sends is what its tag digests."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from django.http import HttpResponse
from rest_framework.renderers import BaseRenderer
from rest_framework.utils.encoders import JSONEncoder

TYPE: Final = "application/json"
# For what is no JSON type: moments, lazy texts, decimals.
_OTHERS: Final = JSONEncoder()
# Line ends in JavaScript, not in JSON (ECMA-262, 12.3).
_SEPARATORS: Final = (("\u2028".encode(), rb"\u2028"), ("\u2029".encode(), rb"\u2029"))


def dump(value: object) -> bytes:
    """Write a value as the API's encoder would. Raises TypeError for what it does not know."""
    text = orjson.dumps(
        value,
        default=_OTHERS.default,
        option=orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME,
    )
    for raw, escaped in _SEPARATORS:
        if raw in text:
            text = text.replace(raw, escaped)
    return text


class JSONRenderer(BaseRenderer):
    """Renders answers of the API."""

    media_type = TYPE
    format = "json"
    # JSON has one (RFC 8259, 8.1).
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Write the data of an answer; nothing for none."""
        return b"" if data is None else dump(data)


def answer(
    body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Send JSON that was written already."""
    return HttpResponse(body, status=status, content_type=TYPE, headers=headers)
