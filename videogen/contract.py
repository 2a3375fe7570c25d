"""The OpenAPI document of both APIs, and its page."""

from collections.abc import Sequence
from typing import Any, Final

from csp.decorators import csp_update
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request

from jobs.api import components
from videogen import described, described_openai, described_push

_PREFIXES: Final = ("/api/v1/", "/v1/")
described.describe()
described_openai.describe()
described_push.describe()


class Schema(SpectacularAPIView):
    """GET /api/schema/, for everybody."""


# The one style that Swagger UI writes into an element, by its digest: everything else stays closed.
_ITS_STYLE: Final = ["'unsafe-hashes'", "'sha256-MMpT0iDxyjALd9PdfepImGX3DBfJPXZ4IlDWdPAgtn0='"]


@method_decorator(csp_update({"style-src": _ITS_STYLE}), name="dispatch")
class Docs(SpectacularSwaggerSplitView):
    """GET /api/docs/: its scripts and styles are files of ours, so that the content policy stays closed."""

    authentication_classes: Sequence[Any] = ()

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the document."""
        answer: HttpResponseBase = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
        return answer


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
    """How keys are named in the document."""

    target_class = "videogen.accounts.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Describe `Authorization: Bearer KEY`."""
        return {"type": "http", "scheme": "bearer", "description": "An API key."}


def of_both_apis(endpoints: Sequence[Any], **_: Any) -> list[Any]:
    """Leave out what is not of the native API, nor of the one for OpenAI clients."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(_PREFIXES)]


def with_components(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the shapes that the routes point at."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(
        components.SCHEMAS | described.SCHEMAS | described_openai.SCHEMAS | described_push.SCHEMAS
    )
    return result
