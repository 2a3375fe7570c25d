"""Who asks, and what a body holds."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from rest_framework.request import Request

from notifications.errors import InvalidValues


def owner_of(request: Request) -> UUID:
    """Give who asks. Raises PermissionDenied."""
    if not request.user.is_authenticated:
        raise PermissionDenied
    return UUID(str(request.user.pk))


def body_of(request: Request, *, allowed: set[str] | None = None) -> Mapping[str, Any]:
    """Give the object of a body. Raises InvalidValues, also for fields that are not `allowed`."""
    data = request.data
    if not isinstance(data, Mapping):
        raise InvalidValues({"body": "Send a JSON object."})
    unknown = sorted(set(data) - allowed) if allowed is not None else []
    if unknown:
        raise InvalidValues(
            {str(name)[:64]: "This field is not known. Remove it." for name in unknown}
        )
    return data
