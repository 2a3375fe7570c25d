"""What every view of the native API does: say the plan's policy, read bodies, answer 304 after the checks."""

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.http import HttpResponse, HttpResponseNotModified
from rest_framework.request import Request
from rest_framework.views import APIView

from jobs import bodies, callers, json_bytes
from jobs.api import deprecations, rate_limits
from jobs.requests import InvalidFields

_CACHE: Final = "private, no-cache"


class View(APIView):
    """A view whose answers carry `RateLimit-Policy`, and `Deprecation` where its route has an end.

    What DRF makes anew for each request is made once where it holds nothing of the request.
    """

    def get_authenticators(self) -> list[Any]:
        """Give what tells who calls."""
        return _made(tuple(self.authentication_classes))

    def get_parsers(self) -> list[Any]:
        """Give what reads bodies."""
        return _made(tuple(self.parser_classes))

    def get_permissions(self) -> list[Any]:
        """Give what says who may call."""
        return _made(tuple(self.permission_classes))

    def get_renderers(self) -> list[Any]:
        """Give what writes answers."""
        return _made(tuple(self.renderer_classes))

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Give what every answer of this view says."""
        view: Any = type(self)
        return dict(_defaults(view))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add what all answers say."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        # The request of a refused caller is not asked again who it is.
        user = getattr(request, "_user", None)
        if user is not None and user.is_authenticated and (text := rate_limits.policy(user.id)):
            answer["RateLimit-Policy"] = text
        deprecations.announce(request, answer)
        return answer


@cache
def _made(classes: tuple[type, ...]) -> list[Any]:
    return [one() for one in classes]


@cache
def _defaults(view: Any) -> Mapping[str, str]:
    said: Any = APIView.default_response_headers
    found: Mapping[str, str] = said.fget(view())
    return found


def no_query(request: Request, *known: str) -> None:
    """Refuse parameters that an address does not take. Raises InvalidFields."""
    if not request.META.get("QUERY_STRING"):
        return
    faults = {
        name[:64]: "This parameter is not known. Remove it."
        for name in request.query_params
        if name not in known
    }
    if faults:
        raise InvalidFields(faults)


def body_of(request: Request, *known: str) -> Mapping[str, Any]:
    """Read a JSON object; with names, one that has no other fields. Raises InvalidFields."""
    data = bodies.fields(request)
    unknown = [str(name)[:64] for name in data if known and name not in known]
    if unknown:
        raise InvalidFields(dict.fromkeys(unknown, "This field is not known. Remove it."))
    return data


def no_body(request: Request) -> None:
    """Refuse fields where an address takes none. Raises InvalidFields."""
    if unknown := [str(name)[:64] for name in bodies.fields(request)]:
        raise InvalidFields(dict.fromkeys(unknown, "This field is not known. Remove it."))


def owner_of(request: Request) -> UUID:
    """Give the id of whoever asks."""
    return callers.of(request).owner_id


def is_known(request: Request, tag: str) -> bool:
    """Tell whether the caller has this version already (`If-None-Match`)."""
    sent = request.META.get("HTTP_IF_NONE_MATCH", "")
    if not sent:
        return False
    if sent.strip() == "*":
        return True
    return tag in (part.strip().removeprefix("W/") for part in sent.split(","))


def unchanged(tag: str) -> HttpResponse:
    """Answer 304."""
    return HttpResponseNotModified(headers={"ETag": tag, "Cache-Control": _CACHE})


def tagged(
    body: Mapping[str, Any] | bytes, *, tag: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Answer with a version's tag; a body of bytes is JSON already."""
    return json_bytes.answer(
        body if isinstance(body, bytes) else json_bytes.dump(body),
        headers={"ETag": tag, "Cache-Control": _CACHE, **(headers or {})},
    )


def tag_of(*parts: object) -> str:
    """Make a tag of whatever an answer depends on."""
    text = b"".join(part if isinstance(part, bytes) else json_bytes.dump(part) for part in parts)
    return f'"{hashlib.blake2b(text, digest_size=12).hexdigest()}"'
