"""Webhook endpoints in OpenAI's words. What we say beyond the documented fields only adds.

Source: the OpenAI API reference, "Webhook endpoints", and the types of its SDKs.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from jobs.requests import InvalidFields
from notifications.errors import EndpointMissing
from notifications.models import WebhookEndpoint

_PREFIX: Final = "whe_"


def shown_id(endpoint_id: UUID) -> str:
    """Write an endpoint's id as this face shows it."""
    return f"{_PREFIX}{endpoint_id.hex}"


def read_id(text: str) -> UUID:
    """Read an id as any face shows it. Raises EndpointMissing for what cannot be one."""
    try:
        return UUID(text.removeprefix(_PREFIX))
    except ValueError:
        raise EndpointMissing from None


def place(text: str) -> UUID:
    """Read behind which endpoint a page begins. Raises InvalidFields."""
    try:
        return read_id(text)
    except EndpointMissing:
        raise InvalidFields({"after": "Send the id of a webhook endpoint."}) from None


def of(endpoint: WebhookEndpoint, *, secret: str | None = None) -> dict[str, Any]:
    """Represent an endpoint; its secret only when it has just been made."""
    found = {
        "id": shown_id(endpoint.id),
        "object": "webhook_endpoint",
        "created_at": _unix(endpoint.created_at),
        "updated_at": _unix(endpoint.updated_at),
        "event_types": endpoint.event_types,
        "name": endpoint.name,
        "url": endpoint.url,
        "signing_secret_hint": endpoint.secret_hint,
        "is_enabled": endpoint.disabled_at is None,
        "disabled_reason": endpoint.disabled_reason or None,
        "old_secret_until": _unix(endpoint.old_secret_until)
        if endpoint.sealed_old_secret
        else None,
    }
    return found if secret is None else {**found, "signing_secret": secret}


def page(endpoints: Sequence[WebhookEndpoint], *, has_more: bool) -> dict[str, Any]:
    """Represent one page of a list."""
    found = [of(endpoint) for endpoint in endpoints]
    return {
        "object": "list",
        "data": found,
        "has_more": has_more,
        "first_id": found[0]["id"] if found else None,
        "last_id": found[-1]["id"] if found else None,
    }


def deleted(endpoint_id: UUID) -> dict[str, Any]:
    """Represent a deletion."""
    return {
        "id": shown_id(endpoint_id),
        "object": "webhook_endpoint.deleted",
        "deleted": True,
    }


def tested(endpoint_id: UUID, *, event_type: str, status_code: int) -> dict[str, Any]:
    """Represent a test that was answered, whatever the answer was."""
    return {
        "object": "webhook_endpoint.test",
        "event_type": event_type,
        "status_code": status_code,
        "success": True,
        "webhook_endpoint_id": shown_id(endpoint_id),
    }


def _unix(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None
