"""Endpoints and deliveries as the native API shows them: rows in, plain JSON values out."""

import json
from datetime import datetime
from typing import Any

from notifications.models import Delivery, DeliveryAttempt, WebhookEndpoint


def of_endpoint(endpoint: WebhookEndpoint, *, secret: str | None = None) -> dict[str, Any]:
    """Represent an endpoint; its secret only when it has just been made."""
    shown = {
        "id": str(endpoint.id),
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "is_enabled": endpoint.disabled_at is None,
        "disabled_reason": endpoint.disabled_reason or None,
        "disabled_at": stamp(endpoint.disabled_at),
        "signing_secret_hint": endpoint.secret_hint,
        "old_secret_until": stamp(endpoint.old_secret_until)
        if endpoint.sealed_old_secret
        else None,
        "created_at": stamp(endpoint.created_at),
        "updated_at": stamp(endpoint.updated_at),
    }
    return shown if secret is None else {**shown, "signing_secret": secret}


def of_delivery(delivery: Delivery) -> dict[str, Any]:
    """Represent a delivery with every try that is still kept."""
    body = json.loads(delivery.content)
    return {
        "id": str(delivery.id),
        "webhook_id": delivery.message_id,
        "type": body["type"],
        "body": body,
        "is_test": bool(body["data"].get("is_test")),
        "state": delivery.state,
        "reason": delivery.reason or None,
        "replays": delivery.replay_count,
        "next_try_at": stamp(delivery.due_at),
        "created_at": stamp(delivery.created_at),
        "ended_at": stamp(delivery.ended_at),
        "tries": [_try(one) for one in delivery.attempts.all()],
    }


def _try(one: DeliveryAttempt) -> dict[str, Any]:
    return {
        "number": one.number,
        "outcome": one.outcome,
        "reason": one.reason or None,
        "request": one.request,
        "answer": {"status": one.status_code, "body": one.answer}
        if one.status_code is not None
        else None,
        "started_at": stamp(one.started_at),
        "took_ms": one.took_ms,
    }


def stamp(moment: datetime | None) -> str | None:
    """Write a time as the API does."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None
