"""Which form an answer of the API takes: almost every client wants what there is."""

from typing import Any, Final

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

_ANY: Final = frozenset({None, "*/*", "application/json", "application/json, */*"})


class Negotiation(DefaultContentNegotiation):
    """DRF's negotiation, which is skipped where there is nothing to choose."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """Give the renderer and the media type. Raises NotAcceptable, Http404."""
        meta = request.META
        if (
            len(renderers) == 1
            and renderers[0].media_type == "application/json"
            and meta.get("HTTP_ACCEPT") in _ANY
            and format_suffix is None
            and "format=" not in meta.get("QUERY_STRING", "")
        ):
            return renderers[0], "application/json"
        found: tuple[Any, str] = super().select_renderer(request, renderers, format_suffix)
        return found
